"""The way a connector speaks HTTP: it describes a call, the runtime makes it.

Connectors never open sockets themselves, so time-outs, budgets, breakers, redirect and address rules hold for every
connector, also one that lives in another repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum
from typing import Any, Protocol

LONGEST_WAIT_SECONDS = 86_400
"""No answer can silence a connection for longer than a day, whatever number it names."""


class Lane(IntEnum):
    """Priority class of outside calls; lower goes first. A reserve of each budget is kept for `DEADLINE`."""

    DEADLINE = 0
    LIVE = 1
    STOCK = 2
    BULK = 3


@dataclass(frozen=True, slots=True)
class FilePart:
    """One part of a multipart body."""

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call. `operation` names the entry of the manifest whose budget it draws on."""

    operation: str
    method: str
    path: str
    params: Sequence[tuple[str, str]] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    parts: Sequence[FilePart] = field(default=(), repr=False)
    idempotent: bool = False
    """True when repeating it cannot change more than doing it once (reads, absolute stock and price)."""
    lane: Lane = Lane.LIVE


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer, whatever its status. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body with exact decimals. Raises `BadAnswer` for anything that is not JSON (HTML from a proxy…)."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"HTTP {self.status} answer is not JSON: {error}") from None

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from `Retry-After` in seconds or from a `retry_after` member of the body (Cloudflare)."""
        value = self.headers.get("retry-after")
        if value is not None and re.fullmatch(r"[0-9]{1,9}", value.strip()):
            return float(value)
        try:
            member = self.json().get("retry_after")
        except (BadAnswer, AttributeError):
            return None
        if isinstance(member, bool) or not isinstance(member, int | Decimal):
            return None
        return float(min(member, LONGEST_WAIT_SECONDS))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


class CallError(Exception):
    """A call did not produce an answer."""


class NotSent(CallError):
    """Nothing reached the outside: connection refused, address forbidden, breaker open, budget used up."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Ambiguous(CallError):
    """The request may have been processed: time-out or broken connection after sending."""


class BadAnswer(CallError):
    """An answer came and cannot be understood."""


class HttpCaller(Protocol):
    """What the runtime hands to a connector."""

    async def call(self, call: Call) -> Answer:
        """Make the call on the connection's base address and return the whole answer, whatever its status.

        Raises `NotSent` when certainly nothing was sent and `Ambiguous` when it may have been processed. Never
        follows redirects (a 3xx is an answer), never retries by itself, never logs headers or bodies with secrets.
        """
        ...
