"""Does Mirakl show the refund or the cancellation? Money is only said to be given back when every line shows it."""

from __future__ import annotations

from connector_kit.outcome import ProbeResult, ProbeState
from connector_kit.requests import CancelOrder, RefundLineRequest, RefundOrder
from connector_mirakl.orders import OrderReader
from connector_mirakl.refund import same_money
from connector_mirakl.wire import Json, objects, text

TOO_LATE = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED", "REFUSED"})
"""States from which no cancelation is possible any more."""
CANCELLABLE = frozenset({"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"})
NOT_SHOWN = ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the order")


class MoneyProbe:
    """Capabilities `refund` and `cancel` of one connection, the reading half."""

    def __init__(self, reader: OrderReader) -> None:
        self._reader = reader

    async def probe_refund(self, request: RefundOrder) -> ProbeResult:
        """Raises `CallError` when Mirakl cannot be read."""
        return judge_refund(await self._reader.read_json(request.order_reference, "probe_refund"), request)

    async def probe_cancel(self, request: CancelOrder) -> ProbeResult:
        """Raises `CallError` when Mirakl cannot be read."""
        return judge_cancel(await self._reader.read_json(request.order_reference, "probe_cancel"), request)


def judge_refund(order: Json | None, request: RefundOrder) -> ProbeResult:
    """Compare the refunds that are new since the request was made with what was asked. Pure."""
    if order is None:
        return NOT_SHOWN
    new = {line_id: _new(line, request) for line_id, line in _lines(order).items()}
    references: list[str] = []
    missing: list[str] = []
    strange = False
    for line in request.lines:
        if line.line_id not in new:
            return ProbeResult(ProbeState.UNDECIDED, f"line {line.line_id} is not shown")
        found = next((refund for refund in new[line.line_id] if same_money(refund, line)), None)
        if found is None:
            missing.append(line.line_id)
            strange = strange or bool(new[line.line_id])
            continue
        new[line.line_id].remove(found)
        references.append(text(found.get("id")) or "")
    if not missing:
        return ProbeResult(ProbeState.APPLIED, f"refunds {', '.join(references)}", {"references": references})
    if references or strange:
        return ProbeResult(ProbeState.UNDECIDED, f"only part matches: found {references}, missing {missing}")
    return ProbeResult(ProbeState.NOT_APPLIED, f"no new refund on {', '.join(missing)}")


def judge_cancel(order: Json | None, request: CancelOrder) -> ProbeResult:
    """Whether the order, or the lines asked for, show as cancelled. Pure."""
    if order is None:
        return NOT_SHOWN
    state = text(order.get("order_state")) or ""
    if state == "CANCELED":
        return ProbeResult(ProbeState.APPLIED, "order_state is CANCELED")
    if state not in TOO_LATE | CANCELLABLE:
        return ProbeResult(ProbeState.UNDECIDED, f"order_state {state[:60]!r} is not known")
    if request.lines:
        return _judge_lines(order, request, state)
    if state in TOO_LATE:
        return ProbeResult(ProbeState.REJECTED, f"order_state is {state}: it can no longer be cancelled")
    return ProbeResult(ProbeState.NOT_APPLIED, f"order_state is {state}")


def _judge_lines(order: Json, request: CancelOrder, state: str) -> ProbeResult:
    lines = _lines(order)
    counts = [_cancelled(lines.get(line.line_id), line) for line in request.lines]
    shown = ", ".join(f"{line.line_id}={count}" for line, count in zip(request.lines, counts, strict=True))
    evidence = f"order_state is {state}; equal cancelations per line: {shown}"
    if all(count == 1 for count in counts):
        return ProbeResult(ProbeState.APPLIED, evidence)
    if any(count != 0 for count in counts):
        return ProbeResult(ProbeState.UNDECIDED, evidence)
    return ProbeResult(ProbeState.REJECTED if state in TOO_LATE else ProbeState.NOT_APPLIED, evidence)


def _cancelled(shown: Json | None, line: RefundLineRequest) -> int:
    """How many cancelations of this money and reason the line shows; -1 when the line itself is not shown."""
    if shown is None:
        return -1
    found = objects(shown.get("cancelations"))
    return sum(1 for item in found if same_money(item, line) and text(item.get("reason_code")) == line.reason_code)


def _lines(order: Json) -> dict[str, Json]:
    return {text(line.get("order_line_id")) or "": line for line in objects(order.get("order_lines"))}


def _new(line: Json, request: RefundOrder) -> list[Json]:
    return [item for item in objects(line.get("refunds")) if text(item.get("id")) not in request.known_refunds]
