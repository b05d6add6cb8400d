"""The spans of one transaction: which step the events and effects in it follow from, ended when it is decided.

An event's `traceparent` must name the step that told it, also where a service keeps the trace of an order in its own
table and names that as the cause. So the step is found by the trace id, among the events being handled right now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub_common.trace import Trace, current, parse
from hub_common.tracing import Attribute, SpanKind, Step, Tracing
from hub_contracts.base import EventData
from hub_contracts.envelope import Event
from hub_contracts.listeners import OWN_TOPIC

_TRACE_ID = slice(3, 35)
"""Where a version 00 `traceparent` has the trace id."""


class TxSpans:
    """Spans that begin in one transaction. Made only when tracing is on."""

    def __init__(self, tracing: Tracing, service: str) -> None:
        self._tracing = tracing
        self._service = service
        self._open: list[Step] = []
        self._after: dict[str, str] = {}
        self._batch: Step | None = None
        self._size = 0

    def batch(self, size: int) -> None:
        """So many events are handled together in this transaction."""
        self._size = size

    def hear(self, events: Sequence[Event[EventData]]) -> None:
        """These events are going to be handled: a span each, below the one that told the event."""
        self._after = {}
        for event in events:
            parent = parse(event.meta.traceparent)
            if parent is not None and not self._tracing.sampled(parent):
                continue
            topic = event.data.TOPIC or OWN_TOPIC.get(event.meta.source, "")
            attributes: dict[str, Attribute] = {
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process",
                "messaging.destination.name": topic,
                "messaging.consumer.group.name": self._service,
                "messaging.message.id": str(event.meta.event_id),
                "messaging.kafka.message.key": event.key,
                "hub.event.type": event.meta.type,
                "hub.origin": event.meta.origin.value,
                "hub.tenant": event.meta.tenant,
            }
            step = self._begin(f"process {topic}", SpanKind.CONSUMER, parent, attributes, links=self._batch_link())
            if step is not None:
                self._after[step.trace.trace_id] = step.trace.traceparent

    def _batch_link(self) -> Sequence[Trace]:
        """One span for the batch, in a trace of its own: its events belong to as many orders."""
        if self._size < 2:
            return ()
        if self._batch is None:
            attributes: dict[str, Attribute] = {
                "messaging.system": "kafka",
                "messaging.operation.type": "process",
                "messaging.operation.name": "process batch",
                "messaging.consumer.group.name": self._service,
                "messaging.batch.message_count": self._size,
            }
            self._batch = self._begin("process batch", SpanKind.CONSUMER, None, attributes)
            if self._batch is None:
                self._size = 0
        return (self._batch.trace,) if self._batch is not None else ()

    def read(self, traceparent: str, *, new: bool) -> str:
        """An order was read outside: the root of its trace when it is `new`, else a step of it.

        Links to the current trace, that of the listing, which shows many orders. Returns what its events follow from.
        """
        at, listing = parse(traceparent), current()
        links = (listing,) if listing is not None else ()
        parent, root = (None, at) if new else (at, None)
        step = self._begin("read order", SpanKind.INTERNAL, parent, {}, links=links, root=root)
        return step.trace.traceparent if step is not None else traceparent

    def settle(self, steps: Iterable[Step | None]) -> None:
        """What is told now follows from these attempts of effects."""
        self._after = {step.trace.trace_id: step.trace.traceparent for step in steps if step is not None}

    def after(self, traceparent: str | None) -> str | None:
        """What an event or effect with this cause follows from: the step of its trace here, else the cause itself."""
        if not traceparent:
            trace = current()
            return trace.traceparent if trace is not None else None
        return self._after.get(traceparent[_TRACE_ID], traceparent)

    def end(self, error: str = "") -> None:
        """The transaction committed, or failed with `error`."""
        for step in self._open:
            step.end(error)
        self._open = []

    def _begin(
        self,
        name: str,
        kind: SpanKind,
        parent: Trace | None,
        attributes: dict[str, Attribute],
        *,
        links: Sequence[Trace] = (),
        root: Trace | None = None,
    ) -> Step | None:
        step = self._tracing.begin(name, kind, parent, attributes, links=links, root=root)
        if step is not None:
            self._open.append(step)
        return step
