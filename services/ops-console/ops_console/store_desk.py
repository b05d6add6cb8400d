"""SQL of the desk: what waits and what is in doubt, grouped by cause, bound to the tenants that a person sees."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from hub_common.database import Conn

Row = dict[str, Any]
PAGE = 100

GROUPS = """
SELECT owner, cause, count(*) AS count, count(*) FILTER (WHERE is_test) AS tests, min(changed_at) AS oldest,
       min(due_at) FILTER (WHERE is_test IS NOT TRUE) AS due_at,
       count(*) FILTER (WHERE due_at < $2 AND is_test IS NOT TRUE) AS late
FROM parked_items WHERE waiting AND ($1::text[] IS NULL OR tenant = ANY($1))
GROUP BY owner, cause ORDER BY 6 NULLS LAST, 3 DESC, 1, 2
"""

ITEMS = """
SELECT p.*, o.order_number, o.connector, o.status
FROM parked_items p LEFT JOIN orders o ON o.order_id = p.order_id
WHERE p.waiting AND p.owner = $1 AND p.cause = $2 AND ($3::text[] IS NULL OR p.tenant = ANY($3))
ORDER BY p.due_at NULLS LAST, p.changed_at, p.parked_id OFFSET $4 LIMIT $5
"""

WAITING = """
SELECT parked_id, tenant FROM parked_items
WHERE waiting AND owner = $1 AND ($2::text[] IS NULL OR tenant = ANY($2)) AND changed_at <= $3
  AND CASE WHEN $4::uuid[] IS NULL THEN cause = $5 ELSE parked_id = ANY($4) END
  AND ($6::uuid IS NULL OR parked_id > $6)
ORDER BY parked_id LIMIT $7
"""

DOUBTS = """
SELECT d.*, o.order_number, o.connector, o.status,
       CASE WHEN o.status = 'PENDING' THEN o.accept_by WHEN o.status = 'PREPARATION' THEN o.ship_by END AS due_at
FROM doubts d LEFT JOIN orders o ON o.order_id = d.order_id
WHERE d.open AND ($1::text[] IS NULL OR d.tenant = ANY($1))
ORDER BY d.needs_operator DESC, due_at NULLS LAST, d.changed_at LIMIT $2
"""


async def parked_groups(conn: Conn, tenants: list[str] | None, now: datetime) -> list[Row]:
    """Waiting work by owner and cause, tightest deadline first."""
    return [dict(row) for row in await conn.fetch(GROUPS, tenants, now)]


async def parked_items(conn: Conn, owner: str, cause: str, tenants: list[str] | None, skip: int) -> list[Row]:
    """One page of a group and one item more, to tell whether there is a next."""
    return [dict(row) for row in await conn.fetch(ITEMS, owner, cause, tenants, skip, PAGE + 1)]


async def waiting(
    conn: Conn,
    owner: str,
    cause: str,
    *,
    ids: list[UUID] | None,
    tenants: list[str] | None,
    until: datetime,
    after: UUID | None,
    limit: int,
) -> list[Row]:
    """Items of a group (or those named) that wait since before `until`, in the order of their ids."""
    return [dict(row) for row in await conn.fetch(WAITING, owner, tenants, until, ids, cause, after, limit)]


async def still_waiting(conn: Conn, ids: list[UUID]) -> int:
    """How many of these the console has not heard the end of."""
    return int(await conn.fetchval("SELECT count(*) FROM parked_items WHERE parked_id = ANY($1) AND waiting", ids))


async def doubts(conn: Conn, tenants: list[str] | None, limit: int = 500) -> list[Row]:
    """Effects in doubt, those for people first."""
    return [dict(row) for row in await conn.fetch(DOUBTS, tenants, limit)]


async def in_doubt(conn: Conn, effect_id: UUID) -> bool:
    """Whether the console still believes that an effect is in doubt."""
    return bool(await conn.fetchval("SELECT open FROM doubts WHERE effect_id = $1", effect_id))


async def order_numbers(conn: Conn, ids: list[UUID], tenants: list[str] | None) -> dict[UUID, str]:
    """Numbers of the orders among these ids."""
    rows = await conn.fetch(
        "SELECT order_id, order_number FROM orders"
        " WHERE order_id = ANY($1) AND ($2::text[] IS NULL OR tenant = ANY($2))",
        ids,
        tenants,
    )
    return {row["order_id"]: row["order_number"] for row in rows}
