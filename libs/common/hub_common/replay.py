"""Rebuilds a service's tables from the topics in a fresh database, so that they can be compared with the present ones.

A read model that nobody ever rebuilds is only believed to follow from its events. Everything goes the way of live
events (inbox, transaction, handlers), with two differences: live events count as replayed, so the fence drops every
effect, and nothing is sent, neither calls nor events. That no effect was planned is checked at the end all the same,
because a handler that names a cause of its own making would pass the fence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import asyncpg

from hub_common import connections
from hub_common.clock import Clock, SystemClock
from hub_common.config import ServiceSettings
from hub_common.database import open_pool
from hub_common.ids import SystemIds
from hub_common.inbox import Inbox
from hub_common.kafka import client as kafka
from hub_common.kafka.records import InRecord, TopicPartition
from hub_common.migrate import upgrade_async
from hub_common.replay_given import Given, GivenWritten, Taken, given_written, put_given
from hub_common.retries import Retrier
from hub_common.routing import Handler, Routes, merge_routes
from hub_common.service import ServiceSpec
from hub_common.transactions import Transactions
from hub_contracts.base import EventData
from hub_contracts.envelope import Origin
from hub_contracts.work import WorkParked

POOL_SIZE = 2

BOOKKEEPING = frozenset(
    {"inbox", "aggregates", "outbox", "inbox_retry", "dead_letters", "leases", "effects", "effect_attempts"}
)
"""The runtime's tables that say how events and effects were worked off, which a replay does anew."""

TOLD = frozenset({"connections", "deadlines", "parked"})
"""The runtime's tables that follow from events in every service, and so are never given."""

COUNTS = """
SELECT (SELECT count(*) FROM inbox) AS handled, (SELECT count(*) FROM inbox_retry) AS waiting,
       (SELECT count(*) FROM dead_letters) AS dead, (SELECT count(*) FROM outbox) AS untold,
       (SELECT count(*) FROM effects) AS effects
"""

Records = AsyncIterable[Sequence[InRecord]]


@dataclass(frozen=True, slots=True)
class Compared:
    """A table that must come out the same. Every column counts that is not named here, also one added later."""

    name: str
    ignore: Mapping[str, str] = field(default_factory=dict)
    """Column → why a replay cannot know it."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """Column → the SQL expression over the row that is compared in its place."""
    where: str = ""
    """SQL condition of the rows that are compared; empty = all."""
    rows: str = ""
    """SQL query whose rows are compared in place of the table's: the sums of a table that grows step by step."""
    key: tuple[str, ...] = ()
    """Columns that name a row where the primary key does not: a number drawn by the database, or other `rows`."""


@dataclass(frozen=True)
class ReplayPlan:
    """How a service is rebuilt and what of it is proven."""

    tables: tuple[Compared, ...]
    own: Routes = field(default_factory=dict)
    """Handlers of the service's own events: they restore what it once learnt from answers and people."""
    also: Routes = field(default_factory=dict)
    """Handlers of events it listens to, after its usual ones: what those do for live events only, without effects."""
    between: tuple[str, ...] = ()
    """SQL that is run before `own`: it takes back what the other events made handlers note as told. Parked items are
    taken back by themselves where `own` restores them."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Table → why it is not compared: nothing that is compared may depend on it."""
    given: tuple[Given, ...] = ()
    """Rows that no event holds, because people or outside answers are their source. They are copied from the present
    database before the replay and not compared. Restoring from `own` comes first: given is what its events lack."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a rebuild did. Durations are seconds."""

    service: str
    records: int
    handled: int
    dead: int
    """Records that became dead letters in the rebuilt database."""
    waiting: int
    """Events that failed for a passing reason and wait to be tried again."""
    fenced: int
    """Effects that the fence dropped."""
    untold: int
    """Events that handlers told again; they lie in the rebuilt database's outbox and are never sent."""
    seconds: float
    cut: tuple[str, ...] = ()
    """Topics whose first records are no longer kept, so that older rows cannot be rebuilt."""
    given: Mapping[str, int] = field(default_factory=dict)
    """Given table → rows that were copied."""


class NotFresh(ValueError):
    """The database to rebuild in holds something already."""


class FenceBroken(RuntimeError):
    """A replayed event led to an effect: live, a marketplace would have been called again."""


def topics_of(spec: ServiceSpec, settings: ServiceSettings) -> tuple[list[str], list[str]]:
    """Full names of the topics it listens to, and of its own when its plan reads that."""
    own = [spec.own_topic] if spec.own_topic and plan_of(spec).own else []
    return [settings.topic_prefix + name for name in spec.listens], [settings.topic_prefix + name for name in own]


def plan_of(spec: ServiceSpec) -> ReplayPlan:
    """Its plan. Raises `ValueError` when it has none."""
    if spec.replay is None:
        raise ValueError(f"{spec.name}: has no replay plan")
    return spec.replay


async def rebuild(
    spec: ServiceSpec,
    settings: ServiceSettings,
    shadow_dsn: str,
    until: Mapping[TopicPartition, int] | None = None,
    *,
    taken: Taken | None = None,
    clock: Clock | None = None,
) -> ReplayReport:
    """Rebuild `spec` in the empty database `shadow_dsn` from everything its topics keep below `until`.

    `until` holds next offsets; None = those at the start. Of `settings` only broker, prefix and sizes count. `taken`
    is what the plan calls given. Raises `NotFresh`, `FenceBroken`, `GivenWritten`, `BrokerDown`,
    `StorageDown`, and `ValueError` when it is not all that the plan calls given.
    """
    listened, own = topics_of(spec, settings)
    kept = await kafka.bounds(settings.broker, [*listened, *own])
    ends = {tp: end for tp, (_, end) in kept.items()} if until is None else dict(until)
    cut = tuple(sorted({tp.topic for tp, (first, _) in kept.items() if first > 0}))

    def read(topics: Sequence[str]) -> aclosing[AsyncGenerator[list[InRecord], None]]:
        wanted = {tp: end for tp, end in ends.items() if tp.topic in topics}
        return aclosing(kafka.read_until(settings.broker, wanted, settings.batch_max_records))

    async with read(listened) as first, read(own) as second:
        return await rebuild_from(spec, settings, shadow_dsn, first, second, taken=taken, clock=clock, cut=cut)


async def rebuild_from(
    spec: ServiceSpec,
    settings: ServiceSettings,
    shadow_dsn: str,
    listened: Records,
    own: Records,
    *,
    taken: Taken | None = None,
    clock: Clock | None = None,
    cut: tuple[str, ...] = (),
) -> ReplayReport:
    """`rebuild` from records that were read already.

    The service's own events come last: they are about orders that the others brought, and restore decisions that
    replayed events do not lead to.
    """
    plan = plan_of(spec)
    clock = clock or SystemClock()
    began = clock.monotonic()
    await _prepare(spec.package, shadow_dsn)
    copied = await _put(spec, taken, shadow_dsn)
    pool = await open_pool(shadow_dsn, POOL_SIZE, f"{spec.name}/replay")
    try:
        transactions = Transactions(
            pool,
            service=spec.name,
            own_topic=spec.own_topic,
            topic_prefix=settings.topic_prefix,
            shards=settings.outbox_shards,
            ids=SystemIds(),
            clock=clock,
        )
        routes = merge_routes(connections.ROUTES, spec.routes, plan.also)
        records = await _handle(transactions, settings, routes, listened)
        for statement in (("DELETE FROM parked",) if WorkParked in plan.own else ()) + plan.between:
            await pool.execute(statement)
        records += await _handle(transactions, settings, merge_routes(plan.own), own)
        found = await pool.fetchrow(COUNTS)
        written = await given_written(pool) if copied else {}
    finally:
        await pool.close()
    assert found is not None, "counts are always one row"
    if found["effects"]:
        raise FenceBroken(f"{spec.name}: the replay planned {found['effects']} effects; none was sent")
    if written:
        raise GivenWritten(f"{spec.name}: handlers wrote what the plan calls given: {_listed(written)}")
    return ReplayReport(
        service=spec.name,
        records=records,
        handled=found["handled"],
        dead=found["dead"],
        waiting=found["waiting"],
        fenced=transactions.fenced_total,
        untold=found["untold"],
        seconds=clock.monotonic() - began,
        cut=cut,
        given=copied,
    )


async def _put(spec: ServiceSpec, taken: Taken | None, shadow_dsn: str) -> dict[str, int]:
    given = [each.name for each in plan_of(spec).given]
    found = [each.table.name for each in taken.tables] if taken is not None else []
    if found != given:
        raise ValueError(
            f"taken: {spec.name} needs what is given of {given or 'nothing'}, and got {found or 'nothing'}"
        )
    return await put_given(taken, shadow_dsn) if taken is not None and given else {}


def _listed(written: Mapping[str, int]) -> str:
    return ", ".join(f"{rows} rows of {name}" for name, rows in written.items())


async def _prepare(package: str, dsn: str) -> None:
    """Bring an empty database to the service's schema. The check is what keeps a replay out of a database in use."""
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        tables = await conn.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await conn.close()
    if tables:
        raise NotFresh(f"shadow_dsn: the database has {tables} tables already; a replay needs an empty one")
    await upgrade_async(package, dsn)


async def _handle(
    transactions: Transactions,
    settings: ServiceSettings,
    routes: Mapping[type[EventData], tuple[Handler, ...]],
    batches: Records,
) -> int:
    """Returns how many records there were."""
    inbox = Inbox(transactions, routes)
    records = 0
    async for batch in batches:
        await inbox.process([as_replayed(record) for record in batch])
        records += len(batch)
    # What failed when it came may have waited for something that came after it.
    await transactions.pool.execute("UPDATE inbox_retry SET next_at = now()")
    again = Retrier(
        transactions, routes, max_attempts=settings.retry_max_attempts, max_age_hours=settings.retry_max_age_hours
    )
    while await again.step():
        continue
    return records


def as_replayed(record: InRecord) -> InRecord:
    """The record with a live origin (said or not) turned into a replayed one; a backfilled event stays one."""
    said = dict(record.headers).get("origin", Origin.LIVE.encode())
    if said != Origin.LIVE.encode():
        return record
    headers = [(name, value) for name, value in record.headers if name != "origin"]
    headers.append(("origin", Origin.REPLAY.encode()))
    return InRecord(
        record.topic, record.partition, record.offset, record.key, record.value, headers, record.timestamp_ms
    )


def plan_problems(spec: ServiceSpec) -> list[str]:
    """What is wrong with a plan, for tests: a table nobody thought of, a name that does not exist, a key ignored."""
    plan, tables = plan_of(spec), spec.metadata.tables
    split = {each.name for each in plan.given if each.where or each.begins}
    named = [table.name for table in plan.tables] + list(plan.left_out)
    named += [each.name for each in plan.given if each.name not in split or each.name not in named]
    problems = [
        f"{name}: neither compared, given nor left out" for name in sorted(set(tables) - set(named) - BOOKKEEPING)
    ]
    problems += [f"{name}: no such table" for name in named if name not in tables]
    problems += [f"{name}: named twice" for name in sorted({name for name in named if named.count(name) > 1})]
    chosen = [(table.name, (*table.ignore, *table.instead)) for table in plan.tables if not table.rows]
    problems += [
        f"{table.name}: compared by other rows without a key" for table in plan.tables if table.rows and not table.key
    ]
    chosen += [(each.name, tuple(each.begins)) for each in plan.given]
    for table_name, named_columns in chosen:
        columns = {column.name: column for column in tables[table_name].columns} if table_name in tables else {}
        for name in named_columns:
            if name not in columns:
                problems.append(f"{table_name}.{name}: no such column")
            elif columns[name].primary_key:
                problems.append(f"{table_name}.{name}: is part of the key, without which rows cannot be compared")
    return problems + _given_problems(plan)


def _given_problems(plan: ReplayPlan) -> list[str]:
    """What is given is proven by nobody, so each table needs a reason of its own, and none may hide what is told."""
    compared = {table.name: table.where for table in plan.tables}
    reasons = [each.why for each in plan.given]
    problems = []
    for each in plan.given:
        if each.name in BOOKKEEPING | TOLD:
            problems.append(f"{each.name}: follows from events and cannot be given")
        if not each.why.strip():
            problems.append(f"{each.name}: given without a reason")
        elif reasons.count(each.why) > 1:
            problems.append(f"{each.name}: given for the same reason as another table; say whose it is")
        if each.begins and compared.get(each.name) != "":
            problems.append(f"{each.name}: events tell {', '.join(each.begins)}; compare the table, without where")
        elif each.where and not each.begins and compared.get(each.name) != f"NOT ({each.where})":
            problems.append(f"{each.name}: given in part; compare the others with where=NOT ({each.where})")
    return problems
