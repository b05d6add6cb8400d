"""Fetches the marketplaces' own reason lists, once a day, by whoever holds the lease of the credential.

Reason codes differ per operator and change; a refund with a code that is not listed is refused by the marketplace
days after the parcel came back. A list that cannot be fetched, or comes back empty, never replaces a good one.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from connector_kit.capabilities import ListsReasons, RefundReason
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import CallError, Lane
from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import supports
from hub_common.errors import is_storage_down
from refund_service import store_reasons, store_work
from refund_service.advance import advance

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LEASE = "reasons:"
REFRESH = timedelta(days=1)
"""Mirakl RE01: may be cached; reasons change with the operator's rules, not by the hour."""
FIRST_RETRY = timedelta(minutes=15)
LONGEST_RETRY = timedelta(hours=6)
FETCH_SECONDS = 60
AT_ONCE = 100
"""Orders looked at again per transaction: small enough for a short lock."""


class EmptyList(Exception):
    """The marketplace answered a list without reasons."""


def lists_reasons(connection: Connection) -> bool:
    """Whether this connection's list can be fetched now."""
    if not (connection.active and connection.is_marketplace):
        return False
    try:
        manifest = connector(connection.data.connector).manifest
    except UnknownConnector:
        return False
    return supports(manifest, connection.data.settings.capabilities_off, Capability.REASONS)


def needed_leases(runtime: Runtime) -> set[str]:
    """One lease per credential: its connections share the marketplace's quota."""
    return {LEASE + each.data.credential_ref for each in runtime.connections.all() if lists_reasons(each)}


class ReasonLists:
    """The duty that keeps the lists fresh."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Fetch one list that is due; False when none is."""
        runtime = self._runtime
        mine = [
            each.connection_id
            for each in runtime.connections.all()
            if lists_reasons(each) and runtime.leases.holds(LEASE + each.data.credential_ref)
        ]
        if not mine:
            return False
        async with runtime.pool.acquire() as conn:
            planned = await store_reasons.next_fetches(conn, mine)  # type: ignore[arg-type]
        now = runtime.clock.now()
        due = [each for each in mine if each not in planned or planned[each] <= now]
        if not due:
            return False
        await self._refresh(min(due, key=lambda each: planned.get(each, now)))
        return True

    async def _refresh(self, connection_id: UUID) -> None:
        try:
            reasons = await self._fetch(connection_id)
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            await self._failed(connection_id, error)
            return
        async with self._runtime.transactions.begin() as tx:
            await store_reasons.save(tx.conn, connection_id, reasons, now=tx.now, next_at=tx.now + REFRESH)
            await store_work.make_due(tx.conn, [connection_id], tx.now)
        self._runtime.log.info("reasons_fetched", connection_id=str(connection_id), count=len(reasons))

    async def _fetch(self, connection_id: UUID) -> list[RefundReason]:
        speaker: ListsReasons = self._runtime.book.connector(connection_id, Lane.BULK)
        async with asyncio.timeout(FETCH_SECONDS):
            reasons = list(await speaker.list_reasons())
        if not reasons:
            raise EmptyList("the marketplace lists no reason; a list known before stays in use")
        return reasons

    async def _failed(self, connection_id: UUID, error: Exception) -> None:
        expected = isinstance(error, CallError | TimeoutError | EmptyList)
        text = f"{type(error).__name__}: {error}" if expected else f"failed: {type(error).__name__}"
        self._runtime.log.warning("reasons_not_fetched", connection_id=str(connection_id), error=text)
        async with self._runtime.transactions.begin() as tx:
            known = await store_reasons.state(tx.conn, connection_id)
            wait = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(known["failures"] if known else 0, 10))
            asked = timedelta(seconds=getattr(error, "retry_after", None) or 0.0)
            await store_reasons.fail(tx.conn, connection_id, text, tx.now + max(wait, asked))


class Waiting:
    """The duty that looks again at what waits: after a change of its connection, and now and then anyway."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Go on with a bounded number of orders; False when none is due."""
        async with self._runtime.transactions.begin() as tx:
            orders = await store_work.due(tx.conn, tx.now, AT_ONCE)
            await advance(tx, orders)
        return bool(orders)
