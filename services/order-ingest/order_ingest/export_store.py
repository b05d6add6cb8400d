"""SQL about backfills that are read by export: one ticket per backfill at a time, written down before it is used.

Every statement names the ticket that it means, so a replica that lost its lease in the middle changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

OPEN = """
SELECT backfill_id, next_from, created_until, export_ticket, export_asked_at, export_until FROM backfills
WHERE connection_id = $1 AND state = 'open' AND NOT export_given_up
ORDER BY export_ticket IS NULL, requested_at LIMIT 1
"""

ASKED = """
UPDATE backfills SET export_ticket = $3, export_asked_at = $4, export_until = $5, exports_asked = exports_asked + 1,
    last_error = '', updated_at = $4
WHERE backfill_id = $1 AND state = 'open' AND next_from = $2 AND export_ticket IS NULL
RETURNING backfill_id
"""

FAILED = """
UPDATE backfills SET export_ticket = NULL, export_asked_at = NULL, export_until = NULL,
    export_attempts = export_attempts + 1, exports_failed = exports_failed + 1,
    export_given_up = export_attempts + 1 >= $5, last_error = $3, updated_at = $4
WHERE backfill_id = $1 AND export_ticket IS NOT DISTINCT FROM $2
RETURNING export_attempts, export_given_up
"""

READ = """
UPDATE backfills SET next_from = export_until, chunks_done = chunks_done + 1, exports_read = exports_read + 1,
    state = CASE WHEN export_until >= created_until THEN 'done' ELSE state END,
    export_ticket = NULL, export_asked_at = NULL, export_until = NULL, export_attempts = 0, last_error = '',
    updated_at = $3
WHERE backfill_id = $1 AND export_ticket = $2
"""


@dataclass(frozen=True, slots=True)
class ExportPart:
    """The part of a backfill that is next. Without a ticket nothing has been asked for; instants are UTC."""

    backfill_id: UUID
    start: datetime
    created_until: datetime
    ticket: str | None
    asked_at: datetime | None
    """Before the marketplace was asked: what the export holds is at least as new."""
    until: datetime | None


async def open_part(pool: Pool, connection_id: UUID) -> ExportPart | None:
    """The part to go on with: one that has a ticket, else of the oldest backfill."""
    row = await pool.fetchrow(OPEN, connection_id)
    return ExportPart(*row) if row is not None else None


async def asked(pool: Pool, part: ExportPart, ticket: str, at: datetime, until: datetime) -> bool:
    """Keep the ticket of an export of everything created up to `until`; False when somebody else was quicker."""
    return await pool.fetchval(ASKED, part.backfill_id, part.start, ticket, at, until) is not None


async def failed(pool: Pool, part: ExportPart, error: str, now: datetime, most: int) -> tuple[int, bool]:
    """An export came to nothing. Returns the attempts in a row and whether the rest is listed from here on."""
    row = await pool.fetchrow(FAILED, part.backfill_id, part.ticket, error, now, most)
    return (row["export_attempts"], row["export_given_up"]) if row is not None else (0, False)


async def read(conn: Conn, part: ExportPart, now: datetime) -> None:
    """All files were taken: the backfill has moved to the end of the export's window."""
    await conn.execute(READ, part.backfill_id, part.ticket, now)
