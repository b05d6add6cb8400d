"""Gives money back, line by line. The refund's id is ours, so that a re-read can find it."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import RefundLineRequest, RefundOrder

from connector_lantern_bay.orders import Orders, order_path


def _line(line: RefundLineRequest) -> dict[str, object]:
    amount = line.amount + line.shipping_amount
    return {"id": line.line_id, "quantity": line.quantity, "amount": str(amount), "reason": line.reason_code}


class GivesBack(Orders):
    """Capability `refund`."""

    async def refund(self, requests: Sequence[RefundOrder]) -> Sequence[Outcome]:
        """Refund lines, one call per order."""
        return [await self._refund(each) for each in requests]

    async def _refund(self, request: RefundOrder) -> Outcome:
        lines = [_line(each) for each in request.lines]
        body = {"id": str(request.refund_id), "currency": request.currency, "lines": lines}
        got = await self.client.change("refund", "POST", order_path(request.order_reference, "refunds"), body)
        return got if isinstance(got, Outcome) else Outcome.done(status=got.get("status"))

    async def probe_refund(self, request: RefundOrder) -> ProbeResult:
        """Does the order show the refund? Raises `CallError`."""
        return await self.listed("probe_refund", request.order_reference, "refunds", str(request.refund_id))
