"""consume → inbox → state → outbox, one process, against the same work done bare, and done with FastStream."""

from __future__ import annotations

import cProfile
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench import floor_bare, floor_faststream
from bench.load import skus, stock_reports
from bench.measure import Contender, Sample, Watch, take_turns
from bench.options import Options
from bench.report import Figure, compared
from bench.stage import TEMPLATE, Stage
from hub_common import connections
from hub_common.consumer import Consumer
from hub_common.inbox import Batch, BatchResult, Inbox
from hub_common.kafka.records import InRecord
from hub_common.routing import Handler, merge_routes
from hub_common.runtime import Runtime
from hub_common.testing.harness import settings_for
from hub_common.testing.probe.main import SPEC
from hub_common.transactions import Transactions
from hub_contracts.base import EventData
from hub_contracts.topics import SHOP_ACTIVITY

HUB = "hub runtime"
BARE = "aiokafka + asyncpg, no models"
CORE = "FastStream batch + SQLAlchemy Core"
ORM = "FastStream + ORM, one tx per message"
ORM_SHARE = 40
"""The ORM floor gets this share of the events: it is slow, and its rate does not depend on the count."""


class WatchedInbox(Inbox):
    """The runtime's inbox, which also notes when the first batch is in hand."""

    def __init__(
        self, transactions: Transactions, routes: Mapping[type[EventData], tuple[Handler, ...]], watch: Watch
    ) -> None:
        super().__init__(transactions, routes)
        self._watch = watch

    async def read(self, records: Sequence[InRecord]) -> Batch:
        """Decode the records of one poll."""
        if records:
            self._watch.first()
        return await super().read(records)


async def run_hub(stage: Stage, dsn: str, prefix: str, count: int, batch: int, profile: str = "") -> Sample:
    """Let the probe service's own consumer work off `count` events; no other duty of the service runs."""
    settings = settings_for(
        SPEC, dsn, kafka=stage.kafka, topic_prefix=prefix, batch_max_records=batch, auto_migrate=False
    )
    runtime = Runtime(replace(SPEC, name=f"probe-{secrets.token_hex(4)}"), settings)
    await runtime.prepare()
    watch, handled = Watch(), 0

    def on_batch(records: Sequence[InRecord], result: BatchResult, seconds: float) -> None:
        nonlocal handled
        runtime._on_batch(records, result, seconds)
        handled += result.handled
        watch.last()

    consumer = Consumer(
        runtime._build_consumer,
        WatchedInbox(runtime.transactions, merge_routes(connections.ROUTES, SPEC.routes), watch),
        clock=runtime.clock,
        max_records=settings.batch_max_records,
        poll_timeout_ms=settings.poll_timeout_ms,
        on_batch=on_batch,
        service=runtime.spec.name,
    )
    profiler = cProfile.Profile() if profile else None
    try:
        if profiler:
            profiler.enable()
        while handled < count:
            await consumer.step()
    finally:
        if profiler:
            profiler.disable()
            profiler.dump_stats(profile)
        await consumer.stop()
        await runtime.callers.close()
        await runtime.pool.close()
    return watch.sample(handled)


async def measure(stage: Stage, options: Options) -> list[Figure]:
    """Figures of the hop."""
    prefix = await stage.topics()
    await stage.preload(stock_reports(prefix, skus(options.events)))
    topic = prefix + SHOP_ACTIVITY

    async def hub() -> Sample:
        async with stage.database(TEMPLATE) as dsn:
            return await run_hub(stage, dsn, prefix, options.events, options.batch, options.profile)

    async def bare() -> Sample:
        async with stage.database(TEMPLATE) as dsn:
            return await floor_bare.run(stage.kafka, dsn, topic, options.events, options.batch)

    async def core() -> Sample:
        async with stage.database(TEMPLATE) as dsn:
            return await floor_faststream.run_core(stage.kafka, dsn, topic, options.events, options.batch)

    async def orm() -> Sample:
        async with stage.database(TEMPLATE) as dsn:
            return await floor_faststream.run_orm(stage.kafka, dsn, topic, max(100, options.events // ORM_SHARE))

    contenders: dict[str, Contender] = {HUB: hub, BARE: bare, CORE: core, ORM: orm}
    samples = await take_turns(contenders, options.rounds)
    return [
        compared("hop", HUB, samples, BARE, target=0.6),
        compared("hop", HUB, samples, CORE, target=1.5),
        compared("hop", HUB, samples, ORM, target=20.0),
    ]


if __name__ == "__main__":
    from bench.main import alone

    raise SystemExit(alone("hop"))
