"""Deadline clocks: an instant by which something must be answered, told at shares of the time, never missed silently.

A clock runs whatever else stands still: parked orders, paused connections and marketplaces that are down keep it
running. Shares already past when the order is first seen are told once, as the highest of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from hub_common.transactions import Transactions
from hub_common.tx import Cause, Tx
from hub_contracts.work import DeadlineApproaching, DeadlineKind, DeadlineMissed

SHARES = (50, 75, 90)
"""Percent of the time used up at which people are told."""

START = """
INSERT INTO deadlines (order_id, kind, connection_id, tenant, is_test, starts_at, due_at, last_resort_percent, next_at)
SELECT t.order_id, t.kind, t.connection_id, t.tenant, t.is_test, t.starts_at, t.due_at, t.resort, t.next_at
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::bool[], $6::timestamptz[], $7::timestamptz[], $8::int[],
            $9::timestamptz[]) AS t(order_id, kind, connection_id, tenant, is_test, starts_at, due_at, resort, next_at)
ON CONFLICT (order_id, kind) DO UPDATE SET due_at = excluded.due_at, next_at = excluded.next_at
WHERE deadlines.due_at <> excluded.due_at AND deadlines.met_at IS NULL
"""

DUE = """
SELECT * FROM deadlines WHERE met_at IS NULL AND next_at <= $1 ORDER BY next_at LIMIT 500 FOR UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class NewDeadline:
    """A clock to start. Instants are UTC."""

    order_id: UUID
    kind: DeadlineKind
    connection_id: UUID
    tenant: str
    is_test: bool
    starts_at: datetime
    due_at: datetime
    last_resort_percent: int | None = None


@dataclass(frozen=True, slots=True)
class Reached:
    """A clock whose last-resort share is reached."""

    order_id: UUID
    connection_id: UUID
    tenant: str
    is_test: bool
    kind: DeadlineKind
    due_at: datetime


LastResort = Callable[[Tx, Sequence[Reached]], Awaitable[dict[UUID, str]]]
"""Acts on orders nobody decided; returns what was done per order: `accept`, `refuse` or `alarm`."""


def share_at(starts_at: datetime, due_at: datetime, percent: int) -> datetime:
    """The instant at which `percent` of the time is used up."""
    return starts_at + (due_at - starts_at) * percent / 100


def next_instant(starts_at: datetime, due_at: datetime, told: int, resort: int | None) -> datetime | None:
    """When this clock has something to say or do next; None when it has said everything."""
    coming = [percent for percent in (*SHARES, *([resort] if resort else []), 100) if percent > told]
    return share_at(starts_at, due_at, min(coming)) if coming else None


async def start(tx: Tx, clocks: Sequence[NewDeadline]) -> None:
    """Start clocks; a known one only has its instant moved."""
    if not clocks:
        return
    await tx.conn.execute(
        START,
        [c.order_id for c in clocks],
        [c.kind.value for c in clocks],
        [c.connection_id for c in clocks],
        [c.tenant for c in clocks],
        [c.is_test for c in clocks],
        [c.starts_at for c in clocks],
        [c.due_at for c in clocks],
        [c.last_resort_percent for c in clocks],
        [next_instant(c.starts_at, c.due_at, 0, c.last_resort_percent) for c in clocks],
    )


async def meet(tx: Tx, order_ids: Sequence[UUID], kind: DeadlineKind) -> None:
    """Stop clocks: the thing is done."""
    await tx.conn.execute(
        "UPDATE deadlines SET met_at = $3, next_at = NULL WHERE order_id = ANY($1) AND kind = $2 AND met_at IS NULL",
        list(order_ids),
        kind.value,
        tx.now,
    )


class DeadlineClock:
    """The loop that tells. `last_resort` is None where nothing can be done but raise an alarm."""

    def __init__(self, transactions: Transactions, last_resort: LastResort | None = None) -> None:
        self._transactions = transactions
        self._last_resort = last_resort

    async def step(self) -> int:
        """Tell everything that is due; returns how many clocks spoke."""
        async with self._transactions.begin() as tx:
            rows = await tx.conn.fetch(DUE, tx.now)
            done = await self._act(tx, rows)
            for row in rows:
                await self._tell(tx, row, done.get(row["order_id"]))
        return len(rows)

    async def _act(self, tx: Tx, rows: Sequence[asyncpg.Record]) -> dict[UUID, str]:
        reached = [
            Reached(r["order_id"], r["connection_id"], r["tenant"], r["is_test"], DeadlineKind(r["kind"]), r["due_at"])
            for r in rows
            if not r["last_resort_done"]
            and r["last_resort_percent"] is not None
            and _used(r, tx.now) >= r["last_resort_percent"]
        ]
        if not reached or self._last_resort is None:
            return {}
        return await self._last_resort(tx, reached)

    async def _tell(self, tx: Tx, row: asyncpg.Record, done: str | None) -> None:
        used = _used(row, tx.now)
        cause = Cause(tenant=row["tenant"])
        kind = DeadlineKind(row["kind"])
        told = max([p for p in SHARES if p <= used], default=0)
        if used >= 100:
            told = 100
            tx.emit(
                DeadlineMissed(
                    order_id=row["order_id"],
                    connection_id=row["connection_id"],
                    is_test=row["is_test"],
                    owner=tx.service,
                    deadline=kind,
                    due_at=row["due_at"],
                    last_resort=done or "alarm",
                ),
                key=row["order_id"],
                cause=cause,
            )
        elif told > row["percent_told"]:
            left = max(timedelta(0), row["due_at"] - tx.now)
            tx.emit(
                DeadlineApproaching(
                    order_id=row["order_id"],
                    connection_id=row["connection_id"],
                    is_test=row["is_test"],
                    owner=tx.service,
                    deadline=kind,
                    due_at=row["due_at"],
                    percent_used=told,
                    seconds_left=int(left.total_seconds()),
                ),
                key=row["order_id"],
                cause=cause,
            )
        reached = max(told, int(used) if done else 0)
        following = next_instant(row["starts_at"], row["due_at"], max(told, int(used)), row["last_resort_percent"])
        await tx.conn.execute(
            "UPDATE deadlines SET percent_told = $3, last_resort_done = last_resort_done OR $4, next_at = $5"
            " WHERE order_id = $1 AND kind = $2",
            row["order_id"],
            row["kind"],
            max(reached, row["percent_told"]),
            done is not None,
            following,
        )


def _used(row: asyncpg.Record, now: datetime) -> float:
    total = (row["due_at"] - row["starts_at"]).total_seconds()
    if total <= 0:
        return 100.0
    used: float = min(100.0, 100.0 * (now - row["starts_at"]).total_seconds() / total)
    return used
