"""Order actions in arrays: accept, refuse, shipments, refunds. 204 when all went well, 207 item by item otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from connector_manomano.sandbox import effects
from connector_manomano.sandbox.gate import Gate, answer, gateway, read_json, refused
from connector_manomano.sandbox.world import Result, SimOrder, World

Apply = Callable[[World, SimOrder, Mapping[str, Any]], Result]
NOT_FOUND = Result(404, "ORDER_NOT_FOUND", "order not found under this contract")
ITEM_500 = Result(500, "INTERNAL", "internal error")


def _whole_fault(gate: Gate, items: Any) -> Response | None:
    """Why the whole request is refused, None when its items can be looked at."""
    most = gate.world.settings.orders_per_call
    if not isinstance(items, list) or not 1 <= len(items) <= most:
        return refused(400, "INVALID_BODY", f"the body must be an array of 1 to {most} items")
    for given in items:
        item = given if isinstance(given, dict) else {}
        contract, reference = item.get("seller_contract_id"), item.get("order_reference")
        if isinstance(contract, bool) or not isinstance(contract, int) or not isinstance(reference, str):
            return refused(400, "INVALID_BODY", "items need order_reference and an integer seller_contract_id")
        if contract not in gate.world.settings.contracts:
            return gateway(403, "You cannot consume this service")
    return None


async def _act(gate: Gate, request: Request, operation: str, apply: Apply) -> Response:
    stop = gate.enter(request, operation)
    if stop is not None:
        return stop
    items = await read_json(request)
    stop = _whole_fault(gate, items)
    if stop is not None:
        return stop
    results: list[Result] = []
    for at, item in enumerate(items):
        order = gate.world.find(item["seller_contract_id"], item["order_reference"])
        if at == 0 and gate.faults.strikes("item_500", operation):
            results.append(ITEM_500)
        else:
            results.append(NOT_FOUND if order is None else apply(gate.world, order, item))
    listed = list(zip(items, results, strict=True))
    missing = gate.faults.strikes("missing_item_207", operation)
    if not missing and all(result.good for result in results):
        return await gate.leave(operation, answer(204, None))
    content = [
        {
            "order_reference": item["order_reference"],
            "seller_contract_id": item["seller_contract_id"],
            "result": result.body(),
        }
        for item, result in listed[1 if missing else 0 :]
    ]
    return await gate.leave(operation, answer(207, {"content": content}))


def _answer(operation: str) -> Apply:
    return partial(_answer_order, operation)


def _answer_order(operation: str, world: World, order: SimOrder, item: Mapping[str, Any]) -> Result:
    return effects.answer_order(world, order, item, operation)


def action_routes(gate: Gate) -> APIRouter:
    """The four POST calls of order actions."""
    router = APIRouter()

    @router.post("/orders/v1/accept-orders")
    async def accept(request: Request) -> Response:
        return await _act(gate, request, "accept", _answer("accept"))

    @router.post("/orders/v1/refuse-orders")
    async def refuse(request: Request) -> Response:
        return await _act(gate, request, "refuse", _answer("refuse"))

    @router.post("/orders/v1/shippings")
    async def ship(request: Request) -> Response:
        return await _act(gate, request, "ship", effects.ship)

    @router.post("/orders/v1/refunds")
    async def refund(request: Request) -> Response:
        return await _act(gate, request, "refund", effects.refund)

    return router
