"""SQL of invoices: which are wanted, when the shop is asked again, how each ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from hub_common.database import Conn
from hub_contracts.envelope import Event
from hub_contracts.shop_activity import ShopOrderAcknowledged, ShopOrderCreated

WANT = """
INSERT INTO invoices (order_id, route_id, connection_id, shop_connection_id, tenant, wanted_at, next_fetch_at, alarm_at,
                      traceparent, causation_id)
SELECT DISTINCT ON (p.order_id, p.body->>'route_id') p.order_id, (p.body->>'route_id')::uuid, o.connection_id,
       (p.body->>'shop_connection_id')::uuid, o.tenant,
       $2::timestamptz, $2::timestamptz, $2::timestamptz + t.alarm_after, p.traceparent, p.causation_id
FROM unnest($1::uuid[], $3::interval[]) AS t(connection_id, alarm_after)
JOIN orders o ON o.connection_id = t.connection_id
JOIN parcels p ON p.order_id = o.order_id
WHERE o.order_id = ANY($4) AND o.live AND NOT o.is_test AND o.fulfilled_by = 'seller' AND p.live
  AND p.state = 'notified'
ORDER BY p.order_id, p.body->>'route_id', p.handed_over_at
ON CONFLICT (order_id, route_id) DO NOTHING
"""

DUE = """
SELECT i.*, o.order_number, o.marketplace_reference, r.shop_order_reference,
       (SELECT count(*) FROM invoices n WHERE n.order_id = i.order_id) AS of_order
FROM invoices i JOIN orders o USING (order_id) LEFT JOIN shop_references r USING (route_id)
WHERE i.state = 'wanted' AND i.next_fetch_at <= $1 AND i.shop_connection_id = ANY($2)
ORDER BY i.next_fetch_at LIMIT $3
"""

LATE = """
SELECT i.*, o.order_number FROM invoices i JOIN orders o USING (order_id)
WHERE i.state = 'wanted' AND i.alarmed_at IS NULL AND i.alarm_at <= $1
ORDER BY i.alarm_at LIMIT $2 FOR UPDATE OF i SKIP LOCKED
"""

SAVE_REFERENCES = """
INSERT INTO shop_references (route_id, order_id, shop_order_reference)
SELECT t.* FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS t(route_id, order_id, shop_order_reference)
ON CONFLICT (route_id) DO UPDATE SET shop_order_reference = excluded.shop_order_reference
"""


async def want(conn: Conn, order_ids: Iterable[UUID], alarms: Sequence[tuple[UUID, object]], now: datetime) -> None:
    """Want an invoice per route of these orders that has a parcel the marketplace knows.

    `alarms`: connections that upload invoices, with the time after which a missing one is an alarm.
    """
    await conn.execute(WANT, [each for each, _ in alarms], now, [after for _, after in alarms], list(order_ids))


async def due(conn: Conn, shops: Sequence[UUID], now: datetime, limit: int) -> list[asyncpg.Record]:
    """Invoices of these shops that it is time to ask for."""
    return await conn.fetch(DUE, now, list(shops), limit)


async def absent(conn: Conn, order_id: UUID, route_id: UUID, reason: str, next_at: datetime) -> None:
    """The shop was asked and gave none."""
    await conn.execute(
        "UPDATE invoices SET fetches = fetches + 1, reason = $3, next_fetch_at = $4"
        " WHERE order_id = $1 AND route_id = $2 AND state = 'wanted'",
        order_id,
        route_id,
        reason,
        next_at,
    )


async def planned(conn: Conn, order_id: UUID, route_id: UUID, file_name: str, revision: int, effect_id: UUID) -> bool:
    """An upload was planned; False when another replica was quicker or a person took over."""
    found = await conn.fetchval(
        "UPDATE invoices SET state = 'planned', fetches = fetches + 1, reason = '', file_name = $3, revision = $4,"
        " effect_id = $5 WHERE order_id = $1 AND route_id = $2 AND state = 'wanted' RETURNING 1",
        order_id,
        route_id,
        file_name,
        revision,
        effect_id,
    )
    return found is not None


async def ended(conn: Conn, effect_ids: Sequence[UUID], states: Sequence[str], reasons: Sequence[str]) -> None:
    """How uploads ended."""
    await conn.execute(
        "UPDATE invoices i SET state = t.state, reason = t.reason, settled_at = now()"
        " FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t(effect_id, state, reason)"
        " WHERE i.effect_id = t.effect_id AND i.state = 'planned'",
        list(effect_ids),
        list(states),
        list(reasons),
    )


async def late(conn: Conn, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Wanted invoices whose alarm is due, marked as alarmed."""
    rows = await conn.fetch(LATE, now, limit)
    await conn.execute(
        "UPDATE invoices i SET alarmed_at = $3 FROM unnest($1::uuid[], $2::uuid[]) AS t(order_id, route_id)"
        " WHERE i.order_id = t.order_id AND i.route_id = t.route_id",
        [row["order_id"] for row in rows],
        [row["route_id"] for row in rows],
        now,
    )
    return rows


async def of_order(conn: Conn, order_id: UUID) -> list[asyncpg.Record]:
    """Invoices of one order."""
    return await conn.fetch("SELECT * FROM invoices WHERE order_id = $1 ORDER BY route_id", order_id)


async def ask_again(conn: Conn, order_id: UUID, now: datetime) -> list[UUID]:
    """Ask the shops again at once, also after a refusal; returns the routes it holds for."""
    rows = await conn.fetch(
        "UPDATE invoices SET state = 'wanted', next_fetch_at = $2, settled_at = NULL"
        " WHERE order_id = $1 AND state IN ('wanted', 'rejected', 'by_hand') RETURNING route_id",
        order_id,
        now,
    )
    return [row["route_id"] for row in rows]


async def by_hand(conn: Conn, order_id: UUID, reason: str, now: datetime) -> list[UUID]:
    """A person sees to the invoices of this order; returns the routes it holds for."""
    rows = await conn.fetch(
        "UPDATE invoices SET state = 'by_hand', reason = $2, settled_at = $3"
        " WHERE order_id = $1 AND state IN ('wanted', 'rejected') RETURNING route_id",
        order_id,
        reason,
        now,
    )
    return [row["route_id"] for row in rows]


async def save_references(conn: Conn, events: Sequence[Event[ShopOrderCreated | ShopOrderAcknowledged]]) -> None:
    """Keep the shops' own order numbers."""
    named = {event.data.route_id: event.data for event in events if event.data.shop_order_reference}
    await conn.execute(
        SAVE_REFERENCES,
        list(named),
        [data.order_id for data in named.values()],
        [data.shop_order_reference for data in named.values()],
    )
