"""What operators may see and do: posts of shops, orders in shops, and the erasure of a buyer's data."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from hub_common.connections import load_connections
from hub_common.web import Operator, Problem, Role, operator
from hub_common.web.operations import plain
from shop_gateway import post_store, store
from shop_gateway.api_corrections import correction_router
from shop_gateway.creating import resend
from shop_gateway.erasing import privacy_router
from shop_gateway.intake import interpret_again

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

Limit = Annotated[int, Query(ge=1, le=1000)]
CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
PostState = Literal["done", "parked", "rejected", "aside"]


class RetryPost(BaseModel):
    """Interpret a kept post once more."""

    model_config = ConfigDict(extra="forbid")
    despite_cancellation: bool = False
    """Tell a parcel that left although its order was cancelled before."""


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/posts`, `/v1/shop-orders` and `/v1/orders`."""
    return [
        _posts(runtime),
        _shop_orders(runtime),
        _customers(runtime),
        correction_router(runtime),
        privacy_router(runtime),
    ]


def _posts(runtime: Runtime) -> APIRouter:
    router = APIRouter(prefix="/v1/posts", tags=["posts"])

    @router.get("")
    async def list_posts(
        state: PostState | None = None, connection_id: UUID | None = None, limit: Limit = 100
    ) -> dict[str, Any]:
        """Newest first, without bodies."""
        rows = await post_store.list_posts(runtime.pool, state, connection_id, limit)
        return {"items": [plain(row, without=("body", "fingerprint"), parse=("errors", "headers")) for row in rows]}

    @router.get("/{post_id}")
    async def show_post(post_id: UUID, who: CanAct) -> dict[str, Any]:
        """One post with its bytes; they may hold what a shop's staff wrote about a buyer, so viewers do not see it."""
        row = await runtime.pool.fetchrow("SELECT * FROM shop_posts WHERE post_id = $1", post_id)
        if row is None:
            raise _unknown_post(post_id)
        shown = plain(row, without=("body", "fingerprint"), parse=("errors", "headers"))
        body = bytes(row["body"])
        return shown | {"body_text": body.decode(errors="replace"), "body_base64": base64.b64encode(body).decode()}

    @router.post("/{post_id}/retry")
    async def retry_post(post_id: UUID, body: RetryPost, who: CanAct) -> dict[str, Any]:
        """Interpret it again now: after the order, the code or a decision changed."""
        taken = await interpret_again(runtime, post_id, despite_cancellation=body.despite_cancellation, actor=who.login)
        if taken is not None:
            return {"post_id": post_id, "state": taken.state, "cause": taken.cause, "detail": taken.detail} | {
                "errors": list(taken.errors)
            }
        if await runtime.pool.fetchval("SELECT true FROM shop_posts WHERE post_id = $1", post_id):
            raise Problem("post-settled", "The post is settled", 409, "It was taken; doing it again would do it twice.")
        raise _unknown_post(post_id)

    return router


def _shop_orders(runtime: Runtime) -> APIRouter:
    router = APIRouter(prefix="/v1/shop-orders", tags=["shop orders"])

    @router.get("")
    async def list_shop_orders(
        order_id: UUID | None = None,
        connection_id: UUID | None = None,
        state: str | None = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Newest first. `connection_id` is the shop's."""
        rows = await store.list_orders(runtime.pool, order_id, connection_id, state, limit)
        return {"items": [plain(row, without=("request",)) for row in rows]}

    @router.get("/{route_id}")
    async def show_shop_order(route_id: UUID) -> dict[str, Any]:
        """One order with what was asked, shipped, returned and cancelled."""
        pool = runtime.pool
        row = await pool.fetchrow("SELECT * FROM shop_orders WHERE route_id = $1", route_id)
        if row is None:
            raise _unknown_order(route_id)
        parts = {
            name: [plain(part, parse=("lines",)) for part in await pool.fetch(query, route_id)]
            for name, query in post_store.PARTS_OF_ORDER.items()
        }
        return plain(row, parse=("request",)) | parts

    @router.post("/{route_id}/resend")
    async def resend_order(route_id: UUID, who: CanAct) -> dict[str, Any]:
        """Create an order again that the shop would not take, after what it objected to was mended."""
        async with runtime.transactions.begin() as tx:
            orders = await store.lock_orders(tx.conn, [route_id], ("rejected",))
            shops = await load_connections(tx.conn, (order.shop_connection_id for order in orders))
            if orders and orders[0].shop_connection_id in shops:
                await resend(tx, orders[0], shops[orders[0].shop_connection_id], who.login)
                return {"route_id": route_id, "state": "planned"}
        state = await runtime.pool.fetchval("SELECT state FROM shop_orders WHERE route_id = $1", route_id)
        if state is None:
            raise _unknown_order(route_id)
        raise Problem("order-not-rejected", "The shop did not refuse it", 409, f"Only refused orders; it is {state}.")

    return router


def _customers(runtime: Runtime) -> APIRouter:
    router = APIRouter(prefix="/v1/orders", tags=["erasure"])

    @router.delete("/{order_id}/customer")
    async def erase_customer(order_id: UUID, who: CanAct) -> dict[str, Any]:
        """Forget the buyer's data of an order for good; later events do not bring it back."""
        async with runtime.transactions.begin() as tx:
            erased = await store.erase_customer(tx.conn, order_id, tx.now)
        runtime.log.info("customer_erased", order_id=str(order_id), login=who.login)
        return {"order_id": order_id, "erased": erased}

    return router


def _unknown_post(post_id: UUID) -> Problem:
    return Problem("post-unknown", "No such post", 404, f"shop-gateway keeps no post {post_id}.")


def _unknown_order(route_id: UUID) -> Problem:
    return Problem("shop-order-unknown", "No such shop order", 404, f"shop-gateway knows no route {route_id}.")
