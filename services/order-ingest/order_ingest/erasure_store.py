"""SQL about buyers that were erased, and about what of them is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Reads: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.Pool[asyncpg.Record]"

ERASED = b'{"erased":true}'
"""Stands where a marketplace's bytes were. When they were read and their digest are kept: there was a snapshot."""

KNOWN = """
SELECT k.order_id, k.connection_id, k.reference, coalesce(o.tenant, c.tenant, '') AS tenant, o.status,
       coalesce(o.is_test, false) AS is_test, o.traceparent
FROM (SELECT order_id, connection_id, reference FROM orders WHERE order_id = ANY($1)
      UNION SELECT order_id, connection_id, reference FROM raw_orders WHERE order_id = ANY($1)) k
LEFT JOIN orders o USING (order_id) LEFT JOIN connections c ON c.connection_id = k.connection_id
"""

ADD = """
INSERT INTO erasures (order_id, connection_id, tenant, why, requested_by, reason, erased_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
ON CONFLICT DO NOTHING RETURNING order_id
"""

REDACT_NOTICES = """
UPDATE notices n SET body = $3 FROM unnest($1::uuid[], $2::text[]) AS t(connection_id, reference)
WHERE n.connection_id = t.connection_id AND t.reference <> ''
  AND position(convert_to(t.reference, 'UTF8') IN n.body) > 0
"""

REDACT_NOTICE = """
UPDATE notices SET body = $4 WHERE notice_id = $1 AND EXISTS (
    SELECT 1 FROM orders WHERE connection_id = $2 AND reference = ANY($3) AND erased_at IS NOT NULL)
"""

# Per connection, because each says for itself how long buyers are kept; the index then finds what is left at once.
OVERDUE = """
SELECT f.order_id FROM connections c CROSS JOIN LATERAL (
    SELECT o.order_id FROM orders o
    WHERE o.connection_id = c.connection_id AND o.erased_at IS NULL AND (o.status = ANY($3)) = $4
      AND o.created_at < $1::timestamptz - make_interval(days => k.days)
      AND ($4 OR o.marketplace_updated_at < $1::timestamptz - make_interval(days => k.days))
      AND NOT ($4 AND EXISTS (SELECT 1 FROM parked p WHERE p.order_id = o.order_id AND p.cause = $6))
    ORDER BY o.created_at LIMIT $5) f
"""
DAYS = "least($2::int, greatest(1, coalesce((c.body #>> '{settings,privacy,keep_customer_days}')::int, $2::int)))"

UNREADABLE = """
SELECT p.order_id FROM parked p
WHERE p.cause = ANY($2) AND p.parked_at < $1 AND p.order_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = p.order_id)
  AND NOT EXISTS (SELECT 1 FROM erasures e WHERE e.order_id = p.order_id)
LIMIT $3
"""

OF_TENANT = """
FROM orders o WHERE o.tenant = $1 AND o.erased_at IS NULL AND o.created_at < $2
  AND o.connection_id IN (SELECT connection_id FROM connections WHERE tenant = $1)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """An order whose buyer is to be erased. `status` None: no snapshot of it was ever understood."""

    order_id: UUID
    connection_id: UUID
    reference: str
    tenant: str
    status: str | None
    is_test: bool
    traceparent: str | None


async def known(conn: Reads, order_ids: Sequence[UUID]) -> list[Known]:
    """Those of these orders that anything is stored of."""
    rows = await conn.fetch(KNOWN, list(order_ids))
    return list({row["order_id"]: Known(**dict(row)) for row in rows}.values())


async def erased_of(conn: Reads, order_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these orders whose buyer was erased."""
    rows = await conn.fetch("SELECT order_id FROM erasures WHERE order_id = ANY($1)", list(order_ids))
    return {row["order_id"] for row in rows}


async def lock_connections(conn: Conn, connection_ids: Sequence[UUID]) -> None:
    """Let no page of these connections be taken meanwhile: it could store what is just being erased."""
    await conn.fetch(
        "SELECT 1 FROM poll_state WHERE connection_id = ANY($1) ORDER BY connection_id FOR UPDATE",
        sorted(set(connection_ids)),
    )


async def add(conn: Conn, rows: Sequence[tuple[Any, ...]]) -> set[UUID]:
    """Remember erasures: (order, connection, tenant, why, requested by, reason, instant). Returns which were new."""
    found = await conn.fetch(ADD, *(list(column) for column in zip(*rows, strict=True)))
    return {row["order_id"] for row in found}


async def redact(conn: Conn, orders: Sequence[Known]) -> None:
    """Put the mark in place of everything that marketplaces said of these orders."""
    ids = [order.order_id for order in orders]
    await conn.execute("UPDATE raw_orders SET body = $2 WHERE order_id = ANY($1) AND body <> $2", ids, ERASED)
    await conn.execute(
        "UPDATE orders o SET customer_sha256 = NULL, erased_at = e.erased_at FROM erasures e"
        " WHERE e.order_id = o.order_id AND o.order_id = ANY($1) AND o.erased_at IS NULL",
        ids,
    )
    await conn.execute(
        REDACT_NOTICES, [order.connection_id for order in orders], [order.reference for order in orders], ERASED
    )


async def redact_notice(conn: Conn, notice_id: UUID, connection_id: UUID, references: Sequence[str]) -> None:
    """Keep nothing of a notice that speaks of an order whose buyer was erased."""
    await conn.execute(REDACT_NOTICE, notice_id, connection_id, list(references), ERASED)


async def overdue(
    conn: Reads, now: datetime, most_days: int, owing: Sequence[str], limit: int, *, still_open: bool, alarm: str
) -> list[UUID]:
    """Orders whose buyer was kept long enough: finished ones, or those still open that no alarm was raised for."""
    query = OVERDUE.replace("k.days", DAYS)
    rows = await conn.fetch(query, now, most_days, list(owing), still_open, limit, alarm)
    return [row["order_id"] for row in rows]


async def unreadable(conn: Reads, before: datetime, causes: Sequence[str], limit: int) -> list[UUID]:
    """Orders that nobody ever understood, parked before an instant."""
    return [row["order_id"] for row in await conn.fetch(UNREADABLE, before, list(causes), limit)]


async def count_of_tenant(conn: Reads, tenant: str, before: datetime, owing: Sequence[str]) -> tuple[int, int]:
    """How many orders of a tenant placed before an instant can be erased, and how many are still open."""
    row = await conn.fetchrow(
        "SELECT count(*) FILTER (WHERE status <> ALL($3)) AS closed, count(*) FILTER (WHERE status = ANY($3)) AS open"
        + OF_TENANT,
        tenant,
        before,
        list(owing),
    )
    assert row is not None, "an aggregate is always one row"
    return row["closed"], row["open"]


async def of_tenant(conn: Reads, tenant: str, before: datetime, owing: Sequence[str], limit: int) -> list[UUID]:
    """Orders of a tenant that can be erased, oldest first."""
    query = "SELECT o.order_id" + OF_TENANT + " AND o.status <> ALL($3) ORDER BY o.created_at LIMIT $4"
    return [row["order_id"] for row in await conn.fetch(query, tenant, before, list(owing), limit)]
