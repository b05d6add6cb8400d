"""From stored bytes to a verdict: read the post, find what it speaks of, and tell it if it is news."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from hub_common.connections import Connection
from hub_common.tx import Tx
from shop_gateway import levels, order_posts, post_store
from shop_gateway.domain import too_far_ahead
from shop_gateway.post_store import StoredPost
from shop_gateway.shop_protocol import (
    Acknowledgement,
    BadPost,
    CancellationPost,
    LineUnits,
    OrderPost,
    Post,
    PricePost,
    ReturnPost,
    ShipmentPost,
    StockPost,
    UnknownPostType,
    parse_body,
    parse_json,
    parse_webhook,
)
from shop_gateway.store import StoredOrder
from shop_gateway.verdicts import ORDER_AMBIGUOUS, ORDER_UNKNOWN, Verdict, parked, rejected

Names = tuple[UUID | None, str | None, str | None]
TYPE_CHARACTERS = 128
"""As much of an unknown type's name as is worth keeping."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an interpretation may assume."""

    clock_ahead_seconds: float
    despite_cancellation: bool = False
    """An operator decided that a parcel of a cancelled order is told all the same."""


async def interpret(tx: Tx, stored: StoredPost, shop: Connection, rules: Rules) -> Verdict:
    """Read a post and act on it. Everything that a shop may send ends in a verdict, never in an exception."""
    webhook = stored.source == "webhook"
    kind = stored.kind
    try:
        if webhook:
            kind = _type_of(stored.body)
            _, post = parse_webhook(stored.body)
        else:
            post = parse_body(kind, stored.body)
    except BadPost as error:
        return Verdict("rejected", f"{len(error.errors)} rule(s) broken", errors=error.errors, kind=kind)
    except UnknownPostType:
        return Verdict("aside", "the hub does not use this type; it is kept", kind=kind)
    at = "#/data" if webhook else "#"
    verdict = await _act(tx, stored, shop, post, at, rules)
    return replace(verdict, kind=kind)


def _type_of(body: bytes) -> str:
    """A webhook's type for people, whatever was sent in its place. Raises `BadPost` when it is not JSON."""
    message = parse_json(body)
    value = message.get("type") if isinstance(message, dict) else None
    if not isinstance(value, str):
        return "unreadable"
    # NUL and lone surrogates are legal in JSON and impossible in the database.
    return value.encode(errors="replace").decode().replace("\x00", "")[:TYPE_CHARACTERS] or "unreadable"


async def _act(tx: Tx, stored: StoredPost, shop: Connection, post: Post, at: str, rules: Rules) -> Verdict:
    name, moment = _moment(post)
    if moment is not None and too_far_ahead(moment, tx.now, rules.clock_ahead_seconds):
        return rejected(f"{at}/{name}", f"must not lie more than {rules.clock_ahead_seconds:g} s in the future")
    if isinstance(post, StockPost):
        return await levels.take_stock(tx, stored, shop, post)
    if isinstance(post, PricePost):
        return await levels.take_prices(tx, stored, shop, post)
    names = _names(post)
    found = await _find(tx, shop, post, names, at)
    if isinstance(found, Verdict):
        return replace(found, names=names)
    context = order_posts.Context(tx, stored, found, at, rules.despite_cancellation)
    if isinstance(post, Acknowledgement):
        return await order_posts.take_acknowledgement(context, post)
    if isinstance(post, ShipmentPost):
        return await order_posts.take_shipment(context, post)
    if isinstance(post, ReturnPost):
        return await order_posts.take_return(context, post)
    return await order_posts.take_cancellation(context, post)


def _moment(post: Post) -> tuple[str, datetime | None]:
    """A shop whose clock runs a year ahead would otherwise freeze its stock until then."""
    name = "handed_over_at" if isinstance(post, ShipmentPost) else post.MOMENT or ""
    moment: datetime | None = getattr(post, name, None)
    return name, moment


def _names(post: OrderPost) -> Names:
    """The surest name that a post gives its order. An acknowledgement states the shop's number, it does not ask."""
    if post.route_id is not None:
        return (post.route_id, None, None)
    if post.order_number is not None:
        return (None, post.order_number, None)
    return (None, None, post.shop_order_reference)


async def _find(tx: Tx, shop: Connection, post: OrderPost, names: Names, at: str) -> StoredOrder | Verdict:
    candidates = await post_store.match_orders(tx.conn, shop.connection_id, *names)
    if not candidates:
        return parked(ORDER_UNKNOWN, "no order of this shop has this number")
    fitting = [order for order in candidates if post.order_number in (None, order.order_number)]
    if not fitting:
        return rejected(f"{at}/order_number", "is the number of another order than route_id", candidates[0])
    reference = post.shop_order_reference
    if not isinstance(post, Acknowledgement):
        fitting = [order for order in fitting if reference in (None, order.shop_order_reference or reference)]
        if not fitting:
            return rejected(f"{at}/shop_order_reference", "is not the number of this order", candidates[0])
    if len(fitting) > 1:
        # The same order may go to two warehouses of one shop; the lines then tell which is meant.
        by_lines = [order for order in fitting if _has_lines(order, post)]
        if len(by_lines) != 1:
            return parked(ORDER_AMBIGUOUS, f"{len(fitting)} orders of this shop have this number")
        fitting = by_lines
    return fitting[0]


def _has_lines(order: StoredOrder, post: OrderPost) -> bool:
    named: Sequence[LineUnits] = ()
    if isinstance(post, ShipmentPost | ReturnPost | CancellationPost):
        named = post.lines
    return bool(named) and all(
        any(units.line_id in (None, line.line_id) and units.sku in (None, line.shop_sku) for line in order.lines)
        for units in named
    )
