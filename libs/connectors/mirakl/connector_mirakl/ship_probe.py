"""Does Mirakl show the parcel? Shipments are recognised by our parcel id, whole orders by their tracking number."""

from __future__ import annotations

from connector_kit.outcome import ProbeResult, ProbeState
from connector_kit.requests import ShipParcel
from connector_mirakl.client import Unavailable
from connector_mirakl.operator_setup import OperatorSetup
from connector_mirakl.orders import OrderReader
from connector_mirakl.shipments import LEFT, OPEN, ShipmentReader, find, other_tracking
from connector_mirakl.wire import Json, text

SHIPPED_STATES = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
BEFORE = frozenset({"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"})


class ShipProbe:
    """Capability `ship` of one connection, the reading half."""

    def __init__(self, orders: OrderReader, shipments: ShipmentReader, setup: OperatorSetup) -> None:
        self._orders = orders
        self._shipments = shipments
        self._setup = setup

    async def probe(self, request: ShipParcel) -> ProbeResult:
        """Raises `CallError` when Mirakl cannot be read."""
        if (await self._setup.parcels()).several:
            shipments = await self._read(request.order_reference)
            if shipments:
                return judge_shipments(shipments, request)
        order = await self._orders.read_json(request.order_reference, "probe_ship")
        return judge_order(order, request)

    async def _read(self, reference: str) -> list[Json]:
        try:
            return await self._shipments.of_orders([reference], "probe_shipments")
        except Unavailable as error:
            if error.status != 404:
                raise
            self._setup.not_supported()
            return []


def judge_shipments(shipments: list[Json], request: ShipParcel) -> ProbeResult:
    """Look for the parcel among an order's shipments. Pure.

    One that waits for ST24, or that shows other tracking, is not told as asked; telling it again finishes it.
    """
    shipment = find(shipments, request)
    if shipment is None:
        ids = ", ".join(str(text(shipment.get("id"))) for shipment in shipments)
        return ProbeResult(ProbeState.NOT_APPLIED, f"none of the order's shipments ({ids}) is this parcel")
    shipment_id, status = text(shipment.get("id")), text(shipment.get("status")) or ""
    evidence, told = f"shipment {shipment_id} is {status[:60]}", {"shipment_id": shipment_id}
    other = other_tracking(shipment, request)
    if status not in LEFT and status != OPEN:
        return ProbeResult(ProbeState.UNDECIDED, evidence, told)
    if other is not None:
        return ProbeResult(ProbeState.NOT_APPLIED, f"{evidence} with {other}", told)
    return ProbeResult(ProbeState.APPLIED if status in LEFT else ProbeState.NOT_APPLIED, evidence, told)


def judge_order(order: Json | None, request: ShipParcel) -> ProbeResult:
    """Judge by the order itself, where it is shipped as a whole. Pure."""
    if order is None:
        return ProbeResult(ProbeState.UNDECIDED, "Mirakl does not show the order")
    state = text(order.get("order_state")) or ""
    number = text(order.get("shipping_tracking"))
    if state in BEFORE:
        return ProbeResult(ProbeState.NOT_APPLIED, f"order_state is {state}")
    if state in ("CANCELED", "REFUSED"):
        return ProbeResult(ProbeState.REJECTED, f"order_state is {state}: it can no longer be shipped")
    if state not in SHIPPED_STATES:
        return ProbeResult(ProbeState.UNDECIDED, f"order_state {state[:60]!r} is not known")
    if request.whole_order and number == request.tracking_number:
        return ProbeResult(ProbeState.APPLIED, f"order_state is {state} with tracking number {number}")
    return ProbeResult(ProbeState.UNDECIDED, f"order_state is {state} with tracking number {number}, not this parcel's")
