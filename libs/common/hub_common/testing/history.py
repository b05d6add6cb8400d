"""Remembers what a service heard and told in a test, and rebuilds it from that in a second database."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from hub_common import connections
from hub_common.clock import Clock, ManualClock
from hub_common.inbox import BatchResult, Inbox
from hub_common.kafka.records import InRecord
from hub_common.replay import ReplayReport, rebuild_from
from hub_common.replay_digest import TableVerdict, compare, digest, odd_rows, reading
from hub_common.replay_given import take_given
from hub_common.routing import merge_routes
from hub_common.testing.harness import Harness

YEARS = 3 * 365 * 86_400.0
"""How much later than the history the replay takes place: what depends on the clock comes out differently."""


class _Listening(Inbox):
    heard: list[InRecord]

    async def process(self, records: Sequence[InRecord]) -> BatchResult:
        """Handle the records, and remember them."""
        self.heard.extend(records)
        return await super().process(records)


class History:
    """`history = History(harness)` before anything is fed; the outbox must not be emptied meanwhile."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        runtime = harness.runtime
        self._inbox = _Listening(runtime.transactions, merge_routes(connections.ROUTES, runtime.spec.routes))
        self._inbox.heard = []
        runtime.inbox = self._inbox
        self.report: ReplayReport | None = None

    @property
    def heard(self) -> list[InRecord]:
        """Every record that the service was given."""
        return list(self._inbox.heard)

    async def told(self) -> list[InRecord]:
        """The service's own events, as they would lie on its topic."""
        rows = await self._harness.runtime.pool.fetch("SELECT * FROM outbox WHERE value IS NOT NULL ORDER BY id")
        return [
            InRecord(
                row["topic"],
                0,
                row["id"],
                row["key"].encode(),
                row["value"],
                [
                    *((name, value.encode()) for name, value in orjson.loads(row["headers"]).items()),
                    ("aggregate_version", str(row["version"]).encode()),
                ],
                0,
            )
            for row in rows
            if row["topic"] == self._harness.runtime.spec.own_topic
        ]

    async def rebuild(self, dsn: str, *, seed: int = 0, batch: int = 7, clock: Clock | None = None) -> ReplayReport:
        """Rebuild in the empty database `dsn`, years later, topics interleaved at random, in batches of `batch`."""
        later = clock or ManualClock()
        if isinstance(later, ManualClock) and clock is None:
            later.advance(YEARS)
        heard, told = interleaved(self.heard, seed), interleaved(await self.told(), seed)
        spec, settings = self._harness.runtime.spec, self._harness.settings
        given = spec.replay.given if spec.replay is not None else ()
        with TemporaryDirectory() as folder:
            async with reading(settings.database_dsn.get_secret_value()) as present:
                taken = await take_given(present, given, Path(folder))
            self.report = await rebuild_from(
                spec, settings, dsn, batches(heard, batch), batches(told, batch), taken=taken, clock=later
            )
        return self.report

    async def verdicts(self, dsn: str, *, seed: int = 0, batch: int = 7) -> dict[str, TableVerdict]:
        """Rebuild, then compare every table of the plan with the present one."""
        await self.rebuild(dsn, seed=seed, batch=batch)
        plan = self._harness.runtime.spec.replay
        assert plan is not None, "the rebuild would have refused"
        present = await digest(self._harness.settings.database_dsn.get_secret_value(), plan)
        return {verdict.table: verdict for verdict in compare(present, await digest(dsn, plan))}

    async def prove(self, dsn: str, *, seed: int = 0, batch: int = 7, empty: Collection[str] = ()) -> ReplayReport:
        """Rebuild, and fail with the rows that differ. Every compared table must hold something, but for `empty`."""
        before, verdicts = await self.told(), await self.verdicts(dsn, seed=seed, batch=batch)
        spec, report = self._harness.runtime.spec, self.report
        assert spec.replay is not None, "the rebuild would have refused"
        assert report is not None, "the rebuild has just been made"
        present = self._harness.settings.database_dsn.get_secret_value()
        for table in spec.replay.tables:
            verdict = verdicts[table.name]
            if not verdict.equal:
                key = table.key or [column.name for column in spec.metadata.tables[table.name].primary_key]
                raise AssertionError(f"{table.name}: {verdict} {await odd_rows(present, dsn, table, key)}")
            assert bool(verdict.rebuilt.rows) != (table.name in empty), f"{table.name}: {verdict.rebuilt.rows} rows"
        assert (report.dead, report.waiting) == (0, 0), report
        assert await self.told() == before, "a replay told something"
        return report


def interleaved(records: Sequence[InRecord], seed: int) -> list[InRecord]:
    """The records in another order that a broker may deliver: kept per topic and key, else at random."""
    queues: dict[tuple[str, bytes | None], list[InRecord]] = {}
    for record in records:
        queues.setdefault((record.topic, record.key), []).append(record)
    draw = random.Random(seed)  # noqa: S311  repeatable on purpose
    waiting = [queue[::-1] for _, queue in sorted(queues.items(), key=str)]
    mixed: list[InRecord] = []
    while waiting:
        chosen = draw.choice(waiting)
        mixed.append(chosen.pop())
        if not chosen:
            waiting.remove(chosen)
    return mixed


async def batches(records: Sequence[InRecord], size: int) -> AsyncIterator[Sequence[InRecord]]:
    """The records, `size` at a time."""
    for start in range(0, len(records), size):
        yield records[start : start + size]
