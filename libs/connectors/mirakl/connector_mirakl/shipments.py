"""Shipments as Mirakl shows them (ST11), and what its lists of successes and errors say about one parcel.

ST01, ST23 and ST24 answer 200 or 201 even when every item failed: only an item that is listed as a success is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connector_kit.http import BadAnswer
from connector_kit.outcome import Outcome
from connector_kit.requests import ShipParcel
from connector_mirakl.client import MiraklClient
from connector_mirakl.wire import Json, as_object, member, objects, text

LEFT = frozenset({"SHIPPED", "SHIPMENT_PREPARED", "READY_FOR_PICK_UP", "TO_COLLECT", "RECEIVED", "CLOSED"})
"""Shipment states in which the parcel counts as told; SHIPMENT_PREPARED waits for the debit only (fact sheet 2.7)."""
OPEN = "SHIPPING"
"""Created, and not yet said to have left: ST24 is missing."""
PAGES = 50
"""5,000 shipments of a few orders is nonsense; a page token that never ends must not keep a reader for ever."""


class ShipmentReader:
    """Reads shipments of one connection."""

    def __init__(self, client: MiraklClient) -> None:
        self._client = client

    async def of_orders(self, references: Sequence[str], operation: str) -> list[Json]:
        """All shipments of some orders (ST11, seek pagination: with `page_token` other parameters are ignored).

        Raises `CallError`; `Unavailable` with status 404 where the operator has multi-shipment off.
        """
        found: list[Json] = []
        params = [*(("order_id", reference) for reference in references), ("limit", "100")]
        for _ in range(PAGES):
            page = as_object((await self._client.read(operation, "/api/shipments", params)).json(), "ST11")
            found.extend(objects(page.get("data")))
            token = text(page.get("next_page_token"))
            if token is None:
                return [shipment for shipment in found if text(shipment.get("order_id")) in references]
            params = [("page_token", token)]
        raise BadAnswer("ST11: the list of shipments does not end")


def find(shipments: Iterable[Json], request: ShipParcel) -> Json | None:
    """The shipment that is this parcel: by our parcel id, else by tracking number and lines (entered by hand)."""
    mine = [item for item in shipments if text(item.get("order_id")) == request.order_reference]
    for shipment in mine:
        lines = objects(shipment.get("shipment_lines"))
        if any(text(line.get("package_reference")) == str(request.parcel_id) for line in lines):
            return shipment
    return next((shipment for shipment in mine if _same_content(shipment, request)), None)


def _same_content(shipment: Json, request: ShipParcel) -> bool:
    number = text(member(shipment, "tracking").get("tracking_number"))
    if request.tracking_number is None or number != request.tracking_number:
        return False
    lines = objects(shipment.get("shipment_lines"))
    shown = {(text(line.get("order_line_id")), line.get("quantity")) for line in lines}
    return shown == {(line.line_id, line.quantity) for line in request.lines}


def other_tracking(shipment: Json, request: ShipParcel) -> str | None:
    """What the shipment shows in the place of the parcel's carrier or number; None when they are the same."""
    shown = member(shipment, "tracking")
    pairs = (("tracking_number", request.tracking_number), ("carrier_code", request.carrier_code))
    different = [f"{name} {text(shown.get(name))}" for name, mine in pairs if mine and text(shown.get(name)) != mine]
    return ", ".join(different) or None


def told_about(told: Json, key: str, mine: str) -> tuple[list[Json], list[Json]]:
    """Successes and errors of an answer that belong to one order (`order_id`) or one shipment (`id`)."""
    good = [item for item in objects(told.get("shipment_success")) if text(item.get(key)) == mine]
    bad = [item for item in objects(told.get("shipment_errors")) if text(item.get(key)) == mine]
    return good, bad


def read_update(told: Json, shipment_id: str, call: str) -> Outcome:
    """One shipment in the lists of ST23 or ST24. Missing or in both: unknown; refused: the probe decides."""
    good, bad = told_about(told, "id", shipment_id)
    if len(good) == 1 and not bad:
        return Outcome.done(way=call, shipment_id=shipment_id)
    if bad and not good:
        reason = text(bad[0].get("message")) or "no text"
        return Outcome.unknown(f"{call} refused shipment {shipment_id}: {reason[:300]}", retry_if_not_applied=False)
    return Outcome.unknown(f"{call}: shipment {shipment_id} is not in exactly one list of the answer")
