"""Reads of orders: the paged list with its filters, and one order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from connector_manomano.manifest import STATUS_MAP
from connector_manomano.sandbox.gate import Gate, answer, refused
from connector_manomano.sandbox.render import OrderWriter
from connector_manomano.sandbox.world import SimOrder

LIST = "/orders/v1/orders"
DEFAULT_LIMIT = 30
MAX_LIMIT = 100
"""[assumed]"""

Condition = Callable[[SimOrder], bool]


class BadQuery(ValueError):
    """A query parameter that the API would refuse."""


def _number(request: Request, name: str, default: int, maximum: int) -> int:
    value = request.query_params.get(name, str(default))
    if not value.isdecimal() or not 1 <= int(value) <= maximum:
        raise BadQuery(f"{name} must be a number from 1 to {maximum}")
    return int(value)


def _instant(request: Request, name: str) -> datetime | None:
    value = request.query_params.get(name)
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise BadQuery(f"{name} must be an ISO 8601 instant") from None
    if instant.tzinfo is None:
        raise BadQuery(f"{name} must be an instant in UTC")
    return instant


def _within(field: str, start: datetime | None, end: datetime | None, order: SimOrder) -> bool:
    """Whether an instant of the order, in whole seconds, lies within both bounds (included)."""
    instant: datetime = getattr(order, field).replace(microsecond=0)
    return (start is None or instant >= start) and (end is None or instant <= end)


def _conditions(request: Request) -> list[Condition]:
    """Filters of the query. An unknown status or a list of them is refused, since no client is known to send one."""
    query = request.query_params
    found: list[Condition] = []
    status, reference, carrier = query.get("status"), query.get("order_reference"), query.get("carrier")
    if status is not None:
        if status not in STATUS_MAP:
            raise BadQuery(f"status must be one of {', '.join(STATUS_MAP)}")
        found.append(lambda order: order.status == status)
    if reference is not None:
        found.append(lambda order: order.reference == reference)
    if carrier is not None:
        found.append(lambda order: any(line.carrier == carrier for line in order.lines))
    for name, field in (("created_at", "created_at"), ("status_updated_at", "updated_at")):
        start, end = _instant(request, f"{name}_start"), _instant(request, f"{name}_end")
        found.append(partial(_within, field, start, end))
    return found


def _links(request: Request, page: int, pages: int) -> dict[str, str | None]:
    """Relative links, as the real API gives them."""

    def link(target: int) -> str:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "page"]
        return f"{LIST}?{urlencode([('page', str(target)), *query])}"

    return {
        "first": link(1),
        "previous": link(page - 1) if page > 1 else None,
        "next": link(page + 1) if page < pages else None,
        "last": link(pages),
        "goto": link(page),
    }


def _write(gate: Gate, orders: list[SimOrder], operation: str) -> list[dict[str, Any]]:
    strings = gate.faults.strikes("string_amounts", operation)
    no_address = gate.faults.strikes("null_address", operation)
    unknown = gate.faults.strikes("unknown_status", operation)
    return [
        OrderWriter(order, strings=strings, no_address=no_address, unknown_status=unknown).write() for order in orders
    ]


def order_routes(gate: Gate) -> APIRouter:
    """`GET /orders/v1/orders` and `GET /orders/v1/orders/{reference}`."""
    router = APIRouter()

    @router.get(LIST)
    async def list_orders(request: Request) -> Response:
        stop = gate.enter(request, "list_orders")
        if stop is not None:
            return stop
        contract = gate.contract(request)
        if isinstance(contract, Response):
            return contract
        try:
            conditions = _conditions(request)
            page = _number(request, "page", 1, 10**6)
            limit = _number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)
        except BadQuery as error:
            return refused(400, "INVALID_PARAMETER", str(error))

        def matching() -> list[SimOrder]:
            return [order for order in gate.world.listed(contract) if all(holds(order) for holds in conditions)]

        found = matching()
        if page > 1 and found and gate.faults.strikes("page_shift", "list_orders"):
            gate.world.move(found[0], found[0].status)
            found = matching()
        pages = max(1, -(-len(found) // limit))
        content = _write(gate, found[(page - 1) * limit : page * limit], "list_orders")
        pagination = {
            "items": len(found),
            "limit": limit,
            "page": page,
            "pages": pages,
            "links": _links(request, page, pages),
        }
        return answer(200, {"content": content, "pagination": pagination})

    @router.get(LIST + "/{reference}")
    async def read_order(request: Request, reference: str) -> Response:
        stop = gate.enter(request, "read_order")
        if stop is not None:
            return stop
        contract = gate.contract(request)
        if isinstance(contract, Response):
            return contract
        order = gate.world.find(contract, reference)
        if order is None:
            return refused(404, "ORDER_NOT_FOUND", "order not found")
        return answer(200, {"content": _write(gate, [order], "read_order")[0]})

    return router
