"""SQL of refund-service about orders and the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.database import Conn
from hub_contracts.envelope import Event
from hub_contracts.orders import (
    Environment,
    FulfilledBy,
    ObservedRefund,
    OrderSnapshot,
    OrderStatusChanged,
    Tax,
    TaxMode,
)
from hub_contracts.status import OrderStatus
from refund_service.domain import Balance, BoughtLine, Order
from refund_service.money import Sums

LOCK = """
SELECT pg_advisory_xact_lock(hashtextextended('refund:' || t.order_id, 0))
FROM (SELECT DISTINCT id::text AS order_id FROM unnest($1::uuid[]) AS u(id) ORDER BY 1) t
"""

UPSERT_ORDERS = """
INSERT INTO orders (order_id, connection_id, tenant, environment, is_test, fulfilled_by, reference, order_number,
                    currency, tax_mode, status, observed, version, updated_at, traceparent)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::jsonb[], $13::bigint[], $14::timestamptz[], $15::text[])
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, observed = excluded.observed,
    version = excluded.version, updated_at = excluded.updated_at, order_number = excluded.order_number,
    fulfilled_by = excluded.fulfilled_by, traceparent = excluded.traceparent
WHERE orders.version < excluded.version
RETURNING order_id
"""

UPSERT_LINES = """
INSERT INTO lines (order_id, line_id, position, offer_sku, quantity, unit_price, line_price, shipping_price, taxes,
                   shipping_taxes, status, refundable)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::int[], $6::numeric[], $7::numeric[],
                     $8::numeric[], $9::jsonb[], $10::jsonb[], $11::text[], $12::bool[])
ON CONFLICT (order_id, line_id) DO UPDATE SET position = excluded.position, offer_sku = excluded.offer_sku,
    quantity = excluded.quantity, unit_price = excluded.unit_price, line_price = excluded.line_price,
    shipping_price = excluded.shipping_price, taxes = excluded.taxes, shipping_taxes = excluded.shipping_taxes,
    status = excluded.status, refundable = excluded.refundable
"""

SET_STATUS = """
UPDATE orders o SET status = t.status, version = t.version
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS t(order_id, status, version)
WHERE o.order_id = t.order_id AND o.version < t.version
RETURNING o.order_id
"""

# What the marketplace said about refunds belongs to the status that was: in a new one it is not known.
SET_LINE_STATUS = """
UPDATE lines l SET status = t.status, refundable = CASE WHEN l.status = t.status THEN l.refundable END
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t(order_id, line_id, status)
WHERE l.order_id = t.order_id AND (t.line_id IS NULL OR l.line_id = t.line_id)
"""

SUMS = """
SELECT order_id, line_id, kind, reference, sum(quantity)::int AS quantity, sum(amount) AS amount,
       sum(shipping_amount) AS shipping
FROM ledger_entries WHERE order_id = ANY($1) GROUP BY order_id, line_id, kind, reference
"""

APPEND = """
INSERT INTO ledger_entries (order_id, line_id, kind, quantity, amount, shipping_amount, currency, refund_id, reference,
                            at, recorded_at)
SELECT t.*, $11::timestamptz
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::numeric[], $6::numeric[], $7::text[], $8::uuid[],
            $9::text[], $10::timestamptz[]) AS t
ON CONFLICT DO NOTHING
"""

PAID, REQUESTED, CONFIRMED, REJECTED = "paid", "refund_requested", "refund_confirmed", "refund_rejected"
OBSERVED, CANCELLED = "observed", "cancelled"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the ledger. Rejections hold the money that is open again; corrections may be negative."""

    order_id: UUID
    line_id: str
    kind: str
    sums: Sums
    currency: str
    at: datetime
    refund_id: UUID | None = None
    reference: str | None = None


@dataclass(slots=True)
class Books:
    """The ledgers of some orders, added up."""

    balances: dict[UUID, dict[str, Balance]]
    observed: dict[UUID, dict[tuple[str, str], Sums]]

    def of(self, order_id: UUID) -> dict[str, Balance]:
        """Balances by line."""
        return self.balances.setdefault(order_id, {})


async def lock(conn: Conn, order_ids: Iterable[UUID]) -> None:
    """Until the end of the transaction nobody else works on these orders, known or not, so no fact is overlooked."""
    await conn.execute(LOCK, list(order_ids))


async def save_orders(conn: Conn, facts: Sequence[tuple[Event[Any], OrderSnapshot]]) -> list[UUID]:
    """Keep the newest snapshot of each order with its lines; returns the orders that changed."""
    newest: dict[UUID, tuple[Event[Any], OrderSnapshot]] = {}
    for event, order in facts:
        known = newest.get(order.order_id)
        if known is None or known[0].meta.aggregate_version <= event.meta.aggregate_version:
            newest[order.order_id] = (event, order)
    values = list(newest.values())
    rows = await conn.fetch(
        UPSERT_ORDERS,
        list(newest),
        [o.connection_id for _, o in values],
        [e.meta.tenant for e, _ in values],
        [o.environment.value for _, o in values],
        [o.is_test for _, o in values],
        [o.fulfilled_by.value for _, o in values],
        [o.marketplace_reference for _, o in values],
        [o.order_number for _, o in values],
        [o.currency for _, o in values],
        [o.tax_mode.value for _, o in values],
        [o.status.value for _, o in values],
        [_json([refund.model_dump(mode="json") for refund in o.refunds]) for _, o in values],
        [e.meta.aggregate_version for e, _ in values],
        [o.marketplace_updated_at for _, o in values],
        [e.meta.traceparent for e, _ in values],
    )
    changed = [row["order_id"] for row in rows]
    await _save_lines(conn, [newest[order_id][1] for order_id in changed])
    return changed


async def _save_lines(conn: Conn, orders: Sequence[OrderSnapshot]) -> None:
    lines = {(o.order_id, line.line_id): (at, line) for o in orders for at, line in enumerate(o.lines)}
    values = list(lines.values())
    await conn.execute(
        UPSERT_LINES,
        [order_id for order_id, _ in lines],
        [line_id for _, line_id in lines],
        [at for at, _ in values],
        [line.offer_sku for _, line in values],
        [line.quantity for _, line in values],
        [line.unit_price.amount for _, line in values],
        [line.line_price.amount for _, line in values],
        [line.shipping_price.amount for _, line in values],
        [_json([tax.model_dump(mode="json") for tax in line.taxes]) for _, line in values],
        [_json([tax.model_dump(mode="json") for tax in line.shipping_taxes]) for _, line in values],
        [line.status.value for _, line in values],
        [line.refundable for _, line in values],
    )


async def set_statuses(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the newest status of each order and of its lines; without line statuses the order's holds for all.

    One event per order at a time: each status in between ends what was said about refunds.
    """
    waiting = sorted(events, key=lambda event: event.meta.aggregate_version)
    while waiting:
        now: dict[UUID, Event[OrderStatusChanged]] = {}
        later = [event for event in waiting if now.setdefault(event.data.order_id, event) is not event]
        await _set_statuses(conn, now)
        waiting = later


async def _set_statuses(conn: Conn, newest: Mapping[UUID, Event[OrderStatusChanged]]) -> None:
    values = list(newest.values())
    rows = await conn.fetch(
        SET_STATUS,
        list(newest),
        [e.data.to_status.value for e in values],
        [e.meta.aggregate_version for e in values],
    )
    lines: list[tuple[UUID, str | None, str]] = []
    for event in (newest[row["order_id"]] for row in rows):
        data = event.data
        each: list[tuple[str | None, str]] = [(line.line_id, line.status.value) for line in data.lines]
        lines += [(data.order_id, *pair) for pair in each or [(None, data.to_status.value)]]
    columns = list(zip(*lines, strict=True)) if lines else [(), (), ()]
    await conn.execute(SET_LINE_STATUS, *(list(column) for column in columns))


async def load_orders(conn: Conn, order_ids: Sequence[UUID]) -> dict[UUID, Order]:
    """Orders with their lines."""
    rows = await conn.fetch("SELECT * FROM orders WHERE order_id = ANY($1)", list(order_ids))
    lines = await conn.fetch("SELECT * FROM lines WHERE order_id = ANY($1) ORDER BY order_id, position", order_ids)
    by_order: dict[UUID, dict[str, BoughtLine]] = defaultdict(dict)
    for line in lines:
        by_order[line["order_id"]][line["line_id"]] = _line(line)
    return {row["order_id"]: _order(row, by_order[row["order_id"]]) for row in rows}


async def load_observed(conn: Conn, order_ids: Sequence[UUID]) -> dict[UUID, tuple[datetime, list[ObservedRefund]]]:
    """Refunds that the marketplace showed last, and when it changed the order."""
    rows = await conn.fetch("SELECT order_id, observed, updated_at FROM orders WHERE order_id = ANY($1)", order_ids)
    return {
        row["order_id"]: (
            row["updated_at"],
            [ObservedRefund.model_validate(each) for each in orjson.loads(row["observed"])],
        )
        for row in rows
    }


async def load_books(conn: Conn, order_ids: Sequence[UUID]) -> Books:
    """The ledgers of these orders, added up per line."""
    rows = await conn.fetch(SUMS, list(order_ids))
    kinds: dict[tuple[UUID, str], dict[str, Sums]] = defaultdict(lambda: defaultdict(Sums))
    shown: dict[UUID, dict[tuple[str, str], Sums]] = defaultdict(dict)
    for row in rows:
        sums = Sums(row["quantity"], row["amount"], row["shipping"])
        key = (row["order_id"], row["line_id"])
        kinds[key][row["kind"]] += sums
        if row["kind"] == OBSERVED:
            shown[row["order_id"]][row["reference"], row["line_id"]] = sums
    books = Books({}, shown)
    for (order_id, line_id), by_kind in kinds.items():
        foreign = tuple(s for (_, line), s in shown[order_id].items() if line == line_id and s)
        books.of(order_id)[line_id] = _balance(by_kind, foreign)
    return books


def _balance(by_kind: Mapping[str, Sums], foreign: tuple[Sums, ...]) -> Balance:
    nothing = Sums()
    return Balance(
        paid=by_kind.get(PAID, nothing),
        requested=by_kind.get(REQUESTED, nothing) - by_kind.get(REJECTED, nothing),
        confirmed=by_kind.get(CONFIRMED, nothing),
        cancelled=by_kind.get(CANCELLED, nothing),
        observed=foreign,
    )


async def append(conn: Conn, entries: Sequence[Entry], now: datetime) -> None:
    """Add to the ledger. The same step of a refund is never added twice."""
    if not entries:
        return
    await conn.execute(
        APPEND,
        [e.order_id for e in entries],
        [e.line_id for e in entries],
        [e.kind for e in entries],
        [e.sums.quantity for e in entries],
        [e.sums.amount for e in entries],
        [e.sums.shipping for e in entries],
        [e.currency for e in entries],
        [e.refund_id for e in entries],
        [e.reference for e in entries],
        [e.at for e in entries],
        now,
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _order(row: asyncpg.Record, lines: Mapping[str, BoughtLine]) -> Order:
    return Order(
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        tenant=row["tenant"],
        environment=Environment(row["environment"]),
        is_test=row["is_test"],
        fulfilled_by=FulfilledBy(row["fulfilled_by"]),
        reference=row["reference"],
        order_number=row["order_number"],
        currency=row["currency"],
        tax_mode=TaxMode(row["tax_mode"]),
        status=OrderStatus(row["status"]),
        lines=lines,
        traceparent=row["traceparent"],
    )


def _line(row: asyncpg.Record) -> BoughtLine:
    return BoughtLine(
        line_id=row["line_id"],
        offer_sku=row["offer_sku"],
        quantity=row["quantity"],
        unit_price=row["unit_price"],
        line_price=row["line_price"],
        shipping_price=row["shipping_price"],
        taxes=tuple(Tax.model_validate(tax) for tax in orjson.loads(row["taxes"])),
        shipping_taxes=tuple(Tax.model_validate(tax) for tax in orjson.loads(row["shipping_taxes"])),
        status=OrderStatus(row["status"]),
        refundable=row["refundable"],
    )
