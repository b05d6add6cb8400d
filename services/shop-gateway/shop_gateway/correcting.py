"""Putting a delivery address right in one transaction: kept, told by the names of its fields, and acted upon.

The address is kept here only. Whoever hears of the correction learns who made it, when, and which fields it changed;
what then becomes of the order names the correction as its cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from hub_common.tx import Cause, Tx
from hub_common.web import Problem
from hub_contracts.envelope import Metadata
from hub_contracts.shop_activity import ShippingAddressCorrected
from shop_gateway import store
from shop_gateway.corrections import Standing, changed_fields, save_correction, standing_of
from shop_gateway.creating import advance

STATES = ("waiting", "blocked", "planned", "created", "rejected")

ROUTED = """
SELECT route_id, connection_id, tenant, traceparent FROM shop_orders WHERE order_id = $1 ORDER BY route_id FOR UPDATE
"""

UNROUTED = """
SELECT k.connection_id, k.tenant FROM customers c
JOIN connections k ON k.connection_id = (c.body ->> 'connection_id')::uuid WHERE c.order_id = $1
"""


@dataclass(frozen=True, slots=True)
class Correctable:
    """An order whose address may be put right, locked: of two people who correct it at once, one is second."""

    order_id: UUID
    connection_id: UUID
    cause: Cause
    route_ids: tuple[UUID, ...]
    original: Mapping[str, Any]
    """The delivery address as the marketplace gave it; empty when it gave none."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """What came of it."""

    version: int
    actor: str
    """Who made the correction that is in force."""
    repeated: bool
    """It was in force already, so that nothing was kept or told anew."""
    orders: tuple[store.StoredOrder, ...]
    """The order at its shops."""


async def lock_order(tx: Tx, order_id: UUID) -> Correctable:
    """The order, locked. Raises `Problem`: 404 when it is not known, 409 when its buyer was erased or when nothing is
    known of the account that it came from.
    """
    buyer = await tx.conn.fetchrow("SELECT body, erased_at FROM customers WHERE order_id = $1 FOR UPDATE", order_id)
    routes = await tx.conn.fetch(ROUTED, order_id)
    if buyer is None and not routes:
        raise unknown(order_id)
    if buyer is not None and buyer["erased_at"] is not None:
        detail = "The buyer's data was erased; a correction would bring it back."
        raise Problem("customer-erased", "The buyer was erased", 409, detail)
    original = (orjson.loads(buyer["body"]).get("shipping") if buyer and buyer["body"] else None) or {}
    if routes:
        first = routes[0]
        cause = Cause(tenant=first["tenant"], traceparent=first["traceparent"])
        return Correctable(order_id, first["connection_id"], cause, tuple(row["route_id"] for row in routes), original)
    account = await tx.conn.fetchrow(UNROUTED, order_id)
    if account is None:
        detail = "The order is not routed yet and its marketplace connection is not known here. Try again in a moment."
        raise Problem("connection-unknown", "Whose order it is is not known yet", 409, detail)
    return Correctable(order_id, account["connection_id"], Cause(tenant=account["tenant"]), (), original)


async def put_right(
    tx: Tx, order: Correctable, shipping: Mapping[str, str | None], actor: str, reason: str
) -> Corrected:
    """Keep a correction, tell it, and let go on what waited for an address. One that is in force stays as it is."""
    standing = await standing_of(tx.conn, order.order_id)
    if standing.shipping == shipping:
        orders = await store.lock_orders(tx.conn, order.route_ids, STATES)
        return Corrected(standing.made, standing.actor or actor, True, tuple(orders))
    await save_correction(tx.conn, tx.ids.new(), order.order_id, shipping, actor, reason, tx.now)
    _tell(tx, order, standing, shipping, actor)
    await advance(tx, order.route_ids)
    orders = await store.lock_orders(tx.conn, order.route_ids, STATES)
    # A shop that fetches its orders reads this one again, with the address as it is now.
    await store.set_states(tx.conn, [(each, each.state, True) for each in orders if each.feed_seq is not None])
    return Corrected(standing.made + 1, actor, False, tuple(orders))


def _tell(tx: Tx, order: Correctable, before: Standing, shipping: Mapping[str, str | None], actor: str) -> None:
    event = ShippingAddressCorrected(
        order_id=order.order_id,
        connection_id=order.connection_id,
        version=before.made + 1,
        changed_fields=changed_fields(order.original, before.shipping or {}, shipping),
        actor=actor,
        corrected_at=tx.now,
    )
    key, cause = str(order.order_id), order.cause
    told = tx.emit(event, key=key, cause=cause)
    # What is resumed, planned or told for this order from here on follows from the correction.
    tx.heard[key] = Metadata(
        told, event.TYPE, tx.service, tx.now, key, cause.tenant, 0, cause.origin, cause.traceparent
    )


def unknown(order_id: UUID) -> Problem:
    """Nothing is known of it."""
    return Problem("order-unknown", "No such order", 404, f"shop-gateway knows no order {order_id}.")
