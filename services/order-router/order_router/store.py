"""All SQL about orders and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg
import orjson

from hub_common.tx import Cause
from hub_contracts.acceptances import OrderAccepted, OrderRefused
from hub_contracts.envelope import Event, Origin
from hub_contracts.orders import OrderChanged, OrderReceived, OrderSnapshot, OrderStatusChanged
from hub_contracts.routes import OrderRouted, Route
from hub_contracts.status import OrderStatus
from order_router.domain import Wait

Conn: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

BY_RULES = "rules"
"""Who routed an order that no operator touched."""

UPSERT_ORDERS = """
INSERT INTO orders (order_id, connection_id, tenant, traceparent, live, snapshot, snapshot_version, status,
                    marketplace_status, ship_by, status_version)
SELECT order_id, connection_id, tenant, traceparent, live, snapshot, version, status, word, ship_by, version
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::jsonb[], $7::bigint[], $8::text[],
            $9::text[], $10::timestamptz[])
     AS t(order_id, connection_id, tenant, traceparent, live, snapshot, version, status, word, ship_by)
ORDER BY order_id
ON CONFLICT (order_id) DO UPDATE SET
    live = coalesce(orders.live, excluded.live),
    traceparent = coalesce(orders.traceparent, excluded.traceparent),
    snapshot = CASE WHEN excluded.snapshot_version > orders.snapshot_version
                    THEN excluded.snapshot ELSE orders.snapshot END,
    snapshot_version = greatest(orders.snapshot_version, excluded.snapshot_version),
    status = CASE WHEN excluded.status_version > orders.status_version THEN excluded.status ELSE orders.status END,
    marketplace_status = CASE WHEN excluded.status_version > orders.status_version
                              THEN excluded.marketplace_status ELSE orders.marketplace_status END,
    line_status = CASE WHEN excluded.status_version > orders.status_version THEN NULL ELSE orders.line_status END,
    ship_by = CASE WHEN excluded.status_version > orders.status_version
                   THEN coalesce(excluded.ship_by, orders.ship_by)
                   ELSE coalesce(orders.ship_by, excluded.ship_by) END,
    status_version = greatest(orders.status_version, excluded.status_version)
"""

UPSERT_STATUSES = """
INSERT INTO orders (order_id, connection_id, tenant, traceparent, status, marketplace_status, line_status, ship_by,
                    status_version)
SELECT order_id, connection_id, tenant, traceparent, status, word, line_status, ship_by, version
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[],
            $9::bigint[])
     AS t(order_id, connection_id, tenant, traceparent, status, word, line_status, ship_by, version)
ORDER BY order_id
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, marketplace_status = excluded.marketplace_status,
    line_status = coalesce(excluded.line_status, orders.line_status),
    ship_by = coalesce(excluded.ship_by, orders.ship_by), status_version = excluded.status_version
WHERE orders.status_version < excluded.status_version
"""

UPSERT_ANSWERS = """
INSERT INTO orders (order_id, connection_id, tenant, traceparent, released, refused, refused_lines, answer_version)
SELECT order_id, connection_id, tenant, traceparent, released, refused,
       ARRAY(SELECT jsonb_array_elements_text(refused_lines)), version
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::bool[], $7::jsonb[], $8::bigint[])
     AS t(order_id, connection_id, tenant, traceparent, released, refused, refused_lines, version)
ORDER BY order_id
ON CONFLICT (order_id) DO UPDATE SET released = orders.released OR excluded.released, refused = excluded.refused,
    refused_lines = excluded.refused_lines, answer_version = excluded.answer_version
WHERE orders.answer_version < excluded.answer_version
"""

INSERT_ROUTES = """
INSERT INTO routes (route_id, order_id, shop_connection_id, warehouse, lines, line_ids)
SELECT t.route_id, t.order_id, t.shop, t.warehouse, t.lines,
       ARRAY(SELECT line ->> 'line_id' FROM jsonb_array_elements(t.lines) AS line)
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[])
     AS t(route_id, order_id, shop, warehouse, lines)
ON CONFLICT (route_id) DO NOTHING
"""

RECORD_ROUTED = """
UPDATE orders o SET routed_at = t.at, routed_by = t.by, rules = t.rules, losing_options = t.losing
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::jsonb[], $5::jsonb[]) AS t(order_id, at, by, rules, losing)
WHERE o.order_id = t.order_id AND o.routed_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as this service keeps it."""

    order_id: UUID
    connection_id: UUID
    tenant: str
    traceparent: str | None
    live: bool
    snapshot: OrderSnapshot | None
    status: OrderStatus | None
    marketplace_status: str
    line_status: Mapping[str, OrderStatus]
    ship_by: datetime | None
    released: bool
    refused: bool
    refused_lines: frozenset[str]
    routed_at: datetime | None

    @property
    def cause(self) -> Cause:
        """Whatever is decided about it belongs to the trace of the order."""
        return Cause(tenant=self.tenant, traceparent=self.traceparent)


@dataclass(frozen=True, slots=True)
class StoredRoute:
    """A route that was told and not cancelled."""

    route_id: UUID
    order_id: UUID
    line_ids: tuple[str, ...]
    cancelled_lines: frozenset[str]


def order_of(row: asyncpg.Record) -> StoredOrder:
    """The order that a row holds."""
    statuses = orjson.loads(row["line_status"]) if row["line_status"] else {}
    return StoredOrder(
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        tenant=row["tenant"],
        traceparent=row["traceparent"],
        live=bool(row["live"]),
        snapshot=OrderSnapshot.model_validate_json(row["snapshot"]) if row["snapshot"] else None,
        status=OrderStatus(row["status"]) if row["status"] else None,
        marketplace_status=row["marketplace_status"] or "",
        line_status={line_id: OrderStatus(status) for line_id, status in statuses.items()},
        ship_by=row["ship_by"],
        released=row["released"],
        refused=row["refused"],
        refused_lines=frozenset(row["refused_lines"]),
        routed_at=row["routed_at"],
    )


async def save_orders(conn: Conn, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the newest snapshot of each order. Whether it is live is settled by the event that showed it first."""
    first: dict[UUID, Event[OrderReceived | OrderChanged]] = {}
    last: dict[UUID, Event[OrderReceived | OrderChanged]] = {}
    for event in sorted(events, key=lambda event: event.meta.aggregate_version):
        first.setdefault(event.data.order.order_id, event)
        last[event.data.order.order_id] = event
    orders = [event.data.order for event in last.values()]
    await conn.execute(
        UPSERT_ORDERS,
        list(last),
        [o.connection_id for o in orders],
        [e.meta.tenant for e in last.values()],
        [e.meta.traceparent for e in first.values()],
        [e.meta.origin is not Origin.BACKFILL for e in first.values()],
        [o.model_dump_json() for o in orders],
        [e.meta.aggregate_version for e in last.values()],
        [o.status.value for o in orders],
        [o.marketplace_status for o in orders],
        [o.ship_by for o in orders],
    )


async def save_statuses(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the newest status of each order and its lines, also of an order not seen yet."""
    ordered = sorted(events, key=lambda event: event.meta.aggregate_version)
    last = {e.data.order_id: e for e in ordered}
    lines = {e.data.order_id: _lines_json(e.data) for e in ordered if e.data.lines}
    await conn.execute(
        UPSERT_STATUSES,
        list(last),
        [e.data.connection_id for e in last.values()],
        [e.meta.tenant for e in last.values()],
        [e.meta.traceparent for e in last.values()],
        [e.data.to_status.value for e in last.values()],
        [e.data.marketplace_status for e in last.values()],
        [lines.get(order_id) for order_id in last],
        [e.data.ship_by for e in last.values()],
        [e.meta.aggregate_version for e in last.values()],
    )


def _lines_json(data: OrderStatusChanged) -> str:
    return orjson.dumps({line.line_id: line.status.value for line in data.lines}).decode()


async def save_answers(conn: Conn, events: Sequence[Event[OrderAccepted | OrderRefused]]) -> None:
    """Keep the confirmed answer to each order, also of an order not seen yet."""
    last = {e.data.order_id: e for e in sorted(events, key=lambda event: event.meta.aggregate_version)}
    answers = [e.data for e in last.values()]
    refused = [
        [line.line_id for line in a.lines if not line.accepted] if isinstance(a, OrderAccepted) else [] for a in answers
    ]
    await conn.execute(
        UPSERT_ANSWERS,
        list(last),
        [a.connection_id for a in answers],
        [e.meta.tenant for e in last.values()],
        [e.meta.traceparent for e in last.values()],
        [isinstance(a, OrderAccepted) and a.released for a in answers],
        [isinstance(a, OrderRefused) for a in answers],
        [orjson.dumps(line_ids).decode() for line_ids in refused],
        [e.meta.aggregate_version for e in last.values()],
    )


async def lock_orders(conn: Conn, order_ids: Iterable[UUID]) -> list[StoredOrder]:
    """Those of these orders about which something may still be told, locked in a fixed order."""
    rows = await conn.fetch(
        "SELECT * FROM orders WHERE order_id = ANY($1) AND closed_at IS NULL ORDER BY order_id FOR UPDATE",
        sorted(set(order_ids)),
    )
    return [order_of(row) for row in rows]


async def open_routes(conn: Conn, order_ids: Sequence[UUID]) -> dict[UUID, list[StoredRoute]]:
    """Routes of these orders that are not cancelled."""
    rows = await conn.fetch(
        "SELECT route_id, order_id, line_ids, cancelled_lines FROM routes"
        " WHERE order_id = ANY($1) AND cancelled_at IS NULL ORDER BY route_id",
        list(order_ids),
    )
    found: dict[UUID, list[StoredRoute]] = {}
    for row in rows:
        route = StoredRoute(row["route_id"], row["order_id"], tuple(row["line_ids"]), frozenset(row["cancelled_lines"]))
        found.setdefault(route.order_id, []).append(route)
    return found


async def record_routed(conn: Conn, decided: Sequence[tuple[OrderRouted, datetime, str]]) -> None:
    """Write routes down: (what is told, when, by whom). The choices that led to them are no longer needed."""
    routes: list[tuple[UUID, Route]] = [(told.order_id, route) for told, _, _ in decided for route in told.routes]
    await conn.execute(
        INSERT_ROUTES,
        [route.route_id for _, route in routes],
        [order_id for order_id, _ in routes],
        [route.shop_connection_id for _, route in routes],
        [route.warehouse for _, route in routes],
        [orjson.dumps([line.model_dump(mode="json") for line in route.lines]).decode() for _, route in routes],
    )
    await conn.execute(
        RECORD_ROUTED,
        [told.order_id for told, _, _ in decided],
        [at for _, at, _ in decided],
        [by for _, _, by in decided],
        [orjson.dumps([rule.model_dump() for rule in told.rules]).decode() for told, _, _ in decided],
        [orjson.dumps([option.model_dump() for option in told.losing_options]).decode() for told, _, _ in decided],
    )


async def restore_routed(conn: Conn, events: Sequence[Event[OrderRouted]]) -> None:
    """Write down routes that were told before, also of orders not seen yet (replay)."""
    await conn.execute(
        "INSERT INTO orders (order_id, connection_id, tenant, traceparent)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING",
        [e.data.order_id for e in events],
        [e.data.connection_id for e in events],
        [e.meta.tenant for e in events],
        [e.meta.traceparent for e in events],
    )
    await record_routed(conn, [(e.data, e.meta.time, _routed_by(e.data)) for e in events])


def _routed_by(told: OrderRouted) -> str:
    operators = [rule.inputs.get("by") for rule in told.rules if rule.rule == "operator"]
    return operators[0] if operators and operators[0] else BY_RULES


async def cancel_routes(conn: Conn, route_ids: Sequence[UUID], at: Sequence[datetime]) -> None:
    """Write down that shops were told to stop."""
    await conn.execute(
        "UPDATE routes r SET cancelled_at = t.at FROM unnest($1::uuid[], $2::timestamptz[]) AS t(route_id, at)"
        " WHERE r.route_id = t.route_id AND r.cancelled_at IS NULL",
        list(route_ids),
        list(at),
    )


async def note_cancelled_lines(conn: Conn, pairs: Sequence[tuple[UUID, str]]) -> None:
    """Remember which (route, line) pairs a person was told about."""
    await conn.execute(
        "UPDATE routes r SET cancelled_lines = r.cancelled_lines || t.lines"
        " FROM (SELECT route_id, array_agg(line_id) AS lines FROM unnest($1::uuid[], $2::text[])"
        "       AS u(route_id, line_id) GROUP BY route_id) t WHERE r.route_id = t.route_id",
        [route_id for route_id, _ in pairs],
        [line_id for _, line_id in pairs],
    )


async def close_orders(conn: Conn, closed: Sequence[tuple[UUID, datetime, str]]) -> None:
    """Nothing more is to be told about these orders: (order, when, why)."""
    await conn.execute(
        "UPDATE orders o SET closed_at = t.at, closed_reason = t.reason"
        " FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS t(order_id, at, reason)"
        " WHERE o.order_id = t.order_id AND o.closed_at IS NULL",
        [order_id for order_id, _, _ in closed],
        [at for _, at, _ in closed],
        [reason for _, _, reason in closed],
    )


async def replace_waits(conn: Conn, orders: Sequence[StoredOrder], waits: Sequence[tuple[StoredOrder, Wait]]) -> None:
    """Let these orders wait for exactly this."""
    await conn.execute("DELETE FROM waits WHERE order_id = ANY($1)", [order.order_id for order in orders])
    await conn.execute(
        "INSERT INTO waits (order_id, line_id, cause, tenant, connection_id, sku, detail)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])",
        [order.order_id for order, _ in waits],
        [wait.line_id for _, wait in waits],
        [wait.cause for _, wait in waits],
        [order.tenant for order, _ in waits],
        [order.connection_id for order, _ in waits],
        [wait.sku for _, wait in waits],
        [wait.detail for _, wait in waits],
    )
