"""What a service measures. One registry per service, because several services may share a process.

Names, labels and units are fixed here, so that dashboards and alert rules can be checked against the code.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "hub"
HANDLE_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. One batch is one transaction of milliseconds; seconds mean trouble."""
CALL_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0)
"""Seconds. Marketplaces answer in tenths to seconds; calls end at the total time-out."""
_NOT_MADE = frozenset({"not_sent", "forbidden"})


class Metrics:
    """All metrics of one service, prefix `hub_`. Ages and slacks are seconds; a negative slack is a missed deadline."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_delivery()
        self._of_work()
        self._of_calls()

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _of_delivery(self) -> None:
        self.outbox_oldest_seconds = self._gauge("outbox_oldest_seconds", "Age of the oldest unsent outbox row")
        self.outbox_rows = self._gauge("outbox_rows", "Outbox rows not yet sent")
        self.consumer_lag_seconds = self._gauge(
            "consumer_lag_seconds", "Age of the next record to handle", "topic", "partition"
        )
        self.consumer_lag_records = self._gauge("consumer_lag_records", "Records not yet handled", "topic", "partition")
        self.events_handled = Counter(
            "events_handled",
            "Events of consumed batches, by result (handled, known, ignored, parked, dead)",
            ("result",),
            namespace=PREFIX,
            registry=self.registry,
        )
        self.event_handle_seconds = Histogram(
            "event_handle_seconds",
            "Time from fetching a batch to its commit",
            ("topic",),
            namespace=PREFIX,
            buckets=HANDLE_BUCKETS,
            registry=self.registry,
        )
        self.dead_letters = self._gauge("dead_letters", "Dead letters that nobody has dealt with", "topic")
        self.retry_rows = self._gauge("retry_rows", "Events waiting to be tried again", "topic")

    def _of_work(self) -> None:
        self.effects = self._gauge("effects", "Effects that are not finished", "kind", "state")
        self.effects_oldest_seconds = self._gauge("effects_oldest_seconds", "Age of the oldest effect", "state")
        self.parked = self._gauge("parked", "Units of work that wait for a person or a fact", "cause")
        self.deadline_slack_seconds = self._gauge(
            "deadline_slack_seconds",
            "Time left until the nearest deadline nobody has met; negative = missed",
            "deadline",
        )
        self.poller_age_seconds = self._gauge("poller_age_seconds", "Time since the last successful poll", "connection")
        self.lease_held = self._gauge("lease_held", "Leases that this process holds, by kind", "lease")

    def _of_calls(self) -> None:
        self.http_calls = Counter(
            "http_calls",
            "Outside calls, by status class (2xx…, not_sent, forbidden, ambiguous, bad_answer)",
            ("connector", "operation", "status"),
            namespace=PREFIX,
            registry=self.registry,
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

    def render(self) -> bytes:
        """Prometheus text format."""
        return generate_latest(self.registry)


def _sample_names(name: str, kind: str) -> set[str]:
    if kind == "counter":
        return {f"{name}_total"}
    if kind == "histogram":
        return {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    return {name}
