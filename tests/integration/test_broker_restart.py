"""A service outlives its broker: everything committed before, during and after an outage is handled and told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from hub_common.clock import SystemClock
from hub_common.ids import SystemIds
from hub_common.kafka.client import KafkaProducer, ensure_topics
from hub_common.kafka.records import OutRecord
from hub_common.runtime import Runtime
from hub_common.testing.harness import settings_for
from hub_common.testing.probe.main import SPEC
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY, STOCK, Topic
from hub_tools.stack.broker import open_broker
from hub_tools.stack.model import Broker

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
OUTAGE_SECONDS = 18.0
"""Longer than a commit or a send may take, so that clients are thrown away and built anew."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    opened = open_broker(tmp_path / "broker")
    if opened.kind == "env":
        pytest.skip("the broker is given by the environment and cannot be stopped by a test")
    opened.start()
    yield opened
    opened.remove()


def record(sku: str, quantity: int) -> OutRecord:
    ids, clock = SystemIds(), SystemClock()
    data = StockReported(shop_connection_id=UUID(int=1), shop_sku=sku, quantity=quantity, reported_at=clock.now())
    meta = Metadata(ids.new(), data.TYPE, "test", clock.now(), sku, "t", quantity)
    return OutRecord(SHOP_ACTIVITY, sku.encode(), data.model_dump_json().encode(), encode_headers(meta))


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.05)


async def test_work_goes_on_after_an_outage(database: str, broker: Broker) -> None:
    kafka = broker.bootstrap_servers
    await ensure_topics(kafka, [Topic(SHOP_ACTIVITY, "test", "sku"), Topic(STOCK, "probe", "sku")])
    runtime = Runtime(SPEC, settings_for(SPEC, database, kafka=kafka, lease_seconds=3.0, drain_seconds=5.0))
    await runtime.start()
    skus = [f"sku-{number}" for number in range(30)]

    async def noted(times: int) -> bool:
        conn = await asyncpg.connect(database)
        try:
            rows = await conn.fetch("SELECT * FROM notes")
        finally:
            await conn.close()
        return len(rows) == len(skus) and all(row["times"] == times for row in rows)

    producer = KafkaProducer(kafka, "test")
    assert all(await producer.send([record(sku, 1) for sku in skus]))
    await eventually(lambda: noted(1), 60)
    assert all(await producer.send([record(sku, 2) for sku in skus]))
    await asyncio.to_thread(broker.stop)
    await producer.stop()
    away_since = time.monotonic()

    async def outage_over() -> bool:
        return time.monotonic() - away_since > OUTAGE_SECONDS

    await eventually(outage_over, OUTAGE_SECONDS + 5)
    await asyncio.to_thread(broker.start)
    producer = KafkaProducer(kafka, "test")
    assert all(await producer.send([record(sku, 3) for sku in skus]))
    await eventually(lambda: noted(3), 90)

    async def told() -> bool:
        return int(await runtime.pool.fetchval("SELECT count(*) FROM outbox")) == 0

    await eventually(told, 60)
    await producer.stop()
    await runtime.stop()
