"""What a running service exports: each metric is set by the code that knows it, and says what its name says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest

from hub_common.consumer import Consumer
from hub_common.housekeeping import ConsumerWatch, gauges
from hub_common.kafka.records import BrokerDown, InRecord, OutRecord, TopicPartition
from hub_common.metrics import Metrics
from hub_common.parked import Park, park
from hub_common.service import Duty
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause
from hub_common.wake import Wake
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
PARTITION = TopicPartition("hub.orders", 3)


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database) as running:
        yield running


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def measured(metrics: Metrics) -> set[str]:
    """Names of metrics that have at least one sample."""
    return {sample.name for family in metrics.registry.collect() for sample in family.samples}


class FakeConsumer:
    """Says what a consumer would."""

    def __init__(self) -> None:
        self.waiting: dict[TopicPartition, int] = {}
        self.connected, self.rebuilt_total, self.silent = True, 0, 0.0

    def lag(self) -> dict[TopicPartition, int]:
        return self.waiting

    def silent_seconds(self) -> float:
        return self.silent


def record(at: datetime) -> InRecord:
    return InRecord(*PARTITION, 1, b"k", b"{}", [], int(at.timestamp() * 1000))


def test_lag_grows_while_nothing_is_handled_and_a_quiet_night_is_no_lag() -> None:
    metrics, consumer = Metrics(), FakeConsumer()
    watch = ConsumerWatch(metrics, cast(Consumer, consumer), "router")
    labels = {"topic": "hub.orders", "partition": "3"}
    consumer.waiting = {PARTITION: 5}
    watch.handled([record(NOW - timedelta(seconds=40))])
    watch.measure(NOW)
    assert value(metrics, "hub_consumer_lag_seconds", **labels) == 40
    watch.measure(NOW + timedelta(minutes=10))
    assert value(metrics, "hub_consumer_lag_seconds", **labels) == 640, "no batch ends while the database is away"
    assert value(metrics, "hub_consumer_lag_records", **labels) == 5
    consumer.waiting = {PARTITION: 0}
    watch.measure(NOW + timedelta(hours=8))
    assert value(metrics, "hub_consumer_lag_seconds", **labels) == 0
    consumer.waiting = {PARTITION: 1}
    watch.measure(NOW + timedelta(hours=8, seconds=5))
    assert value(metrics, "hub_consumer_lag_seconds", **labels) == 5, "the first order of the morning is new"
    consumer.waiting = {}
    watch.measure(NOW + timedelta(hours=9))
    assert value(metrics, "hub_consumer_lag_seconds", **labels) is None, "another replica reads it now"


def test_a_consumer_is_shown_as_it_is_at_the_scrape() -> None:
    metrics, consumer = Metrics(), FakeConsumer()
    watch = ConsumerWatch(metrics, cast(Consumer, consumer), "router")
    consumer.connected, consumer.silent, consumer.rebuilt_total = False, 300.0, 2
    assert value(metrics, "hub_consumer_connected", group="router") == 0
    assert value(metrics, "hub_consumer_silent_seconds", group="router") == 300
    watch.measure(NOW)
    watch.measure(NOW)
    assert value(metrics, "hub_consumer_rebuilds_total", group="router") == 2


async def test_effects_parked_work_and_letters_have_an_age(harness: Harness) -> None:
    """In doubt since it was sent, not since it was planned; one kind never hides another."""
    pool, metrics, now = harness.runtime.pool, harness.runtime.metrics, harness.clock.now()
    ages = [("ship", "UNKNOWN", 9 * 3600, 60), ("refund", "UNKNOWN", 7200, 3600), ("ship", "PLANNED", 500, None)]
    for number, (kind, state, planned, sent) in enumerate(ages):
        await pool.execute(
            "INSERT INTO effects (effect_id, kind, natural_key, connection_id, credential_ref, tenant, order_key, lane,"
            " state, request, created_at, in_flight_at, deadline)"
            " VALUES ($1, $2, $3, $1, 'c', 't', 'k', 1, $4, '{}', $5, $6, $7)",
            UUID(int=number),
            kind,
            str(number),
            state,
            now - timedelta(seconds=planned),
            now - timedelta(seconds=sent) if sent else None,
            now + timedelta(hours=number - 1),
        )
    await pool.execute(
        "INSERT INTO dead_letters (dead_letter_id, key, topic, partition, record_offset, headers, cause, error,"
        " attempts, first_failed_at, died_at) VALUES ($1, 'k', 'hub.orders', 0, 1, '{}', 'permanent', 'x', 1, $2, $2)",
        uuid4(),
        now - timedelta(seconds=70),
    )
    async with harness.runtime.transactions.begin() as tx:
        one = Park("order", "1", "no_shop", "d", "n", "k", Cause(tenant="t"), due_at=now + timedelta(hours=2))
        test = Park("order", "2", "no_shop", "d", "n", "k", Cause(tenant="t"), due_at=now, is_test=True)
        await park(tx, [one, test])
    await gauges(pool, metrics, now + timedelta(seconds=30))
    assert value(metrics, "hub_effects_oldest_seconds", kind="ship", state="UNKNOWN") == 90
    assert value(metrics, "hub_effects_oldest_seconds", kind="refund", state="UNKNOWN") == 3630
    assert value(metrics, "hub_effects_oldest_seconds", kind="ship", state="PLANNED") == 530
    assert value(metrics, "hub_effects", kind="ship", state="UNKNOWN") == 1
    assert value(metrics, "hub_effects_slack_seconds", kind="ship") == -3630, "the tightest of all its states"
    assert value(metrics, "hub_dead_letters_oldest_seconds", topic="hub.orders") == 100
    assert value(metrics, "hub_parked", cause="no_shop") == 2
    assert value(metrics, "hub_parked_oldest_seconds", cause="no_shop") == 30
    assert value(metrics, "hub_parked_slack_seconds", cause="no_shop") == 7170, "a test order has no deadline"
    assert value(metrics, "hub_gauges_sampled_timestamp_seconds") == (now + timedelta(seconds=30)).timestamp()


class Producer:
    """Confirms records of topics that it likes."""

    async def send(self, records: list[OutRecord]) -> list[bool]:
        return [record.key != b"bad" for record in records]


async def test_what_the_relay_sends_is_counted_by_type(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = harness.runtime
    monkeypatch.setattr(runtime.relay, "_producer", Producer())
    async with runtime.transactions.begin() as tx:
        for key in ("good", "bad"):
            data = StockReported(shop_connection_id=uuid4(), shop_sku=key, quantity=1, reported_at=harness.clock.now())
            tx.emit(data, key=key, cause=Cause(tenant="t"))
    await runtime.pool.execute(
        "INSERT INTO outbox (shard, topic, key, headers, version, value)"
        " SELECT shard, topic, 'copy', '{\"ce_type\": \"made.up.v1\"}', 0, value FROM outbox LIMIT 1"
    )
    assert await runtime.relay.step(list(range(harness.settings.outbox_shards))) == 2
    sent = {
        (sample.labels["type"]): sample.value
        for family in runtime.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "hub_relay_sent_total"
    }
    assert sent == {"stock.reported.v1": 1, "other": 1}
    assert value(runtime.metrics, "hub_relay_unconfirmed_total", topic=SHOP_ACTIVITY) == 1


async def test_a_failing_duty_says_who_is_to_blame(harness: Harness) -> None:
    runtime, wake = harness.runtime, Wake()
    errors = [BrokerDown("x"), ConnectionRefusedError(), RuntimeError("a defect")]

    async def step() -> None:
        error = errors.pop(0)
        runtime.stopping = not errors
        wake.set()
        raise error

    await runtime._run_duty(Duty("relay", step, 0.0, wake))
    for cause in ("broker", "database", "fault"):
        assert value(runtime.metrics, "hub_duty_failures_total", duty="relay", cause=cause) == 1


async def test_a_service_exports_these_from_the_first_scrape(harness: Harness) -> None:
    runtime = harness.runtime
    await runtime._gauges_step()
    await runtime._housekeeping_step()
    assert value(runtime.metrics, "hub_build_info", service="probe", version="unknown") == 1
    assert (value(runtime.metrics, "hub_database_size_bytes") or 0) > 1_000_000
    most = value(runtime.metrics, "hub_database_pool_max_connections")
    async with runtime.pool.acquire():
        assert value(runtime.metrics, "hub_database_pool_connections", state="used") == 1
    assert value(runtime.metrics, "hub_database_pool_connections", state="used") == 0
    assert most == harness.settings.pool_size
    assert measured(runtime.metrics) >= {
        "hub_consumer_connected",
        "hub_consumer_silent_seconds",
        "hub_consumer_rebuilds_total",
        "hub_outbox_oldest_seconds",
        "process_resident_memory_bytes",
    }
