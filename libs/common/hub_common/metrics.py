"""What a service measures. One registry per service, because several services may share a process.

Names, labels and units are fixed here, so that dashboards and alert rules can be checked against the code. A label only
takes values that the code or the set-up bounds (kinds, causes, topics, connections), never an order or a person.
"""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

PREFIX = "hub"
HANDLE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. One batch is one transaction of milliseconds; seconds mean trouble."""
CALL_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
"""Seconds. Marketplaces answer in tenths to seconds; calls end at the total time-out."""
BUILD = ("service", "version")
_NOT_MADE = frozenset({"not_sent", "forbidden"})


class Urgency(StrEnum):
    """How near an open deadline is; each is counted once, so what is below an hour is not `quarter` as well."""

    MISSED = "missed"
    HOUR = "hour"
    """Less than an hour left."""
    QUARTER = "quarter"
    """More than an hour, but less than a quarter of the time left."""
    LATER = "later"


class DutyTrouble(StrEnum):
    """Why a step of a duty failed."""

    BROKER = "broker"
    DATABASE = "database"
    FAULT = "fault"
    """Neither: a defect, or a database that refuses a statement."""


class Metrics:
    """All metrics of one service, prefix `hub_`. Ages and slacks are seconds; a negative slack is a missed deadline.

    What tables hold is sampled every few seconds and the same at every replica: take the maximum. What a process does
    is its own: take the sum.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._of_process()
        self._of_delivery()
        self._of_relay()
        self._of_waiting()
        self._of_work()
        self._of_calls()

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _of_process(self) -> None:
        self.build_info = self._gauge("build_info", "Always 1; says which release of which service", *BUILD)
        self.sampled_timestamp_seconds = self._gauge(
            "gauges_sampled_timestamp_seconds", "When the tables were last measured; other gauges are as old as this"
        )
        self.duty_failures = self._counter(
            "duty_failures", "Steps of duties that failed, by cause (broker, database, fault)", "duty", "cause"
        )
        self.database_pool_connections = self._gauge(
            "database_pool_connections", "Connections of the pool, by state (used, idle)", "state"
        )
        self.database_pool_max_connections = self._gauge(
            "database_pool_max_connections", "Connections that the pool may open"
        )
        self.database_size_bytes = self._gauge("database_size_bytes", "Size of the service's database on disk")
        self.lease_held = self._gauge("lease_held", "Leases that this process holds, by kind", "lease")

    def _of_delivery(self) -> None:
        self.consumer_connected = self._gauge(
            "consumer_connected", "1 while the consumer is a member of its group", "group"
        )
        self.consumer_silent_seconds = self._gauge(
            "consumer_silent_seconds",
            "Time since the consumer handled records or was told that none wait",
            "group",
        )
        self.consumer_rebuilds = self._counter(
            "consumer_rebuilds", "Times that the consumer threw its client away to build another", "group"
        )
        self.consumer_lag_seconds = self._gauge(
            "consumer_lag_seconds", "Age of the next record to handle", "topic", "partition"
        )
        self.consumer_lag_records = self._gauge("consumer_lag_records", "Records not yet handled", "topic", "partition")
        self.events_handled = self._counter(
            "events_handled",
            "Events of consumed batches, by result (handled, known, ignored, unknown, parked, dead)",
            "result",
        )
        self.event_handle_seconds = Histogram(
            "event_handle_seconds",
            "Time from fetching a batch to its commit",
            ("topic",),
            namespace=PREFIX,
            buckets=HANDLE_BUCKETS,
            registry=self.registry,
        )

    def _of_relay(self) -> None:
        self.outbox_oldest_seconds = self._gauge("outbox_oldest_seconds", "Age of the oldest unsent outbox row")
        self.outbox_rows = self._gauge("outbox_rows", "Outbox rows not yet sent")
        self.relay_sent = self._counter("relay_sent", "Events that the broker confirmed, by type", "topic", "type")
        self.relay_unconfirmed = self._counter(
            "relay_unconfirmed", "Times that the broker did not confirm an event; it stays in the outbox", "topic"
        )

    def _of_waiting(self) -> None:
        self.dead_letters = self._gauge("dead_letters", "Dead letters that nobody has dealt with", "topic")
        self.dead_letters_oldest_seconds = self._gauge(
            "dead_letters_oldest_seconds", "Time since the oldest open dead letter died", "topic"
        )
        self.retry_rows = self._gauge("retry_rows", "Events waiting to be tried again", "topic")
        self.retry_oldest_seconds = self._gauge(
            "retry_oldest_seconds", "Time since the oldest waiting event first failed", "topic"
        )
        self.parked = self._gauge("parked", "Units of work that wait for a person or a fact", "cause")
        self.parked_oldest_seconds = self._gauge(
            "parked_oldest_seconds", "Time for which the oldest parked unit has waited", "cause"
        )
        self.parked_slack_seconds = self._gauge(
            "parked_slack_seconds", "Time left until the nearest instant at which parked work is due", "cause"
        )

    def _of_work(self) -> None:
        self.effects = self._gauge("effects", "Effects that are not finished", "kind", "state")
        self.effects_oldest_seconds = self._gauge(
            "effects_oldest_seconds",
            "Age of the oldest effect of a state: since planned, or since sent when it was",
            "kind",
            "state",
        )
        self.effects_slack_seconds = self._gauge(
            "effects_slack_seconds", "Time left until the nearest deadline of an effect that is not finished", "kind"
        )
        self.deadline_slack_seconds = self._gauge(
            "deadline_slack_seconds",
            "Time left until the nearest deadline nobody has met; negative = missed",
            "deadline",
        )
        self.deadline_next_slack_seconds = self._gauge(
            "deadline_next_slack_seconds", "Time left until the nearest deadline still ahead", "deadline"
        )
        self.deadlines = self._gauge(
            "deadlines",
            "Deadlines nobody has met: missed, less than an hour, less than a quarter of the time left, later",
            "deadline",
            "urgency",
        )
        self.poller_age_seconds = self._gauge("poller_age_seconds", "Time since the last successful poll", "connection")
        self.poller_interval_seconds = self._gauge(
            "poller_interval_seconds", "How often the connection is to be polled", "connection"
        )
        self.orders_received = self._counter("orders_received", "New orders that polls brought", "connection")

    def _of_calls(self) -> None:
        self.http_calls = self._counter(
            "http_calls",
            "Outside calls, by status class (2xx…, not_sent, forbidden, ambiguous, bad_answer)",
            "connector",
            "operation",
            "status",
        )
        self.http_call_seconds = Histogram(
            "http_call_seconds",
            "Duration of outside calls that were made",
            ("connector", "operation"),
            namespace=PREFIX,
            buckets=CALL_BUCKETS,
            registry=self.registry,
        )
        self.budget_tokens = self._gauge(
            "budget_tokens", "Calls that could be made at once, all credentials", "operation"
        )
        whose = ("credential", "connector", "operation")
        self.call_budget_used_ratio = self._gauge(
            "call_budget_used_ratio", "Share of the calls of the window that are used", *whose
        )
        self.call_budget_left = self._gauge(
            "call_budget_left", "Calls that could be made at once, the reserve included", *whose
        )
        self.call_budget_forecast_ratio = self._gauge(
            "call_budget_forecast_ratio",
            "Calls needed in the next hour by calls allowed; above 1 they do not last",
            *whose,
        )
        self.call_budget_penalised_seconds = self._gauge(
            "call_budget_penalised_seconds", "Time for which the outside wants no calls", *whose
        )

    def observe_call(self, connector: str, operation: str, status_class: str, seconds: float) -> None:
        """Count one outside call; fits `GuardedCaller(observe=…)`. Calls that were not made have no duration."""
        self.http_calls.labels(connector, operation, status_class).inc()
        if status_class not in _NOT_MADE:
            self.http_call_seconds.labels(connector, operation).observe(seconds)

    def names(self) -> frozenset[str]:
        """Every sample name that this code can export, for checks of dashboards and alert rules."""
        found: set[str] = set()
        for family in self.registry.collect():
            found |= _sample_names(family.name, family.type)
        return frozenset(found)

    def labels(self) -> dict[str, frozenset[str]]:
        """The labels of each sample name, for the same checks; those that Prometheus adds are not among them."""
        found: dict[str, frozenset[str]] = dict.fromkeys(self.names(), frozenset())
        for metric in list(self.registry._collector_to_names):
            if not isinstance(metric, MetricWrapperBase):
                continue
            for family in metric.describe():
                for name in _sample_names(family.name, family.type):
                    more = {"le"} if name.endswith("_bucket") else set()
                    found[name] = frozenset(metric._labelnames) | more
        return found

    def render(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)


def _sample_names(name: str, kind: str) -> set[str]:
    if kind == "counter":
        return {f"{name}_total"}
    if kind == "histogram":
        return {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return {name}
