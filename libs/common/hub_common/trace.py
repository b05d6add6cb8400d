"""One trace per order, from poll to shipment: W3C `traceparent` in HTTP headers and Kafka records, without an SDK."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

RandomBytes = Callable[[int], bytes]
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class Trace:
    """Position in a trace: `trace_id` is shared by all that follows from one poll, `span_id` names one step."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The W3C header's value, version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{SAMPLED if self.sampled else 0:02x}"


def new_trace(random_bytes: RandomBytes = os.urandom) -> Trace:
    """Start a trace."""
    return Trace(_nonzero(16, random_bytes), _nonzero(8, random_bytes))


def parse(traceparent: str | None) -> Trace | None:
    """Read a `traceparent`; None when it is absent or breaks the rules.

    All-zero ids and version `ff` are invalid; of unknown higher versions the known part is read (W3C Trace Context).
    """
    match = _FORM.fullmatch(traceparent.strip()) if traceparent else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & SAMPLED))


def child(parent: Trace, random_bytes: RandomBytes = os.urandom) -> Trace:
    """The next step of the same trace."""
    return Trace(parent.trace_id, _nonzero(8, random_bytes), parent.sampled)


def follow(traceparent: str | None, random_bytes: RandomBytes = os.urandom) -> Trace:
    """A child of the given `traceparent`, or a new trace when there is none that can be read."""
    parent = parse(traceparent)
    return child(parent, random_bytes) if parent else new_trace(random_bytes)


_current: ContextVar[Trace | None] = ContextVar("hub_trace", default=None)


def current() -> Trace | None:
    """The trace that this task works in."""
    return _current.get()


@contextmanager
def use(trace: Trace | None) -> Iterator[Trace | None]:
    """Work in `trace` until the block ends."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def _nonzero(size: int, random_bytes: RandomBytes) -> str:
    """Hex of random bytes; all-zero ids are invalid."""
    while not any(drawn := random_bytes(size)):
        continue
    return drawn.hex()
