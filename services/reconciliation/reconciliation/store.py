"""SQL about what the hub believes: orders, answers, parcels, refunds, offers, effects. Learnt from events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.database import Conn
from hub_contracts.base import Money
from hub_contracts.orders import OrderSnapshot
from hub_contracts.refunds import RefundLine
from reconciliation.domain import Belief, OwnRefund
from reconciliation.offers import OfferBelief

UPSERT_ORDERS = """
INSERT INTO orders (order_id, connection_id, reference, tenant, environment, is_test, status, marketplace_status,
                    snapshot, version, first_refunds, created_at, fact_at, traceparent)
SELECT DISTINCT ON (t.order_id) t.order_id, t.connection_id, t.reference, t.tenant, t.environment, t.is_test, t.status,
       t.word, t.snapshot, t.version,
       ARRAY(SELECT r->>'refund_reference' FROM jsonb_array_elements(t.snapshot->'refunds') AS r), t.created_at,
       greatest(t.fact_at, (SELECT max(d.last_at) FROM order_days d WHERE d.order_id = t.order_id)), t.traceparent
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::text[],
            $9::jsonb[], $10::bigint[], $11::timestamptz[], $12::timestamptz[], $13::text[])
     AS t(order_id, connection_id, reference, tenant, environment, is_test, status, word, snapshot, version,
          created_at, fact_at, traceparent)
ORDER BY t.order_id, t.version DESC
ON CONFLICT (order_id) DO UPDATE SET snapshot = excluded.snapshot, version = excluded.version,
    status = excluded.status, marketplace_status = excluded.marketplace_status,
    fact_at = greatest(orders.fact_at, excluded.fact_at)
WHERE orders.version < excluded.version
"""

SET_STATUS = """
UPDATE orders o SET status = t.status, marketplace_status = t.word, version = t.version,
    fact_at = greatest(o.fact_at, t.at)
FROM (SELECT DISTINCT ON (order_id) * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
          AS t(order_id, status, word, version, at) ORDER BY order_id, version DESC) t
WHERE o.order_id = t.order_id AND o.version < t.version
"""

TOUCH = """
UPDATE orders o SET fact_at = greatest(o.fact_at, t.at)
FROM (SELECT order_id, max(at) AS at FROM unnest($1::uuid[], $2::timestamptz[]) AS t(order_id, at) GROUP BY 1) t
WHERE o.order_id = t.order_id
"""

TOUCH_DAYS = """
INSERT INTO order_days (connection_id, day, order_id, last_at)
SELECT c, (at AT TIME ZONE 'UTC')::date, o, max(at)
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS t(c, o, at)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (connection_id, day, order_id) DO UPDATE SET last_at = greatest(order_days.last_at, excluded.last_at)
"""

TAKEN = """
INSERT INTO taken (effect_id, connection_id, kind, day, is_test)
SELECT DISTINCT ON (e) * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::date[], $5::bool[]) AS t(e, c, k, d, i)
ON CONFLICT DO NOTHING
"""

UPSERT_OFFERS = """
INSERT INTO offers AS o (connection_id, offer_sku, tenant, environment, available, price, currency, version,
    pushed_quantity, quantity_pushed_at, pushed_price, pushed_currency, price_pushed_at, rejected, rejected_at, fact_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::numeric[], $7::text[], $8::bigint[],
    $9::int[], $10::timestamptz[], $11::numeric[], $12::text[], $13::timestamptz[], $14::text[], $15::timestamptz[],
    $16::timestamptz[])
ORDER BY 1, 2
ON CONFLICT (connection_id, offer_sku) DO UPDATE SET
    environment = coalesce(excluded.environment, o.environment),
    available = coalesce(excluded.available, o.available),
    price = coalesce(excluded.price, o.price), currency = coalesce(excluded.currency, o.currency),
    version = greatest(o.version, excluded.version),
    pushed_quantity = coalesce(excluded.pushed_quantity, o.pushed_quantity),
    quantity_pushed_at = coalesce(excluded.quantity_pushed_at, o.quantity_pushed_at),
    pushed_price = coalesce(excluded.pushed_price, o.pushed_price),
    pushed_currency = coalesce(excluded.pushed_currency, o.pushed_currency),
    price_pushed_at = coalesce(excluded.price_pushed_at, o.price_pushed_at),
    rejected = excluded.rejected, rejected_at = excluded.rejected_at,
    fact_at = greatest(o.fact_at, excluded.fact_at)
WHERE o.version < excluded.version
"""
# What was refused is forgotten with the next fact about the offer: it is then sent again, and refused again if need be.

BELIEFS = """
SELECT o.*, a.answer, a.answered_at, p.parcels, p.complete, p.told_at,
       (SELECT min(d.since) FROM doubts d
        WHERE d.connection_id = o.connection_id AND d.order_id = o.order_id AND d.over_at IS NULL) AS doubt_since,
       (SELECT jsonb_agg(jsonb_build_object('state', r.state, 'lines', r.lines, 'references', r.refund_references,
                                            'changed_at', r.changed_at) ORDER BY r.refund_id)
        FROM refunds r WHERE r.order_id = o.order_id) AS refunds
FROM orders o LEFT JOIN answers a USING (order_id) LEFT JOIN LATERAL (
    SELECT count(*)::int AS parcels, bool_or(completes) AS complete, max(told_at) AS told_at
    FROM parcels p WHERE p.order_id = o.order_id
) p ON true
WHERE o.order_id = ANY($1)
"""

OFFER_BELIEFS = """
SELECT o.*, (SELECT min(d.since) FROM doubts d
             WHERE d.connection_id = o.connection_id AND d.offer_sku = o.offer_sku AND d.over_at IS NULL) AS doubt_since
FROM offers o WHERE o.connection_id = $1 AND o.offer_sku = ANY($2)
"""


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order as this service keeps it."""

    belief: Belief
    environment: str
    is_test: bool
    traceparent: str | None


@dataclass(slots=True)
class OfferFact:
    """What a batch of events says about one offer; None = nothing."""

    tenant: str
    version: int
    at: datetime
    environment: str | None = None
    available: int | None = None
    price: Money | None = None
    quantity: int | None = None
    quantity_at: datetime | None = None
    pushed_price: Money | None = None
    price_at: datetime | None = None
    rejected: str | None = None
    rejected_at: datetime | None = None


async def save_orders(conn: Conn, rows: Sequence[tuple[Any, ...]]) -> None:
    """Keep the newest snapshot of each order; columns as in `UPSERT_ORDERS`."""
    await conn.execute(UPSERT_ORDERS, *_columns(rows))


async def set_statuses(conn: Conn, rows: Sequence[tuple[Any, ...]]) -> None:
    """(order, status, the marketplace's word, version, at): keep the newest."""
    await conn.execute(SET_STATUS, *_columns(rows))


async def touch(conn: Conn, facts: Iterable[tuple[UUID, UUID, datetime]]) -> None:
    """(connection, order, at): something became known about these orders on that day."""
    rows = list(facts)
    await conn.execute(TOUCH, [order for _, order, _ in rows], [at for _, _, at in rows])
    await conn.execute(TOUCH_DAYS, *_columns(rows))


async def take(conn: Conn, effects: Iterable[tuple[UUID, UUID, str, date, bool]]) -> None:
    """(effect, connection, kind, day, test): the marketplace took these. The same effect counts once."""
    rows = list(effects)
    if rows:
        await conn.execute(TAKEN, *_columns(rows))


async def save_answers(conn: Conn, rows: Sequence[tuple[UUID, str, datetime]]) -> None:
    """(order, answer, at): the last one counts."""
    latest = {row[0]: row for row in rows}
    await conn.execute(
        "INSERT INTO answers (order_id, answer, answered_at) SELECT * FROM unnest($1::uuid[], $2::text[],"
        " $3::timestamptz[]) ON CONFLICT (order_id) DO UPDATE SET answer = excluded.answer,"
        " answered_at = excluded.answered_at",
        *_columns(list(latest.values())),
    )


async def save_parcels(conn: Conn, rows: Sequence[tuple[UUID, UUID, bool, datetime]]) -> None:
    """(parcel, order, completes, at). A parcel that is told again keeps its first instant."""
    latest = {row[0]: row for row in reversed(rows)}
    await conn.execute(
        "INSERT INTO parcels (parcel_id, order_id, completes, told_at) SELECT * FROM unnest($1::uuid[], $2::uuid[],"
        " $3::bool[], $4::timestamptz[]) ON CONFLICT (parcel_id) DO UPDATE SET"
        " completes = parcels.completes OR excluded.completes",
        *_columns(list(latest.values())),
    )


async def save_refunds(conn: Conn, rows: Sequence[tuple[UUID, UUID, str, str, list[str], datetime]]) -> None:
    """(refund, order, state, lines as JSON, references, at). What was confirmed stays confirmed."""
    latest = {row[0]: row for row in rows}
    values = list(latest.values())
    # An array of arrays cannot be unnested row by row, so references travel as JSON.
    await conn.execute(
        "INSERT INTO refunds (refund_id, order_id, state, lines, refund_references, changed_at)"
        " SELECT t.a, t.b, t.c, t.d, ARRAY(SELECT jsonb_array_elements_text(t.e)), t.f FROM unnest($1::uuid[],"
        " $2::uuid[], $3::text[], $4::jsonb[], $5::jsonb[], $6::timestamptz[]) AS t(a, b, c, d, e, f)"
        " ON CONFLICT (refund_id) DO UPDATE SET state = excluded.state, lines = excluded.lines,"
        " refund_references = excluded.refund_references, changed_at = excluded.changed_at"
        " WHERE refunds.state <> 'confirmed'",
        [row[0] for row in values],
        [row[1] for row in values],
        [row[2] for row in values],
        [row[3] for row in values],
        [orjson.dumps(row[4]).decode() for row in values],
        [row[5] for row in values],
    )


async def reject_refunds(conn: Conn, rows: Sequence[tuple[UUID, datetime]]) -> None:
    """(refund, at): these will not be given."""
    await conn.execute(
        "UPDATE refunds r SET state = 'rejected', changed_at = t.at FROM unnest($1::uuid[], $2::timestamptz[])"
        " AS t(refund_id, at) WHERE r.refund_id = t.refund_id AND r.state = 'requested'",
        *_columns(rows),
    )


async def save_doubts(conn: Conn, rows: Sequence[tuple[Any, ...]]) -> None:
    """(effect, order, connection, offer SKU, since, over): effects of which nobody knows whether they were applied."""
    latest = {row[0]: row for row in rows}
    await conn.execute(
        "INSERT INTO doubts (effect_id, order_id, connection_id, offer_sku, since, over_at)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[])"
        " ON CONFLICT (effect_id) DO UPDATE SET over_at = excluded.over_at",
        *_columns(list(latest.values())),
    )


async def save_offers(conn: Conn, facts: Mapping[tuple[UUID, str], OfferFact]) -> None:
    """Keep what a batch says about offers."""
    rows = [
        (
            *pair,
            fact.tenant,
            fact.environment,
            fact.available,
            fact.price.amount if fact.price else None,
            fact.price.currency if fact.price else None,
            fact.version,
            fact.quantity,
            fact.quantity_at,
            fact.pushed_price.amount if fact.pushed_price else None,
            fact.pushed_price.currency if fact.pushed_price else None,
            fact.price_at,
            fact.rejected,
            fact.rejected_at,
            fact.at,
        )
        for pair, fact in facts.items()
    ]
    await conn.execute(UPSERT_OFFERS, *_columns(rows))


async def beliefs(conn: Conn, order_ids: Iterable[UUID]) -> dict[UUID, HeldOrder]:
    """What the hub holds of these orders."""
    rows = await conn.fetch(BELIEFS, list(order_ids))
    return {row["order_id"]: held_of(row) for row in rows}


def held_of(row: asyncpg.Record) -> HeldOrder:
    """The order that a row of `BELIEFS` holds."""
    snapshot = OrderSnapshot.model_validate_json(row["snapshot"]).model_copy(
        update={"marketplace_status": row["marketplace_status"]}
    )
    snapshot = snapshot.model_copy(update={"status": type(snapshot.status)(row["status"])})
    refunds = orjson.loads(row["refunds"]) if row["refunds"] else []
    asked = [datetime.fromisoformat(each["changed_at"]) for each in refunds]
    waiting = [at for each, at in zip(refunds, asked, strict=True) if each["state"] == "requested"]
    belief = Belief(
        snapshot=snapshot,
        fact_at=max(filter(None, (row["fact_at"], row["answered_at"], row["told_at"], *asked))),
        answer=row["answer"],
        parcels=row["parcels"],
        parcels_complete=bool(row["complete"]),
        refunds=tuple(_refund(each) for each in refunds if each["state"] != "rejected"),
        first_refunds=frozenset(row["first_refunds"]),
        busy_since=min(filter(None, (row["doubt_since"], *waiting)), default=None),
    )
    return HeldOrder(belief, row["environment"], row["is_test"], row["traceparent"])


def _refund(each: dict[str, Any]) -> OwnRefund:
    lines = tuple(RefundLine.model_validate(line) for line in each["lines"])
    return OwnRefund(each["state"] == "confirmed", lines, tuple(each["references"]))


async def offer_beliefs(conn: Conn, connection_id: UUID, skus: Iterable[str]) -> dict[str, OfferBelief]:
    """What the hub holds of these offers."""
    rows = await conn.fetch(OFFER_BELIEFS, connection_id, list(skus))
    return {row["offer_sku"]: _offer(row) for row in rows}


def _offer(row: asyncpg.Record) -> OfferBelief:
    return OfferBelief(
        connection_id=row["connection_id"],
        offer_sku=row["offer_sku"],
        fact_at=row["fact_at"],
        available=row["available"],
        price=_money(row["price"], row["currency"]),
        pushed_quantity=row["pushed_quantity"],
        pushed_price=_money(row["pushed_price"], row["pushed_currency"]),
        rejected=row["rejected"],
        busy_since=row["doubt_since"],
    )


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return Money(amount=amount, currency=currency) if amount is not None and currency is not None else None


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
