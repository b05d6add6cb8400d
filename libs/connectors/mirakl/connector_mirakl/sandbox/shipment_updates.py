"""ST23 and ST24: tracking and departure of shipments that exist. Both answer 200 and read item by item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, as_list, read_body, require
from connector_mirakl.sandbox.order_routes import checked_tracking, demand_tracking
from connector_mirakl.sandbox.shipment_routes import leave, must_be_on
from connector_mirakl.sandbox.world import SimShipment

Json = dict[str, Any]


def shipment_update_routes(desk: Desk) -> APIRouter:
    """Routes for shipments that exist."""
    router = APIRouter()

    @router.post("/api/shipments/tracking")
    async def tracking(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "set_tracking", lambda: _each(desk, body, "set_tracking", _track))

    @router.put("/api/shipments/ship")
    async def ship(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "confirm_shipment", lambda: _each(desk, body, "confirm_shipment", _ship))

    return router


def _each(desk: Desk, body: Any, operation: str, work: Callable[[Desk, SimShipment, Json], None]) -> Response:
    must_be_on(desk, operation)
    items = as_list(body, "shipments")
    require(len(items) <= 1000, "at most 1000 shipments")
    good: list[Json] = []
    bad: list[Json] = []
    for item in items:
        shipment_id = str(item.get("id"))
        try:
            shipment = desk.world.shipments.get(shipment_id)
            if shipment is None or desk.faults.strikes("item_refused", operation):
                raise Problem(400, "", "The shipment does not exist")
            work(desk, shipment, item)
        except Problem as problem:
            bad.append({"id": shipment_id, "message": problem.message})
            continue
        if not desk.faults.strikes("item_missing", operation):
            good.append({"id": shipment_id})
    return JSONResponse({"shipment_success": good, "shipment_errors": bad})


def _track(desk: Desk, shipment: SimShipment, item: Json) -> None:
    shipment.tracking = checked_tracking(desk, item.get("tracking"), "tracking_url")
    desk.order(shipment.order_id).touch(desk.now())
    number = shipment.tracking.get("tracking_number")
    desk.record.add("tracking", f"{shipment.order_id}/{shipment.id}", tracking_number=number)


def _ship(desk: Desk, shipment: SimShipment, item: Json) -> None:
    order = desk.order(shipment.order_id)
    require(shipment.status == "SHIPPING", f"The shipment status must be 'SHIPPING' but it is '{shipment.status}'.")
    demand_tracking(desk, order, shipment.tracking)
    shipment.status, shipment.shipped_at = "SHIPPED", desk.now()
    leave(desk, order, shipment)
