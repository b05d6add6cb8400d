"""Lets a listing that ran out of calls go on where it stopped, whatever connector makes it.

A connector lists as if calls were free: ManoMano reads a list until it has seen it twice without change, asks for
offers online and offline. With three calls an hour such a listing would begin for ever and never end. So answers are
kept until the listing is complete, and when it is begun again it gets them a second time for nothing.
"""

from __future__ import annotations

from datetime import datetime

from connector_kit.http import Answer, Call, HttpCaller
from hub_common.clock import Clock

MOST_ENTRIES = 2000
"""Answers kept of one listing; beyond, it has to be cut into smaller parts."""

Key = tuple[str, str, str, tuple[tuple[str, str], ...]]


class Recorder:
    """A caller that remembers what one reading was answered. Made for one connection, used by one reading at a time."""

    def __init__(self, inner: HttpCaller, clock: Clock) -> None:
        self._inner, self._clock = inner, clock
        self._entries: list[tuple[Key, Answer]] = []
        self._next = 0
        self.began_at: datetime = clock.now()

    def rewind(self) -> datetime:
        """A reading begins, or begins again; returns the instant since when its answers may be."""
        self._next = 0
        if not self._entries:
            self.began_at = self._clock.now()
        return self.began_at

    def forget(self) -> None:
        """The reading is complete, or is given up."""
        self._entries.clear()
        self.rewind()

    def age_seconds(self) -> float:
        """How old the oldest answer is that would be given again."""
        return (self._clock.now() - self.began_at).total_seconds() if self._entries else 0.0

    @property
    def full(self) -> bool:
        """Nothing more can be kept."""
        return len(self._entries) >= MOST_ENTRIES

    async def call(self, call: Call) -> Answer:
        """See `HttpCaller.call`. Only good answers to reads are kept, in their order."""
        key: Key = (call.operation, call.method, call.path, tuple(call.params))
        if self._next < len(self._entries):
            known, answer = self._entries[self._next]
            if known == key:
                self._next += 1
                return answer
            del self._entries[self._next :]
        answer = await self._inner.call(call)
        if call.method == "GET" and answer.status == 200 and not self.full:
            self._entries.append((key, answer))
            self._next += 1
        return answer
