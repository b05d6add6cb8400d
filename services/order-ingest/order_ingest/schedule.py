"""When which connection is polled: one heap for all, no matter how many connections, and no task for an idle one. Pure.

Ten thousand sleeping tasks would cost hundreds of megabytes and wake up together; a heap costs one entry each.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Schedule(Generic[Key]):
    """Keys with the instant (seconds on a monotonic clock) at which each is due; a key is in it once at most."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Key]] = []
        self._entries: dict[Key, tuple[float, int]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def put(self, key: Key, at: float) -> None:
        """Make a key due at `at`, replacing what was planned for it."""
        self._count += 1
        self._entries[key] = (at, self._count)
        heapq.heappush(self._heap, (at, self._count, key))
        if len(self._heap) > 64 and len(self._heap) > 4 * len(self._entries):
            self._rebuild()

    def drop(self, key: Key) -> None:
        """Forget a key."""
        self._entries.pop(key, None)

    def due_at(self, key: Key) -> float | None:
        """When a key is due, None when it is not planned."""
        entry = self._entries.get(key)
        return entry[0] if entry else None

    def next_at(self) -> float | None:
        """When the first key is due, None when none is planned."""
        self._clean()
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> Key | None:
        """Take out the key that has been due longest, None when none is due at `now`."""
        self._clean()
        if not self._heap or self._heap[0][0] > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._entries[key]
        return key

    def _clean(self) -> None:
        while self._heap and self._entries.get(self._heap[0][2]) != self._heap[0][:2]:
            heapq.heappop(self._heap)

    def _rebuild(self) -> None:
        """Replaced entries stay in the heap until they come up; connections put far ahead again and again pile up."""
        self._heap = [(at, count, key) for key, (at, count) in self._entries.items()]
        heapq.heapify(self._heap)
