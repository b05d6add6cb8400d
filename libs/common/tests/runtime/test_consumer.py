"""The consuming loop against a scripted broker: fetching ahead never loses, skips or commits too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import cast
from uuid import UUID

import pytest

from hub_common.clock import SystemClock
from hub_common.consumer import Consumer
from hub_common.inbox import BatchResult, Inbox
from hub_common.kafka.client import KafkaConsumer, OnRevoked
from hub_common.kafka.records import BrokerDown, InRecord, TopicPartition
from hub_common.testing import Harness
from hub_common.testing.probe import handlers
from hub_common.testing.probe.main import SPEC
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY

SHOP = UUID(int=1)
PARTITION = TopicPartition(SHOP_ACTIVITY, 0)


class Log:
    """One partition as the broker keeps it, and what the group committed."""

    def __init__(self) -> None:
        self.records: list[InRecord] = []
        self.committed = 0
        self.commits: list[int] = []
        self.refuse_commit = False
        self.clients: list[ScriptedClient] = []


class ScriptedClient:
    """A member of the group: reads on from its position, which begins at what is committed."""

    def __init__(self, log: Log, on_revoked: OnRevoked) -> None:
        self.log, self.on_revoked = log, on_revoked
        self.position = log.committed
        self.before_commit: Callable[[], None] | None = None
        log.clients.append(self)

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        return None

    async def poll(self, max_records: int, timeout_ms: int) -> list[InRecord]:
        if self.position == len(self.log.records):
            await asyncio.sleep(timeout_ms / 1000)
        found = self.log.records[self.position : self.position + max_records]
        self.position += len(found)
        return found

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> bool:
        await asyncio.sleep(0)
        if self.log.refuse_commit:
            self.log.refuse_commit = False
            raise BrokerDown("commit failed")
        if self.before_commit:
            self.before_commit()
        self.log.committed = offsets[PARTITION]
        self.log.commits.append(offsets[PARTITION])
        return True

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({PARTITION})

    def lag(self) -> dict[TopicPartition, int]:
        return {PARTITION: len(self.log.records) - self.position}

    async def rebalance(self) -> None:
        """Take the partition away and give it back: reading goes on from what is committed."""
        await self.on_revoked([PARTITION])
        self.position = self.log.committed


class Stand:
    """A consumer of the probe service on a scripted log."""

    def __init__(self, harness: Harness) -> None:
        self.harness, self.log = harness, Log()
        self.results: list[BatchResult] = []
        self.inbox: Inbox = harness.runtime.inbox
        self.consumer = Consumer(
            lambda on_revoked: cast(KafkaConsumer, ScriptedClient(self.log, on_revoked)),
            self.inbox,
            clock=SystemClock(),
            max_records=2,
            poll_timeout_ms=1,
            on_batch=lambda _, result, __: self.results.append(result),
            service="probe",
        )

    @property
    def client(self) -> ScriptedClient:
        return self.log.clients[-1]

    def add(self, *skus: str) -> None:
        for sku in skus:
            data = StockReported(
                shop_connection_id=SHOP, shop_sku=sku, quantity=1, reported_at=self.harness.clock.now()
            )
            record = self.harness.record(sku, data)
            self.log.records.append(record._replace(topic=SHOP_ACTIVITY, offset=len(self.log.records)))

    async def drain(self) -> None:
        """Step until everything is committed."""
        async with asyncio.timeout(20):
            while self.log.committed < len(self.log.records):
                await self.consumer.step()

    async def noted(self) -> dict[str, int]:
        rows = await self.harness.runtime.pool.fetch("SELECT sku, times FROM notes")
        return {row["sku"]: row["times"] for row in rows}


@pytest.fixture
async def stand(database: str) -> AsyncIterator[Stand]:
    async with Harness(SPEC, database) as harness:
        made = Stand(harness)
        yield made
        await made.consumer.stop()
    handlers.failing.clear()


async def test_every_record_is_handled_and_committed_in_order(stand: Stand) -> None:
    stand.add(*"abcdefg")
    await stand.drain()
    assert await stand.noted() == dict.fromkeys("abcdefg", 1)
    assert stand.log.commits == [2, 4, 6, 7]
    assert [result.handled for result in stand.results] == [2, 2, 2, 1]


async def test_offsets_never_lead_the_database(stand: Stand) -> None:
    stand.add(*"abcdef")
    handled: list[int] = []
    handle = stand.inbox.handle
    ahead: list[tuple[int, int]] = []

    async def counting(batch: object) -> BatchResult:
        result = await handle(batch)  # type: ignore[arg-type]
        handled.append(result.handled)
        stand.client.before_commit = lambda: ahead.append((stand.log.committed, sum(handled)))
        return result

    stand.inbox.handle = counting  # type: ignore[method-assign]
    await stand.drain()
    assert all(committed < done for committed, done in ahead)
    assert stand.log.commits == [2, 4, 6]


async def test_what_was_fetched_ahead_is_dropped_when_the_partition_is_revoked(stand: Stand) -> None:
    stand.add(*"abcd")
    await stand.consumer.step()
    assert stand.client.position == 4
    await stand.client.rebalance()
    assert stand.log.committed == 2
    await stand.drain()
    assert await stand.noted() == dict.fromkeys("abcd", 1)
    assert [result.known for result in stand.results] == [0, 0]


async def test_a_refused_commit_repeats_the_batch_and_changes_nothing(stand: Stand) -> None:
    stand.add(*"ab")
    stand.log.refuse_commit = True
    await stand.drain()
    assert await stand.noted() == {"a": 1, "b": 1}
    assert len(stand.log.clients) == 2
    assert stand.results[-1].known == 2


async def test_an_unexpected_failure_skips_no_record(stand: Stand) -> None:
    """The client has moved on in memory; going on with it would commit past what was never handled."""
    stand.add(*"abcd")
    handle = stand.inbox.handle
    failed: list[object] = []

    async def failing_once(batch: object) -> BatchResult:
        if not failed:
            failed.append(batch)
            raise RuntimeError("a defect")
        return await handle(batch)  # type: ignore[arg-type]

    stand.inbox.handle = failing_once  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="a defect"):
        await stand.consumer.step()
    await stand.drain()
    assert await stand.noted() == dict.fromkeys("abcd", 1)


async def test_few_records_fetched_ahead_are_joined_by_what_came_since(stand: Stand) -> None:
    stand.add("a")
    await stand.consumer.step()
    stand.add("b")
    await asyncio.sleep(0)
    stand.add("c")
    await stand.drain()
    assert sum(result.handled for result in stand.results) == 3
    assert await stand.noted() == dict.fromkeys("abc", 1)


async def test_stopping_leaves_what_was_fetched_ahead_to_the_next(stand: Stand) -> None:
    stand.add(*"abcd")
    await stand.consumer.step()
    await stand.consumer.stop()
    assert stand.log.committed == 2
    assert await stand.noted() == dict.fromkeys("ab", 1)
