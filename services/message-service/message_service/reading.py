"""Reads the conversations of every connection that has them, by whoever holds the lease of the credential.

Marketplaces push nothing to sellers. A reading starts before the end of the last one, so that a message published late
is not lost; what comes twice is known by its reference.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from connector_kit.aftersales import ReadsMessages
from connector_kit.http import CallError, Lane
from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import can
from hub_common.errors import is_storage_down
from hub_common.turns import held, lease_names, most_overdue
from message_service import store, store_sending
from message_service.config import MessageServiceSettings
from message_service.taking import alarm, take

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LEASE = "messages:"
LONGEST_RETRY = timedelta(hours=1)


def speaks(connection: Connection) -> bool:
    """Whether this connection has conversations that may be read or written now."""
    return connection.active and connection.is_marketplace and can(connection, Capability.MESSAGES)


def is_read(connection: Connection) -> bool:
    """Whether this connection's conversations are read."""
    return speaks(connection) and connection.data.settings.messages.read


def needed_leases(runtime: Runtime) -> set[str]:
    """One lease per credential: its connections share the marketplace's quota."""
    return lease_names(runtime, LEASE, is_read)


class ThreadReader:
    """The duty that reads, one connection at a time."""

    def __init__(self, runtime: Runtime, settings: MessageServiceSettings) -> None:
        self._runtime = runtime
        self._settings = settings

    async def step(self) -> bool:
        """Read one connection that is due; False when none is."""
        runtime = self._runtime
        mine = held(runtime, LEASE, is_read)
        if not mine:
            return False
        async with runtime.pool.acquire() as conn:
            states = await store_sending.readings(conn, list(mine))  # type: ignore[arg-type]
        planned = {each: state["next_at"] for each, state in states.items()}
        chosen = most_overdue(mine, planned, runtime.clock.now())
        if chosen is None:
            return False
        await self.read(mine[chosen], states.get(chosen))
        return True

    async def read(self, connection: Connection, state: asyncpg.Record | None) -> None:
        """Read what changed since the last reading. A failure keeps the position and is tried again."""
        started = self._runtime.clock.now()
        since = self._since(state, started)
        try:
            speaker: ReadsMessages = self._runtime.book.connector(connection.connection_id, Lane.LIVE)
            keep = timedelta(days=self._settings.body_keep_days)
            async for page in speaker.list_threads(since):
                async with self._runtime.transactions.begin() as tx:
                    await take(tx, connection, page, keep)
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            await self._failed(connection, state, error)
            return
        async with self._runtime.transactions.begin() as tx:
            following = tx.now + timedelta(seconds=self._settings.thread_poll_seconds)
            await store_sending.read_well(tx.conn, connection.connection_id, started, following)

    def _since(self, state: asyncpg.Record | None, now: datetime) -> datetime:
        if state is None or state["read_until"] is None:
            return now - timedelta(days=self._settings.first_read_days)
        read_until: datetime = state["read_until"]
        return read_until - timedelta(seconds=self._settings.thread_overlap_seconds)

    async def _failed(self, connection: Connection, state: asyncpg.Record | None, error: Exception) -> None:
        expected = isinstance(error, CallError | TimeoutError)
        told = f"{type(error).__name__}: {error}" if expected else f"failed: {type(error).__name__}"
        self._runtime.log.warning("threads_not_read", connection_id=str(connection.connection_id), error=told[:300])
        failures = state["failures"] if state is not None else 0
        pause = timedelta(seconds=self._settings.thread_poll_seconds) * 2 ** min(failures, 6)
        asked = timedelta(seconds=getattr(error, "retry_after", None) or 0.0)
        async with self._runtime.transactions.begin() as tx:
            following = tx.now + max(min(LONGEST_RETRY, pause), asked)
            await store_sending.read_badly(tx.conn, connection.connection_id, told[:500], following)


class Upkeep:
    """The duty that alarms and forgets."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Alarm for buyers who wait too long, delete words whose time is over; False when there was nothing to do."""
        async with self._runtime.transactions.begin() as tx:
            alarmed = await alarm(tx)
            forgotten = await store.forget_bodies(tx.conn, tx.now, 1000)
        return alarmed + forgotten > 0
