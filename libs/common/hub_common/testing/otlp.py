"""A receiver of traces for tests: a real HTTP server that speaks OTLP, and the spans it was sent."""

from __future__ import annotations

import gzip
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = ""
"""Parent of a span that has none."""


@dataclass(frozen=True, slots=True)
class SeenSpan:
    """A span as it arrived. Ids are hex."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    links: tuple[str, ...]
    """Trace ids."""
    error: bool


class OtlpReceiver:
    """`with OtlpReceiver() as receiver:`; `receiver.url` is what `HUB_OTLP_ENDPOINT` gets."""

    def __init__(self) -> None:
        self._spans: list[SeenSpan] = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver._take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[SeenSpan]:
        """Everything that has arrived."""
        with self._lock:
            return list(self._spans)

    def trace(self, trace_id: str) -> list[SeenSpan]:
        """What has arrived of one trace."""
        return [span for span in self.spans() if span.trace_id == trace_id]

    def _take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for resource in request.resource_spans:
                service = _values(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    self._spans += [_seen(service, span) for span in scope.spans]


def broken_chains(spans: list[SeenSpan]) -> list[str]:
    """What is wrong with one trace: spans below one that never arrived, and roots beside the first."""
    ids = {span.span_id for span in spans}
    problems = [
        f"{s.service}: {s.name}: its parent is missing" for s in spans if s.parent_id and s.parent_id not in ids
    ]
    roots = [span for span in spans if span.parent_id == ROOT]
    if len(roots) != 1:
        problems.append(f"{len(roots)} roots: {[f'{root.service}: {root.name}' for root in roots]}")
    return problems


def path_to(spans: list[SeenSpan], span: SeenSpan) -> list[str]:
    """Names from the root down to `span`."""
    by_id = {each.span_id: each for each in spans}
    names = [span.name]
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        names.append(span.name)
    return names[::-1]


def by_service(spans: list[SeenSpan]) -> dict[str, list[SeenSpan]]:
    """Spans grouped by the service that made them."""
    found: dict[str, list[SeenSpan]] = defaultdict(list)
    for span in spans:
        found[span.service].append(span)
    return dict(found)


def _seen(service: str, span: Any) -> SeenSpan:
    return SeenSpan(
        service=service,
        name=span.name,
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        links=tuple(link.trace_id.hex() for link in span.links),
        error=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in attributes}
