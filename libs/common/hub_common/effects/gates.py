"""Which kinds of calls of which connection are worth trying now.

When the budget is used up or the host refuses connections, every further effect would only be claimed and put back.
The gate closes for that connection, kind and lane for as long as the answer said; the deadline lane has its own gate,
so it can still use the reserve.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from connector_kit.http import Lane
from hub_common.clock import Clock


class Gates:
    """Closed gates of one process; forgetting them at a restart costs one wasted claim."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed: dict[tuple[UUID, str, Lane], float] = {}

    def close(self, connection_id: UUID, kind: str, lane: Lane, seconds: float) -> None:
        """Let nothing through for `seconds`."""
        self._closed[connection_id, kind, lane] = self._clock.monotonic() + seconds

    def open_pairs(self, connection_ids: Sequence[UUID], kinds: Sequence[str]) -> list[tuple[str, Lane]]:
        """The (kind, lane) pairs that are open for all of these connections (they share one quota)."""
        now = self._clock.monotonic()
        self._closed = {key: until for key, until in self._closed.items() if until > now}
        shut = {(kind, lane) for connection_id, kind, lane in self._closed if connection_id in connection_ids}
        return [(kind, lane) for kind in kinds for lane in Lane if (kind, lane) not in shut]

    def next_opening(self) -> float | None:
        """Seconds until the next gate opens; None when all are open."""
        if not self._closed:
            return None
        return max(0.0, min(self._closed.values()) - self._clock.monotonic())
