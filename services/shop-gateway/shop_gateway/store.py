"""SQL about shops' orders, buyers' data and the order list. Posts of shops are in `post_store`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from connector_kit.requests import CreateShopOrder, ShopAddress, ShopCustomer
from hub_common.tx import Cause
from hub_contracts.envelope import Event
from hub_contracts.ids import effect_id_for
from hub_contracts.orders import Environment, OrderCustomerRecorded
from hub_contracts.routes import RouteCancelled
from shop_gateway.corrections import forget_corrections, with_corrections
from shop_gateway.domain import OrderedLine

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Reads: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]"

INSERT_ORDERS = """
INSERT INTO shop_orders (route_id, order_id, connection_id, shop_connection_id, tenant, live, environment, is_test,
                         order_number, sole_route, request, state, traceparent, stored_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bool[], $7::text[], $8::bool[],
                     $9::text[], $10::bool[], $11::jsonb[], $12::text[], $13::text[], $14::timestamptz[])
ON CONFLICT (route_id) DO NOTHING
"""

ORDERS = """
SELECT o.*, x.reason AS cancel_reason, c.body IS NOT NULL OR k.shipping IS NOT NULL AS has_customer,
       coalesce(k.shipping ->> 'country_code', c.body -> 'shipping' ->> 'country_code') AS country
FROM shop_orders o
LEFT JOIN route_cancellations x ON x.route_id = o.route_id
LEFT JOIN customers c ON c.order_id = o.order_id
LEFT JOIN customer_corrections k ON k.order_id = o.order_id AND NOT k.superseded
"""

UNSETTLED = ORDERS + "WHERE o.route_id = ANY($1) AND o.live AND o.state = ANY($2) ORDER BY o.route_id FOR UPDATE OF o"

READY = """
SELECT o.route_id FROM shop_orders o
WHERE o.state = 'waiting' AND o.live AND (
    NOT o.waited AND o.stored_at <= $1
    OR EXISTS (SELECT 1 FROM customers c WHERE c.order_id = o.order_id AND c.body IS NOT NULL)
       AND EXISTS (SELECT 1 FROM connections k WHERE k.connection_id = o.shop_connection_id))
LIMIT $2
"""

SET_STATES = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::int[])
        AS t(route_id, shop, state, listed, resends)
), counted AS (
    SELECT shop, count(*) AS n FROM given WHERE listed GROUP BY shop
), bumped AS (
    INSERT INTO feeds (shop_connection_id, last_seq) SELECT shop, n FROM counted ORDER BY shop
    ON CONFLICT (shop_connection_id) DO UPDATE SET last_seq = feeds.last_seq + excluded.last_seq
    RETURNING shop_connection_id, last_seq
), placed AS (
    SELECT g.route_id, b.last_seq + 1 - row_number() OVER (PARTITION BY g.shop ORDER BY g.route_id DESC) AS seq
    FROM given g JOIN bumped b ON b.shop_connection_id = g.shop WHERE g.listed
)
UPDATE shop_orders o SET state = g.state, feed_seq = coalesce(p.seq, o.feed_seq), resends = g.resends,
       waited = true, version = o.version + 1
FROM given g LEFT JOIN placed p ON p.route_id = g.route_id WHERE o.route_id = g.route_id
"""
# A list that a shop reads by "greater than the last number I saw" loses an order whose number is smaller and whose
# commit is later. The counter's row stays locked until commit, so numbers of one shop become visible in their order.

SUPERSEDE_UNSENT = """
UPDATE effects SET state = 'SUPERSEDED', settled_at = now(), updated_at = now(), reason = 'stopped before it was sent'
WHERE natural_key = ANY($1) AND state IN ('PLANNED', 'RETRY')
RETURNING natural_key, attempts
"""
# Belongs into the runtime (a `Tx.withdraw(natural_keys)`): the effect tables are its own. Until it has one, the
# statement is here; it takes only effects that no worker has claimed, so a call in the air is never overtaken.

RECORD_CREATED = """
UPDATE shop_orders o SET state = CASE WHEN o.state = 'planned' THEN t.state ELSE o.state END,
       shop_order_reference = coalesce(o.shop_order_reference, t.reference), version = o.version + 1
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t(route_id, state, reference)
WHERE o.route_id = t.route_id RETURNING o.route_id, o.state
"""

UPSERT_CUSTOMERS = """
INSERT INTO customers (order_id, version, body, recorded_at)
SELECT DISTINCT ON (t.order_id) t.* FROM unnest($1::uuid[], $2::bigint[], $3::jsonb[], $4::timestamptz[])
    AS t(order_id, version, body, recorded_at) ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET version = excluded.version, body = excluded.body,
    recorded_at = excluded.recorded_at
WHERE customers.version < excluded.version AND customers.erased_at IS NULL
"""

LIST_PAGE = (
    ORDERS
    + """
WHERE o.shop_connection_id = $1 AND o.feed_seq > $2 AND o.closed_at IS NULL ORDER BY o.feed_seq LIMIT $3
"""
)


def effect_key(kind: str, shop_connection_id: UUID, route_id: UUID, resends: int) -> str:
    """Natural key of an effect on a route's order."""
    return f"{kind}:{shop_connection_id}:{route_id}" + (f":{resends}" if resends else "")


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """A route's order at its shop. States: waiting, blocked, planned, created, rejected, cancelling, cancelled, ..."""

    route_id: UUID
    order_id: UUID
    connection_id: UUID
    shop_connection_id: UUID
    tenant: str
    environment: Environment
    is_test: bool
    order_number: str
    sole_route: bool
    request: CreateShopOrder
    state: str
    shop_order_reference: str | None
    acknowledged_at: datetime | None
    waited: bool
    stored_at: datetime
    resends: int
    feed_seq: int | None
    version: int
    traceparent: str | None
    cancel_reason: str | None
    has_customer: bool
    country: str | None

    @property
    def cause(self) -> Cause:
        """Whatever is done about it belongs to the trace of the order."""
        return Cause(tenant=self.tenant, traceparent=self.traceparent)

    @property
    def lines(self) -> tuple[OrderedLine, ...]:
        """What the shop was asked to fulfil."""
        return tuple(OrderedLine(line.line_id, line.shop_sku, line.quantity) for line in self.request.lines)

    def effect_key(self, kind: str) -> str:
        """Natural key of an effect on it; an operator's resend is another intention and gets another key."""
        return effect_key(kind, self.shop_connection_id, self.route_id, self.resends if kind == "create_order" else 0)

    def effect_id(self, kind: str) -> UUID:
        """The effect of that natural key."""
        return effect_id_for(self.effect_key(kind))


def order_of(row: asyncpg.Record) -> StoredOrder:
    """The order that a row of `ORDERS` holds."""
    fields = {name: row[name] for name in StoredOrder.__dataclass_fields__ if name not in ("environment", "request")}
    return StoredOrder(
        environment=Environment(row["environment"]),
        request=CreateShopOrder.model_validate_json(row["request"]),
        **{**fields, "has_customer": bool(row["has_customer"])},
    )


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A route as it was told."""

    request: CreateShopOrder
    connection_id: UUID
    shop_connection_id: UUID
    tenant: str
    live: bool
    environment: Environment
    sole_route: bool
    traceparent: str | None
    stored_at: datetime


async def insert_orders(conn: Conn, orders: Sequence[NewOrder]) -> None:
    """Keep routes. A route is decided once, so one that is known stays as it is."""
    await conn.execute(
        INSERT_ORDERS,
        [o.request.route_id for o in orders],
        [o.request.order_id for o in orders],
        [o.connection_id for o in orders],
        [o.shop_connection_id for o in orders],
        [o.tenant for o in orders],
        [o.live for o in orders],
        [o.environment.value for o in orders],
        [o.request.is_test for o in orders],
        [o.request.order_number for o in orders],
        [o.sole_route for o in orders],
        [o.request.model_dump_json(exclude={"customer"}) for o in orders],
        ["waiting" if o.live else "recorded" for o in orders],
        [o.traceparent for o in orders],
        [o.stored_at for o in orders],
    )


async def insert_cancellations(conn: Conn, events: Sequence[Event[RouteCancelled]]) -> None:
    """Keep that routes were cancelled, known or not: one that arrives late must then never start."""
    pairs = [(route_id, event) for event in events for route_id in event.data.route_ids]
    await conn.execute(
        "INSERT INTO route_cancellations (route_id, order_id, reason, cancelled_at)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) ON CONFLICT DO NOTHING",
        [route_id for route_id, _ in pairs],
        [event.data.order_id for _, event in pairs],
        [event.data.reason for _, event in pairs],
        [event.meta.time for _, event in pairs],
    )


async def save_customers(conn: Conn, events: Sequence[Event[OrderCustomerRecorded]]) -> None:
    """Keep the newest word on each buyer; one that was erased stays erased."""
    await conn.execute(
        UPSERT_CUSTOMERS,
        [e.data.order_id for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.model_dump_json() for e in events],
        [e.meta.time for e in events],
    )


async def load_customers(conn: Reads, order_ids: Iterable[UUID]) -> dict[UUID, ShopCustomer]:
    """Buyers' data in the form that shops get, in one statement; orders without any are left out."""
    wanted = list(set(order_ids))
    rows = await conn.fetch(
        "SELECT order_id, body FROM customers WHERE order_id = ANY($1) AND body IS NOT NULL", wanted
    )
    found = {row["order_id"]: _customer(OrderCustomerRecorded.model_validate_json(row["body"])) for row in rows}
    return await with_corrections(conn, wanted, found)


def _customer(data: OrderCustomerRecorded) -> ShopCustomer:
    return ShopCustomer(
        shipping=ShopAddress(**data.shipping.model_dump()) if data.shipping else None,
        billing=ShopAddress(**data.billing.model_dump()) if data.billing else None,
        fiscal_number=data.fiscal_number,
        professional=data.professional,
        locale=data.locale,
    )


async def erase_customer(conn: Conn, order_id: UUID, now: datetime) -> bool:
    """Forget a buyer for good; False when nothing was known of him (remembered all the same)."""
    known = await conn.fetchval("SELECT body IS NOT NULL FROM customers WHERE order_id = $1 FOR UPDATE", order_id)
    await forget_corrections(conn, [order_id])
    await conn.execute(
        "INSERT INTO customers (order_id, version, body, recorded_at, erased_at) VALUES ($1, 0, NULL, $2, $2)"
        " ON CONFLICT (order_id) DO UPDATE SET body = NULL, erased_at = coalesce(customers.erased_at, $2)",
        order_id,
        now,
    )
    return bool(known)


async def lock_orders(conn: Conn, route_ids: Iterable[UUID], states: Sequence[str]) -> list[StoredOrder]:
    """Live orders of these routes that are in one of these states, locked in a fixed order."""
    return [order_of(row) for row in await conn.fetch(UNSETTLED, list(set(route_ids)), list(states))]


async def set_states(conn: Conn, changes: Sequence[tuple[StoredOrder, str, bool]]) -> None:
    """Write down (order, new state, whether the list for pulling shops must show it anew)."""
    if not changes:
        return
    await conn.execute(
        SET_STATES,
        [order.route_id for order, _, _ in changes],
        [order.shop_connection_id for order, _, _ in changes],
        [state for _, state, _ in changes],
        [listed for _, _, listed in changes],
        [order.resends for order, _, _ in changes],
    )


async def withdraw_effects(conn: Conn, natural_keys: Sequence[str]) -> dict[str, int]:
    """Take back effects that nobody is sending; returns the attempts made before, per natural key taken back."""
    rows = await conn.fetch(SUPERSEDE_UNSENT, list(natural_keys))
    return {row["natural_key"]: row["attempts"] for row in rows}


async def record_created(conn: Conn, rows: Sequence[tuple[UUID, str, str | None]]) -> dict[UUID, str]:
    """Write down how creation ended: (route, `created` or `rejected`, shop's number); returns the resulting states."""
    found = await conn.fetch(RECORD_CREATED, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    return {row["route_id"]: row["state"] for row in found}


async def list_page(conn: Reads, shop_connection_id: UUID, after: int, limit: int) -> list[StoredOrder]:
    """Orders of a shop that changed after a place in its list, oldest change first; finished ones are left out."""
    return [order_of(row) for row in await conn.fetch(LIST_PAGE, shop_connection_id, after, limit)]


async def ready(conn: Reads, stored_before: datetime, limit: int) -> list[UUID]:
    """Waiting routes that can go on, or that have waited since before an instant and not been parked."""
    return [row["route_id"] for row in await conn.fetch(READY, stored_before, limit)]


async def open_routes(conn: Reads, column: str, ids: Sequence[UUID]) -> list[UUID]:
    """Routes of these orders (`order_id`) or shops (`shop_connection_id`) that nothing was done about yet."""
    where = {"order_id": "order_id = ANY($1)", "shop_connection_id": "shop_connection_id = ANY($1)"}[column]
    rows = await conn.fetch(
        f"SELECT route_id FROM shop_orders WHERE {where} AND live AND state IN ('waiting', 'blocked')",  # noqa: S608
        list(ids),
    )
    return [row["route_id"] for row in rows]


async def forget_customers(conn: Reads, before: datetime, now: datetime, limit: int) -> int:
    """Erase buyers' data recorded before an instant; returns how many."""
    rows = await conn.fetch(
        "UPDATE customers SET body = NULL, erased_at = $2 WHERE order_id IN ("
        "SELECT order_id FROM customers WHERE body IS NOT NULL AND recorded_at < $1 LIMIT $3) RETURNING order_id",
        before,
        now,
        limit,
    )
    await forget_corrections(conn, [row["order_id"] for row in rows], before)
    return len(rows)


async def given_order(conn: Reads, shop_connection_id: UUID, route_id: UUID) -> StoredOrder | None:
    """An order that this shop was given; None for all others."""
    rows = await conn.fetch(
        ORDERS + "WHERE o.shop_connection_id = $1 AND o.route_id = $2 AND o.feed_seq IS NOT NULL",
        shop_connection_id,
        route_id,
    )
    return order_of(rows[0]) if rows else None


async def list_orders(
    conn: Reads, order_id: UUID | None, shop_connection_id: UUID | None, state: str | None, limit: int
) -> list[asyncpg.Record]:
    """Rows for operators, newest first."""
    return await conn.fetch(
        "SELECT * FROM shop_orders WHERE ($1::uuid IS NULL OR order_id = $1)"
        " AND ($2::uuid IS NULL OR shop_connection_id = $2) AND ($3::text IS NULL OR state = $3)"
        " ORDER BY stored_at DESC, route_id LIMIT $4",
        order_id,
        shop_connection_id,
        state,
        limit,
    )
