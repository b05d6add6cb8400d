"""Spans of one service: off by default and then absent (`None`), so that nothing is paid per event.

Without them a trace says that steps belong together, not which one took the time. Who is sampled follows from the
trace id alone, so all services keep or drop the same orders without asking each other. Attributes are names of
OpenTelemetry's semantic conventions or begin with `hub.`; none is personal data or a secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from hub_common.config import ServiceSettings
from hub_common.logs import get_logger
from hub_common.trace import Trace, current, use

Attribute = str | int | float | bool
RANDOM_BITS = 32
"""Ids may be made of UUIDv7, whose bytes before these are a time and a counter: neighbours would all be alike."""
STOP_SECONDS = 3.0
"""How long the end of the process waits for the last spans; spans are never worth more."""


class SpanKind(StrEnum):
    """Role of a step, as OpenTelemetry names it."""

    INTERNAL = "INTERNAL"
    CONSUMER = "CONSUMER"
    PRODUCER = "PRODUCER"
    CLIENT = "CLIENT"
    SERVER = "SERVER"


class Step(Protocol):
    """A span that has begun."""

    @property
    def trace(self) -> Trace:
        """Its position: what follows from it has this as its parent."""
        ...

    def rename(self, name: str) -> None:
        """Give it the name that was not known at its beginning."""
        ...

    def end(self, error: str = "", attributes: Mapping[str, Attribute] | None = None) -> None:
        """End it; `error` is a type or a word, never a message."""
        ...


class Sink(Protocol):
    """Where spans go. Must never block and never raise."""

    def begin(
        self,
        name: str,
        kind: SpanKind,
        parent: Trace | None,
        root: Trace | None,
        attributes: Mapping[str, Attribute],
        links: Sequence[Trace],
    ) -> Step:
        """Begin a span below `parent`; without one it is the root of a trace, of `root` when that is given."""
        ...

    def close(self) -> None:
        """Send what is left. May block; called in a thread of its own."""
        ...


class Tracing:
    """Begins spans for the traces that are sampled."""

    def __init__(self, sink: Sink, ratio: float = 1.0) -> None:
        self._sink = sink
        self._bound = round(ratio * (1 << RANDOM_BITS))

    def sampled(self, trace: Trace) -> bool:
        """Whether this trace is kept: the same in every service with the same ratio."""
        return trace.sampled and int(trace.trace_id[-RANDOM_BITS // 4 :], 16) < self._bound

    def begin(
        self,
        name: str,
        kind: SpanKind,
        parent: Trace | None,
        attributes: Mapping[str, Attribute],
        *,
        links: Sequence[Trace] = (),
        root: Trace | None = None,
    ) -> Step | None:
        """Begin a span; None when its trace is not sampled. Without `parent` and `root` a new trace begins."""
        known = parent or root
        if known is not None:
            return self._sink.begin(name, kind, parent, root, attributes, links) if self.sampled(known) else None
        step = self._sink.begin(name, kind, None, None, attributes, links)
        # Dropped without being ended, a span is never sent.
        return step if self.sampled(step.trace) else None

    async def stop(self) -> None:
        """Send what is left, for a few seconds at most: a dead receiver must not hold up the end of a service."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            self._sink.close()
            with contextlib.suppress(RuntimeError):  # nobody waits any more: the loop is closed
                loop.call_soon_threadsafe(closed.set)

        # Not the loop's executor: the end of the process would wait for that one.
        threading.Thread(target=close, daemon=True, name="tracing-close").start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await closed.wait()


def build_tracing(settings: ServiceSettings, service: str, instance: str) -> Tracing | None:
    """What the settings ask for; None = off. The libraries are loaded only when it is on."""
    if not settings.otlp_endpoint or settings.trace_sample_ratio <= 0:
        return None
    from hub_common.tracing_otlp import OtlpSink

    get_logger(service).info("tracing_on", policy=f"ratio {settings.trace_sample_ratio:g}")
    return Tracing(OtlpSink(settings.otlp_endpoint, service, instance), settings.trace_sample_ratio)


@contextlib.contextmanager
def stepping(
    tracing: Tracing | None, name: str, kind: SpanKind, attributes: Mapping[str, Attribute]
) -> Iterator[Step | None]:
    """A span around a block, below the current one; what the block calls comes below it."""
    step = tracing.begin(name, kind, current(), attributes) if tracing is not None else None
    if step is None:
        yield None
        return
    with use(step.trace):
        try:
            yield step
        except BaseException as error:
            step.end(type(error).__name__)
            raise
    step.end()
