"""Backfills by asynchronous export: ask once, look now and then, take the files. Polls keep their calls meanwhile.

A marketplace works on one export of a shop at a time, so each credential has one in the making. The ticket is stored
before anybody looks at it; a restart goes on with it. What cannot be exported after some attempts is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from connector_kit.capabilities import OrderWindow
from connector_kit.reading import ExportState
from hub_common.connections import Connection
from hub_common.errors import is_storage_down
from hub_common.runtime import Runtime
from order_ingest import export_store, progress
from order_ingest.answers import ASK_AGAIN, Failure, Trouble
from order_ingest.bulk import FIRST_BACK_OFF, wait_for_calls
from order_ingest.config import IngestSettings
from order_ingest.export_store import ExportPart
from order_ingest.listing import Gate
from order_ingest.reader import GAVE_UP, Reader
from order_ingest.windows import back_off, look_again_after

IDLE_SECONDS = 1.0
READ_FAILURES = 3
"""Times in a row that the files of one export may fail to come before another one is asked for."""


@dataclass(slots=True)
class Want:
    """The export that one connection needs. `ticket` = one is being made; `open` = there is still a backfill."""

    since: float
    ticket: bool = False
    open: bool = True
    running: bool = False
    failures: int = 0
    not_before: float = 0.0


class Exports:
    """Which connections have a backfill to export, and what to do about it next."""

    def __init__(self, runtime: Runtime, settings: IngestSettings, reader: Reader) -> None:
        self._runtime, self._settings, self._reader = runtime, settings, reader
        self._clock = runtime.clock
        self._wants: dict[UUID, Want] = {}

    def wanted(self, found: Mapping[UUID, bool]) -> None:
        """These connections have a backfill to export (True: with a ticket), the others have none."""
        now = self._clock.monotonic()
        for connection_id, ticket in found.items():
            want = self._wants.setdefault(connection_id, Want(since=now))
            want.open = True
            want.ticket = want.ticket or ticket
        for connection_id in self._wants.keys() - found.keys():
            self.forget(connection_id)

    def forget(self, connection_id: UUID) -> None:
        """The connection has none, or is not ours any more. A step in the air ends by itself."""
        want = self._wants.get(connection_id)
        if want is not None:
            want.open = False
            self._tidy(connection_id)

    def ready(self, now: float) -> list[UUID]:
        """Connections whose next step is due, one per credential; they count as running from here on."""
        places = self._settings.export_concurrency - sum(want.running for want in self._wants.values())
        turn: set[str] = {self._ref(each) for each, want in self._wants.items() if want.running}
        chosen: list[UUID] = []
        for connection_id, want in sorted(self._wants.items(), key=lambda item: (not item[1].ticket, item[1].since)):
            ref = self._ref(connection_id)
            if ref in turn or not want.open:
                continue
            turn.add(ref)
            if want.not_before <= now and len(chosen) < places:
                want.running = True
                chosen.append(connection_id)
        return chosen

    async def run(self, connection_id: UUID, gate_of: Callable[[UUID], Gate]) -> None:
        """Do one step: ask, look, or read."""
        want, connection = self._wants[connection_id], self._runtime.connections.get(connection_id)
        wait = FIRST_BACK_OFF
        try:
            if connection is not None:
                wait = await self._step(connection, want, gate_of(connection_id))
        except Exception as error:
            if not is_storage_down(error):
                self._runtime.log.exception("export_step_broke", connection_id=str(connection_id))
        finally:
            want.running = False
            want.not_before = self._clock.monotonic() + wait
            self._tidy(connection_id)

    async def _step(self, connection: Connection, want: Want, gate: Gate) -> float:
        """Returns the seconds until the next step."""
        part = await export_store.open_part(self._runtime.pool, connection.connection_id)
        want.ticket = part is not None and part.ticket is not None
        if part is None:
            return IDLE_SECONDS
        if part.ticket is None or part.asked_at is None:
            return await self._ask(connection, want, part)
        age = (self._clock.now() - part.asked_at).total_seconds()
        late = age > self._settings.export_patience_hours * 3600
        state = await self._reader.ask(connection, _state_of(part.ticket))
        if isinstance(state, Failure):
            if state.trouble is Trouble.HELD or not late:
                return await self._later(connection, want, part, state)
            return await self._failed(connection, want, part, state)
        want.failures = 0 if state is not ExportState.READY else want.failures
        if state is ExportState.READY:
            return await self._read(connection, want, part, gate)
        if state is ExportState.FAILED or late:
            text = "the marketplace could not make the export" if not late else "the export was not ready in time"
            return await self._failed(connection, want, part, Failure(Trouble.FAILED, text))
        return look_again_after(age)

    async def _ask(self, connection: Connection, want: Want, part: ExportPart) -> float:
        now = self._clock.now()
        until = min(part.start + timedelta(days=self._settings.export_days), part.created_until)
        window = OrderWindow(created_from=part.start, created_until=until)
        ticket = await self._reader.ask(connection, _start_of(window))
        if isinstance(ticket, Failure):
            if ticket.trouble is Trouble.HELD:
                return await self._later(connection, want, part, ticket)
            return await self._failed(connection, want, part, ticket)
        want.ticket, want.failures = await export_store.asked(self._runtime.pool, part, ticket, now, until), 0
        self._runtime.log.info("export_asked", connection_id=str(connection.connection_id))
        return look_again_after(0.0)

    async def _read(self, connection: Connection, want: Want, part: ExportPart, gate: Gate) -> float:
        ASK_AGAIN.set(wait_for_calls(self._runtime))  # of this task only, as every step has one of its own
        failure = await self._reader.export_part(connection, gate, part)
        if failure is None:
            want.ticket, want.failures = False, 0
            return 0.0
        if failure is GAVE_UP:
            return IDLE_SECONDS
        if failure.trouble is not Trouble.HELD and want.failures + 1 >= READ_FAILURES:
            return await self._failed(connection, want, part, failure)
        return await self._later(connection, want, part, failure)

    async def _later(self, connection: Connection, want: Want, part: ExportPart, failure: Failure) -> float:
        """The same step again after a while; no attempt is lost."""
        await progress.backfill_failed(self._runtime.pool, part.backfill_id, failure.text, self._clock.now())
        if failure.trouble is Trouble.HELD:
            return max(failure.wait or 0.0, IDLE_SECONDS)
        want.failures += 1
        return self._back_off(want.failures)

    async def _failed(self, connection: Connection, want: Want, part: ExportPart, failure: Failure) -> float:
        """This export is lost; another one is asked for, or the rest is listed."""
        most = self._settings.export_attempts
        attempts, given_up = await export_store.failed(self._runtime.pool, part, failure.text, self._clock.now(), most)
        want.ticket, want.failures = False, 0
        event = "export_given_up" if given_up else "export_failed"
        self._runtime.log.warning(
            event, connection_id=str(connection.connection_id), error=failure.text, attempts=attempts
        )
        return self._back_off(attempts)

    def _back_off(self, failures: int) -> float:
        longest = self._settings.backoff_max_seconds
        return back_off(failures - 1, FIRST_BACK_OFF, longest, self._runtime.ids.jitter(1.0))

    def _ref(self, connection_id: UUID) -> str:
        connection = self._runtime.connections.get(connection_id)
        return connection.data.credential_ref if connection else str(connection_id)

    def _tidy(self, connection_id: UUID) -> None:
        want = self._wants.get(connection_id)
        if want is not None and not (want.running or want.open):
            del self._wants[connection_id]


def _start_of(window: OrderWindow) -> Callable[[Any], Any]:
    return lambda speaker: speaker.start_export(window)


def _state_of(ticket: str) -> Callable[[Any], Any]:
    return lambda speaker: speaker.export_state(ticket)
