"""What the marketplace answered during one listing, seen beside the connector, and what a failed listing means.

Connectors wrap a refused key in errors of their own; the status of the last answer tells it for every one of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum

from connector_kit.http import Answer, Call, CallError, HttpCaller, NotSent

REFUSED = frozenset({401, 403})
LIMITED_SECONDS = 60.0
"""Wait after a 429 that names no delay."""
ERROR_LIMIT = 500


@dataclass(slots=True)
class LastAnswer:
    """The last answer of a listing; `status` 0 = none came."""

    status: int = 0
    retry_after: float | None = None


LAST_ANSWER: ContextVar[LastAnswer | None] = ContextVar("last_answer", default=None)
AskAgain = Callable[[float], Awaitable[bool]]
ASK_AGAIN: ContextVar[AskAgain | None] = ContextVar("ask_again", default=None)
"""What a listing in bulk does when it gets no call for so many seconds: True after a wait, False to give up."""


class WatchedCaller:
    """Passes calls on and notes the status of each answer for the listing it belongs to."""

    def __init__(self, inner: HttpCaller) -> None:
        self._inner = inner

    async def call(self, call: Call) -> Answer:
        """See `HttpCaller.call`."""
        note = LAST_ANSWER.get()
        if note is not None:
            note.status, note.retry_after = 0, None
        answer = await self._answer(call)
        if note is not None:
            note.status, note.retry_after = answer.status, answer.retry_after if answer.status == 429 else None
        return answer

    async def _answer(self, call: Call) -> Answer:
        """A listing in bulk waits for its next call: failing would mean to read all pages before it once more."""
        while True:
            try:
                return await self._inner.call(call)
            except NotSent as error:
                ask_again = ASK_AGAIN.get()
                if ask_again is None or error.retry_after is None or not await ask_again(error.retry_after):
                    raise


class Trouble(Enum):
    """Why a listing did not come to its end."""

    HELD = "held"
    """No call is allowed now; nothing is wrong."""
    REFUSED = "refused"
    """The marketplace does not take the credentials: a person is needed."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed listing. `wait` is what the outside asks for, in seconds; `text` is for people, without secrets."""

    trouble: Trouble
    text: str
    wait: float | None = None


def failure_of(error: Exception, last: LastAnswer) -> Failure:
    """Classify. Texts of errors that are not the caller's own may quote data, so only their type is kept."""
    if not isinstance(error, CallError):
        return Failure(Trouble.FAILED, type(error).__name__)
    text = str(error)[:ERROR_LIMIT]
    if last.status in REFUSED:
        return Failure(Trouble.REFUSED, text)
    if last.status == 429:
        return Failure(Trouble.HELD, text, last.retry_after or LIMITED_SECONDS)
    if isinstance(error, NotSent) and error.retry_after is not None:
        return Failure(Trouble.HELD, text, error.retry_after)
    return Failure(Trouble.FAILED, text)
