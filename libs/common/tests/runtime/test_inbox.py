"""The inbox on a real database: batches, repeats, poison, order per key, dead letters and their redrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_common.dead_letters import discard, redrive
from hub_common.errors import is_storage_down
from hub_common.kafka.records import InRecord
from hub_common.routing import stages
from hub_common.testing import Harness
from hub_common.testing.probe import handlers
from hub_common.testing.probe.main import SPEC
from hub_common.testing.schema import schema_differences
from hub_contracts.base import EventData, Money
from hub_contracts.envelope import Event, Metadata
from hub_contracts.shop_activity import PriceReported, StockReported

SHOP = uuid4()


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database) as running:
        yield running
    handlers.failing.clear()


def stock(harness: Harness, sku: str, quantity: int) -> tuple[str, StockReported]:
    return sku, StockReported(shop_connection_id=SHOP, shop_sku=sku, quantity=quantity, reported_at=harness.clock.now())


async def levels(harness: Harness) -> dict[str, tuple[int, int]]:
    rows = await harness.runtime.pool.fetch("SELECT * FROM notes")
    return {row["sku"]: (row["quantity"], row["times"]) for row in rows}


async def test_migrated_schema_is_what_the_code_believes(harness: Harness) -> None:
    dsn = harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


async def test_a_batch_is_handled_once_and_told_in_order(harness: Harness) -> None:
    result = await harness.feed(stock(harness, "A", 1), stock(harness, "B", 2), stock(harness, "A", 3))
    assert (result.handled, result.known) == (3, 0)
    assert await levels(harness) == {"A": (3, 2), "B": (2, 1)}
    told = await harness.emitted()
    assert [(e.key, e.data.available, e.version) for e in told] == [("A", 1, 1), ("B", 2, 1), ("A", 3, 2)]
    assert all(e.headers["ce_causationid"] for e in told)


async def test_versions_go_on_where_the_last_transaction_stopped(harness: Harness) -> None:
    await harness.feed(stock(harness, "A", 1), stock(harness, "A", 2))
    await harness.feed(stock(harness, "A", 3))
    assert [e.version for e in await harness.emitted()] == [1, 2, 3]


async def test_a_repeated_event_changes_nothing(harness: Harness) -> None:
    event_id = uuid4()
    await harness.feed(stock(harness, "A", 1), event_ids=[event_id])
    result = await harness.feed(stock(harness, "A", 1), event_ids=[event_id])
    assert (result.handled, result.known) == (0, 1)
    assert await levels(harness) == {"A": (1, 1)}
    assert len(await harness.emitted()) == 1


async def test_an_event_sent_twice_in_one_batch_is_handled_once(harness: Harness) -> None:
    event_id = uuid4()
    result = await harness.feed(stock(harness, "A", 1), stock(harness, "A", 1), event_ids=[event_id, event_id])
    assert (result.handled, result.known) == (1, 1)
    assert await levels(harness) == {"A": (1, 1)}
    assert len(await harness.emitted()) == 1


async def test_one_poisoned_event_hurts_only_itself(harness: Harness) -> None:
    result = await harness.feed(stock(harness, "A", 1), stock(harness, handlers.POISON_SKU, 1), stock(harness, "B", 2))
    assert (result.handled, result.dead) == (2, 1)
    assert set(await levels(harness)) == {"A", "B"}
    letters = await harness.runtime.pool.fetch("SELECT * FROM dead_letters")
    assert [row["cause"] for row in letters] == ["permanent"]
    told = await harness.emitted()
    dlq = [e for e in told if e.topic.endswith(".dlq")]
    assert [e.topic for e in dlq] == ["hub.shop-activity.dlq"]
    assert dlq[0].headers["dlq_source"].startswith("hub.shop-activity/0/")
    assert dlq[0].headers["dlq_consumer"] == "probe"


async def test_a_dead_letter_delivered_again_is_not_buried_twice(harness: Harness) -> None:
    record = harness.record(*stock(harness, handlers.POISON_SKU, 1))
    await harness.runtime.inbox.process([record])
    await harness.runtime.inbox.process([record])
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM dead_letters") == 1
    assert len(await harness.emitted()) == 1


async def test_undecodable_bytes_become_a_dead_letter_with_the_bytes(harness: Harness) -> None:
    good = harness.record(*stock(harness, "A", 1))
    html = InRecord(good.topic, 0, 90, b"A", b"<html>no</html>", good.headers, 0)
    headless = InRecord(good.topic, 0, 91, b"A", b"{}", [("ce_type", b"stock.reported.v1")], 0)
    result = await harness.runtime.inbox.process([html, headless, good])
    assert (result.dead, result.handled) == (2, 1)
    rows = await harness.runtime.pool.fetch("SELECT value, cause, error FROM dead_letters ORDER BY record_offset")
    assert [row["value"] for row in rows] == [b"<html>no</html>", b"{}"]
    assert [row["cause"] for row in rows] == ["undecodable", "undecodable"]
    assert "ce_id" in rows[1]["error"]


async def test_a_passing_failure_parks_the_key_and_lets_others_flow(harness: Harness) -> None:
    handlers.failing.add("A")
    result = await harness.feed(stock(harness, "A", 1), stock(harness, "B", 1), stock(harness, "A", 2))
    assert (result.handled, result.parked) == (1, 2)
    await harness.feed(stock(harness, "A", 3), stock(harness, "C", 1))
    assert set(await levels(harness)) == {"B", "C"}
    handlers.failing.clear()
    await harness.make_due()
    while await harness.runtime.retrier.step():
        pass
    assert (await levels(harness))["A"] == (3, 3)
    told = [e.data.available for e in await harness.emitted() if e.key == "A"]
    assert told == [1, 2, 3]


async def test_a_database_that_takes_no_writes_blames_no_event(harness: Harness) -> None:
    """Full, or failed over to a standby: the batch is repeated until it can be written, however often that is."""
    pool = harness.runtime.pool
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await pool.expire_connections()
    for _ in range(3):
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as refused:
            await harness.feed(stock(harness, "A", 5))
        assert is_storage_down(refused.value)
    async with pool.acquire() as conn:
        await conn.execute("SET default_transaction_read_only = off")
        await conn.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    await pool.expire_connections()
    counts = "SELECT (SELECT count(*) FROM inbox_retry), (SELECT count(*) FROM dead_letters)"
    assert tuple(await pool.fetchrow(counts) or ()) == (0, 0)
    await harness.feed(stock(harness, "A", 5))
    assert set(await levels(harness)) == {"A"}


async def test_later_events_of_a_key_wait_behind_a_failing_head(harness: Harness) -> None:
    handlers.failing.add("A")
    await harness.feed(stock(harness, "A", 1), stock(harness, "A", 2))
    handlers.failing.clear()
    await harness.runtime.pool.execute(
        "UPDATE inbox_retry SET next_at = CASE WHEN seq = (SELECT min(seq) FROM inbox_retry)"
        " THEN now() + interval '1 h' ELSE now() - interval '1 s' END"
    )
    assert await harness.runtime.retrier.step() is False
    assert await levels(harness) == {}


async def test_retries_that_are_used_up_become_a_dead_letter_and_can_be_redriven(harness: Harness) -> None:
    handlers.failing.add("A")
    await harness.feed(stock(harness, "A", 1))
    for _ in range(harness.settings.retry_max_attempts):
        await harness.make_due()
        await harness.runtime.retrier.step()
    letter = await harness.runtime.pool.fetchrow("SELECT * FROM dead_letters")
    assert letter is not None
    assert letter["cause"] == "retries_exhausted"
    handlers.failing.clear()
    ids = [letter["dead_letter_id"]]
    assert await redrive(harness.runtime.transactions, ids, actor="tester", dry_run=True) == ids
    assert await harness.runtime.retrier.step() is False
    assert await redrive(harness.runtime.transactions, ids, actor="tester") == ids
    assert await redrive(harness.runtime.transactions, ids, actor="tester") == []
    await harness.make_due()
    await harness.runtime.retrier.step()
    assert await levels(harness) == {"A": (1, 1)}


async def test_discarding_needs_a_reason_and_keeps_the_row(harness: Harness) -> None:
    await harness.feed(stock(harness, handlers.POISON_SKU, 1))
    ids = [await harness.runtime.pool.fetchval("SELECT dead_letter_id FROM dead_letters")]
    with pytest.raises(ValueError, match="reason"):
        await discard(harness.runtime.transactions, ids, actor="tester", reason=" ")
    assert await discard(harness.runtime.transactions, ids, actor="tester", reason="invented for a test") == ids
    row = await harness.runtime.pool.fetchrow("SELECT state, settled_by, value FROM dead_letters")
    assert row is not None
    assert (row["state"], row["settled_by"]) == ("discarded", "tester")
    assert row["value"] is not None


async def test_types_that_no_release_so_far_knows_are_passed_over_and_counted(harness: Harness) -> None:
    good = harness.record(*stock(harness, "A", 1))
    headers = [(name, b"stock.reported.v9" if name == "ce_type" else value) for name, value in good.headers]
    result = await harness.runtime.inbox.process([InRecord(good.topic, 0, 1, b"A", b"{}", headers, 0)])
    assert (result.ignored, result.unknown, result.dead) == (0, 1, 0)


def event_of(key: str, kind: int, number: int) -> Event[EventData]:
    from datetime import UTC, datetime

    at = datetime(2026, 11, 2, tzinfo=UTC)
    data: EventData = (
        StockReported(shop_connection_id=SHOP, shop_sku=key, quantity=number, reported_at=at)
        if kind == 0
        else PriceReported(
            shop_connection_id=SHOP, shop_sku=key, price=Money(amount=number, currency="EUR"), reported_at=at
        )
    )
    return Event(Metadata(uuid4(), data.TYPE, "t", at, key, "t", number), data)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), max_size=40))
def test_stages_never_swap_two_events_of_one_key(shape: list[tuple[str, int]]) -> None:
    events = [event_of(key, kind, number) for number, (key, kind) in enumerate(shape)]
    called = [event for _, group in stages(events) for event in group]
    assert len(called) == len(events)
    for key in "abc":
        assert [e.meta.event_id for e in called if e.key == key] == [e.meta.event_id for e in events if e.key == key]


def test_stages_make_one_call_per_type_when_keys_are_apart() -> None:
    events = [event_of(f"k{i}", i % 2, i) for i in range(100)]
    assert len(list(stages(events))) == 2
