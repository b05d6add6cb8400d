"""Spans around work outside a transaction: sending events, attempts of effects, web requests."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector_kit.outcome import Outcome, OutcomeState
from hub_common.effects.model import Effect
from hub_common.kafka.records import OutRecord
from hub_common.trace import Trace, parse, use
from hub_common.tracing import Attribute, SpanKind, Step, Tracing

UNWATCHED = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds by machines; spans of them would bury the others."""
_GOOD = frozenset({OutcomeState.DONE, OutcomeState.SENT})


def sending(tracing: Tracing, record: OutRecord) -> tuple[OutRecord, Step | None]:
    """A span for sending this record, and the record that names it as what its readers follow from."""
    headers = dict(record.headers)
    parent = parse(headers.get("traceparent", b"").decode(errors="replace"))
    if parent is None:
        return record, None
    attributes: dict[str, Attribute] = {
        "messaging.system": "kafka",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": record.topic,
        "messaging.message.id": headers.get("ce_id", b"").decode(errors="replace"),
        "messaging.kafka.message.key": record.key.decode(errors="replace") if record.key else "",
        "hub.event.type": headers.get("ce_type", b"").decode(errors="replace"),
    }
    step = tracing.begin(f"send {record.topic}", SpanKind.PRODUCER, parent, attributes)
    if step is None:
        return record, None
    headers["traceparent"] = step.trace.traceparent.encode()
    return OutRecord(record.topic, record.key, record.value, list(headers.items())), step


class Attempts:
    """The spans of one call that carries one or more effects; they link to the first, below which the call stands."""

    def __init__(self, tracing: Tracing | None, chunk: Sequence[Effect], connector: str, operation: str) -> None:
        self.steps: list[Step | None] = []
        if tracing is None:
            return
        for effect in chunk:
            first = next((step.trace for step in self.steps if step is not None), None)
            parent = parse(effect.traceparent)
            attributes = _of_effect(effect, connector, operation) | {"hub.effect.batch_size": len(chunk)}
            links = (first,) if first is not None else ()
            self.steps.append(
                tracing.begin(f"effect {effect.kind}", SpanKind.INTERNAL, parent, attributes, links=links)
            )

    def trace(self, chunk: Sequence[Effect]) -> Trace | None:
        """What the call stands below, and what its log lines name."""
        begun = next((step.trace for step in self.steps if step is not None), None)
        return begun or parse(chunk[0].traceparent)

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """The outcomes are recorded."""
        for step, outcome in zip(self.steps, outcomes, strict=False):
            if step is not None:
                error = "" if outcome.state in _GOOD else outcome.state.value.lower()
                step.end(error, {"hub.effect.outcome": outcome.state.value})
        self.steps = []

    def abandon(self) -> None:
        """Nothing was recorded (the database is away, or the work was cancelled)."""
        for step in self.steps:
            if step is not None:
                step.end("not_recorded")


def _of_effect(effect: Effect, connector: str, operation: str) -> dict[str, Attribute]:
    return {
        "hub.effect.id": str(effect.effect_id),
        "hub.effect.kind": effect.kind,
        "hub.effect.attempt": effect.attempts,
        "hub.connector": connector,
        "hub.operation": operation,
        "hub.lane": effect.lane.name.lower(),
        "hub.connection_id": str(effect.connection_id),
        "hub.order_id": str(effect.order_id or ""),
        "hub.tenant": effect.tenant,
    }


def probing(tracing: Tracing | None, effect: Effect, connector: str, operation: str) -> Step | None:
    """A span for looking what became of an effect."""
    if tracing is None:
        return None
    attributes = _of_effect(effect, connector, operation) | {"hub.effect.probe": effect.probes + 1}
    return tracing.begin(f"probe {effect.kind}", SpanKind.INTERNAL, parse(effect.traceparent), attributes)


class WebSpans:
    """A span per request. A `traceparent` from outside is linked to, never followed: strangers choose no trace of ours.

    Only the route's template is kept: paths and queries hold references and secrets of feeds.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNWATCHED:
            await self._app(scope, receive, send)
            return
        said = parse(dict(scope["headers"]).get(b"traceparent", b"").decode(errors="replace"))
        attributes: dict[str, Attribute] = {
            "http.request.method": scope["method"],
            "url.scheme": scope.get("scheme", "http"),
        }
        links = (said,) if said is not None else ()
        step = self._tracing.begin(scope["method"], SpanKind.SERVER, None, attributes, links=links)
        if step is None:
            await self._app(scope, receive, send)
            return
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with use(step.trace):
                await self._app(scope, receive, watch)
        finally:
            self._end(step, scope, status)

    def _end(self, step: Step, scope: Scope, status: int) -> None:
        template = getattr(scope.get("route"), "path", "")
        if template:
            step.rename(f"{scope['method']} {template}")
        step.end(
            str(status) if status >= 500 or not status else "",
            {"http.route": template, "http.response.status_code": status},
        )
