"""SQL of refund-service about returns that buyers opened at the marketplace, and about reading them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from connector_kit.aftersales import MarketplaceReturn
from hub_common.database import Conn
from hub_contracts.ids import marketplace_return_id_for

UPSERT = """
INSERT INTO marketplace_returns AS m (return_id, connection_id, tenant, return_reference, order_reference, order_id,
                                      stage, marketplace_state, lines, tracking_number, updated_at)
SELECT t.return_id, $1, $2, t.return_reference, t.order_reference, o.order_id, t.stage, t.state, t.lines, t.tracking,
       t.updated_at
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[], $9::text[], $10::timestamptz[])
     AS t(return_id, return_reference, order_reference, stage, state, lines, tracking, updated_at)
LEFT JOIN orders o ON o.connection_id = $1 AND o.reference = t.order_reference
ON CONFLICT (return_id) DO UPDATE SET order_id = coalesce(excluded.order_id, m.order_id), stage = excluded.stage,
    marketplace_state = excluded.marketplace_state, lines = excluded.lines,
    tracking_number = excluded.tracking_number, updated_at = excluded.updated_at
WHERE m.updated_at <= excluded.updated_at
"""

LINK = """
UPDATE marketplace_returns m SET order_id = o.order_id FROM orders o
WHERE o.order_id = ANY($1) AND m.connection_id = o.connection_id AND m.order_reference = o.reference
  AND m.order_id IS NULL
RETURNING m.return_id
"""

LOAD = """
SELECT m.*, o.is_test, o.order_number, o.environment FROM marketplace_returns m LEFT JOIN orders o USING (order_id)
WHERE m.return_id = ANY($1) ORDER BY m.return_id FOR UPDATE OF m
"""

RECORD = """
UPDATE marketplace_returns m SET told = t.told, answer = t.answer, answer_state = t.state, answered_by = t.by,
       reason_code = t.reason, revision = t.revision, effect_id = t.effect_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::uuid[])
     AS t(return_id, told, answer, state, by, reason, revision, effect_id)
WHERE m.return_id = t.return_id
"""


async def save(conn: Conn, connection_id: UUID, tenant: str, returns: Sequence[MarketplaceReturn]) -> list[UUID]:
    """Keep the newest word on each return; returns their ids."""
    newest = {each.return_reference: each for each in sorted(returns, key=lambda each: each.updated_at)}
    rows = list(newest.values())
    ids = [marketplace_return_id_for(connection_id, each.return_reference) for each in rows]
    await conn.execute(
        UPSERT,
        connection_id,
        tenant,
        ids,
        [each.return_reference for each in rows],
        [each.order_reference for each in rows],
        [each.stage.value for each in rows],
        [each.marketplace_state for each in rows],
        [orjson.dumps([line.model_dump() for line in each.lines]).decode() for each in rows],
        [each.tracking_number for each in rows],
        [each.updated_at for each in rows],
    )
    return ids


async def link(conn: Conn, order_ids: Iterable[UUID]) -> list[UUID]:
    """Give returns that were read before their order the order's id; returns those returns."""
    return [row["return_id"] for row in await conn.fetch(LINK, list(order_ids))]


async def of_orders(conn: Conn, order_ids: Iterable[UUID]) -> list[UUID]:
    """Returns of these orders that are not over."""
    rows = await conn.fetch(
        "SELECT return_id FROM marketplace_returns WHERE order_id = ANY($1)"
        " AND stage NOT IN ('refused', 'closed', 'cancelled')",
        list(order_ids),
    )
    return [row["return_id"] for row in rows]


async def requested(conn: Conn, connection_ids: Iterable[UUID]) -> list[UUID]:
    """Returns of these connections that wait for the seller's yes or no."""
    rows = await conn.fetch(
        "SELECT return_id FROM marketplace_returns WHERE stage = 'requested' AND connection_id = ANY($1)",
        list(connection_ids),
    )
    return [row["return_id"] for row in rows]


async def load(conn: Conn, return_ids: Iterable[UUID]) -> list[asyncpg.Record]:
    """Rows of these returns with their orders, locked."""
    return await conn.fetch(LOAD, sorted(set(return_ids)))


async def back(conn: Conn, order_ids: Iterable[UUID]) -> dict[UUID, dict[str, int]]:
    """Units per order and line that shops report as received or inspected."""
    rows = await conn.fetch(
        "SELECT order_id, l.key AS line_id, sum((l.value->>'quantity')::int)::int AS units"
        " FROM returns, jsonb_each(lines) AS l"
        " WHERE order_id = ANY($1) AND l.value->>'stage' IN ('received', 'inspected') GROUP BY order_id, l.key",
        list(order_ids),
    )
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["order_id"], {})[row["line_id"]] = row["units"]
    return found


Written = tuple[UUID, str | None, str | None, str | None, str | None, str | None, int, UUID | None]
"""(return, told stage, answer, its state, by whom, reason code, revision, effect)."""


async def record(conn: Conn, rows: Sequence[Written]) -> None:
    """Write down what was told and answered."""
    if rows:
        await conn.execute(RECORD, *(list(column) for column in zip(*rows, strict=True)))


async def ended(conn: Conn, rows: Sequence[tuple[UUID, str]]) -> dict[UUID, asyncpg.Record]:
    """How answers ended: (effect, `answered` or `rejected`); returns the returns by effect."""
    await conn.execute(
        "UPDATE marketplace_returns m SET answer_state = t.state FROM unnest($1::uuid[], $2::text[])"
        " AS t(effect_id, state) WHERE m.effect_id = t.effect_id",
        [row[0] for row in rows],
        [row[1] for row in rows],
    )
    found = await conn.fetch(
        "SELECT m.*, coalesce(o.is_test, false) AS is_test, o.order_number FROM marketplace_returns m"
        " LEFT JOIN orders o USING (order_id) WHERE m.effect_id = ANY($1)",
        [row[0] for row in rows],
    )
    return {row["effect_id"]: row for row in found}


async def readings(conn: Conn, connection_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    """How the reading of connections stands; those never read are absent."""
    rows = await conn.fetch("SELECT * FROM return_readings WHERE connection_id = ANY($1)", list(connection_ids))
    return {row["connection_id"]: row for row in rows}


async def read_well(conn: Conn, connection_id: UUID, until: datetime, next_at: datetime) -> None:
    """A reading came to its end."""
    await conn.execute(
        "INSERT INTO return_readings (connection_id, read_until, next_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (connection_id) DO UPDATE SET read_until = excluded.read_until, next_at = excluded.next_at,"
        " failures = 0, last_error = NULL",
        connection_id,
        until,
        next_at,
    )


async def read_badly(conn: Conn, connection_id: UUID, error: str, next_at: datetime) -> None:
    """A reading failed; where it began stays."""
    await conn.execute(
        "INSERT INTO return_readings (connection_id, next_at, failures, last_error) VALUES ($1, $2, 1, $3)"
        " ON CONFLICT (connection_id) DO UPDATE SET next_at = excluded.next_at,"
        " failures = return_readings.failures + 1, last_error = excluded.last_error",
        connection_id,
        next_at,
        error,
    )
