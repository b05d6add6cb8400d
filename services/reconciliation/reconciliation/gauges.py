"""Metrics of reconciliation: how many differences are open, how old the oldest is, how fresh comparisons are."""

from __future__ import annotations

from prometheus_client import Gauge

from hub_common.metrics import PREFIX
from hub_common.runtime import Runtime
from hub_contracts.reconciliations import DifferenceKind
from reconciliation import store_differences
from reconciliation.work import comparer_of


class Gauges:
    """Set every few seconds from the tables; ages are seconds."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        registry = runtime.metrics.registry
        self.open = Gauge("differences_open", "Open differences", ("kind",), namespace=PREFIX, registry=registry)
        self.oldest = Gauge(
            "difference_oldest_seconds", "Age of the oldest open difference", namespace=PREFIX, registry=registry
        )
        self.age = Gauge(
            "comparison_age_seconds",
            "Time since a comparison of the connection was finished; since its first row when none was",
            ("connection",),
            namespace=PREFIX,
            registry=registry,
        )

    async def step(self) -> bool:
        """Read and set them."""
        now = self._runtime.clock.now()
        rows = await self._runtime.pool.fetch(store_differences.COUNTS)
        counts = {row["kind"]: row["found"] for row in rows}
        for kind in DifferenceKind:
            self.open.labels(kind.value).set(counts.get(kind.value, 0))
        self.oldest.set(max(((now - row["oldest"]).total_seconds() for row in rows), default=0.0))
        self.age.clear()
        mine = list(comparer_of(self._runtime).mine())
        ages = await self._runtime.pool.fetch(
            "SELECT connection_id, coalesce(finished_at, first_day::timestamp AT TIME ZONE 'UTC') AS at"
            " FROM comparisons WHERE connection_id = ANY($1)",
            mine,
        )
        for row in ages:
            self.age.labels(str(row["connection_id"])).set(max((now - row["at"]).total_seconds(), 0.0))
        return False
