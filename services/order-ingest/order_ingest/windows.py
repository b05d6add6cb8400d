"""Which orders to ask for and when to ask again. Pure: instants are UTC, durations seconds.

A cursor that follows our own clock loses orders as soon as the marketplace's clock is behind, or shifts by an hour one
night in October. It therefore follows the newest update that the marketplace has shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector_kit.capabilities import OrderWindow

SOONEST_LOOK, LATEST_LOOK = 10.0, 300.0
"""Seconds between two looks at an export in the making: small ones take seconds, large ones an hour."""
JITTER = 0.1
"""Share of the interval added at random, so that connections made at the same minute drift apart."""


def poll_window(cursor: datetime | None, import_from: datetime | None, overlap_seconds: int) -> OrderWindow:
    """Window of a poll: everything created since the start of import at first, then what was updated since."""
    if cursor is None:
        return OrderWindow(created_from=import_from)
    return OrderWindow(updated_from=cursor - timedelta(seconds=overlap_seconds))


def next_cursor(
    before: datetime | None, newest_update: datetime | None, started_at: datetime, max_lag: timedelta
) -> datetime:
    """Where the next poll begins after a complete listing that began at `started_at`.

    The newest update seen, but never after the start of the listing (what changed while it was read must be met again
    next time), never further behind our clock than `max_lag`, never backwards.
    """
    floor = started_at - max_lag
    reached = min(started_at, max(newest_update, floor) if newest_update else floor)
    return max(before, reached) if before else reached


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a long creation window. `last` when nothing follows."""

    start: datetime
    end: datetime
    last: bool

    @property
    def window(self) -> OrderWindow:
        """What to list."""
        return OrderWindow(created_from=self.start, created_until=self.end)


def chunk_of(next_from: datetime, until: datetime, hours: float) -> Chunk:
    """The next part of a window that has been read up to `next_from`. Both ends belong to it: repeats are harmless."""
    end = min(next_from + timedelta(hours=hours), until)
    return Chunk(next_from, end, end >= until)


def back_off(failures: int, interval: float, longest: float, jitter: float) -> float:
    """Wait after `failures` failures in a row; `jitter` is a random share from 0 to 1."""
    wait = min(interval * 2.0 ** min(failures, 16), max(longest, interval))
    return wait * (1 + JITTER * jitter)


def look_again_after(age: float) -> float:
    """Seconds until an export that was asked for `age` seconds ago is looked at again: often at first, then seldom."""
    return min(max(age / 10, SOONEST_LOOK), LATEST_LOOK)


def reread_due(
    now: datetime, first_run: datetime | None, done: datetime | None, every: timedelta, share: float
) -> bool:
    """Whether the last days should be read again. `share` (0 to 1) spreads first re-reads over the interval."""
    if first_run is None or not every:
        return False
    return now >= (done + every if done else first_run + every * (0.5 + share / 2))


@dataclass(frozen=True, slots=True)
class CallRoom:
    """What one call budget has left: calls that polls could make at once, its burst, seconds until one more is granted,
    and how many of the calls the budget would give to bulk work."""

    available: int
    burst: int
    seconds_per_call: float
    for_bulk: int = 1


def may_start_chunk(rooms: Sequence[CallRoom], seconds_to_poll: float, waited: float, patience: float) -> bool:
    """Whether a listing in bulk may begin without taking the next poll's call.

    It may when a call is left over, or when one taken now is granted again before the poll; or, once it has waited
    longer than `patience` (0 = never), at the cost of that one poll being late by one grant.
    """
    if any(room.available < 1 for room in rooms):
        return False
    spare = all(room.available >= 2 or room.seconds_per_call <= seconds_to_poll for room in rooms)
    return spare or 0 < patience <= waited


def may_go_on(rooms: Sequence[CallRoom]) -> bool:
    """Whether a listing in bulk may read its next page: the budget gives bulk work a call and a poll has one left."""
    return all(room.available >= 2 and room.for_bulk >= 1 for room in rooms if room.burst > 1)
