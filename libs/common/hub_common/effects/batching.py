"""Whether effects wait a moment so that one call carries more of them: only where calls are short. Pure but for time.

Sending at once is right as long as calls last. Where they do not, fifty orders accepted with one call are forty-nine
calls saved; but never at the price of a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hub_common.clock import Clock

HOLD_SECONDS = 60.0
"""Longest wait for company: nobody at a marketplace notices a minute, and a rush fills a batch in less."""
NEAR_SECONDS = 1800.0
"""An effect whose deadline is nearer than this never waits: there must be time for failures and repeats."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Effects of one kind at one connection that are due. `hurried`: one in the deadline lane says no deadline."""

    connection_id: UUID
    kind: str
    count: int
    first_deadline: datetime | None
    hurried: bool


def worth_waiting(waiting: Waiting, batch_size: int, waited: float, now: datetime) -> bool:
    """True when these effects should wait for others; `waited` seconds have passed since the first was seen."""
    if waiting.count >= batch_size or waited >= HOLD_SECONDS or waiting.hurried:
        return False
    deadline = waiting.first_deadline
    return deadline is None or (deadline - now).total_seconds() > NEAR_SECONDS


class Holds:
    """Since when what waits. Forgotten at a restart, which costs one more minute at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[tuple[UUID, str], float] = {}

    def held(
        self, rows: Iterable[Waiting], batch_size: Callable[[UUID, str], int], looked_at: Collection[tuple[UUID, str]]
    ) -> list[tuple[UUID, str]]:
        """The (connection, kind) pairs that wait. `looked_at`: all pairs of which `rows` tells what is due."""
        now, found = self._clock.monotonic(), {(row.connection_id, row.kind): row for row in rows}
        held = []
        for pair in looked_at:
            row = found.get(pair)
            since = self._since.setdefault(pair, now) if row is not None else now
            if row is not None and worth_waiting(row, batch_size(*pair), now - since, self._clock.now()):
                held.append(pair)
            else:
                self._since.pop(pair, None)
        return held
