"""Compares a service with its rebuild, while it runs.

A comparison with something that moves proves nothing: the present tables are read as of an instant at which the service
has handled everything on its topics and told everything it had to tell, and the rebuild stops at exactly those offsets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg

from hub_common.clock import Clock, SystemClock
from hub_common.config import ServiceSettings
from hub_common.kafka.client import bounds, committed
from hub_common.kafka.records import TopicPartition
from hub_common.replay import ReplayReport, plan_of, rebuild, topics_of
from hub_common.replay_digest import OddRow, TableDigest, TableVerdict, compare, digest, digest_of, odd_rows, reading
from hub_common.replay_given import Taken, take_given
from hub_common.service import ServiceSpec

REST_SECONDS = 60.0
"""How long a service may take to come to rest; a hub through which orders flow without a pause never does."""
ROUND_SECONDS = 0.3

WAITING = "SELECT (SELECT count(*) FROM outbox) AS outbox, (SELECT count(*) FROM inbox_retry) AS retries"


class NotAtRest(RuntimeError):
    """There was no instant at which nothing was on its way."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the comparison of one service found."""

    report: ReplayReport
    tables: tuple[TableVerdict, ...]
    odd: Mapping[str, tuple[OddRow, ...]] = field(default_factory=dict)
    """Table → some of the rows that differ."""

    @property
    def equal(self) -> bool:
        """Every table came out the same."""
        return all(table.equal for table in self.tables)


async def prove(
    spec: ServiceSpec,
    settings: ServiceSettings,
    shadow: AbstractAsyncContextManager[str],
    *,
    rest_seconds: float = REST_SECONDS,
    clock: Clock | None = None,
) -> Replayed:
    """Rebuild `spec` in the empty database that `shadow` gives the address of, and compare.

    `shadow` is entered only when the present tables have been read. Raises `NotAtRest`, `FenceBroken`, `GivenWritten`,
    `NotFresh`, `BrokerDown` and `StorageDown`.
    """
    clock = clock or SystemClock()
    plan, present_dsn = plan_of(spec), settings.database_dsn.get_secret_value()
    with TemporaryDirectory(prefix="hub-replay-") as folder:
        ends, present, taken = await _at_rest(spec, settings, Path(folder), rest_seconds, clock)
        async with shadow as shadow_dsn:
            report = await rebuild(spec, settings, shadow_dsn, ends, taken=taken, clock=clock)
            tables = tuple(compare(present, await digest(shadow_dsn, plan)))
            odd: dict[str, tuple[OddRow, ...]] = {}
            for table, verdict in zip(plan.tables, tables, strict=True):
                if not verdict.equal:
                    key = table.key or [column.name for column in spec.metadata.tables[table.name].primary_key]
                    odd[table.name] = tuple(await odd_rows(present_dsn, shadow_dsn, table, key))
    return Replayed(report, tables, odd)


async def _at_rest(
    spec: ServiceSpec, settings: ServiceSettings, folder: Path, rest_seconds: float, clock: Clock
) -> tuple[dict[TopicPartition, int], dict[str, TableDigest], Taken]:
    """The offsets up to which the service has handled everything, its tables as of then, and what is given of them.

    Only the instant has to be quiet: the tables are read as of it, however long that takes.
    """
    plan = plan_of(spec)
    deadline = clock.monotonic() + rest_seconds
    while True:
        before = await _ends(spec, settings)
        why = await _busy(spec, settings, before)
        if not why:
            async with reading(settings.database_dsn.get_secret_value()) as conn:
                # The first statement of the transaction is the instant.
                await conn.fetchval("SELECT 1")
                after = await _ends(spec, settings)
                why = await _busy(spec, settings, after)
                if not why and after == before:
                    return before, await digest_of(conn, plan), await take_given(conn, plan.given, folder)
        if clock.monotonic() > deadline:
            raise NotAtRest(f"{spec.name} does not come to rest: {why or 'its topics go on'}; replay when less happens")
        await asyncio.sleep(ROUND_SECONDS)


async def _ends(spec: ServiceSpec, settings: ServiceSettings) -> dict[TopicPartition, int]:
    listened, own = topics_of(spec, settings)
    return {tp: end for tp, (_, end) in (await bounds(settings.broker, [*listened, *own])).items()}


async def _busy(spec: ServiceSpec, settings: ServiceSettings, ends: Mapping[TopicPartition, int]) -> str:
    """What the service still has to do; empty when nothing."""
    listened, _ = topics_of(spec, settings)
    done = await committed(settings.broker, settings.topic_prefix + spec.name)
    behind = sum(max(0, end - done.get(tp, 0)) for tp, end in ends.items() if tp.topic in listened)
    if behind:
        return f"{behind} records wait to be handled"
    conn = await asyncpg.connect(settings.database_dsn.get_secret_value(), timeout=10)
    try:
        waiting = await conn.fetchrow(WAITING)
    finally:
        await conn.close()
    assert waiting is not None, "counts are always one row"
    if waiting["outbox"]:
        return f"{waiting['outbox']} events wait to be told"
    return f"{waiting['retries']} events wait to be tried again" if waiting["retries"] else ""


def answer(spec: ServiceSpec, done: Replayed) -> dict[str, Any]:
    """The comparison as data for programs. Rows are named by their key only: contents may be personal data."""
    report = done.report
    return {
        "service": spec.name,
        "equal": done.equal,
        "records": report.records,
        "handled": report.handled,
        "dead": report.dead,
        "waiting": report.waiting,
        "effects_fenced": report.fenced,
        "seconds": round(report.seconds, 3),
        "topics_cut": list(report.cut),
        "tables": [
            {
                "table": table.table,
                "present": {"rows": table.present.rows, "sha256": table.present.sha256},
                "rebuilt": {"rows": table.rebuilt.rows, "sha256": table.rebuilt.sha256},
                "equal": table.equal,
                "odd": [{"side": row.side, "key": row.key} for row in done.odd.get(table.table, ())],
            }
            for table in done.tables
        ],
        "given": [
            {"table": each.name, "rows": report.given[each.name], "where": each.where, "why": each.why}
            for each in plan_of(spec).given
        ],
        "left_out": dict(plan_of(spec).left_out),
    }
