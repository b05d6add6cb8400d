"""Which connection is compared when, and by which replica: one duty, leases per credential, a few turns at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import can
from hub_common.runtime import Runtime
from hub_common.turns import held, lease_names
from reconciliation import store_rounds
from reconciliation.config import ReconciliationServiceSettings
from reconciliation.rounds import Rounds
from reconciliation.store_rounds import Round

LEASE = "compare:"
SPREAD_SECONDS = 300
"""First comparisons of many connections begin within so many seconds, not all at once."""


def compared(connection: Connection) -> bool:
    """Whether this connection is compared at all: an active marketplace that can be read, and somebody wants it."""
    if not (connection.active and connection.is_marketplace):
        return False
    wanted = connection.data.settings.reconciliation
    if not (wanted.compare_orders or wanted.compare_offers):
        return False
    return can(connection, Capability.ORDERS)


class Comparer:
    """The duty. Made once per runtime by `comparer_of`."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, ReconciliationServiceSettings)
        self._runtime, self._settings = runtime, settings
        self._rounds = Rounds(runtime, settings)
        self._known: set[UUID] = set()

    def lease_names(self) -> set[str]:
        """One lease per credential: its connections share the marketplace's quota."""
        return lease_names(self._runtime, LEASE, compared)

    def mine(self) -> dict[UUID, Connection]:
        """Connections that this replica compares now."""
        return held(self._runtime, LEASE, compared)

    async def step(self) -> bool:
        """Let what is due have a turn; False when nothing is, or when the hub's own side is out of date."""
        mine = self.mine()
        await self._meet(mine)
        if not mine or self._behind():
            return False
        due = await store_rounds.due(
            self._runtime.pool, list(mine), self._runtime.clock.now(), self._settings.compare_concurrency
        )
        # One turn per credential at a time, because its connections share one call budget.
        chosen: dict[str, Round] = {}
        for state in due:
            chosen.setdefault(mine[state.connection_id].data.credential_ref, state)
        if not chosen:
            return False
        await asyncio.gather(*(self._turn(mine[state.connection_id], state) for state in chosen.values()))
        return True

    async def _turn(self, connection: Connection, state: Round) -> None:
        cid, name = connection.connection_id, LEASE + connection.data.credential_ref

        def still_ours() -> bool:
            present = self._runtime.connections.get(cid)
            going_on = present is not None and compared(present) and not self._runtime.stopping
            return going_on and self._runtime.leases.holds(name) is not None

        await self._rounds.turn(connection, state, still_ours)

    async def _meet(self, mine: Mapping[UUID, Connection]) -> None:
        """Make rows for connections met for the first time."""
        new = mine.keys() - self._known
        if new:
            now = self._runtime.clock.now()
            rows = [(each, mine[each].tenant, now + timedelta(seconds=each.int % SPREAD_SECONDS)) for each in new]
            await store_rounds.create(self._runtime.pool, rows)
            self._known |= new

    def _behind(self) -> bool:
        """Comparing with a belief that lags behind its events would tell differences that are none."""
        return sum(self._runtime.consumer.lag().values()) > self._settings.max_lag_records


_BY_RUNTIME: WeakKeyDictionary[Any, Comparer] = WeakKeyDictionary()


def comparer_of(runtime: Runtime) -> Comparer:
    """The comparer of a runtime: its duties, its leases and its routes all mean the same one."""
    found = _BY_RUNTIME.get(runtime)
    if found is None:
        found = _BY_RUNTIME[runtime] = Comparer(runtime)
    return found
