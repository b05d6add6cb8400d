"""All SQL of shipment-notifier."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.database import Conn
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.status import OrderStatus

# What a connection may and must do, and telling parcels by it, exclude each other: a parcel that is set aside while
# the connection changes would otherwise stay aside.
LOCK = """
SELECT {function}(k)
FROM (SELECT DISTINCT hashtextextended('ships:' || c, 0) AS k FROM unnest($1::text[]) AS c ORDER BY 1) AS t
"""

UPSERT_ORDERS = """
INSERT INTO orders AS o (order_id, version, connection_id, tenant, live, is_test, environment, fulfilled_by,
                         marketplace_reference, order_number, status, created_at, ship_by)
SELECT DISTINCT ON (t.order_id) t.*
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::bool[], $6::bool[], $7::text[], $8::text[],
            $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[])
     AS t(order_id, version, connection_id, tenant, live, is_test, environment, fulfilled_by, marketplace_reference,
          order_number, status, created_at, ship_by)
ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET version = excluded.version, connection_id = excluded.connection_id,
    tenant = excluded.tenant, live = o.live OR excluded.live, is_test = excluded.is_test,
    environment = excluded.environment, fulfilled_by = excluded.fulfilled_by,
    marketplace_reference = excluded.marketplace_reference, order_number = excluded.order_number,
    status = excluded.status, created_at = excluded.created_at, ship_by = coalesce(excluded.ship_by, o.ship_by)
WHERE o.version < excluded.version
"""

UPSERT_LINES = """
INSERT INTO order_lines AS l (order_id, line_id, offer_sku, quantity, status, version)
SELECT DISTINCT ON (t.order_id, t.line_id) t.*
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bigint[])
     AS t(order_id, line_id, offer_sku, quantity, status, version)
ORDER BY t.order_id, t.line_id, t.version DESC
ON CONFLICT (order_id, line_id) DO UPDATE SET offer_sku = excluded.offer_sku, quantity = excluded.quantity,
    status = excluded.status, version = excluded.version
WHERE l.version < excluded.version
"""

SET_STATUS = """
UPDATE orders o SET status = t.status, version = t.version, ship_by = coalesce(t.ship_by, o.ship_by)
FROM (SELECT DISTINCT ON (order_id) * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[])
          AS t(order_id, status, version, ship_by) ORDER BY order_id, version DESC) t
WHERE o.order_id = t.order_id AND o.version < t.version AND o.version > 0
"""

SET_LINE_STATUS = """
UPDATE order_lines l SET status = t.status, version = t.version
FROM (SELECT DISTINCT ON (order_id, line_id) * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
          AS t(order_id, line_id, status, version) ORDER BY order_id, line_id, version DESC) t
WHERE l.order_id = t.order_id AND l.line_id = t.line_id AND l.version < t.version
"""

# Locks the rows of orders, known or not yet, so that an order and a parcel of it that come at the same moment through
# two topics cannot miss each other.
EXPECT_ORDERS = """
INSERT INTO orders (order_id) SELECT DISTINCT o FROM unnest($1::uuid[]) AS o ORDER BY o
ON CONFLICT (order_id) DO UPDATE SET version = orders.version
"""

UPSERT_PARCELS = """
INSERT INTO parcels AS p (parcel_id, order_id, connection_id, tenant, live, version, body, handed_over_at, traceparent,
                          causation_id)
SELECT DISTINCT ON (t.parcel_id) t.parcel_id, t.order_id, t.connection_id, t.tenant, t.live, t.version, t.body,
       min(t.handed_over_at) OVER (PARTITION BY t.parcel_id), t.traceparent, t.causation_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bool[], $6::bigint[], $7::jsonb[], $8::timestamptz[],
            $9::text[], $10::text[])
     AS t(parcel_id, order_id, connection_id, tenant, live, version, body, handed_over_at, traceparent, causation_id)
ORDER BY t.parcel_id, t.version DESC
ON CONFLICT (parcel_id) DO UPDATE SET version = excluded.version, body = excluded.body,
    live = p.live OR excluded.live, traceparent = excluded.traceparent, causation_id = excluded.causation_id,
    handed_over_at = least(p.handed_over_at, excluded.handed_over_at)
WHERE p.version < excluded.version
"""

# A worker that claims one of these at this moment holds its row: it is skipped, and so counts as on its way. Waiting
# for it instead could wait for a transaction that in turn waits for our order.
LOCK_REPLACEABLE = """
SELECT effect_id FROM effects WHERE order_id = ANY($1) AND kind = 'ship' AND state IN ('PLANNED', 'RETRY')
ORDER BY effect_id FOR UPDATE SKIP LOCKED
"""

WITHDRAW = """
UPDATE effects SET state = 'SUPERSEDED', settled_at = now(), updated_at = now(), reason = $2
WHERE effect_id = ANY($1) AND state IN ('PLANNED', 'RETRY')
"""

RECORD = """
UPDATE parcels p SET state = t.state, reason = t.reason, parked_cause = t.parked_cause, parked_for = t.parked_for,
       effect_id = t.effect_id, revision = t.revision, told = t.told
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::int[], $8::jsonb[])
     AS t(parcel_id, state, reason, parked_cause, parked_for, effect_id, revision, told)
WHERE p.parcel_id = t.parcel_id
"""

ELSEWHERE = """
UPDATE orders o SET shipped_elsewhere_at = t.at FROM unnest($1::uuid[], $2::timestamptz[]) AS t(order_id, at)
WHERE o.order_id = t.order_id AND o.shipped_elsewhere_at IS NULL AND NOT o.is_test AND o.fulfilled_by = 'seller'
  AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.order_id = o.order_id AND e.kind = 'ship'
                  AND e.state IN ('IN_FLIGHT', 'SENT', 'UNKNOWN', 'DONE'))
RETURNING o.order_id
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything known of some orders, as rows."""

    orders: list[asyncpg.Record]
    lines: list[asyncpg.Record]
    parcels: list[asyncpg.Record]
    effects: dict[UUID, asyncpg.Record]
    replaceable: set[UUID]


@dataclass(frozen=True, slots=True)
class ParcelRecord:
    """What is written down of a parcel after looking at its order."""

    parcel_id: UUID
    state: str
    reason: str
    parked_cause: str | None
    parked_for: str | None
    effect_id: UUID | None
    revision: int
    told: dict[str, Any] | None


async def lock_telling(conn: Conn, connection_ids: Iterable[UUID]) -> None:
    """Keep what these connections may do as it is until this transaction ends. Before any row lock."""
    await conn.execute(LOCK.format(function="pg_advisory_xact_lock_shared"), [str(each) for each in connection_ids])


async def lock_changing(conn: Conn, connection_ids: Iterable[UUID]) -> None:
    """Wait for those who tell parcels by these connections and keep others out. Before any row lock."""
    await conn.execute(LOCK.format(function="pg_advisory_xact_lock"), [str(each) for each in connection_ids])


async def save_orders(conn: Conn, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the newest snapshot of each order and its lines."""
    orders = [(event.meta, event.data.order) for event in events]
    await conn.execute(
        UPSERT_ORDERS,
        [o.order_id for _, o in orders],
        [m.aggregate_version for m, _ in orders],
        [o.connection_id for _, o in orders],
        [m.tenant for m, _ in orders],
        [event.live for event in events],
        [o.is_test for _, o in orders],
        [o.environment.value for _, o in orders],
        [o.fulfilled_by.value for _, o in orders],
        [o.marketplace_reference for _, o in orders],
        [o.order_number for _, o in orders],
        [o.status.value for _, o in orders],
        [o.created_at for _, o in orders],
        [o.ship_by for _, o in orders],
    )
    lines = [(m, o, line) for m, o in orders for line in o.lines]
    await conn.execute(
        UPSERT_LINES,
        [o.order_id for _, o, _ in lines],
        [line.line_id for _, _, line in lines],
        [line.offer_sku for _, _, line in lines],
        [line.quantity for _, _, line in lines],
        [line.status.value for _, _, line in lines],
        [m.aggregate_version for m, _, _ in lines],
    )


async def save_statuses(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the newest status of each order and its lines, and when it was released for shipping."""
    await conn.execute(
        SET_STATUS,
        [e.data.order_id for e in events],
        [e.data.to_status.value for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.ship_by for e in events],
    )
    lines = [(e, line) for e in events for line in e.data.lines]
    await conn.execute(
        SET_LINE_STATUS,
        [e.data.order_id for e, _ in lines],
        [line.line_id for _, line in lines],
        [line.status.value for _, line in lines],
        [e.meta.aggregate_version for e, _ in lines],
    )
    released = {e.data.order_id: e.data for e in reversed(events) if e.data.to_status is OrderStatus.PREPARATION}
    await conn.execute(
        "UPDATE orders o SET prepared_at = t.at FROM unnest($1::uuid[], $2::timestamptz[]) AS t(order_id, at)"
        " WHERE o.order_id = t.order_id AND o.prepared_at IS NULL",
        list(released),
        [data.marketplace_updated_at for data in released.values()],
    )


async def save_parcels(conn: Conn, events: Sequence[Event[ParcelCarrierMapped]]) -> None:
    """Keep the newest word on each parcel; locks its order, also one that was not heard of yet."""
    await conn.execute(EXPECT_ORDERS, [e.data.order_id for e in events])
    await conn.execute(
        UPSERT_PARCELS,
        [e.data.parcel_id for e in events],
        [e.data.order_id for e in events],
        [e.data.connection_id for e in events],
        [e.meta.tenant for e in events],
        [e.live for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.model_dump_json() for e in events],
        [e.data.handed_over_at for e in events],
        [e.meta.traceparent for e in events],
        [str(e.meta.event_id) for e in events],
    )


async def shipped_elsewhere(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> list[UUID]:
    """Record orders that the marketplace shows shipped although we sent nothing; returns those newly recorded."""
    shown = {e.data.order_id: e.data.marketplace_updated_at for e in events if e.data.to_status is OrderStatus.SHIPPED}
    rows = await conn.fetch(ELSEWHERE, list(shown), list(shown.values()))
    return [row["order_id"] for row in rows]


async def load(conn: Conn, order_ids: Iterable[UUID]) -> Rows:
    """Lock these orders (those heard of) and read everything about them, in five statements."""
    ids = sorted(set(order_ids))
    orders = await conn.fetch(
        "SELECT * FROM orders WHERE order_id = ANY($1) AND version > 0 ORDER BY order_id FOR UPDATE", ids
    )
    known = [row["order_id"] for row in orders]
    replaceable = {row["effect_id"] for row in await conn.fetch(LOCK_REPLACEABLE, known)}
    lines = await conn.fetch("SELECT * FROM order_lines WHERE order_id = ANY($1) ORDER BY line_id", known)
    parcels = await conn.fetch(
        "SELECT * FROM parcels WHERE order_id = ANY($1) ORDER BY handed_over_at, parcel_id", known
    )
    effects = await conn.fetch("SELECT * FROM effects WHERE order_id = ANY($1) AND kind = 'ship' ORDER BY seq", known)
    return Rows(orders, lines, parcels, {row["effect_id"]: row for row in effects}, replaceable)


async def unsettled_orders(conn: Conn, connection_ids: Sequence[UUID]) -> list[UUID]:
    """Orders of these connections with parcels that a change of the connection may set in motion."""
    rows = await conn.fetch(
        "SELECT DISTINCT order_id FROM parcels WHERE connection_id = ANY($1) AND live"
        " AND state IN ('waiting', 'parked', 'set_aside')",
        list(connection_ids),
    )
    return [row["order_id"] for row in rows]


async def withdraw(conn: Conn, effect_ids: Sequence[UUID], reason: str) -> None:
    """Take back effects that were not sent; the caller has locked them."""
    await conn.execute(WITHDRAW, list(effect_ids), reason)


async def record(conn: Conn, rows: Sequence[ParcelRecord]) -> None:
    """Write down where parcels stand."""
    await conn.execute(
        RECORD,
        [row.parcel_id for row in rows],
        [row.state for row in rows],
        [row.reason for row in rows],
        [row.parked_cause for row in rows],
        [row.parked_for for row in rows],
        [row.effect_id for row in rows],
        [row.revision for row in rows],
        [orjson.dumps(row.told).decode() if row.told is not None else None for row in rows],
    )
