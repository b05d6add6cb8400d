"""SQL about differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from hub_common.database import Conn
from hub_contracts.reconciliations import DifferenceKind, Repair
from reconciliation.life import Difference, State

COLUMNS: Mapping[str, str] = {
    "difference_id": "uuid",
    "connection_id": "uuid",
    "tenant": "text",
    "kind": "text",
    "state": "text",
    "order_id": "uuid",
    "marketplace_reference": "text",
    "line_id": "text",
    "offer_sku": "text",
    "is_test": "bool",
    "hub_value": "text",
    "marketplace_value": "text",
    "owner": "text",
    "repair": "text",
    "next_step": "text",
    "attempts": "int",
    "comparisons": "int",
    "last_round": "bigint",
    "found_at": "timestamptz",
    "last_seen_at": "timestamptz",
    "opened_at": "timestamptz",
    "ended_at": "timestamptz",
    "resolution": "text",
    "actor": "text",
    "traceparent": "text",
}
assert set(COLUMNS) == {field.name for field in fields(Difference)}

_ARRAYS = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(COLUMNS.values(), start=1))
_SETTERS = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "difference_id")
UPSERT = (
    f"INSERT INTO differences ({', '.join(COLUMNS)}) SELECT * FROM unnest({_ARRAYS})"  # noqa: S608  literals above
    f" ORDER BY 1 ON CONFLICT (difference_id) DO UPDATE SET {_SETTERS}"
)

LIVE = """
SELECT * FROM differences WHERE connection_id = $1 AND state IN ('suspected', 'open', 'closed')
  AND (order_id = ANY($2) OR offer_sku = ANY($3)) ORDER BY difference_id FOR UPDATE
"""

LISTED = """
SELECT * FROM differences WHERE opened_at IS NOT NULL
  AND ($1::uuid IS NULL OR connection_id = $1) AND ($2::text IS NULL OR state = $2)
  AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR owner = $4) AND ($5::text IS NULL OR repair = $5)
  AND ($6::uuid IS NULL OR order_id = $6) AND ($7::text IS NULL OR offer_sku = $7)
  AND ($8::timestamptz IS NULL OR (found_at, difference_id) > ($8, $9))
ORDER BY found_at, difference_id LIMIT $10
"""

COUNTS = """
SELECT kind, count(*) AS found, min(found_at) AS oldest FROM differences
WHERE state = 'open' AND NOT is_test GROUP BY kind
"""


def difference_of(row: asyncpg.Record) -> Difference:
    """The difference that a row holds."""
    values: dict[str, Any] = {name: row[name] for name in COLUMNS}
    values |= {"kind": DifferenceKind(row["kind"]), "state": State(row["state"]), "repair": Repair(row["repair"])}
    return Difference(**values)


async def live(
    conn: Conn, connection_id: UUID, *, orders: Iterable[UUID] = (), skus: Iterable[str] = ()
) -> dict[UUID, Difference]:
    """Differences of these subjects that are not over, locked."""
    rows = await conn.fetch(LIVE, connection_id, list(orders), list(skus))
    return {row["difference_id"]: difference_of(row) for row in rows}


async def one(conn: Conn, difference_id: UUID) -> Difference | None:
    """One difference, locked."""
    row = await conn.fetchrow("SELECT * FROM differences WHERE difference_id = $1 FOR UPDATE", difference_id)
    return difference_of(row) if row else None


async def save(conn: Conn, rows: Sequence[Difference], forgotten: Sequence[UUID] = ()) -> None:
    """Write differences down; suspicions that proved wrong are forgotten."""
    if rows:
        unique = {row.difference_id: row for row in rows}
        await conn.execute(UPSERT, *[[getattr(row, name) for row in unique.values()] for name in COLUMNS])
    if forgotten:
        await conn.execute("DELETE FROM differences WHERE difference_id = ANY($1)", list(forgotten))


async def unseen_missing(conn: Conn, connection_id: UUID, round_: int, limit: int) -> list[str]:
    """References seen at the marketplace before, that the hub does not know and that this round has not met."""
    rows = await conn.fetch(
        "SELECT marketplace_reference AS reference FROM differences d WHERE connection_id = $1"
        " AND state IN ('suspected', 'open', 'closed') AND kind = 'order_missing' AND last_round < $2"
        " AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = d.order_id) ORDER BY last_seen_at LIMIT $3",
        connection_id,
        round_,
        limit,
    )
    return [row["reference"] for row in rows]


async def met(conn: Conn, connection_id: UUID, references: Sequence[str], round_: int) -> None:
    """This round has asked for these orders: it does not ask for them again, whatever the answer meant."""
    await conn.execute(
        "UPDATE differences SET last_round = $3 WHERE connection_id = $1 AND kind = 'order_missing'"
        " AND marketplace_reference = ANY($2) AND last_round < $3",
        connection_id,
        list(references),
        round_,
    )


async def open_of(conn: Conn, connection_id: UUID, limit: int) -> list[Difference]:
    """Open differences of a connection, oldest first, test orders left out."""
    rows = await conn.fetch(
        "SELECT * FROM differences WHERE connection_id = $1 AND state = 'open' AND NOT is_test"
        " ORDER BY found_at, difference_id LIMIT $2",
        connection_id,
        limit,
    )
    return [difference_of(row) for row in rows]


async def counts_of_day(conn: Conn, connection_id: UUID, day: date, start: datetime) -> tuple[int, int, dict[str, int]]:
    """(found on that UTC day, over on that day, open ones by kind)."""
    rows = await conn.fetch(
        "SELECT kind, count(*) FILTER (WHERE opened_at >= $2 AND opened_at < $3) AS found,"
        " count(*) FILTER (WHERE ended_at >= $2 AND ended_at < $3 AND opened_at IS NOT NULL) AS over,"
        " count(*) FILTER (WHERE state = 'open') AS open FROM differences"
        " WHERE connection_id = $1 AND NOT is_test GROUP BY kind ORDER BY kind",
        connection_id,
        start,
        start + timedelta(days=1),
    )
    open_now = {row["kind"]: row["open"] for row in rows if row["open"]}
    return sum(row["found"] for row in rows), sum(row["over"] for row in rows), open_now
