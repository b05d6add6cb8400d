"""Backfills and re-reads: reading in bulk beside the polls, at most one part between two polls of a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from connector_kit.discovery import connector
from connector_kit.http import Lane
from connector_kit.manifest import Budget, Manifest
from hub_common.connections import Connection
from hub_common.errors import is_storage_down
from hub_common.runtime import Runtime
from order_ingest.answers import ASK_AGAIN, AskAgain, Trouble
from order_ingest.config import IngestSettings
from order_ingest.listing import Gate
from order_ingest.progress import PollState
from order_ingest.reader import GivenUp, Reader
from order_ingest.windows import CallRoom, back_off, may_go_on, may_start_chunk, reread_due

OWNER = "order-ingest"
EXPORT_OPERATIONS = frozenset({"start_export", "export_state", "read_export"})
"""Calls of exports, by the kit's convention: a listing makes none of them, so they neither hold it up nor feed it."""
"""Budgets that this service alone draws on, by the manifest."""
PAGE_WAIT_SECONDS = 1.0
PAGE_PATIENCE_SECONDS = 1800.0
"""A listing in bulk that gets no call for so long is given up and begun again later. Repeats are harmless, but they
cost calls; long waits cost a place of the few that all connections have."""
FIRST_BACK_OFF = 30.0
LOOK_SECONDS = 0.5
"""Budgets of a connection are looked at no more often; with thousands of connections the looking itself would cost."""


@dataclass(slots=True)
class Want:
    """Bulk work of one connection. `credit` = a poll has been made since the last part; `patient` = it has waited so
    long that the next part goes out on the polls' own lane."""

    since: float
    reread: bool = False
    backfill: bool = False
    credit: bool = False
    running: bool = False
    patient: bool = False
    failures: int = 0
    not_before: float = 0.0
    looked: float = float("-inf")


class BulkWork:
    """Which connections have bulk work, and when a part of it may be read."""

    def __init__(self, runtime: Runtime, settings: IngestSettings, reader: Reader) -> None:
        self._runtime, self._settings, self._reader = runtime, settings, reader
        self._clock = runtime.clock
        self._wants: dict[UUID, Want] = {}

    def backfills(self, connection_ids: Iterable[UUID]) -> None:
        """These connections have open backfills, the others have none."""
        ids = set(connection_ids)
        for connection_id in ids:
            self._want(connection_id).backfill = True
        for connection_id in [each for each, want in self._wants.items() if each not in ids]:
            self._wants[connection_id].backfill = False
            self._tidy(connection_id)

    def polled(self, connection_id: UUID, state: PollState) -> None:
        """A poll went well: one part may follow, and the last days may be due for another reading."""
        share = (connection_id.int % 997) / 997
        every = timedelta(hours=self._settings.reread_every_hours)
        if reread_due(self._clock.now(), state.first_run_at, state.reread_done_at, every, share):
            self._want(connection_id).reread = True
        if connection_id in self._wants:
            self._wants[connection_id].credit = True

    def forget(self, connection_id: UUID) -> None:
        """The connection is not ours any more."""
        self._wants.pop(connection_id, None)

    def ready(self, now: float, until_poll: Callable[[UUID], float]) -> list[UUID]:
        """Connections of which a part may be read now; they count as running from here on."""
        if not self._wants:
            return []
        places = self._settings.bulk_concurrency - sum(want.running for want in self._wants.values())
        chosen: list[UUID] = []
        for connection_id, want in sorted(self._wants.items(), key=lambda item: item[1].since):
            if len(chosen) >= places:
                break
            if want.running or not want.credit or want.not_before > now or not (want.reread or want.backfill):
                continue
            connection = self._runtime.connections.get(connection_id)
            if connection is None:
                continue
            if now < want.looked + LOOK_SECONDS:
                continue
            want.looked = now
            rooms, until = self._rooms(connection), until_poll(connection_id)
            # A poll that is due or in the air takes its call before this part takes one.
            taken_before = 1 if until <= 0 else 0
            spare = may_start_chunk(rooms, until, 0, 0) and all(room.for_bulk > taken_before for room in rooms)
            waited, patience = now - want.since, self._settings.bulk_patience_seconds
            if spare or (self._starves(connection) and may_start_chunk(rooms, until, waited, patience)):
                want.running, want.credit, want.patient = True, False, not spare
                chosen.append(connection_id)
        return chosen

    async def run(self, connection_id: UUID, gate_of: Callable[[UUID], Gate]) -> None:
        """Read one part: a re-read goes before a backfill."""
        want, connection = self._wants[connection_id], self._runtime.connections.get(connection_id)
        got_calls = True
        try:
            if connection is not None:
                got_calls = await self._part(connection, want, self._gate(connection, gate_of(connection_id)))
        except Exception as error:
            want.not_before = self._clock.monotonic() + FIRST_BACK_OFF
            if not is_storage_down(error):
                self._runtime.log.exception("bulk_part_broke", connection_id=str(connection_id))
        finally:
            want.running = False
            if got_calls:
                want.since = self._clock.monotonic()
            self._tidy(connection_id)

    async def _part(self, connection: Connection, want: Want, gate: Gate) -> bool:
        """False when the budget had no call for it: it goes on waiting then, and its patience goes on running out."""
        lane = Lane.LIVE if want.patient else Lane.BULK
        ASK_AGAIN.set(wait_for_calls(self._runtime))  # of this task only, as every part is read in one of its own
        if want.reread:
            result = await self._reader.reread_part(connection, gate, lane)
            want.reread = result.failure is not None
        else:
            result = await self._reader.backfill_part(connection, gate, lane)
        if result.failure is None or result.given_up:
            want.failures = 0
            return True
        if result.failure.trouble is Trouble.HELD:
            want.not_before = self._clock.monotonic() + max(result.failure.wait or 0.0, 1.0)
            return False
        want.failures += 1
        longest = self._settings.backoff_max_seconds
        wait = back_off(want.failures, FIRST_BACK_OFF, longest, self._runtime.ids.jitter(1.0))
        want.not_before = self._clock.monotonic() + max(wait, result.failure.wait or 0.0)
        return True

    def _starves(self, connection: Connection) -> bool:
        """The budget gives bulk work nothing at all; where it gives a little, polls need not be late for it."""
        manifest = connector(connection.data.connector).manifest
        budget, now = self._runtime.callers.budget(connection, manifest), self._clock.now().timestamp()
        own = [declared.operation for declared in _listing_budgets(manifest)]
        return not any(budget.bucket(operation).seen_last_hour_on(now, Lane.BULK) for operation in own)

    def _gate(self, connection: Connection, inner: Gate) -> Gate:
        pages = 0

        async def gate() -> None:
            nonlocal pages
            pages += 1
            deadline = self._clock.monotonic() + PAGE_PATIENCE_SECONDS
            while True:
                await inner()
                if pages == 1 or may_go_on(self._rooms(connection)):
                    return
                if self._clock.monotonic() >= deadline:
                    raise GivenUp
                await self._clock.sleep(PAGE_WAIT_SECONDS)

        return gate

    def _rooms(self, connection: Connection) -> list[CallRoom]:
        manifest = connector(connection.data.connector).manifest
        budget = self._runtime.callers.budget(connection, manifest)
        rooms: list[CallRoom] = []
        for declared in _listing_budgets(manifest):
            per_hour = connection.data.budgets.get(declared.operation)
            seconds = declared.per_seconds / declared.calls if per_hour is None else 3600 / max(per_hour, 1)
            available = budget.available(declared.operation, Lane.LIVE)
            for_bulk = budget.available(declared.operation, Lane.BULK)
            rooms.append(CallRoom(available, budget.bucket(declared.operation).burst, seconds, for_bulk))
        return rooms

    def _want(self, connection_id: UUID) -> Want:
        return self._wants.setdefault(connection_id, Want(since=self._clock.monotonic()))

    def _tidy(self, connection_id: UUID) -> None:
        want = self._wants.get(connection_id)
        if want is not None and not (want.running or want.reread or want.backfill):
            del self._wants[connection_id]


def wait_for_calls(runtime: Runtime) -> AskAgain:
    """Patience of reading in bulk: wait for the next call unless it is too far away or the service stops."""

    async def ask_again(seconds: float) -> bool:
        until = runtime.clock.monotonic() + seconds
        if seconds > PAGE_PATIENCE_SECONDS:
            return False
        while runtime.clock.monotonic() < until:
            if runtime.stopping:
                return False
            await runtime.clock.sleep(min(PAGE_WAIT_SECONDS, seconds))
        return True

    return ask_again


def _listing_budgets(manifest: Manifest) -> list[Budget]:
    """Budgets that a listing may draw on."""
    return [each for each in manifest.budgets if each.owner == OWNER and each.operation not in EXPORT_OPERATIONS]
