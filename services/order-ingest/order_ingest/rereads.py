"""Reads single orders again: hub and marketplace do not agree, a notice told of them, or a person wants to know.

Listings only show what changed since the cursor: an order that slipped through once would be missing for ever. What
is read goes the way of every other snapshot, so it can bring in a missing order as a live one, or change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from connector_kit.capabilities import RawOrder
from connector_kit.http import CallError, Lane, NotSent
from hub_common.connections import Connection
from hub_common.errors import is_storage_down
from hub_common.runtime import Runtime
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.reconciliations import DifferenceFound, Repair
from order_ingest.intake import Batch, Taken, count_received, take
from order_ingest.pollers import LEASE, pollers_of
from order_ingest.store import lock_connection

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

AT_ONCE = 10
FIRST_WAIT, LONGEST_WAIT = 30.0, 3600.0
MOST_ATTEMPTS = 6
"""Then it is given up: the next comparison asks again, and in the end asks a person."""
BETWEEN_READINGS = 10.0
"""Seconds between two readings of one order that persons asked for."""

WISH = """
INSERT INTO rereads (connection_id, reference, difference_id, tenant, requested_at, next_at)
SELECT DISTINCT ON (t.c, t.r) t.c, t.r, t.d, t.t, $5, $5
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS t(c, r, d, t) ORDER BY t.c, t.r
ON CONFLICT (connection_id, reference) DO UPDATE SET
    difference_id = coalesce(excluded.difference_id, rereads.difference_id), state = 'open',
    wishes = rereads.wishes + 1, requested_at = excluded.requested_at, next_at = excluded.next_at, last_error = '',
    attempts = CASE WHEN rereads.state = 'open' AND excluded.difference_id IS NULL THEN rereads.attempts ELSE 0 END
"""

DONE = """
UPDATE rereads SET state = $4, read_at = $5, last_error = '' WHERE connection_id = $1 AND reference = $2 AND wishes = $3
"""
"""A wish that came while the order was being read stays open: what was read may be older than what it told of."""

BEGIN = """
UPDATE rereads SET next_at = $3 WHERE connection_id = $1 AND reference = $2 AND state = 'open' RETURNING wishes
"""
"""Wishes up to now are answered by the reading that begins; a person's wish from now on waits until `next_at`."""

NOT_READ = """
UPDATE rereads SET next_at = $4, attempts = $5, last_error = $6, state = $7
WHERE connection_id = $1 AND reference = $2 AND wishes = $3
"""

DUE = """
SELECT connection_id, reference, attempts FROM rereads
WHERE state = 'open' AND connection_id = ANY($1) AND next_at <= $2 ORDER BY next_at, reference LIMIT $3
"""


async def on_difference_found(tx: Tx, events: Sequence[Event[DifferenceFound]]) -> None:
    """Write down which orders to read again. A replayed difference was dealt with long ago."""
    wanted = [
        (e.data.connection_id, e.data.marketplace_reference, e.data.difference_id, e.meta.tenant)
        for e in events
        if e.live and e.data.repair is Repair.REREAD and e.data.marketplace_reference and not e.data.is_test
    ]
    await wish(tx, wanted)


async def wish(tx: Tx, wanted: Sequence[tuple[UUID, str, UUID | None, str]]) -> None:
    """Ask for orders: (connection, reference, difference or None for a notice, tenant). One wish per order is open."""
    if wanted:
        await tx.conn.execute(WISH, *(list(column) for column in zip(*wanted, strict=True)), tx.now)


class Rereads:
    """The duty: reads what was asked for, on the replica that polls the connection."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime, self._clock = runtime, runtime.clock

    async def step(self) -> bool:
        """Read some orders; False when none is due here."""
        mine = self._mine()
        if not mine:
            return False
        rows = await self._runtime.pool.fetch(DUE, list(mine), self._clock.now(), AT_ONCE)
        held: set[UUID] = set()
        for row in rows:
            if row["connection_id"] not in held and not await self._read(mine[row["connection_id"]], row):
                held.add(row["connection_id"])
        return bool(rows)

    def _mine(self) -> dict[UUID, Connection]:
        names, leases = pollers_of(self._runtime).lease_names(), self._runtime.leases
        return {
            each.connection_id: each
            for each in self._runtime.connections.all()
            if each.active
            and LEASE + each.data.credential_ref in names
            and leases.holds(LEASE + each.data.credential_ref)
        }

    async def _read(self, connection: Connection, row: asyncpg.Record) -> bool:
        """Read one order; False when its connection may make no call now."""
        cid, reference, fetched_at = connection.connection_id, row["reference"], self._clock.now()
        again_at = fetched_at + timedelta(seconds=BETWEEN_READINGS)
        wishes: int | None = await self._runtime.pool.fetchval(BEGIN, cid, reference, again_at)
        if wishes is None:
            return True
        try:
            speaker: Any = pollers_of(self._runtime).reader.book.connector(cid, Lane.LIVE)
            raw: RawOrder | None = await speaker.read_order(reference)
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            return await self._not_read(cid, row, wishes, error)
        taken = Taken()
        async with self._runtime.transactions.begin() as tx:
            if raw is not None:
                locked = await lock_connection(tx.conn, connection)
                taken = await take(tx, Batch(locked, speaker.map_order, (raw,), fetched_at))
            state = "done" if raw is not None else "unknown_there"
            await tx.conn.execute(DONE, cid, reference, wishes, state, tx.now)
        count_received(self._runtime.metrics, cid, taken)
        return True

    async def _not_read(self, connection_id: UUID, row: asyncpg.Record, wishes: int, error: Exception) -> bool:
        waits = isinstance(error, NotSent) and error.retry_after is not None
        attempts = row["attempts"] + (not waits)
        asked = getattr(error, "retry_after", None) or 0.0
        wait = max(asked, 1.0) if waits else FIRST_WAIT * 2.0 ** min(attempts - 1, 10)
        text = str(error)[:300] if isinstance(error, CallError) else type(error).__name__
        await self._runtime.pool.execute(
            NOT_READ,
            connection_id,
            row["reference"],
            wishes,
            self._clock.now() + timedelta(seconds=min(wait, LONGEST_WAIT)),
            attempts,
            text,
            "given_up" if attempts >= MOST_ATTEMPTS else "open",
        )
        return not waits
