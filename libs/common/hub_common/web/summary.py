"""How one service is, in one answer: what waits, what is old, whether its schema and clock agree with its database.

Without it a person who asks "is all well" would need every service's metrics, or lists that are cut at their limit.
Counts only: nothing about any order.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg
from fastapi import APIRouter

from hub_common.migrate import revisions
from hub_common.web.problems import Problem

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

FIGURES = """
SELECT clock_timestamp() AS database_now,
       (SELECT count(*) FROM outbox) AS outbox_rows,
       (SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float FROM outbox) AS outbox_oldest_seconds,
       (SELECT count(*) FROM inbox_retry) AS retries,
       (SELECT count(*) FROM dead_letters WHERE state = 'open') AS dead_letters,
       (SELECT count(*) FROM parked WHERE resolved_at IS NULL) AS parked,
       (SELECT count(*) FROM parked WHERE resolved_at IS NULL AND due_at < clock_timestamp()) AS parked_overdue,
       (SELECT min(due_at) FROM parked WHERE resolved_at IS NULL) AS parked_next_due_at,
       (SELECT count(*) FROM effects WHERE state = 'UNKNOWN') AS doubts,
       (SELECT count(*) FROM effects WHERE state = 'UNKNOWN' AND needs_operator) AS doubts_for_operators,
       to_regclass('deadlines') IS NOT NULL AS has_deadlines
"""
EFFECTS = (
    "SELECT state, count(*) AS count, min(created_at) AS oldest FROM effects"
    " WHERE state IN ('PLANNED','RETRY','IN_FLIGHT','SENT','UNKNOWN') GROUP BY state ORDER BY state"
)
DEADLINES = (
    "SELECT kind, count(*) AS count, min(due_at) AS due_at FROM deadlines"
    " WHERE met_at IS NULL AND NOT is_test GROUP BY kind ORDER BY min(due_at)"
)


def summary_route(router: APIRouter, runtime: Runtime) -> None:
    """Add `GET /summary` to the router of operations."""

    @router.get("/summary")
    async def summary() -> dict[str, Any]:
        """Counts and ages of this service, its clock beside its database's, and the revision of its schema."""
        try:
            async with runtime.pool.acquire() as conn:
                before = runtime.clock.now()
                row = await conn.fetchrow(FIGURES)
                after = runtime.clock.now()
                effects = await conn.fetch(EFFECTS)
                revision = await conn.fetchval("SELECT version_num FROM alembic_version")
                assert row is not None, "counts are always one row"
                deadlines = await conn.fetch(DEADLINES) if row["has_deadlines"] else []
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            raise Problem("database-away", "Not counted", 503, "The database does not answer.") from None
        return _view(runtime, row, before + (after - before) / 2) | {
            "schema": {"revision": revision, "head": revisions(runtime.spec.package)[1]},
            "effects": [dict(each) for each in effects],
            "deadlines": [dict(each) for each in deadlines],
        }


def _view(runtime: Runtime, row: asyncpg.Record, now: datetime) -> dict[str, Any]:
    """`now` is the service's clock half-way through the question to the database."""
    return {
        "service": runtime.spec.name,
        "instance": runtime.instance,
        "now": now,
        "database_now": row["database_now"],
        "clock_skew_seconds": (now - row["database_now"]).total_seconds(),
        "broker_connected": runtime.consumer.connected,
        "credentials_key": runtime.keyring.current_key_id,
        "outbox": {"rows": row["outbox_rows"], "oldest_seconds": row["outbox_oldest_seconds"]},
        "retries": row["retries"],
        "dead_letters": row["dead_letters"],
        "parked": {
            "count": row["parked"],
            "overdue": row["parked_overdue"],
            "next_due_at": row["parked_next_due_at"],
        },
        "doubts": {"count": row["doubts"], "for_operators": row["doubts_for_operators"]},
    }
