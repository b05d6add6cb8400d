"""What an operator would refuse about a parcel, found before anything is sent, with words a person can act on.

Sent all the same, such a parcel ends as one sentence in a list of errors, or worse: shipped without the tracking that
the operator counts against the seller.
"""

from __future__ import annotations

from decimal import Decimal

from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer
from connector_kit.requests import ShipParcel
from connector_mirakl.operator_setup import OperatorSetup, ParcelRules
from connector_mirakl.orders import OrderReader
from connector_mirakl.wire import Json, objects, text, whole


class ShipRules:
    """Looks at parcels of one connection. Reads the order only for the rare parcel that needs it."""

    def __init__(self, reader: OrderReader, setup: OperatorSetup) -> None:
        self._reader = reader
        self._setup = setup

    async def problem(self, request: ShipParcel, rules: ParcelRules) -> str | None:
        """What is wrong, None when nothing is known. Raises `CallError` when it cannot be found out now."""
        if not rules.several and not request.whole_order:
            return "the operator takes one shipment per order only (multi-shipment is off); this parcel is a part of it"
        if request.carrier_code is None and not rules.free_carriers:
            return f"carrier_code: only registered carriers are taken here; map {request.carrier_name!r} to one of them"
        splits = not request.whole_order and not rules.split_lines
        if request.tracking_number is not None and not splits:
            return None
        code = request.carrier_code if request.tracking_number is None else None
        if code is not None and await self._setup.needs_number(code):
            return f"tracking_number: carrier {code} cannot be told without one (SH21)"
        order = await self._reader.read_json(request.order_reference, "read_order_to_ship")
        if order is None:
            return None
        return await self._tracking_problem(order, request) or (split_problem(order, request) if splits else None)

    async def _tracking_problem(self, order: Json, request: ShipParcel) -> str | None:
        shipping_type = text(order.get("shipping_type_code"))
        if request.tracking_number is not None or shipping_type is None:
            return None
        if await self._setup.demands_tracking(shipping_type):
            return f"tracking_number: shipping type {shipping_type} demands tracking before the parcel is told (SH12)"
        return None


def split_problem(order: Json, request: ShipParcel) -> str | None:
    """A line of which only some units are in the parcel, where a line must leave in one piece. Pure.

    Raises `BadAnswer` for quantities that are no numbers.
    """
    shown = {text(line.get("order_line_id")): line for line in objects(order.get("order_lines"))}
    for line in request.lines:
        if line.line_id in shown and line.quantity < _units(shown[line.line_id]):
            return (
                f"lines: {line.quantity} of {_units(shown[line.line_id])} units of line {line.line_id}: this operator "
                "wants all units of a line in one parcel (multi_part_item_shipment is off)"
            )
    return None


def _units(line: Json) -> int:
    """Units of a line that are still to be shipped at all, cancelled ones left out."""
    try:
        cancelled = sum(whole(item.get("quantity") or Decimal(0), "quantity") for item in _cancelations(line))
        return whole(line.get("quantity"), "quantity") - cancelled
    except MappingError as error:
        raise BadAnswer(f"a shown line is unreadable: {error}") from None


def _cancelations(line: Json) -> list[Json]:
    return objects(line.get("cancelations"))
