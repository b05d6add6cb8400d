"""Metrics of notification-service: is anybody told, how late, and is there something that nobody hears of."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from hub_common.metrics import PREFIX
from hub_common.runtime import Runtime

COUNTS = """
SELECT (SELECT count(*) FROM notes WHERE state = 'PENDING') AS waiting,
       (SELECT min(created_at) FROM sendings WHERE settled_at IS NULL) AS oldest,
       (SELECT count(*) FROM parked WHERE resolved_at IS NULL) AS undelivered,
       (SELECT count(*) FROM notices n WHERE n.live AND n.matched_at IS NOT NULL AND n.resolved_at IS NULL
          AND n.raised_at > $1::timestamptz - interval '1 day'
          AND (n.due_at IS NOT NULL OR n.kind = 'deadline_missed')
          AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.order_id = n.order_id AND o.is_test)
          AND NOT EXISTS (SELECT 1 FROM notes s WHERE s.notice_id = n.notice_id)) AS unaddressed
"""


class Gauges:
    """Counted at each sending, read from the tables every few seconds. Ages are seconds."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        registry = runtime.metrics.registry
        self.sent = Counter(
            "notifications_sent",
            "Attempts to tell people, by channel and result (sent, failed)",
            ("channel", "result"),
            namespace=PREFIX,
            registry=registry,
        )
        self.waiting = Gauge("notifications_waiting", "Notices that wait", namespace=PREFIX, registry=registry)
        self.oldest = Gauge(
            "notification_oldest_seconds", "Age of the oldest unsent message", namespace=PREFIX, registry=registry
        )
        self.undelivered = Gauge(
            "notifications_undelivered",
            "Messages that no subscription is left for",
            namespace=PREFIX,
            registry=registry,
        )
        self.unaddressed = Gauge(
            "notifications_unaddressed",
            "Deadlines of the last day that nobody has subscribed to",
            namespace=PREFIX,
            registry=registry,
        )

    async def step(self) -> bool:
        """Read and set them."""
        now = self._runtime.clock.now()
        row = await self._runtime.pool.fetchrow(COUNTS, now)
        assert row is not None, "counts are always one row"
        self.waiting.set(row["waiting"])
        self.oldest.set((now - row["oldest"]).total_seconds() if row["oldest"] else 0.0)
        self.undelivered.set(row["undelivered"])
        self.unaddressed.set(row["unaddressed"])
        return False
