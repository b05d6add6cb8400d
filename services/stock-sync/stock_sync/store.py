"""SQL about the facts that figures rest on: stock and prices of shops, orders and what they reserve."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import asyncpg

from hub_contracts.envelope import Event
from hub_contracts.orders import FulfilledBy, OrderSnapshot, OrderStatusChanged
from hub_contracts.shop_activity import PriceReported, ShopOrderCancelled, ShopOrderCreated
from stock_sync.domain import claim_of
from stock_sync.serving import Pair, Sku

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SHOP = "shop"
"""Who stated a stock level, when the shop itself did; else the login of a person."""

UPSERT_STOCK = """
INSERT INTO shop_stock AS s (shop_connection_id, shop_sku, warehouse, quantity, reported_at, reported_by)
SELECT DISTINCT ON (t.shop, t.sku, t.warehouse) t.shop, t.sku, t.warehouse, t.quantity, t.at, t.by
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::text[])
     WITH ORDINALITY AS t(shop, sku, warehouse, quantity, at, by, ord)
ORDER BY t.shop, t.sku, t.warehouse, t.at DESC, t.ord DESC
ON CONFLICT (shop_connection_id, shop_sku, warehouse) DO UPDATE
    SET quantity = excluded.quantity, reported_at = excluded.reported_at, reported_by = excluded.reported_by
WHERE s.reported_at <= excluded.reported_at
RETURNING shop_connection_id, shop_sku, warehouse
"""

UPSERT_PRICES = """
INSERT INTO shop_prices AS p
    (shop_connection_id, shop_sku, channel, price, discount_price, currency, reported_at, discount_from, discount_until)
SELECT DISTINCT ON (t.shop, t.sku, t.channel)
    t.shop, t.sku, t.channel, t.price, t.discount, t.currency, t.at, t.since, t.until
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[])
     WITH ORDINALITY AS t(shop, sku, channel, price, discount, currency, at, since, until, ord)
ORDER BY t.shop, t.sku, t.channel, t.at DESC, t.ord DESC
ON CONFLICT (shop_connection_id, shop_sku, channel) DO UPDATE SET price = excluded.price,
    discount_price = excluded.discount_price, currency = excluded.currency, reported_at = excluded.reported_at,
    discount_from = excluded.discount_from, discount_until = excluded.discount_until
WHERE p.reported_at <= excluded.reported_at
RETURNING shop_connection_id, shop_sku
"""

UPSERT_ORDERS = """
INSERT INTO orders AS o (order_id, connection_id, order_number, reserves, claim, status, version)
SELECT DISTINCT ON (t.order_id) t.*
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::bigint[])
     AS t(order_id, connection_id, order_number, reserves, claim, status, version)
ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET reserves = excluded.reserves, claim = excluded.claim, status = excluded.status,
    order_number = excluded.order_number, version = excluded.version
WHERE o.version < excluded.version
RETURNING order_id
"""

UPSERT_LINES = """
INSERT INTO reservations
    (order_id, line_id, connection_id, offer_sku, product_sku, quantity, claim, state, since)
SELECT t.*, 'new', $8
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::text[])
     AS t(order_id, line_id, connection_id, offer_sku, product_sku, quantity, claim)
ON CONFLICT (order_id, line_id) DO UPDATE SET offer_sku = excluded.offer_sku, product_sku = excluded.product_sku,
    quantity = excluded.quantity, claim = excluded.claim
"""

# A line that the marketplace no longer shows was cancelled there.
RELEASE_VANISHED = """
UPDATE reservations r SET claim = 'released'
WHERE r.order_id = ANY($1) AND NOT EXISTS (
    SELECT 1 FROM unnest($2::uuid[], $3::text[]) AS t(order_id, line_id)
    WHERE t.order_id = r.order_id AND t.line_id = r.line_id)
"""

SET_STATUS = """
UPDATE orders o SET claim = t.claim, status = t.status, version = t.version
FROM (SELECT DISTINCT ON (order_id) * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
          AS t(order_id, claim, status, version) ORDER BY order_id, version DESC) t
WHERE o.order_id = t.order_id AND o.version < t.version
RETURNING o.order_id
"""

SET_LINE_CLAIMS = """
UPDATE reservations r SET claim = t.claim
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t(order_id, line_id, claim)
WHERE r.order_id = t.order_id AND r.line_id = t.line_id
"""

UPSERT_SHOP_ORDERS = """
INSERT INTO shop_orders AS s (order_id, shop_connection_id, taken_at, cancelled_at)
SELECT t.order_id, t.shop, max(t.taken_at), max(t.cancelled_at)
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
     AS t(order_id, shop, taken_at, cancelled_at)
GROUP BY 1, 2 ORDER BY 1, 2
ON CONFLICT (order_id, shop_connection_id) DO UPDATE SET taken_at = greatest(s.taken_at, excluded.taken_at),
    cancelled_at = greatest(s.cancelled_at, excluded.cancelled_at)
"""

# The shop took the order and has stated its stock since: the statement already lacks these units. Which of its
# warehouses they leave from is not told, so a statement about any of them counts.
SETTLE = """
WITH mine AS (
    SELECT order_id, line_id FROM reservations WHERE order_id = ANY($1)
    UNION
    SELECT r.order_id, r.line_id FROM reservations r
    JOIN offers f ON f.connection_id = r.connection_id AND f.offer_sku = r.offer_sku
    JOIN unnest($2::uuid[], $3::text[]) AS t(shop, sku) ON f.shop_connection_id = t.shop AND f.shop_sku = t.sku
    WHERE r.state = 'held'
), judged AS (
    SELECT r.order_id, r.line_id, CASE
        WHEN NOT o.reserves OR 'released' IN (o.claim, r.claim) THEN 'released'
        WHEN 'consumed' IN (o.claim, r.claim) THEN 'consumed'
        WHEN 'keep' IN (o.claim, r.claim) AND r.state IN ('new', 'released') THEN 'released'
        WHEN EXISTS (
            SELECT 1 FROM shop_orders s WHERE s.order_id = r.order_id
              AND s.taken_at > coalesce(s.cancelled_at, '-infinity')
              AND (r.state = 'consumed' OR EXISTS (
                  SELECT 1 FROM shop_stock k WHERE k.shop_connection_id = s.shop_connection_id
                    AND k.shop_sku = f.shop_sku AND k.reported_at > s.taken_at))
        ) THEN 'consumed'
        WHEN 'keep' IN (o.claim, r.claim) THEN r.state
        ELSE 'held' END AS state
    FROM mine m JOIN reservations r USING (order_id, line_id) JOIN orders o ON o.order_id = r.order_id
    LEFT JOIN offers f ON f.connection_id = r.connection_id AND f.offer_sku = r.offer_sku
)
UPDATE reservations r SET state = j.state, since = $4 FROM judged j
WHERE r.order_id = j.order_id AND r.line_id = j.line_id AND r.state <> j.state
"""


@dataclass(frozen=True, slots=True)
class Statement:
    """An absolute stock level. `warehouse` is "" for a shop that has only one."""

    shop_connection_id: UUID
    shop_sku: str
    warehouse: str
    quantity: int
    reported_at: datetime
    reported_by: str = SHOP


async def save_statements(conn: Conn, statements: Sequence[Statement]) -> list[tuple[UUID, str, str]]:
    """Keep the newest statement per shop SKU and warehouse; returns those that were not older than what is known."""
    rows = await conn.fetch(
        UPSERT_STOCK,
        [s.shop_connection_id for s in statements],
        [s.shop_sku for s in statements],
        [s.warehouse for s in statements],
        [s.quantity for s in statements],
        [s.reported_at for s in statements],
        [s.reported_by for s in statements],
    )
    return [(row["shop_connection_id"], row["shop_sku"], row["warehouse"]) for row in rows]


async def save_prices(conn: Conn, prices: Sequence[PriceReported]) -> set[Sku]:
    """Keep the newest price per shop SKU and channel; returns the SKUs whose price was not older than what is known.

    A discount in another currency than its price is none.
    """
    discounts: list[Decimal | None] = [
        p.discount_price.amount if p.discount_price and p.discount_price.currency == p.price.currency else None
        for p in prices
    ]
    rows = await conn.fetch(
        UPSERT_PRICES,
        [p.shop_connection_id for p in prices],
        [p.shop_sku for p in prices],
        [p.channel or "" for p in prices],
        [p.price.amount for p in prices],
        discounts,
        [p.price.currency for p in prices],
        [p.reported_at for p in prices],
        [p.discount_from for p in prices],
        [p.discount_until for p in prices],
    )
    return {(row["shop_connection_id"], row["shop_sku"]) for row in rows}


async def save_orders(conn: Conn, facts: Sequence[tuple[int, OrderSnapshot]], now: datetime) -> None:
    """Keep the newest of each order as (version, snapshot): what its lines claim."""
    rows = await conn.fetch(
        UPSERT_ORDERS,
        [o.order_id for _, o in facts],
        [o.connection_id for _, o in facts],
        [o.order_number for _, o in facts],
        [o.fulfilled_by is FulfilledBy.SELLER and not o.is_test for _, o in facts],
        [claim_of(o.status).value for _, o in facts],
        [o.status.value for _, o in facts],
        [version for version, _ in facts],
    )
    stored = {row["order_id"] for row in rows}
    newest = {o.order_id: o for _, o in sorted(facts, key=lambda fact: fact[0]) if o.order_id in stored}
    lines = {(o.order_id, line.line_id): (o, line) for o in newest.values() for line in o.lines}
    orders, names = [key[0] for key in lines], [key[1] for key in lines]
    await conn.execute(
        UPSERT_LINES,
        orders,
        names,
        [o.connection_id for o, _ in lines.values()],
        [line.offer_sku for _, line in lines.values()],
        [line.product_sku for _, line in lines.values()],
        [line.quantity for _, line in lines.values()],
        [claim_of(line.status).value for _, line in lines.values()],
        now,
    )
    await conn.execute(RELEASE_VANISHED, list(stored), orders, names)


async def set_statuses(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> list[UUID]:
    """Keep the newest status of orders and lines; returns the orders that changed."""
    rows = await conn.fetch(
        SET_STATUS,
        [e.data.order_id for e in events],
        [claim_of(e.data.to_status).value for e in events],
        [e.data.to_status.value for e in events],
        [e.meta.aggregate_version for e in events],
    )
    stored = {row["order_id"] for row in rows}
    last = {e.data.order_id: e.data for e in sorted(events, key=lambda e: e.meta.aggregate_version)}
    lines = [(key, line) for key, data in last.items() if key in stored for line in data.lines]
    await conn.execute(
        SET_LINE_CLAIMS,
        [key for key, _ in lines],
        [line.line_id for _, line in lines],
        [claim_of(line.status).value for _, line in lines],
    )
    return list(stored)


async def save_shop_orders(conn: Conn, events: Sequence[Event[ShopOrderCreated | ShopOrderCancelled]]) -> None:
    """Note when a shop took an order or stopped it. The events carry no instant of their own, so it is their time."""
    taken = [isinstance(e.data, ShopOrderCreated) for e in events]
    await conn.execute(
        UPSERT_SHOP_ORDERS,
        [e.data.order_id for e in events],
        [e.data.shop_connection_id for e in events],
        [e.meta.time if yes else None for e, yes in zip(events, taken, strict=True)],
        [None if yes else e.meta.time for e, yes in zip(events, taken, strict=True)],
    )


async def skus_of_orders(conn: Conn, order_ids: Iterable[UUID]) -> list[tuple[UUID, Sku]]:
    """The shop SKUs that serve the lines of these orders, as (order, shop SKU)."""
    rows = await conn.fetch(
        "SELECT DISTINCT r.order_id, f.shop_connection_id, f.shop_sku FROM reservations r"
        " JOIN offers f ON f.connection_id = r.connection_id AND f.offer_sku = r.offer_sku"
        " WHERE r.order_id = ANY($1)",
        list(set(order_ids)),
    )
    return [(row["order_id"], (row["shop_connection_id"], row["shop_sku"])) for row in rows]


async def settle_reservations(conn: Conn, order_ids: Collection[UUID], skus: Collection[Sku], now: datetime) -> None:
    """Hold, consume or release what these orders, and the open orders of these shop SKUs, reserve."""
    await conn.execute(SETTLE, list(order_ids), [sku[0] for sku in skus], [sku[1] for sku in skus], now)


async def product_skus(conn: Conn, pairs: Sequence[Pair]) -> dict[Pair, str]:
    """The product SKU that orders named last for these offers."""
    rows = await conn.fetch(
        "SELECT DISTINCT ON (r.connection_id, r.offer_sku) r.connection_id, r.offer_sku, r.product_sku"
        " FROM reservations r JOIN unnest($1::uuid[], $2::text[]) AS t(c, s)"
        " ON r.connection_id = t.c AND r.offer_sku = t.s WHERE r.product_sku IS NOT NULL"
        " ORDER BY r.connection_id, r.offer_sku, r.since DESC",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )
    return {(row["connection_id"], row["offer_sku"]): row["product_sku"] for row in rows}
