"""How many notices a connection may send: strangers know the address too, and each notice costs a row. Pure."""

from __future__ import annotations

from collections.abc import Hashable

MOST_KEYS = 100_000
"""Above any number of connections; then all begin anew, which lets somewhat more through."""
BURST_SECONDS = 10.0
"""Share of a minute that may come at once: marketplaces push in bursts when a sale begins."""


class NoticeRates:
    """One bucket per key, `per_minute` each. Seconds are of a monotonic clock."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, self._rate * BURST_SECONDS)
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, now: float) -> float:
        """Take one: 0 = granted, else seconds until one is."""
        if len(self._buckets) >= MOST_KEYS and key not in self._buckets:
            self._buckets.clear()
        left, at = self._buckets.get(key, (self._burst, now))
        left = min(self._burst, left + max(now - at, 0.0) * self._rate)
        granted = left >= 1
        self._buckets[key] = (left - 1 if granted else left, now)
        return 0.0 if granted else (1 - left) / self._rate
