"""SQL about notices: kept as they came before anybody reads them, the same bytes once, forgotten after some days."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

KEEP = """
INSERT INTO notices (notice_id, connection_id, tenant, sha256, body, received_at, last_received_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (connection_id, sha256) DO UPDATE SET times = notices.times + 1, last_received_at = $6
RETURNING notice_id
"""

FORGET = """
DELETE FROM notices WHERE notice_id IN (
    SELECT notice_id FROM notices WHERE last_received_at < $1 OR (last_received_at < $2 AND state <> 'taken')
    ORDER BY last_received_at LIMIT $3)
"""

FORGET_WISHES = """
DELETE FROM rereads WHERE (connection_id, reference) IN (
    SELECT connection_id, reference FROM rereads
    WHERE state <> 'open' AND difference_id IS NULL AND requested_at < $1 LIMIT $2)
"""


async def keep(pool: Pool, notice_id: UUID, connection_id: UUID, tenant: str, body: bytes, now: datetime) -> UUID:
    """Store the bytes; returns the id of the row that has them. Raises storage errors."""
    digest = hashlib.sha256(body).digest()
    kept: UUID = await pool.fetchval(KEEP, notice_id, connection_id, tenant, digest, body, now)
    return kept


async def refused(pool: Pool, notice_id: UUID) -> None:
    """It could not be proven or read. The same bytes may have been taken before, with a better proof."""
    await pool.execute("UPDATE notices SET state = 'refused' WHERE notice_id = $1 AND state = 'received'", notice_id)


async def taken(conn: Conn, notice_id: UUID, references: int) -> None:
    """It was proven, and what it told of is going to be read."""
    await conn.execute(
        "UPDATE notices SET state = 'taken', order_references = $2 WHERE notice_id = $1", notice_id, references
    )


async def latest(pool: Pool, connection_id: UUID | None, state: str | None, limit: int) -> Sequence[asyncpg.Record]:
    """Notices without their bytes, newest first."""
    return await pool.fetch(
        "SELECT notice_id, connection_id, state, order_references, times, octet_length(body) AS bytes, received_at,"
        " last_received_at FROM notices WHERE ($1::uuid IS NULL OR connection_id = $1)"
        " AND ($2::text IS NULL OR state = $2) ORDER BY last_received_at DESC LIMIT $3",
        connection_id,
        state,
        limit,
    )


async def forget(pool: Pool, before: datetime, unproven_before: datetime, limit: int) -> int:
    """Delete old notices and the wishes that only notices made; returns how many rows of the fuller table went."""
    notices = await pool.execute(FORGET, before, unproven_before, limit)
    wishes = await pool.execute(FORGET_WISHES, before, limit)
    return max(int(notices.split()[-1]), int(wishes.split()[-1]))
