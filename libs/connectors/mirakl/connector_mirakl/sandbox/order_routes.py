"""OR11, OR21, OR23, OR24: listing, answering and shipping whole orders."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, read_body, require
from connector_mirakl.sandbox.render import render_order
from connector_mirakl.sandbox.world import SimOrder

SLACK = timedelta(seconds=60)
"""Mirakl moves `start_update_date` earlier by an amount it does not publish."""
LISTING_LOOKS = ("unknown_status", "null_required", "null_address", "string_amounts")


def order_routes(desk: Desk) -> APIRouter:
    """Routes below `/api/orders` for orders as a whole."""
    router = APIRouter()

    @router.get("/api/orders")
    async def list_orders(request: Request) -> Response:
        single = "order_ids" in request.query_params
        first = request.query_params.get("offset", "0") in ("", "0")
        operation = "read_order" if single else "list_orders" if first else "list_orders_page"
        return await desk.serve(request, operation, lambda: _list(desk, request, operation))

    @router.put("/api/orders/{order_id}/accept")
    async def accept(order_id: str, request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, _decision(body), lambda: _accept(desk, order_id, body))

    @router.put("/api/orders/{order_id}/tracking")
    async def tracking(order_id: str, request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "set_tracking", lambda: _tracking(desk, order_id, body))

    @router.put("/api/orders/{order_id}/ship")
    async def ship(order_id: str, request: Request) -> Response:
        return await desk.serve(request, "ship", lambda: _ship(desk, order_id))

    return router


def _list(desk: Desk, request: Request, operation: str) -> Response:
    query = request.query_params
    maximum, offset = _whole(query.get("max"), 10, "max"), _whole(query.get("offset"), 0, "offset")
    require(1 <= maximum <= 100, "max must be between 1 and 100")
    if operation == "list_orders":
        desk.world.hidden.clear()
    rows = sorted(_matching(desk, request), key=lambda order: (order.created, order.id))
    if query.get("order") == "desc":
        rows.reverse()
    if operation == "list_orders_page" and desk.faults.strikes("page_shift", "list_orders"):
        desk.world.hidden.update(order.id for order in rows[: desk.settings.page_shift_rows])
        rows = [order for order in rows if order.id not in desk.world.hidden]
    looks = frozenset(name for name in LISTING_LOOKS if desk.faults.strikes(name, operation))
    hide = desk.settings.hide_addresses_before_acceptance
    page = [render_order(order, hide_addresses=hide, looks=looks) for order in rows[offset : offset + maximum]]
    headers = {}
    if offset + maximum < len(rows):
        following = request.url.include_query_params(max=maximum, offset=offset + maximum)
        headers["Link"] = f'<{following}>; rel="next"'
    return JSONResponse({"orders": page, "total_count": len(rows)}, headers=headers)


def _matching(desk: Desk, request: Request) -> list[SimOrder]:
    query = request.query_params
    ids, states, channels = (_comma(query.get(n)) for n in ("order_ids", "order_state_codes", "channel_codes"))
    updated_from, updated_to = query_date(query.get("start_update_date")), query_date(query.get("end_update_date"))
    created_from, created_to = query_date(query.get("start_date")), query_date(query.get("end_date"))
    candidates = desk.world.orders.values()
    if ids is not None:
        require(len(ids) <= 100, "order_ids must hold at most 100 ids")
        candidates = [desk.world.orders[i] for i in ids if i in desk.world.orders]  # type: ignore[assignment]
    return [
        order
        for order in candidates
        if order.id not in desk.world.hidden
        and (states is None or order.state in states)
        and (channels is None or order.channel in channels)
        and (updated_from is None or order.updated >= updated_from - SLACK)
        and (updated_to is None or order.updated <= updated_to)
        and (created_from is None or order.created >= created_from)
        and (created_to is None or order.created <= created_to)
    ]


def _comma(value: str | None) -> set[str] | None:
    return None if not value else {part.strip() for part in value.split(",")}


def _whole(value: str | None, default: int, name: str) -> int:
    if value is None or value == "":
        return default
    require(value.isdigit(), f"{name} must be an integer")
    return int(value)


def query_date(value: str | None) -> datetime | None:
    """An instant of a query or a body. Raises `Problem` 400."""
    if not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise Problem(400, "VALIDATION_ERROR", "a date is malformed (a '+' must be percent-encoded)") from None
    require(parsed.tzinfo is not None, "a date has no offset")
    return parsed


def _decision(body: Any) -> str:
    lines = body.get("order_lines") if isinstance(body, dict) else None
    some = isinstance(lines, list) and any(isinstance(line, dict) and line.get("accepted") is True for line in lines)
    return "accept" if some else "refuse"


def _accept(desk: Desk, order_id: str, body: Any) -> Response:
    order = desk.order(order_id)
    require(order.center == "DEFAULT", "The order is fulfilled by the operator", "ORDER_FULFILLED_UNAUTHORIZED")
    decisions = _decisions(order, body)
    require(order.state == "WAITING_ACCEPTANCE", "Order is not in the expected state", "ORDER_INVALID_STATE")
    mixed = len(set(decisions.values())) > 1
    partial_off = desk.faults.strikes("partial_acceptance_disabled", "accept") if mixed else False
    partial = desk.settings.partial_acceptance and not partial_off
    require(partial or not mixed, "Partial acceptance is disabled for this shop", "ORDER_PARTIAL_ACCEPTANCE_DISABLED")
    now = desk.now()
    order.decided = now
    for line in order.lines:
        line.state = "WAITING_DEBIT" if decisions[line.id] else "REFUSED"
    if any(decisions.values()):
        order.accepted_at, order.state = now, "WAITING_DEBIT"
        order.debit_refused = desk.faults.strikes("debit_refused", "accept")
    else:
        order.state = "REFUSED"
    order.touch(now)
    desk.record.add("accept" if any(decisions.values()) else "refuse", order.id, lines=decisions)
    desk.advance()
    return Response(status_code=204)


def _decisions(order: SimOrder, body: Any) -> dict[str, bool]:
    given = body.get("order_lines") if isinstance(body, dict) else None
    if not isinstance(given, list):
        raise Problem(400, "VALIDATION_ERROR", "'order_lines' is mandatory")
    require(None not in given, "The order lines list contains a null element", "ORDER_LINE_NULL_ELEMENT")
    decisions: dict[str, bool] = {}
    for item in given:
        valid = isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("accepted"), bool)
        require(valid, "each line needs 'id' and 'accepted'")
        require(item["id"] not in decisions, "Duplicate order line IDs", "ORDER_LINE_DUPLICATE_ID")
        require(order.line(item["id"]) is not None, "The order line does not exist", "ORDER_LINE_NOT_FOUND")
        decisions[item["id"]] = item["accepted"]
    complete = len(decisions) == len(order.lines)
    require(complete, "Some order lines are missing", "ORDER_LINE_ACCEPTANCE_DECISION_MISSING")
    return decisions


def checked_tracking(desk: Desk, body: Any, url_key: str) -> dict[str, Any]:
    """Carrier rules of OR23 and ST01. Raises `Problem` 400."""
    given = body if isinstance(body, dict) else {}
    code, name, tracking_number = given.get("carrier_code"), given.get("carrier_name"), given.get("tracking_number")
    if not code:
        require(bool(name), "carrier_name is mandatory for an unregistered carrier")
        require(desk.settings.unregistered_carriers, "Only registered carriers are allowed")
        return {"carrier_name": name, "tracking_number": tracking_number, "tracking_url": given.get(url_key)}
    carrier = next((carrier for carrier in desk.settings.profile.carriers if carrier.code == code), None)
    if carrier is None:
        raise Problem(400, "VALIDATION_ERROR", f"The carrier '{code}' is not registered")
    require(bool(tracking_number), "tracking_number is mandatory for this carrier")
    return {
        "carrier_code": carrier.code,
        "carrier_name": carrier.label,
        "carrier_standard_code": carrier.standard_code,
        "tracking_number": tracking_number,
        "tracking_url": carrier.tracking_url.replace("{trackingId}", str(tracking_number)),
    }


def demand_tracking(desk: Desk, order: SimOrder, tracking: dict[str, Any]) -> None:
    """SH12 `mandatory_tracking`. Raises `Problem` 400."""
    types = {each.code: each for each in desk.settings.profile.shipping_types}
    mandatory = order.shipping_type in types and types[order.shipping_type].mandatory_tracking
    require(not mandatory or bool(tracking.get("tracking_number")), "Tracking is mandatory for this shipping type")


def _tracking(desk: Desk, order_id: str, body: Any) -> Response:
    order = desk.order(order_id)
    require(order.state in ("SHIPPING", "SHIPPED"), "Order is not in the expected state", "ORDER_INVALID_STATE")
    order.tracking = checked_tracking(desk, body, "carrier_url")
    order.touch(desk.now())
    return Response(status_code=204)


def _ship(desk: Desk, order_id: str) -> Response:
    order = desk.order(order_id)
    require(order.state == "SHIPPING", "Order is not in the expected state", "ORDER_INVALID_STATE")
    demand_tracking(desk, order, order.tracking)
    now = desk.now()
    for line in order.live_lines():
        line.shipped += line.units_left
        line.shipped_at = now
    order.shipped_at = now
    order.set_state("SHIPPED", now)
    desk.record.add("ship", order.id, tracking_number=order.tracking.get("tracking_number"))
    return Response(status_code=204)
