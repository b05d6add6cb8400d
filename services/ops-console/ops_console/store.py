"""All SQL of ops-console. Projections are guarded by the version of the topic they come from, so order between topics
does not matter and a repeat changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.database import Conn
from hub_contracts.base import EventData
from hub_contracts.envelope import Event, Origin
from hub_contracts.orders import FulfilledBy, OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.work import EffectInDoubt, EffectSettled, WorkParked, WorkResumed
from ops_console.domain import masked, order_id_of

WORD_LENGTH, SEARCH_LENGTH = 200, 250_000
"""PostgreSQL's words end at 2 KiB and their sum at 1 MiB; a letter has four bytes at most."""

STORY = """
INSERT INTO story_events
    (event_id, order_id, topic, key, type, tenant, source, at, version, origin, causation_id, traceparent, data)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::timestamptz[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::jsonb[])
ON CONFLICT DO NOTHING
"""

ORDERS = """
INSERT INTO orders (order_id, tenant, connection_id, connector, environment, is_test, ours, live, order_number,
                    reference, status, marketplace_status, total_price, currency, units, created_at, accept_by, ship_by,
                    search, snapshot_version, status_version)
SELECT DISTINCT ON (t.order_id) t.order_id, t.tenant, t.connection_id, t.connector, t.environment, t.is_test, t.ours,
       t.live, t.order_number, t.reference, t.status, t.marketplace_status, t.total_price, t.currency, t.units,
       t.created_at, t.accept_by, t.ship_by, t.search, t.version, t.version
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::bool[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::numeric[], $14::text[], $15::int[], $16::timestamptz[],
            $17::timestamptz[], $18::timestamptz[], $19::text[], $20::bigint[])
     AS t(order_id, tenant, connection_id, connector, environment, is_test, ours, live, order_number, reference, status,
          marketplace_status, total_price, currency, units, created_at, accept_by, ship_by, search, version)
ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET order_number = excluded.order_number, total_price = excluded.total_price,
    units = excluded.units, accept_by = excluded.accept_by, ship_by = excluded.ship_by, search = excluded.search,
    snapshot_version = excluded.snapshot_version,
    status_version = greatest(orders.status_version, excluded.status_version),
    status = CASE WHEN orders.status_version < excluded.status_version THEN excluded.status ELSE orders.status END,
    marketplace_status = CASE WHEN orders.status_version < excluded.status_version
                              THEN excluded.marketplace_status ELSE orders.marketplace_status END
WHERE orders.snapshot_version < excluded.snapshot_version
"""

STATUSES = """
UPDATE orders o SET status = t.status, marketplace_status = t.word, status_version = t.version
FROM (SELECT DISTINCT ON (order_id) * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
      AS t(order_id, status, word, version) ORDER BY order_id, version DESC) t
WHERE o.order_id = t.order_id AND o.status_version < t.version
"""

PARKED = """
INSERT INTO parked_items (parked_id, owner, version, waiting, order_id, connection_id, subject_kind, subject_id, cause,
                          detail, next_step, due_at, is_test, changed_at, tenant)
SELECT DISTINCT ON (t.parked_id) t.*
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bool[], $5::uuid[], $6::uuid[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::bool[], $14::timestamptz[], $15::text[])
     AS t(parked_id, owner, version, waiting, order_id, connection_id, subject_kind, subject_id, cause, detail,
          next_step, due_at, is_test, changed_at, tenant)
ORDER BY t.parked_id, t.version DESC
ON CONFLICT (parked_id) DO UPDATE SET version = excluded.version, waiting = excluded.waiting,
    changed_at = excluded.changed_at, cause = coalesce(excluded.cause, parked_items.cause),
    detail = coalesce(excluded.detail, parked_items.detail), due_at = coalesce(excluded.due_at, parked_items.due_at),
    next_step = coalesce(excluded.next_step, parked_items.next_step)
WHERE parked_items.version < excluded.version
"""

DOUBTS = """
INSERT INTO doubts (effect_id, owner, version, open, kind, natural_key, order_id, connection_id, reason, needs_operator,
                    changed_at, tenant)
SELECT DISTINCT ON (t.effect_id) t.*
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bool[], $5::text[], $6::text[], $7::uuid[], $8::uuid[],
            $9::text[], $10::bool[], $11::timestamptz[], $12::text[])
     AS t(effect_id, owner, version, open, kind, natural_key, order_id, connection_id, reason, needs_operator,
          changed_at, tenant)
ORDER BY t.effect_id, t.version DESC
ON CONFLICT (effect_id) DO UPDATE SET version = excluded.version, open = excluded.open, reason = excluded.reason,
    needs_operator = excluded.needs_operator, changed_at = excluded.changed_at
WHERE doubts.version < excluded.version
"""


async def save_story(conn: Conn, events: Sequence[Event[EventData]], own_topics: dict[str, str]) -> None:
    """Keep events as they were told, personal data removed."""
    await conn.execute(
        STORY,
        [e.meta.event_id for e in events],
        [order_id_of(e.data) for e in events],
        [e.data.TOPIC or own_topics.get(e.meta.source, "") for e in events],
        [e.meta.key for e in events],
        [e.meta.type for e in events],
        [e.meta.tenant for e in events],
        [e.meta.source for e in events],
        [e.meta.time for e in events],
        [e.meta.aggregate_version for e in events],
        [e.meta.origin.value for e in events],
        [e.meta.causation_id for e in events],
        [e.meta.traceparent for e in events],
        [orjson.dumps(masked(e.data)).decode() for e in events],
    )


async def save_orders(conn: Conn, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """One row per order for lists and search."""
    orders = [e.data.order for e in events]
    await conn.execute(
        ORDERS,
        [o.order_id for o in orders],
        [e.meta.tenant for e in events],
        [o.connection_id for o in orders],
        [o.connector for o in orders],
        [o.environment.value for o in orders],
        [o.is_test for o in orders],
        [o.fulfilled_by is FulfilledBy.SELLER for o in orders],
        [e.meta.origin is Origin.LIVE for e in events],
        [o.order_number for o in orders],
        [o.marketplace_reference for o in orders],
        [o.status.value for o in orders],
        [o.marketplace_status for o in orders],
        [o.total_price for o in orders],
        [o.currency for o in orders],
        [sum(line.quantity for line in o.lines) for o in orders],
        [o.created_at for o in orders],
        [o.accept_by for o in orders],
        [o.ship_by for o in orders],
        [search_text([o.order_number, o.marketplace_reference, *(line.offer_sku for line in o.lines)]) for o in orders],
        [e.meta.aggregate_version for e in events],
    )


def search_text(names: Sequence[str]) -> str:
    """What an order is found by. Cut to what an index of words takes: an absurd SKU must not stop the order."""
    words = dict.fromkeys(word[:WORD_LENGTH] for name in names for word in name.lower().split())
    return " ".join(words)[:SEARCH_LENGTH]


async def save_statuses(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """The newest status of each order."""
    await conn.execute(
        STATUSES,
        [e.data.order_id for e in events],
        [e.data.to_status.value for e in events],
        [e.data.marketplace_status for e in events],
        [e.meta.aggregate_version for e in events],
    )


async def save_tracking(conn: Conn, pairs: Sequence[tuple[str, UUID]]) -> None:
    """Tracking numbers, so that an order is found by them."""
    await conn.execute(
        "INSERT INTO tracking_numbers (tracking_number, order_id) SELECT * FROM unnest($1::text[], $2::uuid[])"
        " ON CONFLICT DO NOTHING",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )


async def save_parked(conn: Conn, events: Sequence[Event[WorkParked | WorkResumed]]) -> None:
    """What waits, and what no longer does."""
    bodies = [e.data for e in events]
    await conn.execute(
        PARKED,
        [b.parked_id for b in bodies],
        [b.owner for b in bodies],
        [e.meta.aggregate_version for e in events],
        [isinstance(b, WorkParked) for b in bodies],
        [b.order_id for b in bodies],
        *(
            [getattr(b, name, None) for b in bodies]
            for name in ("connection_id", "subject_kind", "subject_id", "cause", "detail", "next_step", "due_at")
        ),
        [getattr(b, "is_test", None) for b in bodies],
        [e.meta.time for e in events],
        [e.meta.tenant for e in events],
    )


async def save_doubts(conn: Conn, events: Sequence[Event[EffectInDoubt | EffectSettled]]) -> None:
    """Effects that nobody can tell about yet, and those that are settled."""
    bodies = [e.data for e in events]
    await conn.execute(
        DOUBTS,
        [b.effect_id for b in bodies],
        [b.owner for b in bodies],
        [e.meta.aggregate_version for e in events],
        [isinstance(b, EffectInDoubt) for b in bodies],
        [b.kind for b in bodies],
        [b.natural_key for b in bodies],
        [b.order_id for b in bodies],
        [b.connection_id for b in bodies],
        [b.reason if isinstance(b, EffectInDoubt) else b.evidence for b in bodies],
        [isinstance(b, EffectInDoubt) and b.needs_operator for b in bodies],
        [e.meta.time for e in events],
        [e.meta.tenant for e in events],
    )


SEARCH = """
SELECT o.*, (SELECT count(*) FROM parked_items p WHERE p.order_id = o.order_id AND p.waiting) AS parked,
       (SELECT count(*) FROM doubts d WHERE d.order_id = o.order_id AND d.open) AS doubts
FROM orders o
WHERE ($1::text IS NULL OR o.status = $1) AND ($2::uuid IS NULL OR o.connection_id = $2)
  AND ($3::text IS NULL OR o.search LIKE '%' || $3 || '%'
       OR o.order_id IN (SELECT order_id FROM tracking_numbers WHERE tracking_number = $4))
  AND ($5::bool IS NOT TRUE OR EXISTS (SELECT 1 FROM parked_items p WHERE p.order_id = o.order_id AND p.waiting))
  AND ($6::timestamptz IS NULL OR (o.created_at, o.order_id) < ($6, $7::uuid))
ORDER BY o.created_at DESC, o.order_id DESC LIMIT $8
"""

UNEXPLAINED = """
SELECT o.*, e.type AS last_event, e.at AS last_event_at FROM orders o
LEFT JOIN LATERAL (SELECT type, at FROM story_events s WHERE s.order_id = o.order_id ORDER BY at DESC LIMIT 1) e ON true
WHERE o.live AND o.ours AND NOT o.is_test
  AND o.status NOT IN ('SHIPPED', 'DELIVERED', 'REFUNDING', 'REFUNDED', 'REFUSED', 'CANCELLED')
  AND coalesce(e.at, o.created_at) < $1::timestamptz - $2::float * interval '1 s'
  AND NOT EXISTS (SELECT 1 FROM parked_items p WHERE p.order_id = o.order_id AND p.waiting)
  AND NOT EXISTS (SELECT 1 FROM doubts d WHERE d.order_id = o.order_id AND d.open)
  AND coalesce(CASE WHEN o.status = 'PENDING' THEN o.accept_by ELSE o.ship_by END, '-infinity') < $1
ORDER BY o.created_at LIMIT 1000
"""


async def story_of(conn: Conn, order_id: UUID, as_of: datetime | None) -> list[dict[str, Any]]:
    """All events about an order, optionally only those told until an instant."""
    rows = await conn.fetch(
        "SELECT event_id, topic, key, type, source, at, version, origin, causation_id, traceparent, data"
        " FROM story_events WHERE order_id = $1 AND ($2::timestamptz IS NULL OR at <= $2)",
        order_id,
        as_of,
    )
    return [dict(row) | {"data": orjson.loads(row["data"])} for row in rows]


async def today(conn: Conn, now: datetime) -> dict[str, Any]:
    """Figures for one look at everything."""
    orders = await conn.fetch(
        "SELECT connector, status, sum(orders)::bigint AS count FROM order_tallies WHERE NOT is_test GROUP BY 1, 2"
        " HAVING sum(orders) > 0 ORDER BY 1, 2"
    )
    parked = await conn.fetch(
        "SELECT owner, cause, count(*) AS count, min(due_at) AS due_at FROM parked_items WHERE waiting GROUP BY 1, 2"
        " ORDER BY 3 DESC"
    )
    doubts = await conn.fetch(
        "SELECT owner, kind, needs_operator, count(*) AS count FROM doubts WHERE open GROUP BY 1, 2, 3"
    )
    deadlines = await conn.fetch(DEADLINES, now)
    lag = await conn.fetchval(
        "SELECT extract(epoch FROM max(received_at - at)) FROM story_events WHERE received_at > now() - interval '10 s'"
    )
    return {
        "orders": [dict(row) for row in orders],
        "parked": [dict(row) for row in parked],
        "doubts": [dict(row) for row in doubts],
        "deadlines": [dict(row) for row in deadlines],
        "tightest_deadline": _tightest(deadlines),
        "lag_seconds": float(lag) if lag is not None else None,
    }


DEADLINES = """
SELECT kind, bucket, count(*) AS count, min(seconds_left) AS seconds_left FROM (
    SELECT kind, extract(epoch FROM due_at - $1::timestamptz)::bigint AS seconds_left,
           CASE WHEN due_at < $1 THEN 'missed' WHEN due_at < $1 + interval '4 h' THEN 'below 4 h'
                WHEN due_at < $1 + interval '1 day' THEN 'below 1 day' ELSE 'later' END AS bucket
    FROM (SELECT 'accept_by' AS kind, accept_by AS due_at FROM orders
          WHERE status = 'PENDING' AND live AND ours AND NOT is_test
          UNION ALL
          SELECT 'ship_by', ship_by FROM orders WHERE status = 'PREPARATION' AND live AND ours AND NOT is_test) d
    WHERE due_at IS NOT NULL) b
GROUP BY kind, bucket ORDER BY min(seconds_left)
"""


def _tightest(rows: Sequence[asyncpg.Record]) -> dict[str, Any] | None:
    return {"kind": rows[0]["kind"], "seconds_left": rows[0]["seconds_left"]} if rows else None
