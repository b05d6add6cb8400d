"""SQL about how far each connection has been read: cursors, counters, failures, re-reads and backfills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from order_ingest.intake import Taken

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

POLLED = """
UPDATE poll_state SET cursor_at = $2, first_run_at = coalesce(first_run_at, $3), last_attempt_at = $3,
    last_success_at = $3, last_error = '', consecutive_failures = 0, polls = polls + 1,
    last_manual_at = CASE WHEN run_requested_at <= $4 THEN $3 ELSE last_manual_at END,
    last_manual_by = CASE WHEN run_requested_at <= $4 THEN run_requested_by ELSE last_manual_by END,
    run_requested_by = CASE WHEN run_requested_at <= $4 THEN NULL ELSE run_requested_by END,
    run_requested_at = CASE WHEN run_requested_at <= $4 THEN NULL ELSE run_requested_at END
WHERE connection_id = $1
"""

NOT_POLLED = """
INSERT INTO poll_state (connection_id, tenant, last_attempt_at, last_error, consecutive_failures)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (connection_id) DO UPDATE SET last_attempt_at = $3, last_error = $4,
    consecutive_failures = poll_state.consecutive_failures + $5,
    last_manual_at = CASE WHEN poll_state.run_requested_at <= $6 THEN $3 ELSE poll_state.last_manual_at END,
    last_manual_by = CASE WHEN poll_state.run_requested_at <= $6 THEN poll_state.run_requested_by
                          ELSE poll_state.last_manual_by END,
    run_requested_by = CASE WHEN poll_state.run_requested_at <= $6 THEN NULL ELSE poll_state.run_requested_by END,
    run_requested_at = CASE WHEN poll_state.run_requested_at <= $6 THEN NULL ELSE poll_state.run_requested_at END
RETURNING consecutive_failures
"""

WANTED = """
SELECT connection_id, 'poll' AS what, false AS ticket FROM poll_state WHERE run_requested_at <= $1
UNION ALL SELECT connection_id, CASE WHEN export_given_up THEN 'listing' ELSE 'backfill' END,
                 bool_or(export_ticket IS NOT NULL)
FROM backfills WHERE state = 'open' GROUP BY connection_id, export_given_up
"""

POLL_SOON = """
INSERT INTO poll_state (connection_id, tenant, run_requested_at, run_requested_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (connection_id) DO UPDATE SET
    run_requested_at = greatest($3, poll_state.last_attempt_at + make_interval(secs => $5)),
    run_requested_by = coalesce(poll_state.run_requested_by, $4)
"""
SOONEST_POLL_SECONDS = 10.0
"""Since the last one. Marketplaces tell of every change by itself, and one listing brings them all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read beside the plan. `backfills`: connection → whether an export of one is being made."""

    polls: frozenset[UUID]
    backfills: dict[UUID, bool]
    """To be exported where the connector can."""
    listings: frozenset[UUID]
    """Connections with a backfill whose export was given up."""


@dataclass(frozen=True, slots=True)
class PollState:
    """How far a connection has been read. Instants are UTC."""

    cursor_at: datetime | None = None
    first_run_at: datetime | None = None
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    consecutive_failures: int = 0
    reread_next_from: datetime | None = None
    reread_until: datetime | None = None
    reread_done_at: datetime | None = None


def _state(row: asyncpg.Record) -> PollState:
    return PollState(**{name: row[name] for name in PollState.__dataclass_fields__})


async def states(pool: Pool, connection_ids: Iterable[UUID]) -> dict[UUID, PollState]:
    """States of connections that have been tried at least once."""
    rows = await pool.fetch("SELECT * FROM poll_state WHERE connection_id = ANY($1)", list(connection_ids))
    return {row["connection_id"]: _state(row) for row in rows}


async def count(conn: Conn, connection_id: UUID, taken: Taken) -> None:
    """Add what a page brought to the connection's counters."""
    await conn.execute(
        "UPDATE poll_state SET orders_seen = orders_seen + $2, orders_received = orders_received + $3,"
        " orders_changed = orders_changed + $4, orders_skipped = orders_skipped + $5,"
        " orders_parked = orders_parked + $6 WHERE connection_id = $1",
        connection_id,
        taken.seen,
        taken.received,
        taken.changed,
        taken.skipped,
        taken.parked,
    )


async def polled(conn: Conn, connection_id: UUID, cursor: datetime, now: datetime, started_at: datetime) -> None:
    """A listing was read to its end: move the cursor, forget failures."""
    await conn.execute(POLLED, connection_id, cursor, now, started_at)


async def not_polled(
    conn: Conn, connection_id: UUID, tenant: str, now: datetime, error: str, *, failed: bool, started_at: datetime
) -> int:
    """A poll was tried in vain. Returns the failures in a row; a poll that had to wait for calls is none."""
    value: int = await conn.fetchval(NOT_POLLED, connection_id, tenant, now, error, int(failed), started_at)
    return value


async def request_run(pool: Pool, connection_id: UUID, tenant: str, now: datetime, login: str) -> None:
    """Ask whichever replica holds the connection to poll it at once."""
    await pool.execute(
        "INSERT INTO poll_state (connection_id, tenant, run_requested_at, run_requested_by) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (connection_id) DO UPDATE SET run_requested_at = $3, run_requested_by = $4",
        connection_id,
        tenant,
        now,
        login,
    )


async def poll_soon(conn: Conn, connection_id: UUID, tenant: str, now: datetime, who: str) -> None:
    """Ask for a poll some seconds after the last one at the earliest; a person's wish keeps its name."""
    await conn.execute(POLL_SOON, connection_id, tenant, now, who, SOONEST_POLL_SECONDS)


async def wanted(pool: Pool, now: datetime) -> Wanted:
    """Connections that somebody wants polled by now, and connections with an open backfill."""
    rows = await pool.fetch(WANTED, now)
    return Wanted(
        frozenset(row["connection_id"] for row in rows if row["what"] == "poll"),
        {row["connection_id"]: row["ticket"] for row in rows if row["what"] == "backfill"},
        frozenset(row["connection_id"] for row in rows if row["what"] == "listing"),
    )


async def reread_started(pool: Pool, connection_id: UUID, start: datetime, until: datetime) -> None:
    """Write down which days are being read again, so that another replica can go on."""
    await pool.execute(
        "UPDATE poll_state SET reread_next_from = $2, reread_until = $3 WHERE connection_id = $1",
        connection_id,
        start,
        until,
    )


async def reread_moved(conn: Conn, connection_id: UUID, next_from: datetime | None, now: datetime) -> None:
    """A part has been read again; `next_from` None = the last one."""
    await conn.execute(
        "UPDATE poll_state SET reread_next_from = $2, reread_until = CASE WHEN $2::timestamptz IS NULL THEN NULL"
        " ELSE reread_until END, reread_done_at = CASE WHEN $2::timestamptz IS NULL THEN $3 ELSE reread_done_at END"
        " WHERE connection_id = $1",
        connection_id,
        next_from,
        now,
    )


async def add_backfills(conn: Conn, rows: list[tuple[Any, ...]]) -> None:
    """Write down wished backfills: (id, connection, tenant, from, until, requested at, state, traceparent)."""
    await conn.execute(
        "INSERT INTO backfills (backfill_id, connection_id, tenant, created_from, created_until, next_from,"
        " requested_at, state, traceparent)"
        " SELECT t.id, t.connection_id, t.tenant, t.a, t.b, t.a, t.at, t.state, t.trace FROM unnest($1::uuid[],"
        " $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[])"
        " AS t(id, connection_id, tenant, a, b, at, state, trace) ON CONFLICT DO NOTHING",
        *(list(column) for column in zip(*rows, strict=True)),
    )


async def open_backfill(pool: Pool, connection_id: UUID, *, given_up: bool) -> asyncpg.Record | None:
    """The oldest backfill of a connection that is not done; `given_up`: only one that cannot be exported."""
    return await pool.fetchrow(
        "SELECT * FROM backfills WHERE connection_id = $1 AND state = 'open' AND (export_given_up OR NOT $2)"
        " ORDER BY requested_at LIMIT 1",
        connection_id,
        given_up,
    )


async def backfill_counted(conn: Conn, backfill_id: UUID, taken: Taken, now: datetime) -> None:
    """Add what a page brought to a backfill's counters."""
    await conn.execute(
        "UPDATE backfills SET orders_seen = orders_seen + $2, orders_received = orders_received + $3,"
        " orders_parked = orders_parked + $4, updated_at = $5 WHERE backfill_id = $1",
        backfill_id,
        taken.seen,
        taken.received,
        taken.parked,
        now,
    )


async def backfill_moved(conn: Conn, backfill_id: UUID, next_from: datetime, now: datetime) -> None:
    """A part has been read; with the last one the backfill is done."""
    await conn.execute(
        "UPDATE backfills SET next_from = $2, state = CASE WHEN $2 >= created_until THEN 'done' ELSE state END,"
        " chunks_done = chunks_done + 1, last_error = '', updated_at = $3 WHERE backfill_id = $1",
        backfill_id,
        next_from,
        now,
    )


async def backfill_failed(pool: Pool, backfill_id: UUID, error: str, now: datetime) -> None:
    """Say what keeps a backfill from moving."""
    await pool.execute(
        "UPDATE backfills SET last_error = $2, updated_at = $3 WHERE backfill_id = $1", backfill_id, error, now
    )


async def backfill_hours(pool: Pool, exporting: Iterable[UUID] = ()) -> dict[UUID, float]:
    """Hours of creation time that open backfills have still to list, by connection. `exporting` connections list only
    what could not be exported."""
    rows = await pool.fetch(
        "SELECT connection_id, sum(extract(epoch FROM created_until - next_from)) / 3600 AS hours FROM backfills"
        " WHERE state = 'open' AND (export_given_up OR NOT connection_id = ANY($1)) GROUP BY connection_id",
        list(exporting),
    )
    return {row["connection_id"]: max(float(row["hours"]), 0.0) for row in rows}
