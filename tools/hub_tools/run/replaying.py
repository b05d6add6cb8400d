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

import asyncpg

from hub_common.config import ServiceSettings
from hub_common.kafka.client import bounds, committed
from hub_common.kafka.records import TopicPartition
from hub_common.replay import ReplayReport, plan_of, rebuild, topics_of
from hub_common.replay_digest import OddRow, TableDigest, TableVerdict, compare, digest, odd_rows
from hub_common.service import ServiceSpec
from hub_tools.stack.databases import create_database, database_name, drop_database
from hub_tools.stack.errors import StackError

REST_SECONDS = 60.0
"""How long a service may take to come to rest; a hub through which orders flow without a pause never does."""
ROUND_SECONDS = 0.3

WAITING = "SELECT (SELECT count(*) FROM outbox) AS outbox, (SELECT count(*) FROM inbox_retry) AS retries"

NO_PLAN: Mapping[str, str] = {
    "carrier-mapper": "carrier rules come from operators, lists of carriers from marketplaces; no event has them",
    "catalog-feed": "products, shipping templates and feed settings come from operators; no event has them",
    "connection-registry": "people tell it everything; contacts, API keys and who changed what are in no event",
    "message-service": "buyers' messages come from marketplaces, answers and templates from people; no event has words",
    "order-ingest": "raw orders and how far it has polled come from marketplaces' answers; it is where events begin",
    "refund-service": "people's decisions, how cancellations ended and reason lists are not restored from events yet",
    "shipment-notifier": "which parcels a marketplace took is known from its answers, not restored from its events yet",
    "shop-gateway": "shops' posts as they came, feed positions and shops' answers are in no event",
    "stock-sync": "stock stated by file and what marketplaces took are not restored from events yet",
}
"""Service → which part of its state comes from answers or operators. Every service has a plan or stands here."""


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

    Raises `StackError` when the service does not come to rest, `FenceBroken`, `BrokerDown` and `StorageDown`.
    """
    plan, present_dsn = plan_of(spec), settings.database_dsn.get_secret_value()
    ends, present = await _at_rest(spec, settings)
    name = f"replay_{database_name(spec.name)}_{secrets.token_hex(4)}"
    shadow_dsn = await create_database(admin_dsn, name)
    try:
        report = await rebuild(spec, settings, shadow_dsn, ends)
        tables = tuple(compare(present, await digest(shadow_dsn, plan)))
        odd: dict[str, tuple[OddRow, ...]] = {}
        for table, verdict in zip(plan.tables, tables, strict=True):
            if not verdict.equal:
                key = [column.name for column in spec.metadata.tables[table.name].primary_key]
                odd[table.name] = tuple(await odd_rows(present_dsn, shadow_dsn, table, key))
    finally:
        await drop_database(admin_dsn, name)
    return Replayed(report, tables, odd)


async def _at_rest(
    spec: ServiceSpec, settings: ServiceSettings
) -> tuple[dict[TopicPartition, int], dict[str, TableDigest]]:
    """The offsets up to which the service has handled everything, and its tables as of then."""
    deadline = time.monotonic() + REST_SECONDS
    while True:
        before = await _ends(spec, settings)
        why = await _busy(spec, settings, before)
        if not why:
            found = await digest(settings.database_dsn.get_secret_value(), plan_of(spec))
            after = await _ends(spec, settings)
            why = await _busy(spec, settings, after)
            if not why and after == before:
                return before, found
        if time.monotonic() > deadline:
            raise StackError(
                f"{spec.name} does not come to rest: {why or 'its topics go on'}; replay when less happens"
            )
        await asyncio.sleep(ROUND_SECONDS)


async def _ends(spec: ServiceSpec, settings: ServiceSettings) -> dict[TopicPartition, int]:
    listened, own = topics_of(spec, settings)
    return {tp: end for tp, (_, end) in (await bounds(settings.kafka_bootstrap, [*listened, *own])).items()}


async def _busy(spec: ServiceSpec, settings: ServiceSettings, ends: Mapping[TopicPartition, int]) -> str:
    """What the service still has to do; empty when nothing."""
    listened, _ = topics_of(spec, settings)
    done = await committed(settings.kafka_bootstrap, settings.topic_prefix + spec.name)
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
