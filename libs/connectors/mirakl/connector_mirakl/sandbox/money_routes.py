"""OR28, OR29, OR30: giving money back and cancelling. Each call is all or nothing."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, as_list, number, read_body, require
from connector_mirakl.sandbox.render import REFUNDABLE, money
from connector_mirakl.sandbox.world import SimLine, SimMoneyBack, SimOrder

CANCELLABLE = frozenset({"WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"})


def money_routes(desk: Desk) -> APIRouter:
    """Routes for refunds and cancelations."""
    router = APIRouter()

    @router.put("/api/orders/refund")
    async def refund(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "refund", lambda: _refund(desk, body))

    @router.put("/api/orders/cancel")
    async def cancel_lines(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "cancel", lambda: _cancel_lines(desk, body))

    @router.put("/api/orders/{order_id}/cancel")
    async def cancel_order(order_id: str, request: Request) -> Response:
        return await desk.serve(request, "cancel", lambda: _cancel_order(desk, order_id))

    return router


def _refund(desk: Desk, body: Any) -> Response:
    """OR28: line SHIPPED or RECEIVED, not CLOSED; money within what is left; reason of type REFUND for shops."""
    items = as_list(body, "refunds")
    planned = [_checked(desk, item, "REFUND", REFUNDABLE) for item in items]
    _check_sums(body, planned)
    group = str(uuid.UUID(int=desk.world.number()))
    echoed = []
    for order, line, back, item in planned:
        back.group_id = group
        line.refunds.append(back)
        order.touch(desk.now())
        desk.record.add(
            "refund",
            f"{order.id}/{back.id}",
            line=line.id,
            amount=str(back.amount),
            shipping_amount=str(back.shipping_amount),
        )
        echoed.append({**_echo(item, back), "refund_id": back.id, "order_refund_id": group})
    return JSONResponse({"order_tax_mode": planned[0][0].tax_mode, "refunds": echoed})


def _cancel_lines(desk: Desk, body: Any) -> Response:
    """OR30: lines not shipped yet; reason of type CANCELATION."""
    items = as_list(body, "cancelations")
    planned = [_checked(desk, item, "CANCELATION", CANCELLABLE) for item in items]
    _check_sums(body, planned)
    for _, line, back, item in planned:
        require(isinstance(item.get("quantity"), int), "'quantity' is mandatory")
        require(back.quantity <= line.units_left, "The quantity is more than what is left")
    now = desk.now()
    for order, line, back, _ in planned:
        line.cancelations.append(back)
        if line.units_left == 0 and line.shipped == 0:
            line.state = "CANCELED"
        order.touch(now)
        desk.record.add("cancel", f"{order.id}/{back.id}", line=line.id, amount=str(back.amount))
    for order in {id(entry[0]): entry[0] for entry in planned}.values():
        if not order.live_lines():
            order.state = "CANCELED"
    echoed = [{**_echo(item, back), "cancelation_id": back.id} for _, _, back, item in planned]
    return JSONResponse({"order_tax_mode": planned[0][0].tax_mode, "cancelations": echoed})


def _cancel_order(desk: Desk, order_id: str) -> Response:
    """OR29: only while the buyer is not debited."""
    order = desk.order(order_id)
    open_state = order.state in CANCELLABLE | {"WAITING_ACCEPTANCE"}
    require(open_state and order.debited is None, "Order is not in the expected state", "ORDER_INVALID_STATE")
    order.set_state("CANCELED", desk.now())
    desk.record.add("cancel", order.id)
    return Response(status_code=204)


Planned = tuple[SimOrder, SimLine, SimMoneyBack, dict[str, Any]]


def _checked(desk: Desk, item: dict[str, Any], reason_type: str, states: frozenset[str]) -> Planned:
    order, line = _find(desk, item.get("order_line_id"))
    require(line.state in states, f"The order line is {line.state}", "ORDER_LINE_INVALID_STATE")
    codes = {reason.code for reason in desk.settings.profile.reasons if reason.type == reason_type and reason.shop}
    require(item.get("reason_code") in codes, "The reason does not exist or is not a shop right")
    require(item.get("currency_iso_code") in (None, order.currency), "The currency is not the order's")
    _check_taxes(line, item)
    quantity = item.get("quantity", 0)
    require(isinstance(quantity, int) and quantity >= 0, "'quantity' must be an integer that is not negative")
    back = SimMoneyBack(
        id=str(1000 + desk.world.number()),
        group_id="",
        amount=number(item.get("amount"), "amount"),
        shipping_amount=number(item.get("shipping_amount"), "shipping_amount"),
        quantity=quantity,
        reason_code=str(item["reason_code"]),
        created=desk.now(),
        taxes=_taxes(item.get("taxes")),
        shipping_taxes=_taxes(item.get("shipping_taxes")),
    )
    return order, line, back, item


def _check_taxes(line: SimLine, item: dict[str, Any]) -> None:
    """Taxes whose rule is NONE are not prorated: money back on their price must say how much of the tax goes back."""
    for taxes, name, money_name in (
        (line.taxes, "taxes", "amount"),
        (line.shipping_taxes, "shipping_taxes", "shipping_amount"),
    ):
        named = {tax.get("code") for tax in item.get(name) or []}
        left_out = [tax.code for tax in taxes if tax.rule == "NONE" and tax.amount and tax.code not in named]
        require(not left_out or not item.get(money_name), f"'{name}' is mandatory: {', '.join(left_out)}")


def _find(desk: Desk, line_id: Any) -> tuple[SimOrder, SimLine]:
    require(isinstance(line_id, str), "'order_line_id' is mandatory")
    order = desk.world.orders.get(str(line_id).rsplit("-", 1)[0])
    line = order.line(str(line_id)) if order else None
    if order is None or line is None:
        raise Problem(400, "ORDER_LINE_NOT_FOUND", f"The order line '{line_id}' does not exist")
    return order, line


def _check_sums(body: Any, planned: list[Planned]) -> None:
    """No line gets more back than is left on it, all items of the call together; the tax mode is the order's."""
    for order, line, _, _ in planned:
        require(body.get("order_tax_mode") in (None, order.tax_mode), "The tax mode is not the order's")
        mine = [back for _, other, back, _ in planned if other is line]
        products, shipping = line.money_left
        require(sum((back.amount for back in mine), Decimal(0)) <= products, "The amount is more than what is left")
        asked = sum((back.shipping_amount for back in mine), Decimal(0))
        require(asked <= shipping, "The shipping amount is more than what is left")


def _taxes(value: Any) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else []
    return [{"code": str(tax.get("code")), "amount": money(number(tax.get("amount"), "taxes.amount"))} for tax in found]


def _echo(item: dict[str, Any], back: SimMoneyBack) -> dict[str, Any]:
    return {
        "order_line_id": item["order_line_id"],
        "amount": money(back.amount),
        "shipping_amount": money(back.shipping_amount),
        "quantity": back.quantity,
        "reason_code": back.reason_code,
        "currency_iso_code": item.get("currency_iso_code"),
        "taxes": back.taxes,
        "shipping_taxes": back.shipping_taxes,
    }
