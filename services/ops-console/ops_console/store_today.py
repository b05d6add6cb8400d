"""SQL of Today. It stays fast with a million orders: counts come from tallies, lists from partial indexes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hub_common.database import Conn
from ops_console.tables import UNFINISHED

_TENANTS = "($1::text[] IS NULL OR tenant = ANY($1))"
CHART_HOURS = 48

COUNTS = """
SELECT t.connector, t.connection_id, coalesce(c.body ->> 'label', '') AS label, t.status,
       sum(t.orders)::bigint AS orders
FROM order_tallies t LEFT JOIN connections c USING (connection_id)
WHERE ($1::text[] IS NULL OR t.tenant = ANY($1)) AND NOT t.is_test
GROUP BY 1, 2, 3, 4 HAVING sum(t.orders) > 0 ORDER BY 1, 3, 2
"""

PARKED = """
SELECT owner, cause, count(*) AS items, min(due_at) AS due_at, min(changed_at) AS oldest,
       (array_agg(order_id ORDER BY due_at NULLS LAST, changed_at))[1] AS order_id,
       (array_agg(next_step ORDER BY due_at NULLS LAST, changed_at))[1] AS next_step
FROM parked_items WHERE waiting AND ($1::text[] IS NULL OR tenant = ANY($1)) AND is_test IS NOT TRUE
GROUP BY 1, 2 ORDER BY min(due_at) NULLS LAST, count(*) DESC
"""

DOUBTS = """
SELECT d.*, o.order_number FROM doubts d LEFT JOIN orders o USING (order_id)
WHERE d.open AND ($1::text[] IS NULL OR d.tenant = ANY($1)) ORDER BY d.needs_operator DESC, d.changed_at LIMIT 20
"""
DOUBT_COUNTS = """
SELECT count(*) FILTER (WHERE needs_operator) AS for_people, count(*) AS all FROM doubts
WHERE open AND ($1::text[] IS NULL OR tenant = ANY($1))
"""

BUCKETS = ("missed", "below_1_h", "below_4_h", "below_1_day", "later")
_BUCKET = """CASE WHEN {due} < $2 THEN 'missed' WHEN {due} < $2 + interval '1 h' THEN 'below_1_h'
     WHEN {due} < $2 + interval '4 h' THEN 'below_4_h' WHEN {due} < $2 + interval '1 day' THEN 'below_1_day'
     ELSE 'later' END"""
_CLOCK = """
SELECT '{due}' AS kind, {bucket} AS bucket, count(*) AS orders, min({due}) AS due_at
FROM orders WHERE status = '{status}' AND live AND ours AND NOT is_test AND {due} IS NOT NULL AND {tenants}
GROUP BY 2
"""
DEADLINES = " UNION ALL ".join(
    _CLOCK.format(due=due, status=status, bucket=_BUCKET.format(due=due), tenants=_TENANTS)
    for due, status in (("accept_by", "PENDING"), ("ship_by", "PREPARATION"))
)
_FIRST = """
(SELECT order_id, order_number, connector, '{due}' AS kind, {due} AS due_at FROM orders
 WHERE status = '{status}' AND live AND ours AND NOT is_test AND {due} {where} AND {tenants} ORDER BY {due} LIMIT 1)
"""
TIGHTEST = " UNION ALL ".join(
    _FIRST.format(due=due, status=status, where=where, tenants=_TENANTS)
    for due, status in (("accept_by", "PENDING"), ("ship_by", "PREPARATION"))
    for where in (
        "< $2",
        ">= $2",
        ">= $2::timestamptz + interval '1 h'",
        ">= $2::timestamptz + interval '4 h'",
        ">= $2::timestamptz + interval '1 day'",
    )
)
"""The first order of each bucket, or of a later one when a bucket is empty."""

UNEXPLAINED = f"""
SELECT o.order_id, o.order_number, o.connector, o.status, e.type AS last_event, e.at AS last_event_at
FROM orders o
LEFT JOIN LATERAL (SELECT type, at FROM story_events s WHERE s.order_id = o.order_id ORDER BY at DESC LIMIT 1) e ON true
WHERE {UNFINISHED} AND ($1::text[] IS NULL OR o.tenant = ANY($1))
  AND coalesce(CASE WHEN o.status = 'PENDING' THEN o.accept_by ELSE o.ship_by END, '-infinity') < $2::timestamptz
  AND o.created_at < $2::timestamptz - interval '5 min'
  AND coalesce(e.at, o.created_at) < $2::timestamptz - interval '5 min'
  AND NOT EXISTS (SELECT 1 FROM parked_items p WHERE p.order_id = o.order_id AND p.waiting)
  AND NOT EXISTS (SELECT 1 FROM doubts d WHERE d.order_id = o.order_id AND d.open)
ORDER BY o.created_at LIMIT 20
"""  # noqa: S608  the predicate of an index

HOURS = """
SELECT h.hour, h.what, coalesce(c.body ->> 'connector', 'unknown') AS connector, sum(h.events)::bigint AS events
FROM hourly_tallies h LEFT JOIN connections c USING (connection_id)
WHERE h.hour > $2 AND ($1::text[] IS NULL OR h.tenant = ANY($1)) GROUP BY 1, 2, 3
"""

LAG = """
SELECT extract(epoch FROM max(received_at - at))::float FROM story_events WHERE received_at > now() - interval '15 s'
"""


async def today(conn: Conn, tenants: list[str] | None, now: datetime) -> dict[str, Any]:
    """Everything on Today that the read model knows, for a person who sees these tenants."""
    doubts = await conn.fetchrow(DOUBT_COUNTS, tenants)
    assert doubts is not None, "a count is always one row"
    return {
        "counts": await conn.fetch(COUNTS, tenants),
        "parked": await conn.fetch(PARKED, tenants),
        "doubts": await conn.fetch(DOUBTS, tenants),
        "doubt_counts": doubts,
        "deadlines": await conn.fetch(DEADLINES, tenants, now),
        "tightest": await conn.fetch(TIGHTEST, tenants, now),
        "unexplained": await conn.fetch(UNEXPLAINED, tenants, now),
        "hours": await conn.fetch(HOURS, tenants, now - timedelta(hours=CHART_HOURS)),
        "heard_seconds": await conn.fetchval(LAG),
    }


async def connections_of(conn: Conn, tenants: list[str] | None) -> dict[str, dict[str, str]]:
    """Names of the connections that a person may see, by id."""
    rows = await conn.fetch(
        "SELECT connection_id, tenant, body ->> 'label' AS label, body ->> 'connector' AS connector,"
        " body ->> 'kind' AS kind, body ->> 'environment' AS environment,"
        " body -> 'settings' -> 'orders' ->> 'poll_seconds' AS poll_seconds FROM connections"
        " WHERE ($1::text[] IS NULL OR tenant = ANY($1)) ORDER BY 4, 3",
        tenants,
    )
    return {str(row["connection_id"]): {k: str(row[k] or "") for k in row.keys()} for row in rows}  # noqa: SIM118
