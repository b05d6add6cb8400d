"""Refunds: units per SKU with a reason, and the shipping fees as a yes or no. No free amount.

The least documented call: path, shape and reasons are assumed, so the path is a setting and reasons are mapped by the
seller. Nothing is ever sent again without a person where the outside does not show what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import RefundOrder
from connector_manomano.batches import send_sound
from connector_manomano.orders import Orders
from connector_manomano.probes import GONE, Seen, refund_shown


def obstacle(request: RefundOrder) -> str | None:
    """Why this refund cannot be put into ManoMano's words, None when it can."""
    if not request.lines:
        return "lines: ManoMano refunds units of lines; shipping fees alone cannot be refunded"
    for at, line in enumerate(request.lines):
        if line.quantity < 1:
            return f"lines[{at}].quantity: must be at least 1, ManoMano refunds whole units and no free amount"
        if not line.reason_code.strip():
            return f"lines[{at}].reason_code: is required"
    return None


def products(request: RefundOrder) -> list[dict[str, Any]]:
    """Units per SKU and reason; lines that repeat both are added up."""
    units: dict[tuple[str, str], int] = {}
    for line in request.lines:
        key = (line.offer_sku, line.reason_code)
        units[key] = units.get(key, 0) + line.quantity
    return [
        {"seller_sku": sku, "quantity": quantity, "refund_reason": reason} for (sku, reason), quantity in units.items()
    ]


class GivesBack(Orders):
    """Capability `refund`."""

    async def refund(self, requests: Sequence[RefundOrder]) -> Sequence[Outcome]:
        """Ask for refunds. Amounts are ManoMano's: unit price times quantity."""

        async def send(sound: Sequence[int]) -> list[Outcome]:
            chosen = [requests[at] for at in sound]
            bodies = [
                self.item(
                    request.order_reference, refund_shipping_fees=request.refund_shipping, products=products(request)
                )
                for request in chosen
            ]
            references = [request.order_reference for request in chosen]
            return await self.order_action("refund", self.settings.refund_path, references, bodies)

        return await send_sound([obstacle(request) for request in requests], send)

    async def probe_refund(self, request: RefundOrder) -> ProbeResult:
        """Does the order's status prove the refund? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_refund", request.order_reference)
        return refund_shown(Seen(order.body), request) if order else GONE
