"""Rebuilds one service of a hub in a database of its own and compares it with the present one.

A comparison with something that moves proves nothing: the present tables are read at a moment at which the service has
handled everything on its topics and told everything it had to tell, and the rebuild stops at exactly those offsets.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from hub_common.config import ServiceSettings
from hub_common.kafka.client import bounds, committed
from hub_common.kafka.records import TopicPartition
from hub_common.replay import ReplayReport, plan_of, rebuild, topics_of
from hub_common.replay_digest import OddRow, TableDigest, TableVerdict, compare, digest, digest_of, odd_rows, reading
from hub_common.replay_given import Taken, take_given
from hub_common.service import ServiceSpec
from hub_tools.stack.databases import create_database, database_name, drop_database
from hub_tools.stack.errors import StackError

REST_SECONDS = 60.0
"""How long a service may take to come to rest; a hub through which orders flow without a pause never does."""
ROUND_SECONDS = 0.3

WAITING = "SELECT (SELECT count(*) FROM outbox) AS outbox, (SELECT count(*) FROM inbox_retry) AS retries"


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


async def replay_service(spec: ServiceSpec, settings: ServiceSettings, admin_dsn: str) -> Replayed:
    """Rebuild, compare, and drop the rebuilt database whatever happens.

    Raises `StackError` when the service does not come to rest, `FenceBroken`, `GivenWritten`, `BrokerDown` and
    `StorageDown`.
    """
    with TemporaryDirectory(prefix="hub-replay-") as folder:
        return await _replay(spec, settings, admin_dsn, Path(folder))


async def _replay(spec: ServiceSpec, settings: ServiceSettings, admin_dsn: str, folder: Path) -> Replayed:
    plan, present_dsn = plan_of(spec), settings.database_dsn.get_secret_value()
    ends, present, taken = await _at_rest(spec, settings, folder)
    name = f"replay_{database_name(spec.name)}_{secrets.token_hex(4)}"
    shadow_dsn = await create_database(admin_dsn, name)
    try:
        report = await rebuild(spec, settings, shadow_dsn, ends, taken=taken)
        tables = tuple(compare(present, await digest(shadow_dsn, plan)))
        odd: dict[str, tuple[OddRow, ...]] = {}
        for table, verdict in zip(plan.tables, tables, strict=True):
            if not verdict.equal:
                key = table.key or [column.name for column in spec.metadata.tables[table.name].primary_key]
                odd[table.name] = tuple(await odd_rows(present_dsn, shadow_dsn, table, key))
    finally:
        await drop_database(admin_dsn, name)
    return Replayed(report, tables, odd)


async def _at_rest(
    spec: ServiceSpec, settings: ServiceSettings, folder: Path
) -> tuple[dict[TopicPartition, int], dict[str, TableDigest], Taken]:
    """The offsets up to which the service has handled everything, its tables as of then, and what is given of them."""
    plan = plan_of(spec)
    deadline = time.monotonic() + REST_SECONDS
    while True:
        before = await _ends(spec, settings)
        why = await _busy(spec, settings, before)
        if not why:
            async with reading(settings.database_dsn.get_secret_value()) as conn:
                found, taken = await digest_of(conn, plan), await take_given(conn, plan.given, folder)
            after = await _ends(spec, settings)
            why = await _busy(spec, settings, after)
            if not why and after == before:
                return before, found, taken
        if time.monotonic() > deadline:
            raise StackError(
                f"{spec.name} does not come to rest: {why or 'its topics go on'}; replay when less happens"
            )
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
