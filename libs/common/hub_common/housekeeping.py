"""Numbers about a service's own tables, and the removal of rows that have done their duty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import asyncpg
from prometheus_client import Gauge

from connector_kit.http import Lane
from hub_common.budget_board import BudgetLine, credential_label
from hub_common.consumer import Consumer
from hub_common.errors import is_storage_down
from hub_common.http import CallBudget, budget_rows
from hub_common.inbox import BatchResult
from hub_common.kafka.records import BrokerDown, InRecord, TopicPartition
from hub_common.leases import LeaseKeeper
from hub_common.metrics import DutyTrouble, Metrics, Urgency
from hub_common.relay import Observe
from hub_contracts.registry import BY_TYPE

BUDGETS_SHOWN = 200
"""Call budgets with metrics of their own, four series each. The API shows all."""
CLEAN_BATCH = 20_000
"""Rows per DELETE: enough to keep up, few enough not to hold locks or bloat the log in one go."""


OUTBOX = "SELECT count(*) AS n, min(created_at) AS oldest FROM outbox"
RETRIES = "SELECT topic, count(*) AS n, min(first_failed_at) AS oldest FROM inbox_retry GROUP BY topic"
LETTERS = "SELECT topic, count(*) AS n, min(died_at) AS oldest FROM dead_letters WHERE state = 'open' GROUP BY topic"
EFFECTS = """
SELECT kind, state, count(*) AS n, min(deadline) AS due_at,
       min(CASE WHEN state IN ('PLANNED','RETRY') THEN created_at ELSE coalesce(in_flight_at, created_at) END) AS oldest
FROM effects WHERE state IN ('PLANNED','RETRY','IN_FLIGHT','SENT','UNKNOWN') GROUP BY kind, state
"""
"""In doubt for how long: an effect that waited a week for its turn and was sent a second ago is not old."""
PARKED = """
SELECT cause, count(*) AS n, min(parked_at) AS oldest, min(due_at) FILTER (WHERE NOT is_test) AS due_at
FROM parked WHERE resolved_at IS NULL GROUP BY cause
"""
DEADLINES = """
SELECT kind, min(due_at) AS due_at, min(due_at) FILTER (WHERE due_at > $1) AS next_at,
       count(*) FILTER (WHERE due_at <= $1) AS missed,
       count(*) FILTER (WHERE due_at > $1 AND due_at <= $1 + interval '1 hour') AS hour,
       count(*) FILTER (WHERE due_at > $1 + interval '1 hour' AND due_at - $1 < (due_at - starts_at) / 4) AS quarter,
       count(*) FILTER (WHERE due_at > $1 + interval '1 hour' AND due_at - $1 >= (due_at - starts_at) / 4) AS later
FROM deadlines WHERE met_at IS NULL AND NOT is_test GROUP BY kind
"""


async def gauges(pool: asyncpg.Pool[asyncpg.Record], metrics: Metrics, now: datetime) -> None:
    """Measure outbox, retries, dead letters, effects, parked work and deadlines. All or nothing: what was measured
    belongs to the instant in `hub_gauges_sampled_timestamp_seconds`."""
    async with pool.acquire() as conn:
        outbox = await conn.fetchrow(OUTBOX)
        retries, letters = await conn.fetch(RETRIES), await conn.fetch(LETTERS)
        effects, parked = await conn.fetch(EFFECTS), await conn.fetch(PARKED)
        has_clocks = await conn.fetchval("SELECT to_regclass('deadlines') IS NOT NULL")
        deadlines = await conn.fetch(DEADLINES, now) if has_clocks else []
    assert outbox is not None
    metrics.outbox_rows.set(outbox["n"])
    metrics.outbox_oldest_seconds.set((now - outbox["oldest"]).total_seconds() if outbox["oldest"] else 0)
    by_topic = ("topic",)
    _counts(retries, by_topic, now, metrics.retry_rows, metrics.retry_oldest_seconds)
    _counts(letters, by_topic, now, metrics.dead_letters, metrics.dead_letters_oldest_seconds)
    _counts(effects, ("kind", "state"), now, metrics.effects, metrics.effects_oldest_seconds)
    _counts(parked, ("cause",), now, metrics.parked, metrics.parked_oldest_seconds)
    _slack(effects, "kind", now, metrics.effects_slack_seconds)
    _slack(parked, "cause", now, metrics.parked_slack_seconds)
    _slack(deadlines, "kind", now, metrics.deadline_slack_seconds)
    _slack(deadlines, "kind", now, metrics.deadline_next_slack_seconds, due="next_at")
    metrics.deadlines.clear()
    for row in deadlines:
        for urgency in Urgency:
            metrics.deadlines.labels(row["kind"], urgency.value).set(row[urgency.value])
    metrics.sampled_timestamp_seconds.set(now.timestamp())


def _counts(rows: Sequence[asyncpg.Record], keys: Sequence[str], now: datetime, counts: Gauge, ages: Gauge) -> None:
    counts.clear()
    ages.clear()
    for row in rows:
        labels = [row[key] for key in keys]
        counts.labels(*labels).set(row["n"])
        ages.labels(*labels).set(max(0.0, (now - row["oldest"]).total_seconds()))


def _slack(rows: Sequence[asyncpg.Record], key: str, now: datetime, gauge: Gauge, due: str = "due_at") -> None:
    """The tightest per key; several rows (states of a kind) may share one."""
    tightest: dict[str, float] = {}
    for row in rows:
        if row[due] is not None:
            left = (row[due] - now).total_seconds()
            tightest[row[key]] = min(left, tightest.get(row[key], left))
    gauge.clear()
    for name, left in tightest.items():
        gauge.labels(name).set(left)


async def database_size(pool: asyncpg.Pool[asyncpg.Record], metrics: Metrics) -> None:
    """Measure the database on disk. The server looks at every file, so seldom."""
    metrics.database_size_bytes.set(await pool.fetchval("SELECT pg_database_size(current_database())"))


def first_metrics(metrics: Metrics, service: str, pool: asyncpg.Pool[asyncpg.Record], now: datetime) -> None:
    """What is there from the first scrape on: the release, and the pool as it is at the moment of a scrape, also while
    nothing else can be measured for want of a connection."""
    try:
        release = version(service)
    except PackageNotFoundError:
        release = "unknown"
    metrics.build_info.labels(service, release).set(1)
    metrics.sampled_timestamp_seconds.set(now.timestamp())
    metrics.database_pool_max_connections.set(pool.get_max_size())
    used = metrics.database_pool_connections.labels("used")
    used.set_function(lambda: pool.get_size() - pool.get_idle_size())
    metrics.database_pool_connections.labels("idle").set_function(pool.get_idle_size)


def relay_observer(metrics: Metrics) -> Observe:
    """Counts what the relay sends, by types of the contract; copies of foreign records count as `other`."""

    def observe(topic: str, name: str, confirmed: bool) -> None:
        if confirmed:
            metrics.relay_sent.labels(topic, name if name in BY_TYPE else "other").inc()
        else:
            metrics.relay_unconfirmed.labels(topic).inc()

    return observe


def trouble_of(error: Exception) -> DutyTrouble:
    """Who is to blame for a failed step."""
    if isinstance(error, BrokerDown):
        return DutyTrouble.BROKER
    return DutyTrouble.DATABASE if is_storage_down(error) else DutyTrouble.FAULT


def lease_metrics(metrics: Metrics, leases: LeaseKeeper, budgets: Mapping[str, CallBudget]) -> None:
    """How many leases this replica holds by kind, and how many calls its credentials have left, summed over those
    that have been used."""
    metrics.lease_held.clear()
    for lease in leases.held():
        metrics.lease_held.labels(lease=lease.name.partition(":")[0]).inc()
    metrics.budget_tokens.clear()
    for budget in budgets.values():
        for operation, _ in budget.used_buckets():
            metrics.budget_tokens.labels(operation=operation).inc(budget.available(operation, Lane.LIVE))


def budget_metrics(metrics: Metrics, lines: Sequence[BudgetLine], now: datetime) -> None:
    """The call budgets nearest to their end; with thousands of credentials the rest would only be noise."""
    gauges = (
        metrics.call_budget_used_ratio,
        metrics.call_budget_left,
        metrics.call_budget_forecast_ratio,
        metrics.call_budget_penalised_seconds,
    )
    for gauge in gauges:
        gauge.clear()
    for line in lines:
        silent = (line.penalised_until - now).total_seconds() if line.penalised_until else 0.0
        for gauge, value in zip(gauges, (line.used_ratio, line.left, line.forecast.ratio, silent), strict=True):
            gauge.labels(credential_label(line.credential_ref), line.connector, line.operation).set(value)


async def clean(pool: asyncpg.Pool[asyncpg.Record], before: datetime) -> int:
    """Forget inbox ids older than any redrive can be, returns how many; and counts of calls untouched for as long."""
    await pool.execute(budget_rows.FORGET, before)
    deleted = 0
    while True:
        status = await pool.execute(
            "DELETE FROM inbox WHERE ctid IN (SELECT ctid FROM inbox WHERE received_at < $1 LIMIT $2)",
            before,
            CLEAN_BATCH,
        )
        count = int(status.split()[-1])
        deleted += count
        if count < CLEAN_BATCH:
            return deleted


def batch_metrics(metrics: Metrics, records: Sequence[InRecord], result: BatchResult, seconds: float) -> None:
    """Count what a batch did."""
    for name in ("handled", "known", "ignored", "unknown", "parked", "dead"):
        count = getattr(result, name)
        if count:
            metrics.events_handled.labels(result=name).inc(count)
    for topic in {record.topic for record in records}:
        metrics.event_handle_seconds.labels(topic=topic).observe(seconds)


class ConsumerWatch:
    """What a consumer looks like. Silence and connection are those of the moment of a scrape, so they show a consumer
    that hangs; lag is measured again and again, not only when a batch ends: behind a database that is away there are no
    batches, and a lag that stands still would look like none."""

    def __init__(self, metrics: Metrics, consumer: Consumer, group: str) -> None:
        self._metrics, self._consumer = metrics, consumer
        self._handled: dict[TopicPartition, float] = {}
        self._shown: set[TopicPartition] = set()
        metrics.consumer_connected.labels(group).set_function(lambda: float(consumer.connected))
        metrics.consumer_silent_seconds.labels(group).set_function(consumer.silent_seconds)
        self._rebuilds = metrics.consumer_rebuilds.labels(group)
        self._rebuilt = 0

    def handled(self, records: Sequence[InRecord]) -> None:
        """Remember up to when partitions are done."""
        for record in records:
            self._handled[TopicPartition(record.topic, record.partition)] = record.timestamp_ms / 1000

    def measure(self, now: datetime) -> None:
        """Lag of the partitions that are read here. Seconds are the age of the last record handled while more wait
        behind it; where none was handled yet, the time since some were first seen waiting."""
        lag, rebuilt = self._consumer.lag(), self._consumer.rebuilt_total
        self._rebuilds.inc(rebuilt - self._rebuilt)
        self._rebuilt = rebuilt
        for gone in self._shown - lag.keys():
            for gauge in (self._metrics.consumer_lag_records, self._metrics.consumer_lag_seconds):
                gauge.remove(gone.topic, str(gone.partition))
        for gone in self._handled.keys() - lag.keys():
            del self._handled[gone]
        self._shown = set(lag)
        instant = now.timestamp()
        for partition, waiting in lag.items():
            if not waiting:
                # What comes after a quiet night is new, however long ago the record before it was handled.
                self._handled[partition] = instant
            behind = instant - self._handled.setdefault(partition, instant)
            labels = partition.topic, str(partition.partition)
            self._metrics.consumer_lag_records.labels(*labels).set(waiting)
            self._metrics.consumer_lag_seconds.labels(*labels).set(max(0.0, behind))
