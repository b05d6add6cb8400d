"""One poll, one re-read part, one backfill part of one connection: list outside of transactions, take page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from connector_kit.capabilities import OrderWindow, RawOrder
from connector_kit.http import HttpCaller, Lane
from connector_kit.manifest import Capability, Manifest
from hub_common.connections import Connection
from hub_common.connectors import ConnectorBook, can
from hub_common.errors import is_storage_down
from hub_common.parked import Park, park, resume
from hub_common.runtime import Runtime
from hub_common.tracing import Attribute, SpanKind, stepping
from hub_common.tx import Cause, Tx
from order_ingest import export_store, progress
from order_ingest.answers import LAST_ANSWER, Failure, LastAnswer, Trouble, WatchedCaller, failure_of
from order_ingest.config import IngestSettings
from order_ingest.export_store import ExportPart
from order_ingest.intake import Batch, Taken, count_received, take
from order_ingest.listing import Gate, Page, read_listing
from order_ingest.store import lock_connection
from order_ingest.windows import chunk_of, next_cursor, poll_window

CREDENTIALS_REFUSED = "credentials_refused"

Landing = Callable[[Tx, Taken], Awaitable[None]]
"""What the transaction of the last page does beside taking it."""
Counting = Callable[[Tx, Taken], Awaitable[None]]
Pages = AsyncIterator[Sequence[RawOrder]]


class GivenUp(Exception):
    """The listing was stopped by us: lease lost, connection paused, service stopping."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a listing. `failures` in a row; `failure` None = it was read to its end."""

    failure: Failure | None = None
    failures: int = 0
    given_up: bool = False


class Reader:
    """Listings of one service."""

    def __init__(self, runtime: Runtime, settings: IngestSettings) -> None:
        self._runtime = runtime
        self._settings = settings
        self._clock = runtime.clock
        self._transactions = runtime.transactions
        self.book = ConnectorBook(
            runtime.connections, callers=self._caller, credentials=runtime.open_credentials, clock=runtime.clock
        )

    def _caller(self, connection: Connection, manifest: Manifest, base_url: str | None) -> HttpCaller:
        return WatchedCaller(self._runtime.caller(connection, manifest, base_url))

    async def poll(self, connection: Connection, gate: Gate) -> Result:
        """Read what is new. Raises storage errors only; everything else is a result and a row of `poll_state`."""
        started_at = self._clock.now()
        cid = connection.connection_id
        state = (await progress.states(self._runtime.pool, [cid])).get(cid, progress.PollState())
        imports = connection.data.settings.orders
        window = poll_window(
            state.cursor_at, imports.import_from or connection.data.activated_at, imports.overlap_seconds
        )
        lag = timedelta(hours=self._settings.cursor_max_lag_hours)

        async def land(tx: Tx, total: Taken) -> None:
            cursor = next_cursor(state.cursor_at, total.newest_update, started_at, lag)
            await progress.polled(tx.conn, cid, cursor, tx.now, started_at)
            if state.consecutive_failures:
                await _credentials_work(tx, cid)

        batch = Batch(connection, _no_mapper, (), started_at, first_run=state.cursor_at is None)
        failure = await self._read(batch, window, Lane.LIVE, gate, land)
        if failure is None or failure is GAVE_UP:
            return Result(given_up=failure is GAVE_UP)
        failures = await self._not_polled(connection, failure, started_at)
        return Result(failure, failures)

    async def reread_part(self, connection: Connection, gate: Gate, lane: Lane = Lane.BULK) -> Result:
        """Read the next part of the last days again, whatever the update times say."""
        cid, now = connection.connection_id, self._clock.now()
        state = (await progress.states(self._runtime.pool, [cid])).get(cid)
        if state is None or state.first_run_at is None:
            return Result()
        start, until = state.reread_next_from, state.reread_until
        if start is None or until is None:
            imports = connection.data.settings.orders
            start, until = now - timedelta(days=self._settings.reread_days), now
            start = max(start, imports.import_from or connection.data.activated_at or start)
            await progress.reread_started(self._runtime.pool, cid, min(start, until), until)
        chunk = chunk_of(min(start, until), until, self._settings.reread_chunk_hours)

        async def land(tx: Tx, _: Taken) -> None:
            await progress.reread_moved(tx.conn, cid, None if chunk.last else chunk.end, tx.now)

        failure = await self._read(Batch(connection, _no_mapper, (), now), chunk.window, lane, gate, land)
        return Result(failure, given_up=failure is GAVE_UP)

    async def backfill_part(self, connection: Connection, gate: Gate, lane: Lane = Lane.BULK) -> Result:
        """List the next part of the connection's oldest open backfill that is not to be exported."""
        now = self._clock.now()
        exported = can(connection, Capability.ORDER_EXPORT)
        row = await progress.open_backfill(self._runtime.pool, connection.connection_id, given_up=exported)
        if row is None:
            return Result()
        backfill_id: UUID = row["backfill_id"]
        chunk = chunk_of(row["next_from"], row["created_until"], self._settings.backfill_chunk_hours)

        async def count(tx: Tx, taken: Taken) -> None:
            await progress.backfill_counted(tx.conn, backfill_id, taken, tx.now)

        async def land(tx: Tx, _: Taken) -> None:
            await progress.backfill_moved(tx.conn, backfill_id, chunk.end, tx.now)

        batch = Batch(connection, _no_mapper, (), now, backfill=True)
        failure = await self._read(batch, chunk.window, lane, gate, land, count)
        if failure is not None and failure is not GAVE_UP:
            await progress.backfill_failed(self._runtime.pool, backfill_id, failure.text, now)
        return Result(failure, given_up=failure is GAVE_UP)

    async def export_part(self, connection: Connection, gate: Gate, part: ExportPart) -> Failure | None:
        """Read the files of an export that is ready; None = all of them. Raises storage errors.

        The orders count as read when the export was asked for: what was polled meanwhile is newer.
        """
        ticket, asked_at = part.ticket, part.asked_at
        assert ticket is not None
        assert asked_at is not None

        async def count(tx: Tx, taken: Taken) -> None:
            await progress.backfill_counted(tx.conn, part.backfill_id, taken, tx.now)

        async def land(tx: Tx, _: Taken) -> None:
            await export_store.read(tx.conn, part, tx.now)

        def files(speaker: Any) -> Pages:
            pages: Pages = speaker.read_export(ticket)
            return pages

        batch = Batch(connection, _no_mapper, (), asked_at, backfill=True)
        return await self._read_pages(batch, files, Lane.BULK, gate, land, count, as_of=asked_at)

    async def ask(self, connection: Connection, question: Callable[[Any], Awaitable[Any]]) -> Any:
        """What the connector answers to one question in bulk, or why there is no answer. Raises storage errors."""
        last = LastAnswer()
        token = LAST_ANSWER.set(last)
        try:
            return await question(self.book.connector(connection.connection_id, Lane.BULK))
        except Exception as error:
            if is_storage_down(error):
                raise
            return self._explain(error, last, connection)
        finally:
            LAST_ANSWER.reset(token)

    async def _read(
        self,
        batch: Batch,
        window: OrderWindow,
        lane: Lane,
        gate: Gate,
        land: Landing,
        counting: Counting | None = None,
    ) -> Failure | None:
        """Read one listing; None = to its end. Raises storage errors."""

        def listing(speaker: Any) -> Pages:
            pages: Pages = speaker.list_orders(window)
            return pages

        return await self._read_pages(batch, listing, lane, gate, land, counting)

    async def _read_pages(
        self,
        batch: Batch,
        source: Callable[[Any], Pages],
        lane: Lane,
        gate: Gate,
        land: Landing,
        counting: Counting | None = None,
        *,
        as_of: datetime | None = None,
    ) -> Failure | None:
        """Take pages wherever they come from; `as_of` when they are older than their arrival."""
        about: dict[str, Attribute] = {
            "hub.connection_id": str(batch.connection.connection_id),
            "hub.connector": batch.connection.data.connector,
            "hub.lane": lane.name.lower(),
            "hub.backfill": batch.backfill,
        }
        with stepping(self._transactions.tracing, "read orders", SpanKind.INTERNAL, about):
            return await self._take_pages(batch, source, lane, gate, land, counting, as_of)

    async def _take_pages(
        self,
        batch: Batch,
        source: Callable[[Any], Pages],
        lane: Lane,
        gate: Gate,
        land: Landing,
        counting: Counting | None,
        as_of: datetime | None,
    ) -> Failure | None:
        total, last = Taken(), LastAnswer()
        token = LAST_ANSWER.set(last)
        try:
            speaker: Any = self.book.connector(batch.connection.connection_id, lane)
            mapped = replace(batch, mapper=speaker.map_order)

            async def take_page(page: Page) -> None:
                async with self._transactions.begin() as tx:
                    connection = await lock_connection(tx.conn, batch.connection)
                    piece = replace(mapped, connection=connection, raws=page.raws, fetched_at=as_of or page.fetched_at)
                    taken = await take(tx, piece)
                    total.add(taken)
                    if taken.seen:
                        await progress.count(tx.conn, connection.connection_id, taken)
                        if counting is not None:
                            await counting(tx, taken)
                    if page.last:
                        await land(tx, total)
                if not batch.backfill:
                    count_received(self._runtime.metrics, connection.connection_id, taken)

            await read_listing(source(speaker), take_page, gate, self._clock)
        except GivenUp:
            return GAVE_UP
        except Exception as error:
            if is_storage_down(error):
                raise
            return self._explain(error, last, batch.connection)
        finally:
            LAST_ANSWER.reset(token)
        return None

    def _explain(self, error: Exception, last: LastAnswer, connection: Connection) -> Failure:
        failure = failure_of(error, last)
        log = self._runtime.log.bind(connection_id=str(connection.connection_id), connector=connection.data.connector)
        if failure.trouble is Trouble.FAILED and failure.text == type(error).__name__:
            log.error("listing_broke", exc_info=error)
        else:
            log.warning("listing_failed", cause=failure.trouble.value, error=failure.text, retry_after=failure.wait)
        return failure

    async def _not_polled(self, connection: Connection, failure: Failure, started_at: datetime) -> int:
        cid, tenant = connection.connection_id, connection.tenant
        async with self._transactions.begin() as tx:
            failures = await progress.not_polled(
                tx.conn,
                cid,
                tenant,
                tx.now,
                failure.text,
                failed=failure.trouble is not Trouble.HELD,
                started_at=started_at,
            )
            if failure.trouble is Trouble.REFUSED:
                await park(tx, [_refused(connection, failure)])
        return failures


GAVE_UP = Failure(Trouble.HELD, "given up")
"""Marks a listing that we stopped ourselves: nothing failed."""


def _no_mapper(_: object) -> Any:
    raise AssertionError("a batch is read with the connector's own mapper")


async def _credentials_work(tx: Tx, connection_id: UUID) -> None:
    rows = await tx.conn.fetch(
        "SELECT parked_id FROM parked WHERE cause = $1 AND subject_id = $2 AND resolved_at IS NULL",
        CREDENTIALS_REFUSED,
        str(connection_id),
    )
    await resume(tx, [row["parked_id"] for row in rows], resolution="the marketplace takes the credentials again")


def _refused(connection: Connection, failure: Failure) -> Park:
    return Park(
        subject_kind="connection",
        subject_id=str(connection.connection_id),
        cause=CREDENTIALS_REFUSED,
        detail=f"{connection.data.label}: orders cannot be read: {failure.text}",
        next_step="Enter working credentials for the connection; polling goes on by itself with the first success.",
        event_key=str(connection.connection_id),
        why=Cause(connection.tenant),
        connection_id=connection.connection_id,
    )
