"""How the simulated shop takes the hub's webhooks: signature first, then faults, then the effect, once per id."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import SecretStr

from connector_generic_shop.sandbox.behaviour import DEFAULT_SHOP
from connector_generic_shop.sandbox.store import BadMessage, ShopState, read_order
from connector_generic_shop.signing import BadSignature, verify
from connector_kit.simulator import hang

if TYPE_CHECKING:
    from connector_generic_shop.sandbox.simulator import GenericShopSimulator

SANDBOX_SECRET = "whsec_" + base64.b64encode(b"generic-shop-sandbox-secret").decode()
"""Secret of shops that were given none. Public: it guards nothing but the simulation."""

OPERATIONS = {"order.created": "create_order", "order.cancelled": "cancel_order", "hub.ping": "verify"}

RATE_LIMIT_SECONDS = 7
UNAVAILABLE_SECONDS = 30

Reply = tuple[int, dict[str, Any]]


def webhook_routes(simulator: GenericShopSimulator) -> APIRouter:
    """`POST /shops/{shop_name}/webhook`, and `POST /webhook` for the shop without a name."""
    router = APIRouter()

    @router.post("/webhook")
    async def default_webhook(request: Request) -> Response:
        return await receive(simulator, DEFAULT_SHOP, request.headers, await request.body())

    @router.post("/shops/{shop_name}/webhook")
    async def webhook(shop_name: str, request: Request) -> Response:
        return await receive(simulator, shop_name, request.headers, await request.body())

    return router


async def receive(simulator: GenericShopSimulator, shop_name: str, headers: Mapping[str, str], body: bytes) -> Response:
    """Take one message."""
    shop = simulator.shop(shop_name)
    try:
        signed = verify(headers, body, secrets_of(shop), now=simulator.clock.now())
    except BadSignature as error:
        return JSONResponse({"error": str(error)}, 401)
    try:
        message = json.loads(body)
        kind, data = str(message["type"]), dict(message["data"])
    except (ValueError, KeyError, TypeError):
        return JSONResponse({"error": "body: must be a JSON object with type and data"}, 400)
    operation = OPERATIONS.get(kind, "other")
    fault = await fault_before(simulator, operation, data)
    if fault is not None:
        return fault
    try:
        status, answer = apply(simulator, shop, signed.message_id, operation, data)
    except BadMessage as error:
        return JSONResponse({"error": str(error)}, 422)
    return await _after(simulator, operation, status, answer)


def apply(
    simulator: GenericShopSimulator, shop: ShopState, message_id: str, operation: str, data: Mapping[str, Any]
) -> Reply:
    """Do what a message says, once per id; a repeat gets the first answer again. Raises `BadMessage`."""
    known = shop.answers.get(message_id)
    if known is not None:
        shop.repeats += 1
        return known
    reply: Reply = (200, {})
    if operation == "create_order":
        reply = (201, {"shop_order_reference": create_order(simulator, shop, data)})
    elif operation == "cancel_order":
        reply = cancel_order(simulator, shop, data)
    shop.answers[message_id] = reply
    return reply


def create_order(simulator: GenericShopSimulator, shop: ShopState, data: Mapping[str, Any]) -> str:
    """Put an order into the books and on record. Each call is recorded: a double creation must show."""
    order = read_order(shop, data, simulator.clock.now())
    if order.route_id in shop.cancelled_early:
        order.state = "cancelled"
    shop.orders[order.route_id] = order
    detail = {"shop": shop.name, "order_number": order.order_number, "total_price": order.total_price}
    simulator.record.add("create_order", order.route_id, is_test=order.is_test, **detail)
    return order.reference


def cancel_order(simulator: GenericShopSimulator, shop: ShopState, data: Mapping[str, Any]) -> Reply:
    """Stop an order: 409 when a parcel has left; an unknown one is remembered and will never start."""
    route_id = str(data.get("route_id", ""))
    if not route_id:
        raise BadMessage("route_id is missing")
    order = shop.orders.get(route_id)
    if order is None:
        shop.cancelled_early.add(route_id)
    elif any(line.shipped for line in order.lines):
        return 409, {"error": f"order {order.reference} has left"}
    else:
        order.state = "cancelled"
        shop.due = [due for due in shop.due if due.route_id != route_id or due.kind == "acknowledgement"]
    simulator.record.add("cancel_order", route_id, shop=shop.name)
    return 200, {}


def secrets_of(shop: ShopState) -> list[SecretStr]:
    """Secrets that the shop accepts, newest first."""
    given = (shop.behaviour.webhook_secret, shop.behaviour.webhook_secret_previous)
    return [secret for secret in given if secret is not None] or [SecretStr(SANDBOX_SECRET)]


async def fault_before(simulator: GenericShopSimulator, operation: str, data: Mapping[str, Any]) -> Response | None:
    """The answer of a fault that strikes before anything is done, None when none does."""
    later = format_datetime(simulator.clock.now() + timedelta(seconds=UNAVAILABLE_SECONDS), usegmt=True)
    answers: dict[str, Response] = {
        "redirect": Response(status_code=302, headers={"location": "/elsewhere"}),
        "rate_limit": JSONResponse({"error": "slow down"}, 429, {"retry-after": str(RATE_LIMIT_SECONDS)}),
        "unavailable_503": JSONResponse({"error": "maintenance"}, 503, {"retry-after": later}),
        "unauthorized_401": JSONResponse({"error": "unknown signature"}, 401),
        "gone_410": Response(status_code=410),
        "error_500_before_effect": HTMLResponse("<h1>Internal Server Error</h1>", 500),
        "reject_4xx": JSONResponse({"error": "order refused by shop rule", "received": dict(data)}, 422),
    }
    for fault, answer in answers.items():
        if simulator.faults.strikes(fault, operation):
            return answer
    return await hang() if simulator.faults.strikes("timeout_before_effect", operation) else None


async def _after(simulator: GenericShopSimulator, operation: str, status: int, answer: dict[str, Any]) -> Response:
    faults = simulator.faults
    if faults.strikes("slow_ack", operation):
        await asyncio.sleep(simulator.slow_seconds)
    if faults.strikes("timeout_after_effect", operation):
        return await hang()
    if faults.strikes("error_500_after_effect", operation):
        return HTMLResponse("<h1>Internal Server Error</h1>", 500)
    if faults.strikes("html_answer", operation):
        return HTMLResponse("<h1>Thank you</h1>", 200)
    if faults.strikes("plain_answer", operation):
        return HTMLResponse("OK", 200)
    return JSONResponse(answer, status)
