"""Fetches the marketplaces' own carrier lists, once a day, by whoever holds the lease of the credential.

Codes differ per operator and change; a list of ours would one day name a carrier that the marketplace refuses. A list
that cannot be fetched, or comes back empty, never replaces a good one.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from carrier_mapper import store, store_rules
from carrier_mapper.mapping import advance, decide_again
from connector_kit.capabilities import ListsCarriers, MarketplaceCarrier
from connector_kit.http import CallError, Lane
from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import can
from hub_common.errors import is_storage_down
from hub_common.turns import held, lease_names, most_overdue
from hub_common.tx import Tx

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LEASE = "carriers:"
REFRESH = timedelta(days=1)
"""Mirakl SH21: once per day."""
FIRST_RETRY = timedelta(minutes=15)
LONGEST_RETRY = timedelta(hours=6)
FETCH_SECONDS = 60

UNDECIDED = """
SELECT p.parcel_id, p.connection_id FROM parcels p WHERE p.outcome IS NULL AND p.live ORDER BY p.parcel_id LIMIT $1
"""


def lists_carriers(connection: Connection) -> bool:
    """Whether this connection's list can be fetched now."""
    return connection.active and connection.is_marketplace and can(connection, Capability.CARRIERS)


def needed_leases(runtime: Runtime) -> set[str]:
    """One lease per credential: its connections share the marketplace's quota."""
    return lease_names(runtime, LEASE, lists_carriers)


class CarrierLists:
    """The duty that keeps the lists fresh."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Fetch one list that is due; False when none is."""
        runtime = self._runtime
        mine = held(runtime, LEASE, lists_carriers)
        if not mine:
            return False
        async with runtime.pool.acquire() as conn:
            planned = await store_rules.next_fetches(conn, list(mine))  # type: ignore[arg-type]
        chosen = most_overdue(mine, planned, runtime.clock.now())
        if chosen is None:
            return False
        await self._refresh(chosen)
        return True

    async def _refresh(self, connection_id: UUID) -> None:
        try:
            carriers = await self._fetch(connection_id)
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            await self._failed(connection_id, error)
            return
        await self._fetched(connection_id, carriers)

    async def _fetch(self, connection_id: UUID) -> list[MarketplaceCarrier]:
        speaker: ListsCarriers = self._runtime.book.connector(connection_id, Lane.BULK)
        async with asyncio.timeout(FETCH_SECONDS):
            carriers = list(await speaker.list_carriers())
        if not carriers:
            raise EmptyList("the marketplace lists no carrier; a list known before stays in use")
        return carriers

    async def _failed(self, connection_id: UUID, error: Exception) -> None:
        expected = isinstance(error, CallError | TimeoutError | EmptyList)
        text = f"{type(error).__name__}: {error}" if expected else f"failed: {type(error).__name__}"
        log = self._runtime.log
        log.warning("carrier_list_not_fetched", connection_id=str(connection_id), error=text)
        async with self._runtime.transactions.begin() as tx:
            state = await store_rules.list_state(tx.conn, connection_id)
            failures = state["failures"] if state else 0
            wait = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures, 10))
            asked = getattr(error, "retry_after", None) or 0.0
            next_at = tx.now + max(wait, timedelta(seconds=asked))
            await store_rules.save_failure(tx.conn, connection_id, text, next_at)

    async def _fetched(self, connection_id: UUID, carriers: list[MarketplaceCarrier]) -> None:
        async with self._runtime.transactions.begin() as tx:
            await store.lock_changing(tx.conn, [connection_id])
            state = await store_rules.list_state(tx.conn, connection_id)
            before = orjson.loads(state["carriers"]) if state and state["carriers"] else None
            await store_rules.save_list(tx.conn, connection_id, carriers, now=tx.now, next_at=tx.now + REFRESH)
            if before != [carrier.model_dump() for carrier in carriers]:
                await decide_again(tx, [connection_id])
        self._runtime.log.info("carrier_list_fetched", connection_id=str(connection_id), count=len(carriers))


class EmptyList(Exception):
    """The marketplace answered a list without carriers."""


class Undecided:
    """The duty that decides what a change left undecided because it was too much for one transaction."""

    def __init__(self, runtime: Runtime, at_once: int) -> None:
        self._runtime = runtime
        self._at_once = at_once

    async def step(self) -> bool:
        """Decide a bounded number of parcels; False when none is undecided."""
        async with self._runtime.transactions.begin() as tx:
            return await self._decide(tx) > 0

    async def _decide(self, tx: Tx) -> int:
        rows = await tx.conn.fetch(UNDECIDED, self._at_once)
        if rows:
            await store.lock_deciding(tx.conn, {row["connection_id"] for row in rows})
            await advance(tx, [row["parcel_id"] for row in rows])
        return len(rows)
