"""ST01, ST11, ST12: shipments of single parcels, 404 where the operator has multi-shipment off."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, as_list, read_body, require
from connector_mirakl.sandbox.order_routes import checked_tracking, demand_tracking
from connector_mirakl.sandbox.render import wire_date
from connector_mirakl.sandbox.world import SimOrder, SimShipment

Json = dict[str, Any]


def shipment_routes(desk: Desk) -> APIRouter:
    """Routes below `/api/shipments`."""
    router = APIRouter()

    @router.post("/api/shipments")
    async def create(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "ship", lambda: _create(desk, body))

    @router.get("/api/shipments")
    async def shipments(request: Request) -> Response:
        return await desk.serve(request, "probe_shipments", lambda: _shipments(desk, request))

    @router.get("/api/shipments/items_to_ship")
    async def items_to_ship(request: Request) -> Response:
        return await desk.serve(request, "items_to_ship", lambda: _items_to_ship(desk, request))

    return router


def must_be_on(desk: Desk, operation: str) -> None:
    """Answer 404 where the operator has multi-shipment off."""
    if not desk.settings.multi_shipment or desk.faults.strikes("multi_shipment_off", operation):
        raise Problem(404, "NOT_FOUND", "Not Found")


def _create(desk: Desk, body: Any) -> Response:
    must_be_on(desk, "ship")
    items = as_list(body, "shipments")
    require(len(items) <= 1000, "at most 1000 shipments")
    good: list[Json] = []
    bad: list[Json] = []
    for item in items:
        reference = str(item.get("order_id"))
        try:
            if desk.faults.strikes("st01_mixed", "ship") or desk.faults.strikes("item_refused", "ship"):
                raise Problem(400, "", "Shipment quantity is invalid.")
            shipment = _apply(desk, item)
        except Problem as problem:
            bad.append({"order_id": reference, "message": problem.message})
            continue
        left_out = desk.faults.strikes("st01_missing_item", "ship") or desk.faults.strikes("item_missing", "ship")
        if not left_out:
            good.append(_render(shipment))
    return JSONResponse({"shipment_success": good, "shipment_errors": bad}, status_code=201)


def _apply(desk: Desk, item: Json) -> SimShipment:
    order = desk.order(str(item.get("order_id")))
    require(order.state == "SHIPPING", f"The order status must be 'SHIPPING' but it is '{order.state}'.")
    tracking = checked_tracking(desk, item["tracking"], "tracking_url") if item.get("tracking") else {}
    lines = as_list(item, "shipment_lines")
    for given in lines:
        line, quantity = order.line(str(given.get("order_line_id"))), given.get("quantity")
        valid = line is not None and isinstance(quantity, int) and 1 <= quantity <= _units_free(desk, order, line.id)
        require(valid, "Shipment quantity is invalid.")
        whole = line is not None and quantity == line.quantity
        require(whole or desk.settings.multi_part_item_shipment, "Shipment quantity is invalid.")
    now = desk.now()
    shipped = item.get("shipped") is True and not desk.faults.strikes("shipment_left_open", "ship")
    if shipped:
        demand_tracking(desk, order, tracking)
    shipment = SimShipment(
        id=str(uuid.UUID(int=(0x5B0C << 112) + desk.world.number())),
        order_id=order.id,
        status="SHIPPED" if shipped else "SHIPPING",
        created=now,
        lines=[dict(given) for given in lines],
        tracking=tracking,
        shipped_at=now if shipped else None,
    )
    desk.world.shipments[shipment.id] = shipment
    if shipped:
        leave(desk, order, shipment)
    return shipment


def _units_free(desk: Desk, order: SimOrder, line_id: str) -> int:
    """Units of a line that are in no shipment yet; one that waits for ST24 holds its units."""
    line = order.line(line_id)
    waiting = [s for s in desk.world.shipments.values() if s.order_id == order.id and s.status == "SHIPPING"]
    held = [given for shipment in waiting for given in shipment.lines if given["order_line_id"] == line_id]
    return (line.units_left if line else 0) - sum(int(given["quantity"]) for given in held)


def leave(desk: Desk, order: SimOrder, shipment: SimShipment) -> None:
    """The parcel left; the order becomes SHIPPED once every unit left (fact sheet 2.7, [assumed])."""
    now = desk.now()
    for given in shipment.lines:
        line = order.line(str(given["order_line_id"]))
        if line is not None:
            line.shipped += int(given["quantity"])
            line.shipped_at = now
            if line.units_left == 0:
                line.state = "SHIPPED"
    order.tracking = order.tracking or shipment.tracking
    order.touch(now)
    if all(line.units_left == 0 for line in order.live_lines()):
        order.shipped_at = now
        order.set_state("SHIPPED", now)
    package = next((given.get("package_reference") for given in shipment.lines), None)
    desk.record.add(
        "ship",
        f"{order.id}/{package or shipment.id}",
        shipment_id=shipment.id,
        tracking_number=shipment.tracking.get("tracking_number"),
        lines={str(given["order_line_id"]): given["quantity"] for given in shipment.lines},
    )


def _render(shipment: SimShipment) -> Json:
    return {
        "id": shipment.id,
        "order_id": shipment.order_id,
        "status": shipment.status,
        "status_customer_debit": "NO_DEBIT",
        "created_date": wire_date(shipment.created),
        "last_updated_date": wire_date(shipment.created),
        "shipped_date": wire_date(shipment.shipped_at),
        "invoice_reference": None,
        "payment_details": None,
        "shipment_lines": shipment.lines,
        "tracking": shipment.tracking,
    }


def _shipments(desk: Desk, request: Request) -> Response:
    must_be_on(desk, "probe_shipments")
    asked, start, limit = _seek(request)
    rows = [s for s in desk.world.shipments.values() if not asked or s.order_id in asked]
    page: Json = {"data": [_render(shipment) for shipment in rows[start : start + limit]]}
    if start + limit < len(rows):
        page["next_page_token"] = _token(asked, start + limit, limit)
    return JSONResponse(page)


def _items_to_ship(desk: Desk, request: Request) -> Response:
    must_be_on(desk, "items_to_ship")
    asked, start, limit = _seek(request)
    waiting = [order for order in desk.world.orders.values() if order.state == "SHIPPING"]
    rows = [order for order in waiting if not asked or order.id in asked]
    page: Json = {"data": [_to_ship(order) for order in rows[start : start + limit]]}
    if start + limit < len(rows):
        page["next_page_token"] = _token(asked, start + limit, limit)
    return JSONResponse(page)


def _to_ship(order: SimOrder) -> Json:
    lines = [
        {"order_line_id": line.id, "offer_sku": line.sku, "product_title": line.title, "quantity": line.units_left}
        for line in order.live_lines()
        if line.units_left > 0
    ]
    return {
        "order_id": order.id,
        "fulfillment": {"center": {"code": order.center}},
        "shipment_lines": lines,
        "shipping_address": dict(order.buyer["address"]),
        "shipping_date": wire_date(order.debited or order.created),
        "shipping_deadline": wire_date(order.shipping_deadline),
        "shipping_type_code": "STD",
    }


def _seek(request: Request) -> tuple[list[str], int, int]:
    """Seek pagination: with `page_token` every other parameter is ignored (Mirakl General Notes)."""
    token = request.query_params.get("page_token")
    if token is not None:
        try:
            asked, start, limit = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error):
            raise Problem(400, "VALIDATION_ERROR", "page_token is malformed") from None
        return list(asked), int(start), int(limit)
    given = request.query_params.get("limit", "10")
    require(given.isdigit() and 1 <= int(given) <= 100, "limit must be between 1 and 100")
    return request.query_params.getlist("order_id"), 0, int(given)


def _token(asked: list[str], start: int, limit: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([asked, start, limit]).encode()).decode()
