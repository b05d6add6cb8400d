"""Whole services on a real broker: delivery, order per key, replicas that come and go, a broker that restarts."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from hub_common.clock import SystemClock
from hub_common.ids import SystemIds
from hub_common.kafka.client import KafkaConsumer, KafkaProducer, ensure_topics
from hub_common.kafka.records import OutRecord
from hub_common.runtime import Runtime
from hub_common.testing.harness import settings_for
from hub_common.testing.probe.main import SPEC
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY, STOCK, Topic

pytestmark = pytest.mark.stack
SHOP = UUID(int=1)


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 45) -> None:
    """Wait until `check` holds; fail when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.05)


def record(prefix: str, sku: str, quantity: int) -> OutRecord:
    ids, clock = SystemIds(), SystemClock()
    data = StockReported(shop_connection_id=SHOP, shop_sku=sku, quantity=quantity, reported_at=clock.now())
    meta = Metadata(ids.new(), data.TYPE, "test", clock.now(), sku, "t", quantity)
    return OutRecord(prefix + SHOP_ACTIVITY, sku.encode(), data.model_dump_json().encode(), encode_headers(meta))


async def start(database: str, kafka: str, prefix: str) -> Runtime:
    settings = settings_for(SPEC, database, kafka=kafka, topic_prefix=prefix, lease_seconds=3.0, drain_seconds=5.0)
    runtime = Runtime(SPEC, settings)
    await runtime.start()
    return runtime


async def notes(database: str) -> dict[str, tuple[int, int]]:
    conn = await asyncpg.connect(database)
    try:
        rows = await conn.fetch("SELECT * FROM notes")
    finally:
        await conn.close()
    return {row["sku"]: (row["quantity"], row["times"]) for row in rows}


async def test_every_event_is_handled_once_and_told_on_in_order(database: str, kafka: str, topic_prefix: str) -> None:
    """Two replicas share the work, one leaves in the middle: each fact is noted once, told once, in order per key."""
    await ensure_topics(kafka, [Topic(SHOP_ACTIVITY, "test", "sku"), Topic(STOCK, "probe", "sku")], prefix=topic_prefix)
    producer = KafkaProducer(kafka, "test")
    first = await start(database, kafka, topic_prefix)
    second = await start(database, kafka, topic_prefix)
    skus = [f"sku-{number}" for number in range(40)]
    for quantity in range(1, 26):
        assert all(await producer.send([record(topic_prefix, sku, quantity) for sku in skus]))
        if quantity == 12:
            await second.stop()

    async def all_noted() -> bool:
        found = await notes(database)
        return all(found.get(sku) == (25, 25) for sku in skus)

    await eventually(all_noted)
    told = await read_all(kafka, topic_prefix + STOCK, 40 * 25)
    await first.stop()
    await producer.stop()
    assert {sku: list(dict.fromkeys(versions)) for sku, versions in told.items()} == {
        sku: list(range(1, 26)) for sku in skus
    }


async def test_records_that_nobody_can_read_end_on_the_dead_letter_topic(
    database: str, kafka: str, topic_prefix: str
) -> None:
    await ensure_topics(kafka, [Topic(SHOP_ACTIVITY, "test", "sku"), Topic(STOCK, "probe", "sku")], prefix=topic_prefix)
    producer = KafkaProducer(kafka, "test")
    runtime = await start(database, kafka, topic_prefix)
    good = record(topic_prefix, "good", 1)
    html = OutRecord(good.topic, b"bad", b"<html>502</html>", record(topic_prefix, "bad", 1).headers)
    assert await producer.send([html, good]) == [True, True]

    async def good_is_noted() -> bool:
        return "good" in await notes(database)

    await eventually(good_is_noted)
    dead = await read_all(kafka, f"{topic_prefix}{SHOP_ACTIVITY}.dlq", 1, version_header="dlq_attempts")
    await runtime.stop()
    await producer.stop()
    assert dead == {"bad": [1]}


async def read_all(
    kafka: str, topic: str, expected: int, *, version_header: str = "aggregate_version"
) -> dict[str, list[int]]:
    async def nothing(_: object) -> None:
        return None

    consumer = KafkaConsumer(
        kafka, f"reader-{uuid4().hex}", [topic], client_id="reader", fetch_max_wait_ms=50, on_revoked=nothing
    )
    await consumer.start()
    seen: dict[str, list[int]] = defaultdict(list)
    count = 0
    deadline = time.monotonic() + 30
    while count < expected and time.monotonic() < deadline:
        for item in await consumer.poll(1000, 200):
            assert item.key is not None
            seen[item.key.decode()].append(int(dict(item.headers)[version_header]))
            count += 1
    await consumer.stop()
    return seen
