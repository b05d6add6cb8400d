"""All pollers of one process: one heap, one duty, a bounded number of listings in the air, leases per credential.

A credential is polled by one listing at a time, because its connections share one call budget. Backfills and re-reads
have places and connector objects of their own, so a poll never waits behind them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from connector_kit.discovery import connector
from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import can
from hub_common.errors import is_storage_down
from hub_common.runtime import Runtime
from hub_common.wake import Wake
from order_ingest import progress
from order_ingest.answers import Trouble
from order_ingest.bulk import BulkWork
from order_ingest.config import IngestSettings
from order_ingest.exports import Exports
from order_ingest.progress import PollState
from order_ingest.reader import GivenUp, Reader, Result
from order_ingest.schedule import Schedule
from order_ingest.windows import JITTER, back_off

LEASE = "poll:"
BOOK_SECONDS = 1.0
"""How late a wish for a poll, a lease or a changed connection may be noticed."""
AGES_SECONDS = 5.0
"""How often the ages of polls are measured."""
STORAGE_SECONDS = 5.0
"""Wait of a connection whose orders could not be stored because the database was away."""
LONGEST_HOLD = 6 * 3600.0
"""Seconds. A nonsensical Retry-After must not silence a connection for days."""


@dataclass(slots=True)
class Poller:
    """What this process knows of one connection that it may poll."""

    ref: str
    version: int
    state: PollState


class Pollers:
    """Decides which connection is read when. Made once per runtime by `pollers_of`."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        assert isinstance(settings, IngestSettings)
        self.runtime, self.settings = runtime, settings
        self.reader = Reader(runtime, settings)
        self.bulk = BulkWork(runtime, settings, self.reader)
        self.exports = Exports(runtime, settings, self.reader)
        self.wake = Wake()
        self.reread_wake = Wake()
        self._clock = runtime.clock
        self._schedule: Schedule[UUID] = Schedule()
        self._pollers: dict[UUID, Poller] = {}
        self._by_ref: dict[str, set[UUID]] = {}
        self._inactive: set[UUID] = set()
        self._busy: set[str] = set()
        self._behind: dict[str, list[UUID]] = {}
        self._jobs: set[asyncio.Task[None]] = set()
        self._fences: dict[str, int] = {}
        self._generation = -1
        self._names: tuple[int, set[str]] = (-1, set())
        self._booked = self._measured = float("-inf")

    def lease_names(self) -> set[str]:
        """One lease per credential of an active connection that orders are read from."""
        generation = self.runtime.connections.generation
        if self._names[0] != generation:
            names = {LEASE + each.data.credential_ref for each in self.runtime.connections.all() if is_polled(each)}
            self._names = (generation, names)
        return self._names[1]

    async def step(self) -> bool:
        """The duty: start what is due, wait until something ends or becomes due. Always asks to be called again."""
        try:
            await self.book()
            self._dispatch()
            await self._pause()
            if self.runtime.stopping:
                await self._drain()
        except asyncio.CancelledError:
            for job in self._jobs:
                job.cancel()
            raise
        return True

    async def run_due(self) -> int:
        """Read everything that is due now and wait for it; returns how many listings were read."""
        await self.book(force=True)
        started = 0
        while True:
            started += self._dispatch()
            if not self._jobs:
                return started
            await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)

    async def book(self, *, force: bool = False) -> None:
        """Learn about changed connections and leases, and about wishes for polls and backfills, once a second."""
        now = self._clock.monotonic()
        if not force and now - self._booked < BOOK_SECONDS:
            return
        self._booked = now
        if now - self._measured >= AGES_SECONDS:
            # Ages come first: they must go on growing while the database is away.
            self._measured = now
            self._gauges()
        wanted = await progress.wanted(self.runtime.pool, self._clock.now())
        await self._sync()
        for connection_id in wanted.polls & self._pollers.keys():
            if connection_id in self._schedule:
                self._schedule.put(connection_id, now)
        exported = {each: ticket for each, ticket in wanted.backfills.items() if self._exports_it(each)}
        self.exports.wanted(exported)
        self.bulk.backfills((wanted.listings | wanted.backfills.keys() - exported.keys()) & self._pollers.keys())

    def _exports_it(self, connection_id: UUID) -> bool:
        """A connection of ours whose backfills are read by export."""
        connection = self.runtime.connections.get(connection_id)
        ours = connection is not None and connection_id in self._pollers
        return ours and connection is not None and can(connection, Capability.ORDER_EXPORT)

    async def _sync(self) -> None:
        held = {lease.name: lease for lease in self.runtime.leases.held(LEASE)}
        fences = {name: lease.fence for name, lease in held.items()}
        if fences == self._fences and self.runtime.connections.generation == self._generation:
            return
        self._fences, self._generation = fences, self.runtime.connections.generation
        mine: dict[UUID, Connection] = {}
        for each in self.runtime.connections.all():
            if not is_polled(each):
                self._inactive.add(each.connection_id)
            elif LEASE + each.data.credential_ref in held:
                mine[each.connection_id] = each
        for gone in self._pollers.keys() - mine.keys():
            self._forget(gone)
        await self._take_up(mine)
        self._by_ref = {}
        for connection_id, poller in self._pollers.items():
            self._by_ref.setdefault(poller.ref, set()).add(connection_id)

    def _forget(self, connection_id: UUID) -> None:
        del self._pollers[connection_id]
        self._schedule.drop(connection_id)
        self.bulk.forget(connection_id)
        self.exports.forget(connection_id)
        for waiting in self._behind.values():
            if connection_id in waiting:
                waiting.remove(connection_id)
        metrics = self.runtime.metrics
        for metric in (metrics.poller_age_seconds, metrics.poller_interval_seconds, metrics.orders_received):
            with contextlib.suppress(KeyError):
                metric.remove(str(connection_id))

    async def _take_up(self, mine: dict[UUID, Connection]) -> None:
        new = mine.keys() - self._pollers.keys()
        states = await progress.states(self.runtime.pool, new) if new else {}
        now = self._clock.monotonic()
        for connection_id in new:
            state = states.get(connection_id, PollState())
            each = mine[connection_id]
            self._pollers[connection_id] = Poller(each.data.credential_ref, each.version, state)
            # From nought on: a counter that begins with its first order would not show it as an increase.
            self.runtime.metrics.orders_received.labels(str(connection_id))
            at_once = connection_id in self._inactive or state.last_attempt_at is None
            self._schedule.put(connection_id, now if at_once else now + self._rest(each, state))
            self._inactive.discard(connection_id)
        for connection_id, poller in self._pollers.items():
            each = mine[connection_id]
            if poller.version == each.version:
                continue
            poller.version, poller.ref = each.version, each.data.credential_ref
            # New credentials or settings may be the repair that a connection on back-off waits for.
            if poller.state.consecutive_failures and connection_id in self._schedule:
                self._schedule.put(connection_id, now)

    def _rest(self, connection: Connection, state: PollState) -> float:
        """Seconds until the next poll of a connection taken over from another replica."""
        assert state.last_attempt_at is not None
        interval = interval_of(connection)
        if state.consecutive_failures:
            interval = back_off(state.consecutive_failures, interval, self.settings.backoff_max_seconds, 0)
        age = (self._clock.now() - state.last_attempt_at).total_seconds()
        return min(max(interval - age, 0.0), interval)

    def _dispatch(self) -> int:
        now, started = self._clock.monotonic(), 0
        while len(self._busy) < self.settings.poll_concurrency:
            connection_id = self._schedule.pop_due(now)
            if connection_id is None:
                break
            poller = self._pollers[connection_id]
            if poller.ref in self._busy:
                self._behind.setdefault(poller.ref, []).append(connection_id)
                continue
            self._busy.add(poller.ref)
            self._start(f"poll:{connection_id}", partial(self._poll, connection_id, poller, poller.ref))
            started += 1
        return started + self._dispatch_bulk(now)

    def _dispatch_bulk(self, now: float) -> int:
        chosen = self.bulk.ready(now, self._until_poll)
        for connection_id in chosen:
            self._start(f"bulk:{connection_id}", partial(self.bulk.run, connection_id, self._gate))
        exported = self.exports.ready(now)
        for connection_id in exported:
            self._start(f"export:{connection_id}", partial(self.exports.run, connection_id, self._gate))
        return len(chosen) + len(exported)

    def _until_poll(self, connection_id: UUID) -> float:
        """Seconds until the next poll that draws on the same call budget."""
        ref = self._pollers[connection_id].ref
        due = [self._schedule.due_at(each) for each in self._by_ref.get(ref, ())]
        if ref in self._busy or None in due:
            return 0.0
        return min((at for at in due if at is not None), default=0.0) - self._clock.monotonic()

    def _start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await work()

        job = asyncio.create_task(run(), name=f"order-ingest:{name}")
        self._jobs.add(job)
        job.add_done_callback(self._ended)

    def _ended(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self.wake.set()
        if not job.cancelled() and (error := job.exception()) is not None:
            self.runtime.log.error("listing_job_broke", error=type(error).__name__)

    async def _poll(self, connection_id: UUID, poller: Poller, ref: str) -> None:
        wait = STORAGE_SECONDS
        try:
            connection = self.runtime.connections.get(connection_id)
            if connection is None or not is_polled(connection):
                return
            result = await self.reader.poll(connection, self._gate(connection_id))
            wait = await self._learn(connection, poller, result)
        except Exception as error:
            if not is_storage_down(error):
                self.runtime.log.exception("poll_broke", connection_id=str(connection_id))
        finally:
            self._busy.discard(ref)
            now = self._clock.monotonic()
            if self._pollers.get(connection_id) is poller:
                self._schedule.put(connection_id, now + wait)
            for waiting in self._behind.pop(ref, []):
                self._schedule.put(waiting, now)

    async def _learn(self, connection: Connection, poller: Poller, result: Result) -> float:
        """Remember how the poll went; returns the seconds until the next one."""
        cid = connection.connection_id
        found = await progress.states(self.runtime.pool, [cid])
        poller.state = found.get(cid, PollState())
        interval, failure = interval_of(connection), result.failure
        if result.given_up:
            return BOOK_SECONDS
        if failure is None:
            self.bulk.polled(cid, poller.state)
            return interval + self.runtime.ids.jitter(JITTER * interval)
        if failure.trouble is Trouble.HELD:
            return min(max(failure.wait or 0.0, 1.0), LONGEST_HOLD)
        longest = self.settings.backoff_max_seconds
        failures = result.failures if failure.trouble is Trouble.FAILED else max(result.failures, 5)
        return back_off(failures, interval, longest, self.runtime.ids.jitter(1.0))

    def _gate(self, connection_id: UUID) -> Callable[[], Awaitable[None]]:
        async def gate() -> None:
            poller = self._pollers.get(connection_id)
            connection = self.runtime.connections.get(connection_id)
            if poller is None or connection is None or self.runtime.stopping or not is_polled(connection):
                raise GivenUp
            if self.runtime.leases.holds(LEASE + connection.data.credential_ref) is None:
                raise GivenUp

        return gate

    async def _pause(self) -> None:
        due = self._schedule.next_at()
        wait = BOOK_SECONDS if due is None else min(BOOK_SECONDS, max(due - self._clock.monotonic(), 0.0))
        if len(self._busy) >= self.settings.poll_concurrency:
            wait = BOOK_SECONDS
        await self.wake.wait(wait)

    async def _drain(self) -> None:
        """Let listings in the air store the page they have; the gate ends them before the next one."""
        while self._jobs:
            await asyncio.wait(self._jobs)

    def _gauges(self) -> None:
        now = self._clock.now()
        for connection_id, poller in self._pollers.items():
            connection = self.runtime.connections.get(connection_id)
            since = poller.state.last_success_at or (connection.data.activated_at if connection else None)
            age = (now - since).total_seconds() if since else 0.0
            self.runtime.metrics.poller_age_seconds.labels(connection=str(connection_id)).set(age)
            if connection is not None:
                every = self.runtime.metrics.poller_interval_seconds
                every.labels(connection=str(connection_id)).set(interval_of(connection))


def interval_of(connection: Connection) -> float:
    """Seconds between polls of a connection: its own, else its operator's, else its connector's."""
    manifest = connector(connection.data.connector).manifest
    own = connection.data.settings.orders.poll_seconds
    return float(own or manifest.poll_every(connection.data.connector_settings))


def is_polled(connection: Connection) -> bool:
    """Orders are read from it: active, and its connector can."""
    return connection.active and can(connection, Capability.ORDERS)


_BY_RUNTIME: WeakKeyDictionary[Any, Pollers] = WeakKeyDictionary()


def pollers_of(runtime: Runtime) -> Pollers:
    """The pollers of a runtime: its duty, its leases and its routes all mean the same ones."""
    found = _BY_RUNTIME.get(runtime)
    if found is None:
        found = _BY_RUNTIME[runtime] = Pollers(runtime)
    return found
