"""Reads the returns of every connection whose marketplace has them, by whoever holds the lease of the credential.

Nobody tells the hub of a return: it is polled. A reading starts before the end of the last one; what comes twice is
known by its reference and told once per stage.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from connector_kit.aftersales import ReadsReturns
from connector_kit.http import CallError, Lane
from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import can
from hub_common.errors import is_storage_down
from hub_common.turns import held, lease_names, most_overdue
from refund_service import store_market
from refund_service.market_returns import settle

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LEASE = "returns:"
EVERY = timedelta(minutes=15)
"""Mirakl RT11: every 15 minutes is recommended, every 5 is the most."""
OVERLAP = timedelta(minutes=30)
FIRST = timedelta(days=30)
"""How far back the first reading of a connection goes: longer than buyers may take to send goods back."""
LONGEST_RETRY = timedelta(hours=2)


def reads_returns(connection: Connection) -> bool:
    """Whether this connection's returns are read now."""
    return (
        connection.active
        and connection.is_marketplace
        and connection.data.settings.returns.read
        and can(connection, Capability.RETURNS)
    )


def needed_leases(runtime: Runtime) -> set[str]:
    """One lease per credential: its connections share the marketplace's quota."""
    return lease_names(runtime, LEASE, reads_returns)


class ReturnReader:
    """The duty that reads, one connection at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Read one connection that is due; False when none is."""
        runtime = self._runtime
        mine = held(runtime, LEASE, reads_returns)
        if not mine:
            return False
        async with runtime.pool.acquire() as conn:
            states = await store_market.readings(conn, list(mine))  # type: ignore[arg-type]
        planned = {each: state["next_at"] for each, state in states.items()}
        chosen = most_overdue(mine, planned, runtime.clock.now())
        if chosen is None:
            return False
        await self._read(mine[chosen], states.get(chosen))
        return True

    async def _read(self, connection: Connection, state: asyncpg.Record | None) -> None:
        started = self._runtime.clock.now()
        known: datetime | None = state["read_until"] if state is not None else None
        since = known - OVERLAP if known is not None else started - FIRST
        cid = connection.connection_id
        try:
            speaker: ReadsReturns = self._runtime.book.connector(cid, Lane.LIVE)
            async for page in speaker.list_returns(since):
                async with self._runtime.transactions.begin() as tx:
                    await settle(tx, await store_market.save(tx.conn, cid, connection.tenant, page))
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            await self._failed(connection, state, error)
            return
        async with self._runtime.transactions.begin() as tx:
            await store_market.read_well(tx.conn, cid, started, tx.now + EVERY)

    async def _failed(self, connection: Connection, state: asyncpg.Record | None, error: Exception) -> None:
        expected = isinstance(error, CallError | TimeoutError)
        told = f"{type(error).__name__}: {error}" if expected else f"failed: {type(error).__name__}"
        self._runtime.log.warning("returns_not_read", connection_id=str(connection.connection_id), error=told[:300])
        pause = EVERY * 2 ** min(state["failures"] if state is not None else 0, 6)
        asked = timedelta(seconds=getattr(error, "retry_after", None) or 0.0)
        async with self._runtime.transactions.begin() as tx:
            wait = max(min(LONGEST_RETRY, pause), asked)
            await store_market.read_badly(tx.conn, connection.connection_id, told[:500], tx.now + wait)
