"""SQL about how far each connection's comparison is: written down, so that a restart goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson

from hub_common.database import Conn

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CREATE = """
INSERT INTO comparisons (connection_id, tenant, next_at, first_day)
SELECT t.id, t.tenant, t.at, (t.at AT TIME ZONE 'UTC')::date
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(id, tenant, at)
ON CONFLICT DO NOTHING
"""

DUE = """
SELECT * FROM comparisons WHERE connection_id = ANY($1)
  AND (next_at <= $2 OR phase = 'idle' AND requested_at IS NOT NULL)
ORDER BY requested_at IS NULL, next_at LIMIT $3
"""

SAVE = """
UPDATE comparisons SET phase = $3, next_at = $4, started_at = $5, window_from = $6, next_from = $7, until = $8,
    chunk_seconds = $9, orders_unreadable = $10, failures = $11, last_error = $12, finished_at = $13,
    finished_started_at = $14, last_report = $15, gaps = $16, round = $2,
    requested_at = CASE WHEN requested_at <= $17 THEN NULL ELSE requested_at END
WHERE connection_id = $1 AND round <= $2
"""

COUNTS = """
SELECT (SELECT count(*) FROM orders WHERE connection_id = $1 AND seen_round = $2) AS orders_seen,
       (SELECT count(*) FROM orders WHERE connection_id = $1 AND seen_round = $2 AND compared_at >= $3)
           AS orders_compared,
       (SELECT count(*) FROM offers WHERE connection_id = $1 AND seen_round = $2 AND compared_at >= $3)
           AS offers_compared
"""

UNSEEN_ORDERS = """
SELECT o.order_id, o.reference FROM orders o
WHERE o.connection_id = $1 AND NOT o.is_test AND o.environment = $2 AND o.seen_round < $3 AND o.fact_at <= $4
  AND (o.created_at >= $5 OR o.status = ANY($6) OR EXISTS (
      SELECT 1 FROM differences d
      WHERE d.connection_id = o.connection_id AND d.order_id = o.order_id AND d.state IN ('suspected', 'open')))
"""

UNSEEN_OFFERS = """
SELECT o.offer_sku FROM offers o
WHERE o.connection_id = $1 AND o.seen_round < $2 AND o.fact_at <= $3
  AND (o.quantity_pushed_at IS NOT NULL OR o.price_pushed_at IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class Round:
    """One comparison of one connection and how far it is. Instants are UTC."""

    connection_id: UUID
    tenant: str
    round: int
    phase: str
    next_at: datetime
    started_at: datetime | None
    window_from: datetime | None
    next_from: datetime | None
    until: datetime | None
    chunk_seconds: int | None
    orders_unreadable: int
    failures: int
    last_error: str
    finished_at: datetime | None
    finished_started_at: datetime | None
    last_report: dict[str, Any] | None
    requested_at: datetime | None
    gaps: str

    def well(self) -> Round:
        """A part was read without trouble."""
        return replace(self, failures=0, last_error="")

    def counted(self, *, orders_unreadable: int) -> Round:
        """With orders added that could not be understood."""
        return replace(self, orders_unreadable=self.orders_unreadable + orders_unreadable)


def round_of(row: asyncpg.Record) -> Round:
    """The round that a row holds."""
    values = {name: row[name] for name in Round.__dataclass_fields__}
    values["last_report"] = orjson.loads(row["last_report"]) if row["last_report"] else None
    return Round(**values)


async def create(pool: Pool, rows: Sequence[tuple[UUID, str, datetime]]) -> None:
    """Begin with connections that were never compared: (connection, tenant, when)."""
    await pool.execute(CREATE, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])


async def due(pool: Pool, connection_ids: Sequence[UUID], now: datetime, limit: int) -> list[Round]:
    """Comparisons of these connections that may go on now, those that somebody asked for first."""
    return [round_of(row) for row in await pool.fetch(DUE, list(connection_ids), now, limit)]


async def save(conn: Conn, state: Round, taken_up: datetime | None = None) -> None:
    """Write down how far it is. Wishes made until `taken_up` are fulfilled by this round."""
    await conn.execute(
        SAVE,
        state.connection_id,
        state.round,
        state.phase,
        state.next_at,
        state.started_at,
        state.window_from,
        state.next_from,
        state.until,
        state.chunk_seconds,
        state.orders_unreadable,
        state.failures,
        state.last_error,
        state.finished_at,
        state.finished_started_at,
        orjson.dumps(state.last_report).decode() if state.last_report is not None else None,
        state.gaps,
        taken_up,
    )


async def mark_orders(conn: Conn, seen: Sequence[UUID], compared: Sequence[UUID], round_: int, at: datetime) -> None:
    """These orders were met by this round; of some both sides were compared."""
    await conn.execute(
        "UPDATE orders SET seen_round = greatest(seen_round, $3),"
        " compared_at = CASE WHEN order_id = ANY($2) THEN $4 ELSE compared_at END WHERE order_id = ANY($1)",
        list(seen),
        list(compared),
        round_,
        at,
    )


async def mark_offers(
    conn: Conn, connection_id: UUID, seen: Sequence[str], compared: Sequence[str], round_: int, at: datetime
) -> None:
    """As `mark_orders`, for offers."""
    await conn.execute(
        "UPDATE offers SET seen_round = greatest(seen_round, $4),"
        " compared_at = CASE WHEN offer_sku = ANY($3) THEN $5 ELSE compared_at END"
        " WHERE connection_id = $1 AND offer_sku = ANY($2)",
        connection_id,
        list(seen),
        list(compared),
        round_,
        at,
    )


@dataclass(frozen=True, slots=True)
class Rest:
    """Which orders or offers of a connection a round has yet to meet one by one."""

    connection_id: UUID
    environment: str
    round: int
    horizon: datetime
    window_from: datetime
    open_statuses: Sequence[str]


async def counts(conn: Conn, rest: Rest, started_at: datetime) -> dict[str, int]:
    """How many orders and offers a round has met, and of how many both sides were compared."""
    row = await conn.fetchrow(COUNTS, rest.connection_id, rest.round, started_at)
    assert row is not None, "counts are always one row"
    found = dict(row)
    return found | {"orders_unsettled": found["orders_seen"] - found["orders_compared"]}


async def unseen_orders(conn: Conn, rest: Rest, limit: int) -> list[tuple[UUID, str]]:
    """(order, reference), those compared longest ago first."""
    rows = await conn.fetch(
        UNSEEN_ORDERS + " ORDER BY o.compared_at NULLS FIRST, o.order_id LIMIT $7", *_orders_of(rest), limit
    )
    return [(row["order_id"], row["reference"]) for row in rows]


async def count_unseen_orders(conn: Conn, rest: Rest) -> int:
    """How many there are."""
    found: int = await conn.fetchval(f"SELECT count(*) FROM ({UNSEEN_ORDERS}) AS t", *_orders_of(rest))  # noqa: S608
    return found


async def unseen_offers(conn: Conn, rest: Rest, limit: int) -> list[str]:
    """SKUs, those compared longest ago first."""
    rows = await conn.fetch(
        UNSEEN_OFFERS + " ORDER BY o.compared_at NULLS FIRST, o.offer_sku LIMIT $4",
        rest.connection_id,
        rest.round,
        rest.horizon,
        limit,
    )
    return [row["offer_sku"] for row in rows]


async def count_unseen_offers(conn: Conn, rest: Rest) -> int:
    """How many there are."""
    found: int = await conn.fetchval(
        f"SELECT count(*) FROM ({UNSEEN_OFFERS}) AS t",  # noqa: S608  a literal above
        rest.connection_id,
        rest.round,
        rest.horizon,
    )
    return found


def _orders_of(rest: Rest) -> tuple[Any, ...]:
    return (
        rest.connection_id,
        rest.environment,
        rest.round,
        rest.horizon,
        rest.window_from,
        list(rest.open_statuses),
    )


async def request(pool: Pool, connection_id: UUID, tenant: str, now: datetime, login: str) -> None:
    """Ask whichever replica holds the connection to compare it now."""
    await pool.execute(
        "INSERT INTO comparisons (connection_id, tenant, next_at, first_day, requested_at, requested_by)"
        " VALUES ($1, $2, $3, ($3::timestamptz AT TIME ZONE 'UTC')::date, $3, $4)"
        " ON CONFLICT (connection_id) DO UPDATE SET requested_at = $3, requested_by = $4",
        connection_id,
        tenant,
        now,
        login,
    )
