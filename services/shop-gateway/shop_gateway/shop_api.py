"""The hub's HTTP interface for shops: posts over REST or signed webhooks, and the list of orders to fulfil.

Bodies are read by the protocol's own code, from the raw bytes: a framework's parser would turn amounts into floats
before anybody could object, and the bytes must be kept whatever they hold.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict

from connector_kit.requests import CancelShopOrder
from hub_common.connections import Connection
from hub_common.errors import is_storage_down
from hub_common.web import FieldError, Problem
from hub_contracts.connections import ConnectionState
from shop_gateway import store
from shop_gateway.config import settings_of
from shop_gateway.intake import Incoming, KeyReused, Taken, take
from shop_gateway.openapi import json_body
from shop_gateway.shop_auth import SignedCall, api_key, signature
from shop_gateway.shop_protocol import (
    ID_HEADER,
    REST_POSTS,
    TIMESTAMP_HEADER,
    ListedOrder,
    OrderPage,
    ShopMessage,
    listed_order,
    sends_personal_data,
)
from shop_gateway.store import StoredOrder

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

KEPT_HEADERS = ("content-type", "user-agent", "idempotency-key", ID_HEADER, TIMESTAMP_HEADER)
"""Kept with a post as evidence; everything else, the API key first, is not."""
IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
CURSOR = re.compile(r"[0-9]{1,18}")
"""Opaque to shops; eighteen digits fit a bigint."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Repeats with this key change nothing and get the first answer. Without it, a repeat is known by"
        " its bytes. Another content under a used key is refused (422)."
    ),
]
Cursor = Annotated[str, Query(description="`next_cursor` of the page before; empty = from the beginning")]
Limit = Annotated[int | None, Query(ge=1, le=1000)]


class PostTaken(BaseModel):
    """The post is kept. The shop need not send it again, whatever the state says."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    post_id: UUID
    state: str
    """`done`; `parked`: kept, and a person or a later post decides; `aside`: the hub does not use this type."""
    cause: str | None = None
    """Machine word of why it is parked, e.g. `order_unknown`, `shipped_too_many`."""
    detail: str = ""
    repeated: bool = False
    """It was known; nothing was done again."""


def shop_routers(runtime: Runtime) -> Sequence[APIRouter]:
    """Routes below `/v1/shops/{connection_id}`; each proves by itself who is calling."""
    router = APIRouter(prefix="/v1/shops/{connection_id}", tags=["shops"])
    by_key = Depends(api_key(runtime))
    for resource in REST_POSTS:
        router.add_api_route(
            f"/{resource}",
            _rest_endpoint(runtime, resource, by_key),
            methods=["POST"],
            status_code=202,
            response_model=PostTaken,
            name=f"post_{resource}",
            description=REST_POSTS[resource].__doc__,
            openapi_extra=json_body(REST_POSTS[resource]),
        )
    _webhooks(router, runtime)
    _orders(router, runtime, by_key)
    return [router]


def _rest_endpoint(runtime: Runtime, resource: str, by_key: Any) -> Callable[..., Awaitable[PostTaken]]:
    async def post(request: Request, shop: Connection = by_key, idempotency_key: IdempotencyKey = None) -> PostTaken:
        body = await request.body()
        key = _idempotency_key(idempotency_key)
        dedupe_key = f"key:{key}" if key else f"body:{resource}:{hashlib.sha256(body).hexdigest()}"
        incoming = Incoming(shop, "rest", resource, body, _kept(request), dedupe_key)
        taken = await _take(runtime, incoming, "header:/Idempotency-Key")
        if taken.state == "rejected":
            raise _broken_rules(taken, 422)
        return _answer(taken)

    return post


def _webhooks(router: APIRouter, runtime: Runtime) -> None:
    by_signature = Depends(signature(runtime))

    @router.post("/webhooks", status_code=202, openapi_extra=json_body(ShopMessage))
    async def post_webhook(request: Request, call: SignedCall = by_signature) -> PostTaken:
        """One of the posts above in `data`, named by `type`, signed as Standard Webhooks demand."""
        key = f"webhook:{call.signed.message_id}"
        incoming = Incoming(call.shop, "webhook", "webhook", call.body, _kept(request), key)
        taken = await _take(runtime, incoming, f"header:/{ID_HEADER}")
        if taken.state == "rejected":
            raise _broken_rules(taken, 400)
        return _answer(taken)


def _orders(router: APIRouter, runtime: Runtime, by_key: Any) -> None:
    @router.get("/orders")
    async def list_orders(shop: Connection = by_key, cursor: Cursor = "", limit: Limit = None) -> OrderPage:
        """Orders to fulfil and cancellations, oldest change first. Finished orders are left out."""
        if cursor and not CURSOR.fullmatch(cursor):
            raise Problem(
                "invalid-request",
                "Invalid request",
                422,
                "The cursor is not one of ours.",
                errors=[FieldError("query:/cursor", "must be the next_cursor of an earlier page, or empty")],
            )
        if shop.data.state is not ConnectionState.ACTIVE:
            return OrderPage(orders=(), next_cursor=cursor or "0", has_more=False)
        size = limit or settings_of(runtime).list_page_size
        found = await store.list_page(runtime.pool, shop.connection_id, int(cursor or 0), size + 1)
        page = found[:size]
        last = page[-1].feed_seq if page else None
        return OrderPage(
            orders=tuple(await _listed(runtime, shop, page)),
            next_cursor=str(last) if last is not None else cursor or "0",
            has_more=len(found) > size,
        )

    @router.get("/orders/{route_id}")
    async def read_order(route_id: UUID, shop: Connection = by_key) -> ListedOrder:
        """One order as the list shows it."""
        order = await store.given_order(runtime.pool, shop.connection_id, route_id)
        if order is None:
            raise Problem("order-unknown", "No such order", 404, "This shop was given no order of this route_id.")
        (listed,) = await _listed(runtime, shop, [order])
        return listed


async def _listed(runtime: Runtime, shop: Connection, orders: Sequence[StoredOrder]) -> list[ListedOrder]:
    personal = sends_personal_data(shop.data.connector_settings)
    customers = await store.load_customers(runtime.pool, (order.order_id for order in orders))
    found = []
    for order in orders:
        request = order.request.model_copy(update={"customer": customers.get(order.order_id)})
        cancelled = None
        if order.cancel_reason is not None:
            cancelled = CancelShopOrder(
                order_id=order.order_id,
                route_id=order.route_id,
                order_number=order.order_number,
                is_test=order.is_test,
                reason=order.cancel_reason,
            )
        found.append(listed_order(request, send_personal_data=personal, cancelled=cancelled))
    return found


async def _take(runtime: Runtime, incoming: Incoming, key_pointer: str) -> Taken:
    try:
        return await take(runtime, incoming)
    except KeyReused:
        raise Problem(
            "key-reused",
            "The key was used for another content",
            422,
            "A post with this key and another content was taken before. Send this one under a key of its own.",
            errors=[FieldError(key_pointer, "was used for another content")],
        ) from None
    except Exception as error:
        if not is_storage_down(error):
            raise
        raise Problem(
            "not-ready", "Not ready", 503, "The post was not kept; send it again.", headers={"Retry-After": "5"}
        ) from None


def _answer(taken: Taken) -> PostTaken:
    return PostTaken(
        post_id=taken.post_id, state=taken.state, cause=taken.cause, detail=taken.detail, repeated=taken.repeated
    )


def _broken_rules(taken: Taken, status: int) -> Problem:
    return Problem(
        "invalid-post",
        "The post breaks rules",
        status,
        f"{len(taken.errors)} rule(s) broken; see errors. The post is kept for inspection, nothing of it was done.",
        errors=[FieldError(error["pointer"], error["detail"]) for error in taken.errors],
        extra={"post_id": str(taken.post_id)},
    )


def _idempotency_key(given: str | None) -> str | None:
    """The key without the quotes that the draft standard puts around it and most senders leave out."""
    if given is None:
        return None
    value = given.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if not IDEMPOTENCY_KEY.fullmatch(value):
        rule = "must be 1 to 255 visible ASCII characters, quoted or not"
        raise Problem(
            "invalid-request",
            "Invalid request",
            400,
            f"Idempotency-Key {rule}.",
            errors=[FieldError("header:/Idempotency-Key", rule)],
        )
    return value


def _kept(request: Request) -> dict[str, str]:
    return {name: request.headers[name][:255] for name in KEPT_HEADERS if name in request.headers}
