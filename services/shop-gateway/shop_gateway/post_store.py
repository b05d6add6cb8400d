"""SQL about what shops post: the raw posts, and what of them was told (parcels, returns, cancellations, levels)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import TypeAdapter

from hub_contracts.shop_activity import ReturnLine
from shop_gateway.domain import Parcel
from shop_gateway.store import ORDERS, Conn, Reads, StoredOrder, order_of

RETURN_LINES = TypeAdapter(tuple[ReturnLine, ...])

INSERT_POST = """
INSERT INTO shop_posts (post_id, connection_id, tenant, dedupe_key, fingerprint, source, kind, body, headers,
                        received_at, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'received')
ON CONFLICT (connection_id, dedupe_key) DO NOTHING RETURNING *
"""

ERASED_POST = b'{"erased":true}'
"""Stands where a shop's post was; its fingerprint stays, so that a repeat is still known as one."""

CONCLUDE = """
UPDATE shop_posts SET state = $2, cause = $3, detail = $4, errors = $5, route_id = $6, order_version = $7,
    named_route_id = $8, named_order_number = $9, named_reference = $10, kind = $11, interpreted_at = $12,
    body = CASE WHEN $2::text <> 'parked' AND EXISTS (
        SELECT 1 FROM shop_orders o JOIN customers c USING (order_id)
        WHERE o.route_id = coalesce($6::uuid, $8::uuid) AND c.erased_at IS NOT NULL) THEN $13::bytea ELSE body END
WHERE post_id = $1
"""
# What shops post about an order whose buyer was erased is understood and told, and not kept.

MATCH = (
    ORDERS
    + """
WHERE o.shop_connection_id = $1 AND (o.feed_seq IS NOT NULL OR o.state = 'created')
  AND ($2::uuid IS NULL OR o.route_id = $2) AND ($3::text IS NULL OR o.order_number = $3)
  AND ($4::text IS NULL OR o.shop_order_reference = $4)
ORDER BY o.route_id FOR UPDATE OF o
"""
)
# Only orders that this shop was given: a post cannot reach another shop's order, nor one that is still held back.

DUE = """
SELECT DISTINCT d.post_id, d.received_at FROM (
    SELECT p.post_id, p.received_at FROM shop_posts p JOIN shop_orders o ON o.route_id = p.route_id
    WHERE p.state = 'parked' AND p.cause = ANY($1) AND o.version <> p.order_version
    UNION ALL
    SELECT p.post_id, p.received_at FROM shop_posts p
    JOIN shop_orders o ON o.shop_connection_id = p.connection_id AND o.route_id = p.named_route_id
    WHERE p.state = 'parked' AND p.cause = 'order_unknown' AND (o.feed_seq IS NOT NULL OR o.state = 'created')
    UNION ALL
    SELECT p.post_id, p.received_at FROM shop_posts p
    JOIN shop_orders o ON o.shop_connection_id = p.connection_id AND o.order_number = p.named_order_number
    WHERE p.state = 'parked' AND p.cause = 'order_unknown' AND (o.feed_seq IS NOT NULL OR o.state = 'created')
    UNION ALL
    SELECT p.post_id, p.received_at FROM shop_posts p
    JOIN shop_orders o ON o.shop_connection_id = p.connection_id AND o.shop_order_reference = p.named_reference
    WHERE p.state = 'parked' AND p.cause = 'order_unknown' AND (o.feed_seq IS NOT NULL OR o.state = 'created')
) d ORDER BY d.received_at LIMIT $2
"""
# Asked again and again instead of being marked by whoever stores the missing fact: two transactions that do not see
# each other yet would both find nothing to do, and the post would wait for ever.

UPSERT_PARCEL = """
INSERT INTO parcels (parcel_id, route_id, reference, lines, carrier_code, carrier_name, tracking_number, tracking_url,
                     handed_over_at, told_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (parcel_id) DO UPDATE SET lines = excluded.lines, carrier_code = excluded.carrier_code,
    carrier_name = excluded.carrier_name, tracking_number = excluded.tracking_number,
    tracking_url = excluded.tracking_url, handed_over_at = excluded.handed_over_at, told_at = excluded.told_at
"""

UPSERT_STOCK = """
INSERT INTO stock_levels AS s (shop_connection_id, shop_sku, warehouse, quantity, reported_at)
SELECT $1, t.sku, t.warehouse, t.quantity, $2 FROM unnest($3::text[], $4::text[], $5::int[])
    AS t(sku, warehouse, quantity) ORDER BY t.sku, t.warehouse
ON CONFLICT (shop_connection_id, shop_sku, warehouse) DO UPDATE
    SET quantity = excluded.quantity, reported_at = excluded.reported_at
WHERE s.reported_at < excluded.reported_at
   OR s.reported_at = excluded.reported_at AND s.quantity <> excluded.quantity
RETURNING shop_sku, warehouse
"""

UPSERT_PRICES = """
INSERT INTO price_levels AS s (shop_connection_id, shop_sku, channel, amount, discount_amount, currency, reported_at)
SELECT $1, t.sku, t.channel, t.amount, t.discount, t.currency, $2
FROM unnest($3::text[], $4::text[], $5::numeric[], $6::numeric[], $7::text[])
    AS t(sku, channel, amount, discount, currency) ORDER BY t.sku, t.channel
ON CONFLICT (shop_connection_id, shop_sku, channel) DO UPDATE SET amount = excluded.amount,
    discount_amount = excluded.discount_amount, currency = excluded.currency, reported_at = excluded.reported_at
WHERE s.reported_at < excluded.reported_at
   OR s.reported_at = excluded.reported_at
      AND (s.amount, s.discount_amount, s.currency)
          IS DISTINCT FROM (excluded.amount, excluded.discount_amount, excluded.currency)
RETURNING shop_sku, channel
"""

PARTS_OF_ORDER = {
    "parcels": "SELECT * FROM parcels WHERE route_id = $1 ORDER BY handed_over_at, reference",
    "returns": "SELECT * FROM returns WHERE route_id = $1 ORDER BY reference",
    "cancellations": "SELECT * FROM shop_cancellations WHERE route_id = $1 ORDER BY reference",
}


@dataclass(frozen=True, slots=True)
class StoredPost:
    """A post as it came, and what became of it. States: received, done, parked, rejected, aside."""

    post_id: UUID
    connection_id: UUID
    tenant: str
    dedupe_key: str
    fingerprint: bytes
    source: str
    kind: str
    body: bytes
    received_at: datetime
    state: str
    cause: str | None
    detail: str
    errors: str


def post_of(row: asyncpg.Record) -> StoredPost:
    """The post that a row holds."""
    return StoredPost(**{name: row[name] for name in StoredPost.__dataclass_fields__})


async def insert_post(conn: Conn, values: Sequence[Any]) -> StoredPost | None:
    """Keep a post before anybody reads it; None when its key is known at this connection."""
    row = await conn.fetchrow(INSERT_POST, *values)
    return post_of(row) if row else None


async def post_by_key(conn: Conn, connection_id: UUID, dedupe_key: str) -> StoredPost:
    """The post of a known key, locked."""
    row = await conn.fetchrow(
        "SELECT * FROM shop_posts WHERE connection_id = $1 AND dedupe_key = $2 FOR UPDATE", connection_id, dedupe_key
    )
    assert row is not None, "the key was just found taken"
    return post_of(row)


async def lock_post(conn: Conn, post_id: UUID, *, wait: bool = True) -> StoredPost | None:
    """One post, locked; None when there is none, or when somebody else is at it and `wait` is off."""
    how = "" if wait else " SKIP LOCKED"
    row = await conn.fetchrow(f"SELECT * FROM shop_posts WHERE post_id = $1 FOR UPDATE{how}", post_id)  # noqa: S608
    return post_of(row) if row else None


async def free_key(conn: Conn, post: StoredPost) -> None:
    """Give up the key of a rejected post, so that its mended version may use it; the rejected bytes stay."""
    freed = f"{post.dedupe_key}#{post.post_id}"
    await conn.execute("UPDATE shop_posts SET dedupe_key = $2 WHERE post_id = $1", post.post_id, freed)


async def due_posts(conn: Reads, causes: Sequence[str], limit: int) -> list[UUID]:
    """Posts to interpret again: the fact that they waited for may be there now."""
    rows = await conn.fetch(DUE, list(causes), limit)
    return [row["post_id"] for row in rows]


async def match_orders(
    conn: Conn, connection_id: UUID, route_id: UUID | None, order_number: str | None, reference: str | None
) -> list[StoredOrder]:
    """Orders given to this shop that carry these names, locked."""
    return [order_of(row) for row in await conn.fetch(MATCH, connection_id, route_id, order_number, reference)]


async def load_parcels(conn: Conn, route_id: UUID) -> dict[UUID, Parcel]:
    """Every parcel told of a route."""
    rows = await conn.fetch("SELECT * FROM parcels WHERE route_id = $1", route_id)
    return {
        row["parcel_id"]: Parcel(
            lines=orjson.loads(row["lines"]),
            carrier_code=row["carrier_code"],
            carrier_name=row["carrier_name"],
            tracking_number=row["tracking_number"],
            tracking_url=row["tracking_url"],
            handed_over_at=row["handed_over_at"],
        )
        for row in rows
    }


async def save_parcel(
    conn: Conn, parcel_id: UUID, route_id: UUID, reference: str, parcel: Parcel, now: datetime
) -> None:
    """Keep a parcel as it was told last."""
    await conn.execute(
        UPSERT_PARCEL,
        parcel_id,
        route_id,
        reference,
        orjson.dumps(dict(parcel.lines)).decode(),
        parcel.carrier_code,
        parcel.carrier_name,
        parcel.tracking_number,
        parcel.tracking_url,
        parcel.handed_over_at,
        now,
    )


async def load_returns(conn: Conn, route_id: UUID) -> dict[UUID, tuple[str, tuple[ReturnLine, ...]]]:
    """Every return told of a route: its stage and lines."""
    rows = await conn.fetch("SELECT return_id, stage, lines FROM returns WHERE route_id = $1", route_id)
    return {row["return_id"]: (row["stage"], RETURN_LINES.validate_json(row["lines"])) for row in rows}


async def save_return(
    conn: Conn,
    return_id: UUID,
    route_id: UUID,
    reference: str,
    stage: str,
    lines: tuple[ReturnLine, ...],
    now: datetime,
) -> None:
    """Keep a return as it was told last."""
    await conn.execute(
        "INSERT INTO returns (return_id, route_id, reference, stage, lines, told_at) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (return_id) DO UPDATE SET stage = excluded.stage, lines = excluded.lines,"
        " told_at = excluded.told_at",
        return_id,
        route_id,
        reference,
        stage,
        RETURN_LINES.dump_json(lines).decode(),
        now,
    )


async def load_cancellations(conn: Conn, route_id: UUID) -> dict[UUID, dict[str, int]]:
    """Units per line of every cancellation told of a route."""
    rows = await conn.fetch("SELECT cancellation_id, lines FROM shop_cancellations WHERE route_id = $1", route_id)
    return {row["cancellation_id"]: orjson.loads(row["lines"]) for row in rows}


async def insert_cancellation(
    conn: Conn, cancellation_id: UUID, route_id: UUID, reference: str, lines: Mapping[str, int], now: datetime
) -> None:
    """Keep that a cancellation was told."""
    await conn.execute(
        "INSERT INTO shop_cancellations (cancellation_id, route_id, reference, lines, told_at)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        cancellation_id,
        route_id,
        reference,
        orjson.dumps(dict(lines)).decode(),
        now,
    )


async def touch_order(
    conn: Conn,
    route_id: UUID,
    now: datetime,
    *,
    reference: str | None = None,
    acknowledged_at: datetime | None = None,
    closed: bool | None = None,
    taken: bool = False,
) -> int:
    """Note what a post taught about an order; returns its new version, which parked posts of it compare with.

    `closed`: nothing is left to ship, so a pulling shop need not see it again (None: as it was). `taken`: the shop
    works on it although its refusal was on record.
    """
    version: int = await conn.fetchval(
        "UPDATE shop_orders SET shop_order_reference = coalesce(shop_order_reference, $2),"
        " acknowledged_at = coalesce(acknowledged_at, $3),"
        " closed_at = CASE WHEN $4::bool IS NULL THEN closed_at WHEN $4 THEN coalesce(closed_at, $6) END,"
        " state = CASE WHEN $5 AND state = 'rejected' THEN 'created' ELSE state END, version = version + 1"
        " WHERE route_id = $1 RETURNING version",
        route_id,
        reference,
        acknowledged_at,
        closed,
        taken,
        now,
    )
    return version


async def save_stock(
    conn: Conn, connection_id: UUID, reported_at: datetime, levels: Mapping[tuple[str, str], int]
) -> set[tuple[str, str]]:
    """Keep counts per (SKU, warehouse) that are newer than the known ones; returns which were."""
    rows = await conn.fetch(
        UPSERT_STOCK,
        connection_id,
        reported_at,
        [key[0] for key in levels],
        [key[1] for key in levels],
        list(levels.values()),
    )
    return {(row["shop_sku"], row["warehouse"]) for row in rows}


async def save_prices(
    conn: Conn, connection_id: UUID, reported_at: datetime, rows: Sequence[tuple[str, str, Any, Any, str]]
) -> set[tuple[str, str]]:
    """Keep prices (SKU, channel, amount, discount, currency) that are newer than the known ones; returns which were."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    found = await conn.fetch(UPSERT_PRICES, connection_id, reported_at, *columns)
    return {(row["shop_sku"], row["channel"]) for row in found}


async def conclude(conn: Conn, post_id: UUID, values: Sequence[Any]) -> None:
    """Write down what became of a post."""
    await conn.execute(CONCLUDE, post_id, *values, ERASED_POST)


async def forget_posts(conn: Reads, kinds: Sequence[str] | None, before: datetime, limit: int) -> int:
    """Delete finished posts received before an instant, of some kinds or all; returns how many."""
    status = await conn.execute(
        "DELETE FROM shop_posts WHERE ctid IN (SELECT ctid FROM shop_posts WHERE received_at < $1"
        " AND state IN ('done', 'aside', 'rejected') AND ($2::text[] IS NULL OR kind = ANY($2)) LIMIT $3)",
        before,
        list(kinds) if kinds is not None else None,
        limit,
    )
    return int(status.split()[-1])


async def list_posts(conn: Reads, state: str | None, connection_id: UUID | None, limit: int) -> list[asyncpg.Record]:
    """Rows for operators, newest first."""
    return await conn.fetch(
        "SELECT * FROM shop_posts WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR connection_id = $2)"
        " ORDER BY received_at DESC, post_id LIMIT $3",
        state,
        connection_id,
        limit,
    )
