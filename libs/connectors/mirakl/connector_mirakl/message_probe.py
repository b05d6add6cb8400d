"""Did a doubtful message arrive? Told by a message of ours, with these words, since the time of sending."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from uuid import UUID

from connector_kit.aftersales import SendMessage
from connector_kit.capabilities import MappingError, Now
from connector_kit.http import BadAnswer
from connector_kit.outcome import ProbeResult, ProbeState
from connector_mirakl.mapping_messages import sender_of
from connector_mirakl.wire import Json, instant, objects, text
from connector_mirakl.words import same_words
from hub_contracts.messages import Sender

SKEW = timedelta(seconds=60)
"""How far the operator's clock may be behind ours."""
REMEMBERED = 1_000
TIME_ORDERED = 7
"""UUID version whose first 48 bits are milliseconds since 1970 (RFC 9562)."""


class SentBook:
    """What this process knows about its own sending: when each message was first tried, and what it became."""

    def __init__(self, clock: Now) -> None:
        self._clock = clock
        self._tried: OrderedDict[UUID, datetime] = OrderedDict()
        self._became: OrderedDict[str, UUID] = OrderedDict()

    def trying(self, request: SendMessage) -> None:
        """A call is about to be made."""
        self._tried.setdefault(request.message_id, self._clock.now())
        _trim(self._tried)

    def sent(self, request: SendMessage, message_reference: str) -> None:
        """Mirakl named the message."""
        self._became[message_reference] = request.message_id
        _trim(self._became)

    def since(self, request: SendMessage) -> datetime | None:
        """Before this the message cannot have been sent: its first try here, else the time in its own id."""
        tried = self._tried.get(request.message_id)
        if tried is None and request.message_id.version == TIME_ORDERED:
            tried = datetime.fromtimestamp((request.message_id.int >> 80) / 1000, UTC)
        return None if tried is None else tried - SKEW

    def is_another(self, message_reference: str | None, request: SendMessage) -> bool:
        """Whether a shown message is known to be another one of ours."""
        return self._became.get(message_reference or "", request.message_id) != request.message_id


def _trim(book: OrderedDict[UUID, datetime] | OrderedDict[str, UUID]) -> None:
    while len(book) > REMEMBERED:
        book.popitem(last=False)


def judge(threads: list[Json], request: SendMessage, book: SentBook) -> ProbeResult:
    """Look for the message in the threads it may be in. Raises `BadAnswer` for dates that are none.

    Without a time of sending, or without its words, a message that is there may be an older one: undecided.
    """
    since = book.since(request)
    ours = [
        (message, thread)
        for thread in threads
        for message in objects(thread.get("messages"))
        if sender_of(message) is Sender.SELLER
        and not book.is_another(text(message.get("id")), request)
        and (since is None or _sent_at(message) >= since)
        and (not request.body or same_words(text(message.get("body")) or "", request.body))
    ]
    seen = f"{len(ours)} message(s) of ours that could be it, in {len(threads)} thread(s)"
    if not ours and (since is not None or request.body):
        return ProbeResult(ProbeState.NOT_APPLIED, seen)
    if since is None or not request.body or not ours:
        return ProbeResult(ProbeState.UNDECIDED, seen)
    message, thread = ours[-1]
    references = {"message_reference": text(message.get("id")), "thread_reference": text(thread.get("id"))}
    evidence = f"message {references['message_reference']} of ours, since {since:%Y-%m-%dT%H:%M:%SZ}"
    return ProbeResult(ProbeState.APPLIED, evidence, references)


def _sent_at(message: Json) -> datetime:
    try:
        sent = instant(message.get("date_created"), "date_created")
    except MappingError as error:
        raise BadAnswer(f"a shown message is unreadable: {error}") from None
    return sent or datetime.max.replace(tzinfo=UTC)
