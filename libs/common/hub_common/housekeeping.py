"""Numbers about a service's own tables, and the removal of rows that have done their duty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from connector_kit.http import Lane
from hub_common.budget_board import BudgetLine, credential_label
from hub_common.database import Conn
from hub_common.http import CallBudget, budget_rows
from hub_common.inbox import BatchResult
from hub_common.kafka.records import InRecord, TopicPartition
from hub_common.leases import LeaseKeeper
from hub_common.metrics import Metrics

BUDGETS_SHOWN = 200
"""Call budgets with metrics of their own, four series each. The API shows all."""
CLEAN_BATCH = 20_000
"""Rows per DELETE: enough to keep up, few enough not to hold locks or bloat the log in one go."""


async def gauges(pool: asyncpg.Pool[asyncpg.Record], metrics: Metrics, now: datetime) -> None:
    """Measure outbox, retries, dead letters, effects and parked work."""
    async with pool.acquire() as conn:
        outbox = await conn.fetchrow("SELECT count(*) AS n, min(created_at) AS oldest FROM outbox")
        retries = await conn.fetch("SELECT topic, count(*) AS n FROM inbox_retry GROUP BY topic")
        letters = await conn.fetch("SELECT topic, count(*) AS n FROM dead_letters WHERE state = 'open' GROUP BY topic")
        effects = await conn.fetch(
            "SELECT kind, state, count(*) AS n, min(created_at) AS oldest FROM effects"
            " WHERE state IN ('PLANNED','RETRY','IN_FLIGHT','SENT','UNKNOWN') GROUP BY kind, state"
        )
        parked = await conn.fetch("SELECT cause, count(*) AS n FROM parked WHERE resolved_at IS NULL GROUP BY cause")
        deadlines = await _tightest(conn)  # type: ignore[arg-type]  # a pool proxy behaves as a connection
    assert outbox is not None
    metrics.deadline_slack_seconds.clear()
    for row in deadlines:
        metrics.deadline_slack_seconds.labels(deadline=row["kind"]).set((row["due_at"] - now).total_seconds())
    metrics.outbox_rows.set(outbox["n"])
    metrics.outbox_oldest_seconds.set((now - outbox["oldest"]).total_seconds() if outbox["oldest"] else 0)
    for gauge, rows in ((metrics.retry_rows, retries), (metrics.dead_letters, letters)):
        gauge.clear()
        for row in rows:
            gauge.labels(topic=row["topic"]).set(row["n"])
    metrics.effects.clear()
    metrics.effects_oldest_seconds.clear()
    for row in effects:
        metrics.effects.labels(kind=row["kind"], state=row["state"]).set(row["n"])
        metrics.effects_oldest_seconds.labels(state=row["state"]).set((now - row["oldest"]).total_seconds())
    metrics.parked.clear()
    for row in parked:
        metrics.parked.labels(cause=row["cause"]).set(row["n"])


async def _tightest(conn: Conn) -> Sequence[asyncpg.Record]:
    """The nearest instant per deadline kind, where this service owns a clock; missed ones count too."""
    if not await conn.fetchval("SELECT to_regclass('deadlines') IS NOT NULL"):
        return ()
    return await conn.fetch(
        "SELECT kind, min(due_at) AS due_at FROM deadlines WHERE met_at IS NULL AND NOT is_test GROUP BY kind"
    )


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
    for name in ("handled", "known", "ignored", "parked", "dead"):
        count = getattr(result, name)
        if count:
            metrics.events_handled.labels(result=name).inc(count)
    for topic in {record.topic for record in records}:
        metrics.event_handle_seconds.labels(topic=topic).observe(seconds)


def lag_metrics(
    metrics: Metrics, lag: Mapping[TopicPartition, int], records: Sequence[InRecord], now: datetime
) -> None:
    """Lag in records, and in seconds: how old the last record handled was while more are waiting behind it."""
    last = {(record.topic, record.partition): record for record in records}
    for partition, waiting in lag.items():
        labels = {"topic": partition.topic, "partition": str(partition.partition)}
        metrics.consumer_lag_records.labels(**labels).set(waiting)
        record = last.get(partition)
        behind = now.timestamp() - record.timestamp_ms / 1000 if waiting and record else 0.0
        if record is not None or not waiting:
            metrics.consumer_lag_seconds.labels(**labels).set(max(0.0, behind))
