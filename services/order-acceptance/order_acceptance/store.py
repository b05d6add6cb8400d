"""All SQL of order-acceptance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from hub_common.database import Conn
from hub_common.tx import Cause
from hub_contracts.acceptances import Decision
from hub_contracts.base import Money
from hub_contracts.envelope import Event, Origin
from hub_contracts.orders import OrderSnapshot, OrderStatusChanged
from hub_contracts.stock import OfferChanged
from order_acceptance.domain import KnownOffer

UPSERT_ORDERS = """
INSERT INTO orders
    (order_id, connection_id, tenant, live, snapshot, version, status, created_at, accept_by, traceparent)
SELECT DISTINCT ON (t.order_id) t.*
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::jsonb[], $6::bigint[], $7::text[], $8::timestamptz[],
            $9::timestamptz[], $10::text[])
     AS t(order_id, connection_id, tenant, live, snapshot, version, status, created_at, accept_by, traceparent)
ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET snapshot = excluded.snapshot, version = excluded.version,
    status = excluded.status, accept_by = coalesce(excluded.accept_by, orders.accept_by)
WHERE orders.version < excluded.version
"""

UPSERT_LINES = """
INSERT INTO order_lines (order_id, line_id, connection_id, offer_sku, quantity)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[])
ON CONFLICT (order_id, line_id) DO UPDATE SET offer_sku = excluded.offer_sku, quantity = excluded.quantity
"""

SET_STATUS = """
UPDATE orders o SET status = t.status, version = t.version, accept_by = coalesce(t.accept_by, o.accept_by)
FROM (SELECT DISTINCT ON (order_id) * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[])
          AS t(order_id, status, version, accept_by) ORDER BY order_id, version DESC) t
WHERE o.order_id = t.order_id AND o.version < t.version
"""

UPSERT_OFFERS = """
INSERT INTO offers (connection_id, offer_sku, shop_connection_id, shop_sku, on_hand, buffer, price, currency, version,
                    changed_at)
SELECT DISTINCT ON (t.connection_id, t.offer_sku) t.*
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::int[], $7::numeric[], $8::text[],
            $9::bigint[], $10::timestamptz[])
     AS t(connection_id, offer_sku, shop_connection_id, shop_sku, on_hand, buffer, price, currency, version, changed_at)
ORDER BY t.connection_id, t.offer_sku, t.version DESC
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET shop_connection_id = excluded.shop_connection_id,
    shop_sku = excluded.shop_sku, on_hand = excluded.on_hand, buffer = excluded.buffer, price = excluded.price,
    currency = excluded.currency, version = excluded.version, changed_at = excluded.changed_at
WHERE offers.version < excluded.version
"""

UNDECIDED = """
SELECT * FROM orders WHERE order_id = ANY($1) AND live AND status = 'PENDING'
  AND (decision IS NULL OR decision = 'hold') ORDER BY created_at, order_id FOR UPDATE
"""

HELD_BY_SKU = """
SELECT DISTINCT o.order_id FROM orders o JOIN order_lines l USING (order_id)
JOIN unnest($1::uuid[], $2::text[]) AS t(connection_id, offer_sku)
  ON l.connection_id = t.connection_id AND l.offer_sku = t.offer_sku
WHERE o.live AND o.status = 'PENDING' AND o.decision = 'hold' AND o.decided_by = 'policy'
"""

FREE = """
SELECT f.connection_id, f.offer_sku, f.price, f.currency, f.shop_connection_id, f.shop_sku,
       f.on_hand - f.buffer - coalesce((
           SELECT sum(l.quantity) FROM offers g
           JOIN order_lines l ON l.connection_id = g.connection_id AND l.offer_sku = g.offer_sku
           JOIN orders o ON o.order_id = l.order_id
           WHERE g.shop_connection_id = f.shop_connection_id AND g.shop_sku = f.shop_sku AND o.decision = 'accept'
             AND o.snapshot -> 'is_test' IS DISTINCT FROM 'true'::jsonb
             AND (o.status IN ('PENDING', 'ACCEPTED') OR o.status = 'PREPARATION' AND o.decided_at >= f.changed_at)
       ), 0) AS free
FROM offers f JOIN unnest($1::uuid[], $2::text[]) AS t(c, s) ON f.connection_id = t.c AND f.offer_sku = t.s
"""


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as this service keeps it."""

    order_id: UUID
    tenant: str
    snapshot: OrderSnapshot
    status: str
    accept_by: datetime | None
    decision: Decision | None
    decided_by: str | None
    traceparent: str | None

    @property
    def cause(self) -> Cause:
        """Whatever is decided about it belongs to the trace of the order."""
        return Cause(tenant=self.tenant, traceparent=self.traceparent)


def order_of(row: asyncpg.Record) -> StoredOrder:
    """The order that a row holds."""
    return StoredOrder(
        order_id=row["order_id"],
        tenant=row["tenant"],
        snapshot=OrderSnapshot.model_validate_json(row["snapshot"]),
        status=row["status"],
        accept_by=row["accept_by"],
        decision=Decision(row["decision"]) if row["decision"] else None,
        decided_by=row["decided_by"],
        traceparent=row["traceparent"],
    )


async def save_orders(conn: Conn, facts: Sequence[tuple[Event[object], OrderSnapshot]]) -> None:  # type: ignore[type-var]
    """Keep the newest snapshot of each order and its lines."""
    await conn.execute(
        UPSERT_ORDERS,
        [o.order_id for _, o in facts],
        [o.connection_id for _, o in facts],
        [e.meta.tenant for e, _ in facts],
        [e.meta.origin is Origin.LIVE for e, _ in facts],
        [o.model_dump_json() for _, o in facts],
        [e.meta.aggregate_version for e, _ in facts],
        [o.status.value for _, o in facts],
        [o.created_at for _, o in facts],
        [o.accept_by for _, o in facts],
        [e.meta.traceparent for e, _ in facts],
    )
    lines = {(o.order_id, line.line_id): (o, line) for _, o in facts for line in o.lines}
    await conn.execute(
        UPSERT_LINES,
        [key[0] for key in lines],
        [key[1] for key in lines],
        [o.connection_id for o, _ in lines.values()],
        [line.offer_sku for _, line in lines.values()],
        [line.quantity for _, line in lines.values()],
    )


async def set_statuses(conn: Conn, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the newest status of each order."""
    await conn.execute(
        SET_STATUS,
        [e.data.order_id for e in events],
        [e.data.to_status.value for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.accept_by for e in events],
    )


async def save_offers(conn: Conn, events: Sequence[Event[OfferChanged]]) -> None:
    """Keep the newest word on each offer."""
    await conn.execute(
        UPSERT_OFFERS,
        [e.data.connection_id for e in events],
        [e.data.offer_sku for e in events],
        [e.data.shop_connection_id for e in events],
        [e.data.shop_sku for e in events],
        [e.data.on_hand for e in events],
        [e.data.buffer for e in events],
        [e.data.price.amount if e.data.price else None for e in events],
        [e.data.price.currency if e.data.price else None for e in events],
        [e.meta.aggregate_version for e in events],
        [e.data.changed_at for e in events],
    )


async def undecided(conn: Conn, order_ids: Iterable[UUID]) -> list[StoredOrder]:
    """Orders of these that wait for a decision, oldest first, locked."""
    return [order_of(row) for row in await conn.fetch(UNDECIDED, list(set(order_ids)))]


async def lock_order(conn: Conn, order_id: UUID) -> StoredOrder | None:
    """One order, locked."""
    row = await conn.fetchrow("SELECT * FROM orders WHERE order_id = $1 FOR UPDATE", order_id)
    return order_of(row) if row else None


async def held_by_sku(conn: Conn, pairs: Sequence[tuple[UUID, str]]) -> list[UUID]:
    """Orders held by policy that have a line of one of these (connection, offer SKU) pairs."""
    rows = await conn.fetch(HELD_BY_SKU, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return [row["order_id"] for row in rows]


async def held_by_connection(conn: Conn, connection_ids: Sequence[UUID]) -> list[UUID]:
    """Orders held by policy at these connections."""
    rows = await conn.fetch(
        "SELECT order_id FROM orders WHERE connection_id = ANY($1) AND live AND status = 'PENDING'"
        " AND decision = 'hold' AND decided_by = 'policy'",
        list(connection_ids),
    )
    return [row["order_id"] for row in rows]


@dataclass(slots=True)
class Shelf:
    """Free units per shop SKU while a batch of orders is decided one after the other."""

    offers: dict[tuple[UUID, str], KnownOffer]
    shop_skus: dict[tuple[UUID, str], tuple[UUID, str]]

    def view(self, connection_id: UUID) -> dict[str, KnownOffer]:
        """Offers of one connection by SKU."""
        return {sku: offer for (connection, sku), offer in self.offers.items() if connection == connection_id}

    def take(self, connection_id: UUID, offer_sku: str, quantity: int) -> None:
        """An order of this batch takes units: every offer served by the same shop SKU has fewer."""
        shop = self.shop_skus.get((connection_id, offer_sku))
        for key, served_by in self.shop_skus.items():
            if served_by == shop:
                known = self.offers[key]
                self.offers[key] = KnownOffer(known.free - quantity, known.price)


async def load_shelf(conn: Conn, pairs: Iterable[tuple[UUID, str]]) -> Shelf:
    """What is known and free of these offers."""
    wanted = list(set(pairs))
    rows = await conn.fetch(FREE, [pair[0] for pair in wanted], [pair[1] for pair in wanted])
    offers: dict[tuple[UUID, str], KnownOffer] = {}
    shop_skus: dict[tuple[UUID, str], tuple[UUID, str]] = {}
    for row in rows:
        key = (row["connection_id"], row["offer_sku"])
        price = Money(amount=Decimal(row["price"]), currency=row["currency"]) if row["price"] is not None else None
        offers[key] = KnownOffer(int(row["free"]), price)
        shop_skus[key] = (row["shop_connection_id"], row["shop_sku"])
    return Shelf(offers, shop_skus)


async def record_decisions(conn: Conn, rows: Sequence[tuple[UUID, Decision, str, datetime, str]]) -> None:
    """Write decisions down: (order, decision, decided by, when, rules as JSON)."""
    await conn.execute(
        "UPDATE orders o SET decision = t.decision, decided_by = t.by, decided_at = t.at, rules = t.rules"
        " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])"
        " AS t(order_id, decision, by, at, rules) WHERE o.order_id = t.order_id",
        [row[0] for row in rows],
        [row[1].value for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
        [row[4] for row in rows],
    )


async def record_answers(conn: Conn, order_ids: Sequence[UUID], answers: Sequence[str]) -> None:
    """Write down how the marketplace took our answers: `accepted`, `refused` or `rejected`."""
    await conn.execute(
        "UPDATE orders o SET answer = t.answer FROM unnest($1::uuid[], $2::text[]) AS t(order_id, answer)"
        " WHERE o.order_id = t.order_id",
        list(order_ids),
        list(answers),
    )
