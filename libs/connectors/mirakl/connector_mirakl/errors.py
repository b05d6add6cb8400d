"""What an answer that is not the expected one means for the effect. Codes and status count, texts never do.

Mirakl publishes no error schema; four shapes are known (fact sheet 1.4) and all end in the same `Explanation`. Texts
are localised and change, so they are only ever shown to people.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from connector_kit.http import Ambiguous, Answer, BadAnswer, CallError, NotSent
from connector_kit.outcome import Outcome
from connector_mirakl.wire import Json, objects, text

ATTENTION_SECONDS = 900.0
"""A refused key needs a person: look again every quarter of an hour, so that a repaired key is noticed soon."""
LIMITED_SECONDS = 60.0
"""Mirakl's frequencies are per minute; used when a 429 names no delay."""
TEXT_LIMIT = 300


class Refusal(Enum):
    """What a status other than the expected one says."""

    LIMITED = "limited"
    """429: certainly not applied."""
    UNAUTHORISED = "unauthorised"
    """401, 403: certainly not applied, the connection needs attention."""
    WRONG_STATE = "wrong_state"
    """400, 409: malformed or "not in the expected state", which is also what a repeat gets."""
    IMPOSSIBLE = "impossible"
    """404 and the other client errors: certainly not applied, and a repeat changes nothing."""
    UNCLEAR = "unclear"
    """5xx, redirects, unexpected or unreadable answers: may have been applied."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """An error body understood as far as possible."""

    status: int
    codes: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"HTTP {self.status}", *self.codes]
        shown = "; ".join(self.messages)[:TEXT_LIMIT]
        return " ".join(parts) + (f": {shown}" if shown else "")


def refusal(status: int) -> Refusal:
    """Class of a status that is not the expected one (Mirakl General Notes, HTTP codes)."""
    if status == 429:
        return Refusal.LIMITED
    if status in (401, 403):
        return Refusal.UNAUTHORISED
    if status in (400, 409):
        return Refusal.WRONG_STATE
    if 400 <= status < 500 and status != 408:
        return Refusal.IMPOSSIBLE
    return Refusal.UNCLEAR


def explain(answer: Answer, secrets: tuple[str, ...] = ()) -> Explanation:
    """Read any of the known error bodies; an unreadable one keeps its status only. Secrets are masked."""
    try:
        body = answer.json()
    except BadAnswer:
        return Explanation(answer.status)
    if not isinstance(body, dict):
        return Explanation(answer.status)
    codes: list[str] = []
    messages: list[str] = []
    for item in (body, *objects(body.get("errors"))):
        _collect(item, codes, messages)
    return Explanation(
        answer.status,
        tuple(_masked(code, secrets) for code in codes),
        tuple(_masked(message, secrets) for message in messages),
    )


def _collect(item: Json, codes: list[str], messages: list[str]) -> None:
    code, message, field = text(item.get("code")), text(item.get("message")), text(item.get("field"))
    if code is not None:
        codes.append(code)
    if message is not None:
        messages.append(f"{field}: {message}" if field else message)


def _masked(value: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            value = value.replace(secret, "***")
    return value


def outcome_of_refusal(answer: Answer, explanation: Explanation, *, idempotent: bool = False) -> Outcome:
    """Outcome for an answer that is not the expected one."""
    kind = refusal(answer.status)
    reason = str(explanation)
    codes = list(explanation.codes)
    if kind is Refusal.LIMITED:
        after = answer.retry_after
        return Outcome.retry(f"{reason} (too many calls)", after=LIMITED_SECONDS if after is None else after)
    if kind is Refusal.UNAUTHORISED:
        why = "the API key is refused: the connection needs attention"
        return Outcome.retry(f"{reason} ({why})", after=ATTENTION_SECONDS)
    if kind is Refusal.IMPOSSIBLE:
        return Outcome.rejected(reason, status=answer.status, codes=codes)
    if idempotent and kind is Refusal.WRONG_STATE:
        return Outcome.rejected(reason, status=answer.status, codes=codes)
    if idempotent:
        return Outcome.retry(f"{reason} (unclear; the call may be repeated)")
    retry_allowed = kind is not Refusal.WRONG_STATE
    return Outcome.unknown(reason, retry_if_not_applied=retry_allowed, status=answer.status, codes=codes)


def outcome_of_error(error: CallError, *, idempotent: bool = False) -> Outcome:
    """Outcome for a call without a usable answer."""
    if isinstance(error, NotSent):
        return Outcome.retry(f"not sent: {error}", after=error.retry_after)
    if idempotent:
        return Outcome.retry(f"no usable answer: {error}")
    if isinstance(error, Ambiguous):
        return Outcome.unknown(f"may have been processed: {error}")
    return Outcome.unknown(f"the answer cannot be understood: {error}")
