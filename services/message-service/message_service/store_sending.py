"""SQL of messages of ours, of their templates, and of when each connection is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from hub_common.database import Conn

ADD = """
INSERT INTO messages (message_id, connection_id, tenant, thread_reference, order_id, sender, state, sent_at, written_by,
                      body_hash, effect_id)
VALUES ($1, $2, $3, $4, $5, 'seller', 'planned', $6, $7, $8, $9)
ON CONFLICT (message_id) DO NOTHING RETURNING message_id
"""

ENDED = """
UPDATE messages m SET state = n.state, reason = n.reason, thread_reference = coalesce(n.thread, m.thread_reference),
       message_reference = CASE WHEN NOT EXISTS (SELECT 1 FROM messages k WHERE k.connection_id = m.connection_id
                                                 AND k.message_reference = n.reference)
                                THEN coalesce(n.reference, m.message_reference) ELSE m.message_reference END,
       sent_at = CASE WHEN n.state = 'sent' THEN $6 ELSE m.sent_at END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
     AS n(message_id, state, reason, thread, reference)
WHERE m.message_id = n.message_id
"""


async def add_own(
    conn: Conn,
    *,
    message_id: UUID,
    connection_id: UUID,
    tenant: str,
    thread: str | None,
    order_id: UUID | None,
    at: datetime,
    login: str,
    hash_: str,
    effect_id: UUID,
) -> bool:
    """Write down a message of ours before it is sent; False when its id is known."""
    found = await conn.fetchval(ADD, message_id, connection_id, tenant, thread, order_id, at, login, hash_, effect_id)
    return found is not None


async def bodies(conn: Conn | asyncpg.Pool[asyncpg.Record], ids: Iterable[UUID]) -> dict[UUID, str]:
    """The words of messages; erased ones are absent."""
    rows = await conn.fetch("SELECT message_id, body FROM message_bodies WHERE message_id = ANY($1)", list(ids))
    return {row["message_id"]: row["body"] for row in rows}


async def ended(
    conn: Conn, rows: Sequence[tuple[UUID, str, str, str | None, str | None]], now: datetime
) -> dict[UUID, asyncpg.Record]:
    """How sendings ended: `(message, state, reason, thread, the marketplace's reference)`. Returns the rows."""
    ids, states, reasons, threads, references = zip(*rows, strict=True)
    await conn.execute(ENDED, list(ids), list(states), list(reasons), list(threads), list(references), now)
    found = await conn.fetch(
        "SELECT m.*, coalesce(o.is_test, false) AS is_test FROM messages m LEFT JOIN orders o USING (order_id)"
        " WHERE m.message_id = ANY($1)",
        list(ids),
    )
    return {row["message_id"]: row for row in found}


async def templates(conn: Conn, tenant: str, name: str) -> dict[str, str]:
    """Bodies of one template by locale."""
    rows = await conn.fetch("SELECT locale, body FROM templates WHERE tenant = $1 AND name = $2", tenant, name)
    return {row["locale"]: row["body"] for row in rows}


async def save_template(conn: Conn, tenant: str, name: str, locale: str, body: str, now: datetime, login: str) -> None:
    """Write a template in one language."""
    await conn.execute(
        "INSERT INTO templates VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, name, locale)"
        " DO UPDATE SET body = excluded.body, updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        tenant,
        name,
        locale,
        body,
        now,
        login,
    )


async def readings(conn: Conn, connection_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    """How the reading of connections stands; those never read are absent."""
    rows = await conn.fetch("SELECT * FROM readings WHERE connection_id = ANY($1)", list(connection_ids))
    return {row["connection_id"]: row for row in rows}


async def read_well(conn: Conn, connection_id: UUID, until: datetime, next_at: datetime) -> None:
    """A reading came to its end."""
    await conn.execute(
        "INSERT INTO readings (connection_id, read_until, next_at, last_read_at) VALUES ($1, $2, $3, $2)"
        " ON CONFLICT (connection_id) DO UPDATE SET read_until = excluded.read_until, next_at = excluded.next_at,"
        " last_read_at = excluded.last_read_at, failures = 0, last_error = NULL",
        connection_id,
        until,
        next_at,
    )


async def read_badly(conn: Conn, connection_id: UUID, error: str, next_at: datetime) -> None:
    """A reading failed; where it began stays."""
    await conn.execute(
        "INSERT INTO readings (connection_id, next_at, failures, last_error) VALUES ($1, $2, 1, $3)"
        " ON CONFLICT (connection_id) DO UPDATE SET next_at = excluded.next_at, failures = readings.failures + 1,"
        " last_error = excluded.last_error",
        connection_id,
        next_at,
        error,
    )
