"""Does Mirakl show the parcel? Shipments are recognised by our parcel id, whole orders by their tracking number."""

from __future__ import annotations

from connector_kit.outcome import ProbeResult, ProbeState
from connector_kit.requests import ShipParcel
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.orders import OrderReader
from connector_mirakl.ship import LEFT, ShipmentWay
from connector_mirakl.wire import Json, as_object, member, objects, text

PAGES = 50
"""5,000 shipments of one order is nonsense; a page token that never ends must not keep a probe for ever."""
SHIPPED_STATES = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
BEFORE = frozenset({"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"})


class ShipProbe:
    """Capability `ship` of one connection, the reading half."""

    def __init__(self, client: MiraklClient, reader: OrderReader, way: ShipmentWay) -> None:
        self._client = client
        self._reader = reader
        self._way = way

    async def probe(self, request: ShipParcel) -> ProbeResult:
        """Raises `CallError` when Mirakl cannot be read."""
        if await self._way.several():
            shipments = await self._shipments(request.order_reference)
            if shipments:
                return judge_shipments(shipments, request)
        order = await self._reader.read_json(request.order_reference, "probe_ship")
        return judge_order(order, request)

    async def _shipments(self, reference: str) -> list[Json]:
        """All shipments of an order (ST11, seek pagination: with `page_token` every other parameter is ignored)."""
        found: list[Json] = []
        params = [("order_id", reference), ("limit", "100")]
        for _ in range(PAGES):
            try:
                answer = await self._client.read("probe_shipments", "/api/shipments", params)
            except Unavailable as error:
                if error.status != 404:
                    raise
                self._way.not_supported()
                return []
            page = as_object(answer.json(), "ST11")
            found.extend(objects(page.get("data")))
            token = text(page.get("next_page_token"))
            if token is None:
                break
            params = [("page_token", token)]
        return [shipment for shipment in found if text(shipment.get("order_id")) == reference]


def judge_shipments(shipments: list[Json], request: ShipParcel) -> ProbeResult:
    """Look for the parcel among an order's shipments. Pure."""
    for shipment in shipments:
        if not _is_ours(shipment, request):
            continue
        shipment_id, status = text(shipment.get("id")), text(shipment.get("status")) or ""
        evidence = f"shipment {shipment_id} is {status}"
        state = ProbeState.APPLIED if status in LEFT else ProbeState.UNDECIDED
        return ProbeResult(state, evidence, {"shipment_id": shipment_id})
    ids = ", ".join(str(text(shipment.get("id"))) for shipment in shipments)
    return ProbeResult(ProbeState.NOT_APPLIED, f"none of the order's shipments ({ids}) is this parcel")


def _is_ours(shipment: Json, request: ShipParcel) -> bool:
    lines = objects(shipment.get("shipment_lines"))
    if any(text(line.get("package_reference")) == str(request.parcel_id) for line in lines):
        return True
    number = text(member(shipment, "tracking").get("tracking_number"))
    if request.tracking_number is None or number != request.tracking_number:
        return False
    shown = {(text(line.get("order_line_id")), line.get("quantity")) for line in lines}
    return shown == {(line.line_id, line.quantity) for line in request.lines}


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
