"""SQL about orders and their raw snapshots: one statement per page and table, never one per order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from hub_common.connections import Connection, load_connections
from hub_contracts.envelope import Origin
from hub_contracts.orders import OrderSnapshot
from order_ingest.domain import Skip, Stored

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

PROBLEMS = ("order_unreadable", "status_unknown", "status_regressed")
"""Causes of parked orders that end by themselves with a later snapshot."""

LOCK = "SELECT 1 FROM poll_state WHERE connection_id = $1 FOR UPDATE"
CREATE_STATE = "INSERT INTO poll_state (connection_id, tenant) VALUES ($1, $2) ON CONFLICT DO NOTHING"

HEADS = """
SELECT o.order_id, o.raw_sha256, o.received, o.skip_reason, o.origin, o.customer_sha256, o.has_address, o.order_number,
       o.marketplace_updated_at, o.fetched_at, o.traceparent,
       CASE WHEN o.raw_sha256 = t.sha256 AND o.received AND NOT o.order_id = ANY($3) THEN NULL
            ELSE o.snapshot END AS snapshot
FROM unnest($1::uuid[], $2::bytea[]) AS t(order_id, sha256) JOIN orders o USING (order_id)
"""

SAVE_RAW = """
INSERT INTO raw_orders (snapshot_id, order_id, connection_id, reference, sha256, body, fetched_at, last_fetched_at)
SELECT t.snapshot_id, t.order_id, t.connection_id, t.reference, t.sha256, t.body, $3, $3
FROM unnest($1::uuid[], $2::uuid[], $4::uuid[], $5::text[], $6::bytea[], $7::bytea[])
     AS t(snapshot_id, connection_id, order_id, reference, sha256, body)
ON CONFLICT (order_id, sha256)
DO UPDATE SET last_fetched_at = greatest(raw_orders.last_fetched_at, excluded.last_fetched_at)
RETURNING order_id, sha256, snapshot_id
"""

SAVE_ORDERS = """
INSERT INTO orders (order_id, connection_id, reference, tenant, order_number, status, marketplace_status, snapshot,
                    snapshot_id, raw_sha256, customer_sha256, has_address, origin, is_test, received, skip_reason,
                    created_at, marketplace_updated_at, fetched_at, traceparent, first_seen_at)
SELECT t.*, $21::timestamptz
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
            $9::uuid[], $10::bytea[], $11::bytea[], $12::bool[], $13::text[], $14::bool[], $15::bool[], $16::text[],
            $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::text[]) AS t
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, marketplace_status = excluded.marketplace_status,
    snapshot = excluded.snapshot, snapshot_id = excluded.snapshot_id, raw_sha256 = excluded.raw_sha256,
    customer_sha256 = excluded.customer_sha256, has_address = excluded.has_address, origin = excluded.origin,
    received = excluded.received, skip_reason = excluded.skip_reason,
    marketplace_updated_at = excluded.marketplace_updated_at, fetched_at = excluded.fetched_at,
    version = orders.version + 1
"""

TAKE_NUMBERS = """
INSERT INTO order_numbers (order_number, order_id) SELECT * FROM unnest($1::text[], $2::uuid[])
ON CONFLICT DO NOTHING RETURNING order_id
"""


@dataclass(frozen=True, slots=True)
class Raw:
    """One raw order on its way into the database."""

    order_id: UUID
    reference: str
    sha256: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What is stored of an order. `stored` is None where the body read now is the one already understood."""

    raw_sha256: bytes
    order_number: str
    marketplace_updated_at: datetime
    traceparent: str | None
    stored: Stored | None


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as it is to be stored."""

    snapshot: OrderSnapshot
    snapshot_id: UUID
    tenant: str
    raw_sha256: bytes
    customer_sha256: bytes | None
    has_address: bool
    origin: Origin
    received: bool
    skip_reason: Skip | None
    fetched_at: datetime
    traceparent: str | None


async def lock_connection(conn: Conn, known: Connection) -> Connection:
    """Let one page of a connection be taken at a time, whoever reads it; returns the connection as it is now."""
    locked = await conn.fetchrow(LOCK, known.connection_id)
    if locked is None:
        await conn.execute(CREATE_STATE, known.connection_id, known.tenant)
        locked = await conn.fetchrow(LOCK, known.connection_id)
    return (await load_connections(conn, [known.connection_id])).get(known.connection_id, known)


async def open_problems(conn: Conn, order_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Parked items of these orders that a good snapshot ends."""
    return await conn.fetch(
        "SELECT parked_id, order_id, cause FROM parked"
        " WHERE order_id = ANY($1) AND resolved_at IS NULL AND cause = ANY($2)",
        list(order_ids),
        list(PROBLEMS),
    )


async def heads(conn: Conn, shas: Mapping[UUID, bytes], look_again: Sequence[UUID]) -> dict[UUID, Head]:
    """What is stored of these orders; `look_again` are those whose last reading was not understood."""
    rows = await conn.fetch(HEADS, list(shas), list(shas.values()), list(look_again))
    return {row["order_id"]: _head(row) for row in rows}


def _head(row: asyncpg.Record) -> Head:
    stored: Stored | None = None
    if row["snapshot"] is not None:
        stored = Stored(
            snapshot=OrderSnapshot.model_validate_json(row["snapshot"]),
            received=row["received"],
            skip_reason=Skip(row["skip_reason"]) if row["skip_reason"] else None,
            origin=Origin(row["origin"]),
            customer_sha256=row["customer_sha256"],
            has_address=row["has_address"],
            fetched_at=row["fetched_at"],
        )
    return Head(row["raw_sha256"], row["order_number"], row["marketplace_updated_at"], row["traceparent"], stored)


async def save_raw(
    conn: Conn, raws: Sequence[tuple[Raw, UUID, UUID]], fetched_at: datetime
) -> dict[tuple[UUID, bytes], UUID]:
    """Keep bodies not seen before, exactly as they were answered: (raw, connection, id for it if it is new).

    Returns the snapshot id of each, by order and digest.
    """
    rows = await conn.fetch(
        SAVE_RAW,
        [snapshot_id for _, _, snapshot_id in raws],
        [connection_id for _, connection_id, _ in raws],
        fetched_at,
        [raw.order_id for raw, _, _ in raws],
        [raw.reference for raw, _, _ in raws],
        [raw.sha256 for raw, _, _ in raws],
        [raw.body for raw, _, _ in raws],
    )
    return {(row["order_id"], row["sha256"]): row["snapshot_id"] for row in rows}


async def save_orders(conn: Conn, rows: Sequence[OrderRow], now: datetime) -> None:
    """Insert or replace orders by their natural key (the id is derived from connection and reference)."""
    if not rows:
        return
    columns: list[list[Any]] = [list(column) for column in zip(*map(_values, rows), strict=True)]
    await conn.execute(SAVE_ORDERS, *columns, now)


def _values(row: OrderRow) -> tuple[Any, ...]:
    order = row.snapshot
    return (
        order.order_id,
        order.connection_id,
        order.marketplace_reference,
        row.tenant,
        order.order_number,
        order.status.value,
        order.marketplace_status,
        order.model_dump_json(),
        row.snapshot_id,
        row.raw_sha256,
        row.customer_sha256,
        row.has_address,
        row.origin.value,
        order.is_test,
        row.received,
        row.skip_reason.value if row.skip_reason else None,
        order.created_at,
        order.marketplace_updated_at,
        row.fetched_at,
        row.traceparent,
    )


async def take_numbers(conn: Conn, wanted: Mapping[UUID, str]) -> set[UUID]:
    """Reserve order numbers; returns the orders that got theirs. The others collide with a number already given."""
    rows = await conn.fetch(TAKE_NUMBERS, list(wanted.values()), list(wanted))
    return {row["order_id"] for row in rows}
