"""The relay on a real outbox and a broker that fails on purpose: order per key is never given up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_common.kafka.records import BrokerDown, OutRecord
from hub_common.relay import Relay, _waves
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause
from hub_contracts.shop_activity import StockReported


class FailingSender:
    """Confirms everything but the records it is told to fail."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []
        self.fail: set[tuple[str, int]] = set()
        self.down = False

    async def send(self, records: Sequence[OutRecord]) -> list[bool]:
        if self.down:
            raise BrokerDown("down")
        results = []
        for record in records:
            version = int(dict(record.headers)["aggregate_version"])
            entry = (record.key.decode(), version)
            ok = entry not in self.fail
            results.append(ok)
            if ok:
                self.log.append(entry)
        return results


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database) as running:
        yield running


async def emit(harness: Harness, *keys: str) -> None:
    async with harness.runtime.transactions.begin() as tx:
        for number, key in enumerate(keys):
            data = StockReported(
                shop_connection_id=uuid4(), shop_sku=key, quantity=number, reported_at=harness.clock.now()
            )
            tx.emit(data, key=key, cause=Cause(tenant="t"))


def relay(harness: Harness, sender: FailingSender, batch: int = 100) -> Relay:
    return Relay(harness.runtime.pool, sender, batch, "probe")


SHARDS = (0, 1, 2, 3)


async def left(harness: Harness) -> int:
    count: int = await harness.runtime.pool.fetchval("SELECT count(*) FROM outbox")
    return count


async def test_everything_committed_is_sent_in_order_per_key(harness: Harness) -> None:
    sender = FailingSender()
    await emit(harness, "a", "b", "a", "c", "a")
    await emit(harness, "b")
    while await relay(harness, sender, batch=4).step(SHARDS):
        pass
    assert await left(harness) == 0
    assert [version for key, version in sender.log if key == "a"] == [1, 2, 3]
    assert [version for key, version in sender.log if key == "b"] == [1, 2]


async def test_a_failed_record_holds_back_its_key_and_nothing_else(harness: Harness) -> None:
    sender = FailingSender()
    sender.fail = {("a", 2)}
    await emit(harness, "a", "a", "a", "b", "b")
    assert await relay(harness, sender).step(SHARDS) == 3
    assert sorted(sender.log) == [("a", 1), ("b", 1), ("b", 2)]
    assert await left(harness) == 2
    sender.fail = set()
    await relay(harness, sender).step(SHARDS)
    assert [version for key, version in sender.log if key == "a"] == [1, 2, 3]


async def test_a_broker_that_is_down_loses_nothing(harness: Harness) -> None:
    sender = FailingSender()
    sender.down = True
    await emit(harness, "a", "b")
    with pytest.raises(BrokerDown):
        await relay(harness, sender).step(SHARDS)
    assert await left(harness) == 2


async def test_shards_that_are_not_held_are_left_alone(harness: Harness) -> None:
    sender = FailingSender()
    await emit(harness, *"abcdefghij")
    mine = await harness.runtime.pool.fetchval("SELECT count(*) FROM outbox WHERE shard = 2")
    assert 0 < mine < 10
    assert await relay(harness, sender).step((2,)) == mine


async def test_an_aborted_transaction_tells_nothing(harness: Harness) -> None:
    with pytest.raises(RuntimeError):
        async with harness.runtime.transactions.begin() as tx:
            data = StockReported(shop_connection_id=uuid4(), shop_sku="a", quantity=1, reported_at=tx.now)
            tx.emit(data, key="a", cause=Cause(tenant="t"))
            raise RuntimeError("handler failed")
    assert await left(harness) == 0


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_waves_hold_one_record_per_key_and_keep_their_order(keys: list[str]) -> None:
    rows = [{"topic": "t", "key": key, "id": number} for number, key in enumerate(keys)]
    waves = _waves(rows)  # type: ignore[arg-type]
    for wave in waves:
        assert len({row["key"] for row in wave}) == len(wave)
    for key in "abc":
        assert [row["id"] for wave in waves for row in wave if row["key"] == key] == [
            row["id"] for row in rows if row["key"] == key
        ]
