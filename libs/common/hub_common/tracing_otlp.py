"""Spans through OpenTelemetry's SDK to an OTLP/HTTP receiver. The only module that loads the SDK.

Spans are queued in memory and sent by a thread; a receiver that is slow or away costs spans, never time or orders.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from hub_common.trace import Trace
from hub_common.tracing import Attribute, SpanKind

TRACES_PATH = "/v1/traces"
QUEUE = 4096
"""Spans kept in memory while the receiver is slow, some 8 MiB; then the oldest are dropped."""
BATCH = 512
DELAY_MS = 1000
EXPORT_SECONDS = 5.0
"""Longest time for one batch, repeats included. Only the sending thread waits."""
_KINDS = {kind: otel.SpanKind[kind.value] for kind in SpanKind}
_SAMPLED = otel.TraceFlags(otel.TraceFlags.SAMPLED)


class _Ids(IdGenerator):
    """Random ids, but for a span whose position was drawn before it began."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()
        self.pinned: Trace | None = None

    def generate_span_id(self) -> int:
        if self.pinned is not None:
            return int(self.pinned.span_id, 16)
        return self._random.getrandbits(63) + 1

    def generate_trace_id(self) -> int:
        if self.pinned is not None:
            return int(self.pinned.trace_id, 16)
        return self._random.getrandbits(127) + 1


class OtlpSpan:
    """A `Step` on an SDK span."""

    def __init__(self, span: otel.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.trace = Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}")

    def rename(self, name: str) -> None:
        """See `Step`."""
        self._span.update_name(name)

    def end(self, error: str = "", attributes: Mapping[str, Attribute] | None = None) -> None:
        """See `Step`."""
        if attributes:
            self._span.set_attributes(attributes)
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(otel.StatusCode.ERROR)
        self._span.end()


class OtlpSink:
    """Sends spans of one service to `endpoint`, a base address or a whole one that ends with `/v1/traces`.

    Headers for the receiver (a token) come from the SDK's own variable `OTEL_EXPORTER_OTLP_HEADERS`.
    """

    def __init__(self, endpoint: str, service: str, instance: str) -> None:
        address = endpoint.rstrip("/")
        if not urlsplit(address).path.endswith(TRACES_PATH):
            address += TRACES_PATH
        self._ids = _Ids()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource(
                {"service.name": service, "service.namespace": "order-routing-hub", "service.instance.id": instance}
            ),
            id_generator=self._ids,
            span_limits=SpanLimits(max_attribute_length=256, max_links=128),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=address, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter, max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=DELAY_MS
            )
        )
        self._tracer = self._provider.get_tracer("hub_common")

    def begin(
        self,
        name: str,
        kind: SpanKind,
        parent: Trace | None,
        root: Trace | None,
        attributes: Mapping[str, Attribute],
        links: Sequence[Trace],
    ) -> OtlpSpan:
        """See `Sink`. Called from the event loop's thread only: the position of a root is handed over in between."""
        context = otel.set_span_in_context(
            otel.NonRecordingSpan(_context(parent)) if parent is not None else otel.INVALID_SPAN
        )
        self._ids.pinned = root if parent is None else None
        try:
            span = self._tracer.start_span(
                name,
                context,
                _KINDS[kind],
                attributes=dict(attributes),
                links=[otel.Link(_context(each)) for each in links],
            )
        finally:
            self._ids.pinned = None
        return OtlpSpan(span)

    def close(self) -> None:
        """See `Sink`."""
        self._provider.shutdown()


def _context(trace: Trace) -> otel.SpanContext:
    return otel.SpanContext(int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=True, trace_flags=_SAMPLED)
