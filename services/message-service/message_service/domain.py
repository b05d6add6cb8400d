"""Who waits for whom in a conversation, by when, in which language an answer is written, and what it says: pure.

A buyer's question that nobody answers becomes a claim, and a reply in the wrong language a bad mark. Both follow from
facts that are there; nobody should have to remember them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub_contracts.messages import Sender

ALARM_PERCENT = 75
"""Of the time to answer: late enough not to nag, early enough to answer in time."""
PLACEHOLDER = re.compile(r"\{([a-z_]{1,40})\}")
LOCALE = re.compile(r"^[a-z]{2}(_[A-Z]{2})?$")


@dataclass(frozen=True, slots=True)
class Said:
    """One message, as far as waiting goes."""

    sender: Sender
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """A buyer waits for an answer. Instants are UTC."""

    since: datetime
    answer_by: datetime
    alarm_at: datetime


def waiting_of(messages: Iterable[Said], within: timedelta) -> Waiting | None:
    """Whether a buyer waits: since the first message of theirs after our last one.

    A message of the operator answers nobody; one of ours answers all before it.
    """
    since: datetime | None = None
    for message in sorted(messages, key=lambda each: each.sent_at):
        if message.sender is Sender.SELLER:
            since = None
        elif message.sender is Sender.BUYER and since is None:
            since = message.sent_at
    if since is None:
        return None
    return Waiting(since, since + within, since + within * ALARM_PERCENT / 100)


def body_hash(body: str) -> str:
    """Fingerprint by which a message of ours is recognised when the marketplace shows it; markup and spaces aside."""
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).strip().lower()
    return hashlib.sha256(plain.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Choice:
    """The template that is used. `fell_back`: it is not in the buyer's language."""

    locale: str
    body: str
    fell_back: bool


def choose_template(templates: Mapping[str, str], wanted: str | None, default: str | None) -> Choice | None:
    """The template in the buyer's language: the exact locale, its language, the connection's default. None = none fits.

    `templates` are bodies by locale (`fr_FR` or `fr`). A buyer whose language is unknown gets the default.
    """
    for locale in _candidates(templates, wanted):
        return Choice(locale, templates[locale], fell_back=False)
    for locale in _candidates(templates, default):
        return Choice(locale, templates[locale], fell_back=wanted is not None)
    return None


def _candidates(templates: Mapping[str, str], locale: str | None) -> Sequence[str]:
    if locale is None:
        return ()
    language = locale.split("_")[0]
    related = sorted(each for each in templates if each.split("_")[0] == language)
    exact = [each for each in (locale, language) if each in templates]
    return [*exact, *related]


class UnknownPlaceholder(ValueError):
    """A template names something that is not known here."""


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values in. Raises `UnknownPlaceholder` naming those without one: a buyer must never read a brace."""
    unknown = sorted({name for name in PLACEHOLDER.findall(template) if name not in values})
    if unknown:
        known = ", ".join(sorted(values)) or "none"
        raise UnknownPlaceholder(f"{', '.join(unknown)}: is not known here; known are: {known}")
    return PLACEHOLDER.sub(lambda match: values[match[1]], template)
