"""SQL of refund-service about returns, refunds and cancellations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from connector_kit.requests import RefundLineRequest
from hub_common.database import Conn
from hub_common.tx import Cause
from hub_contracts.envelope import Origin
from hub_contracts.shop_activity import LineQuantity
from refund_service.domain_returns import Stated
from refund_service.money import Sums

OPEN, DONE, RECORDED = "open", "done", "recorded"
"""States of returns and cancellations. Open: something waits or is parked. Recorded: nothing is done about it."""
QUEUED, ASKED = "queued", "asked"
CONFIRMED, REJECTED = "confirmed", "rejected"
"""States of refunds: queued behind another refund of the order, asked of the marketplace, ended. Cancellations that are
passed on go through the last three."""

UPSERT_RETURNS = """
INSERT INTO returns (return_id, order_id, connection_id, shop_connection_id, shop_return_reference, tenant, environment,
                     is_test, live, stage, lines, refund_shipping, reported_at, state, note, check_at, traceparent,
                     causation_id)
SELECT t.*, $14, '', $15::timestamptz, t2.traceparent, t2.causation_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::bool[],
            $9::bool[], $10::text[], $11::jsonb[], $12::bool[], $13::timestamptz[])
     AS t(return_id, order_id, connection_id, shop_connection_id, shop_return_reference, tenant, environment, is_test,
          live, stage, lines, refund_shipping, reported_at)
JOIN unnest($1::uuid[], $16::text[], $17::text[]) AS t2(return_id, traceparent, causation_id) USING (return_id)
ON CONFLICT (return_id) DO UPDATE SET live = excluded.live, stage = excluded.stage, lines = excluded.lines,
    refund_shipping = excluded.refund_shipping, reported_at = excluded.reported_at, state = excluded.state,
    note = '', check_at = excluded.check_at, traceparent = excluded.traceparent, causation_id = excluded.causation_id
"""

INSERT_REFUNDS = """
INSERT INTO refunds (refund_id, order_id, connection_id, return_id, tenant, is_test, state, currency, lines,
                     refund_shipping, requested_by, requested_at, traceparent, causation_id)
SELECT t.refund_id, t.order_id, t.connection_id, t.return_id, t.tenant, t.is_test, 'queued', t.currency, t.lines,
       t.refund_shipping, t.requested_by, t.requested_at, t.traceparent, t.causation_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bool[], $7::text[], $8::jsonb[], $9::bool[],
            $10::text[], $11::timestamptz[], $12::text[], $13::text[])
     WITH ORDINALITY AS t(refund_id, order_id, connection_id, return_id, tenant, is_test, currency, lines,
                          refund_shipping, requested_by, requested_at, traceparent, causation_id, ord)
ORDER BY t.ord
ON CONFLICT DO NOTHING
"""

INSERT_CANCELLATIONS = """
INSERT INTO cancellations (cancellation_id, order_id, connection_id, tenant, environment, is_test, live, lines, reason,
                           requested_by, requested_at, state, note, check_at, traceparent, causation_id)
SELECT t.*, 'open', '', $12::timestamptz, t2.traceparent, t2.causation_id
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bool[], $7::bool[], $8::jsonb[],
            $9::text[], $10::text[], $11::timestamptz[])
     AS t(cancellation_id, order_id, connection_id, tenant, environment, is_test, live, lines, reason, requested_by,
          requested_at)
JOIN unnest($1::uuid[], $13::text[], $14::text[]) AS t2(cancellation_id, traceparent, causation_id)
     USING (cancellation_id)
ON CONFLICT DO NOTHING
"""

SETTLE_REFUNDS = """
UPDATE refunds r SET state = t.state, refund_references = t.refs, confirmed_by = t.by, reason = t.reason,
    settled_at = t.at
FROM (SELECT id, state, by, reason, at, ARRAY(SELECT jsonb_array_elements_text(refs)) AS refs
      FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::timestamptz[])
           AS u(id, state, refs, by, reason, at)) t
WHERE r.refund_id = t.id AND r.state NOT IN ('confirmed', 'rejected')
RETURNING r.*
"""

DUE = """
SELECT order_id FROM returns WHERE state = 'open' AND check_at <= $1
UNION SELECT order_id FROM cancellations WHERE state = 'open' AND check_at <= $1
LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class StoredReturn:
    """A return as this service keeps it."""

    return_id: UUID
    order_id: UUID
    connection_id: UUID
    shop_connection_id: UUID
    shop_return_reference: str
    tenant: str
    environment: str
    is_test: bool
    live: bool
    stage: str
    lines: Mapping[str, Stated]
    refund_shipping: bool
    reported_at: datetime
    state: str
    traceparent: str | None
    causation_id: str | None

    @property
    def cause(self) -> Cause:
        """What is done about it follows from the shop's report; what was replayed or backfilled causes no effects."""
        origin = Origin.LIVE if self.live else Origin.BACKFILL
        return Cause(self.tenant, origin, self.traceparent, self.causation_id)


@dataclass(frozen=True, slots=True)
class StoredRefund:
    """A refund as this service keeps it."""

    refund_id: UUID
    order_id: UUID
    connection_id: UUID
    return_id: UUID | None
    tenant: str
    is_test: bool
    state: str
    currency: str
    lines: tuple[RefundLineRequest, ...]
    refund_shipping: bool
    requested_by: str
    requested_at: datetime
    references: tuple[str, ...] = ()
    traceparent: str | None = None
    causation_id: str | None = None

    @property
    def cause(self) -> Cause:
        """Refunds are only made of what happened live."""
        return Cause(self.tenant, Origin.LIVE, self.traceparent, self.causation_id)


@dataclass(frozen=True, slots=True)
class StoredCancellation:
    """A wish to cancel as this service keeps it."""

    cancellation_id: UUID
    order_id: UUID
    connection_id: UUID
    tenant: str
    environment: str
    is_test: bool
    live: bool
    lines: tuple[LineQuantity, ...]
    reason: str | None
    requested_by: str
    requested_at: datetime
    state: str
    traceparent: str | None
    causation_id: str | None

    @property
    def cause(self) -> Cause:
        """What is done about it follows from the request."""
        origin = Origin.LIVE if self.live else Origin.BACKFILL
        return Cause(self.tenant, origin, self.traceparent, self.causation_id)


def sums_of(line: RefundLineRequest) -> Sums:
    """The money of one line of a refund."""
    return Sums(line.quantity, line.amount, line.shipping_amount)


async def load_returns(conn: Conn, return_ids: Sequence[UUID]) -> dict[UUID, StoredReturn]:
    """Returns by id."""
    rows = await conn.fetch("SELECT * FROM returns WHERE return_id = ANY($1)", list(return_ids))
    return {row["return_id"]: _return(row) for row in rows}


async def open_returns(conn: Conn, order_ids: Sequence[UUID]) -> list[StoredReturn]:
    """Returns of these orders about which something is still to be done, oldest first."""
    rows = await conn.fetch(
        "SELECT * FROM returns WHERE order_id = ANY($1) AND state = 'open' ORDER BY reported_at, return_id", order_ids
    )
    return [_return(row) for row in rows]


async def save_returns(conn: Conn, returns: Sequence[StoredReturn], now: datetime) -> None:
    """Keep returns; each is looked at again."""
    await conn.execute(
        UPSERT_RETURNS,
        [r.return_id for r in returns],
        [r.order_id for r in returns],
        [r.connection_id for r in returns],
        [r.shop_connection_id for r in returns],
        [r.shop_return_reference for r in returns],
        [r.tenant for r in returns],
        [r.environment for r in returns],
        [r.is_test for r in returns],
        [r.live for r in returns],
        [r.stage for r in returns],
        [_json({line_id: stated.as_json() for line_id, stated in r.lines.items()}) for r in returns],
        [r.refund_shipping for r in returns],
        [r.reported_at for r in returns],
        OPEN,
        now,
        [r.traceparent for r in returns],
        [r.causation_id for r in returns],
    )


async def set_states(conn: Conn, table: str, rows: Sequence[tuple[UUID, str, str]], check_at: datetime) -> None:
    """Write down where returns or cancellations stand: (id, state, note); open ones are looked at again later."""
    column = {"returns": "return_id", "cancellations": "cancellation_id"}[table]
    await conn.execute(
        f"UPDATE {table} r SET state = t.state, note = t.note, check_at = $4"  # noqa: S608  names from a literal table
        f" FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t(id, state, note) WHERE r.{column} = t.id",
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2][:1000] for row in rows],
        check_at,
    )


async def refunds_of_orders(conn: Conn, order_ids: Sequence[UUID]) -> list[StoredRefund]:
    """All refunds of these orders, in the order they were asked for."""
    rows = await conn.fetch("SELECT * FROM refunds WHERE order_id = ANY($1) ORDER BY seq", list(order_ids))
    return [_refund(row) for row in rows]


async def insert_refunds(conn: Conn, refunds: Sequence[StoredRefund]) -> None:
    """Write refunds down, queued."""
    await conn.execute(
        INSERT_REFUNDS,
        [r.refund_id for r in refunds],
        [r.order_id for r in refunds],
        [r.connection_id for r in refunds],
        [r.return_id for r in refunds],
        [r.tenant for r in refunds],
        [r.is_test for r in refunds],
        [r.currency for r in refunds],
        [_json([line.model_dump(mode="json") for line in r.lines]) for r in refunds],
        [r.refund_shipping for r in refunds],
        [r.requested_by for r in refunds],
        [r.requested_at for r in refunds],
        [r.traceparent for r in refunds],
        [r.causation_id for r in refunds],
    )


async def mark_asked(conn: Conn, pairs: Sequence[tuple[UUID, UUID | None]]) -> None:
    """These refunds (with the effect that asks for them) are on their way to the marketplace."""
    await conn.execute(
        "UPDATE refunds r SET state = 'asked', effect_id = t.effect_id"
        " FROM unnest($1::uuid[], $2::uuid[]) AS t(refund_id, effect_id)"
        " WHERE r.refund_id = t.refund_id AND r.state = 'queued'",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )


Ended = tuple[UUID, str, Sequence[str], str, str]
"""How a refund ended: (id, state, references, confirmed by, reason)."""


async def settle_refunds(conn: Conn, rows: Sequence[Ended], at: datetime | Sequence[datetime]) -> list[StoredRefund]:
    """Write down how refunds ended, all at one instant or each at its own; returns those that had not ended."""
    ended = await conn.fetch(
        SETTLE_REFUNDS,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [_json(list(row[2])) for row in rows],
        [row[3] for row in rows],
        [row[4][:2000] for row in rows],
        [at] * len(rows) if isinstance(at, datetime) else list(at),
    )
    return [_refund(row) for row in ended]


async def insert_cancellations(conn: Conn, wishes: Sequence[StoredCancellation], now: datetime) -> None:
    """Keep wishes to cancel; known ones are left as they are."""
    await conn.execute(
        INSERT_CANCELLATIONS,
        [c.cancellation_id for c in wishes],
        [c.order_id for c in wishes],
        [c.connection_id for c in wishes],
        [c.tenant for c in wishes],
        [c.environment for c in wishes],
        [c.is_test for c in wishes],
        [c.live for c in wishes],
        [_json([line.model_dump() for line in c.lines]) for c in wishes],
        [c.reason for c in wishes],
        [c.requested_by for c in wishes],
        [c.requested_at for c in wishes],
        now,
        [c.traceparent for c in wishes],
        [c.causation_id for c in wishes],
    )


async def open_cancellations(conn: Conn, order_ids: Sequence[UUID]) -> list[StoredCancellation]:
    """Cancellations of these orders about which something is still to be done."""
    rows = await conn.fetch(
        "SELECT * FROM cancellations WHERE order_id = ANY($1) AND state = 'open' ORDER BY requested_at", order_ids
    )
    return [_cancellation(row) for row in rows]


async def cancelling(conn: Conn, order_ids: Sequence[UUID]) -> set[UUID]:
    """Orders of these with a cancellation on its way to the marketplace."""
    rows = await conn.fetch(
        "SELECT order_id FROM cancellations WHERE order_id = ANY($1) AND state = 'asked'", list(order_ids)
    )
    return {row["order_id"] for row in rows}


async def end_cancellations(conn: Conn, rows: Sequence[tuple[UUID, str, UUID | None, str]]) -> None:
    """Write down where cancellations stand that were sent or ended: (id, state, effect, note)."""
    await conn.execute(
        "UPDATE cancellations c SET state = t.state, effect_id = coalesce(t.effect_id, c.effect_id), note = t.note"
        " FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS t(id, state, effect_id, note)"
        " WHERE c.cancellation_id = t.id",
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3][:1000] for row in rows],
    )


async def due(conn: Conn, now: datetime, limit: int) -> list[UUID]:
    """Orders with work that should be looked at again."""
    return [row["order_id"] for row in await conn.fetch(DUE, now, limit)]


async def make_due(conn: Conn, connection_ids: Sequence[UUID], now: datetime) -> None:
    """A connection changed: everything that waits there is looked at again."""
    for table in ("returns", "cancellations"):
        await conn.execute(
            f"UPDATE {table} SET check_at = $2 WHERE connection_id = ANY($1) AND state = 'open'",  # noqa: S608
            list(connection_ids),
            now,
        )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _return(row: asyncpg.Record) -> StoredReturn:
    values = {name: row[name] for name in StoredReturn.__slots__ if name != "lines"}
    lines = {line_id: Stated.of_json(stated) for line_id, stated in orjson.loads(row["lines"]).items()}
    return StoredReturn(lines=lines, **values)


def _refund(row: asyncpg.Record) -> StoredRefund:
    values = {name: row[name] for name in StoredRefund.__slots__ if name not in ("lines", "references")}
    lines = tuple(RefundLineRequest.model_validate(line) for line in orjson.loads(row["lines"]))
    return StoredRefund(lines=lines, references=tuple(row["refund_references"]), **values)


def _cancellation(row: asyncpg.Record) -> StoredCancellation:
    values = {name: row[name] for name in StoredCancellation.__slots__ if name != "lines"}
    lines = tuple(LineQuantity.model_validate(line) for line in orjson.loads(row["lines"]))
    return StoredCancellation(lines=lines, **values)
