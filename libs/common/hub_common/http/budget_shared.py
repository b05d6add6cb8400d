"""One count for all processes of a service: calls are written down before they are made, in small blocks.

A process that reserves calls and dies has used them up as far as anybody knows; calls can be lost that way, never made
twice. The row is changed only by a process that knows its last version, so there is no lock that could outlive its
holder, and pollers, effect workers and people's checks share one count wherever they run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from connector_kit.http import Lane
from connector_kit.manifest import Budget
from hub_common.clock import Clock
from hub_common.http.budget import BudgetAway, CallBudget
from hub_common.http.budget_bucket import Penalty

ATTEMPTS = 5
"""Tries to write against other processes that write the same row."""
CONTENDED_SECONDS = 0.5
"""When to ask again after as many lost races: some other process has got its calls each time."""
BLOCK_SHARE = 4
"""A block is never more than a quarter of the burst, so that one process cannot sit on what another one needs."""

Stored = tuple[int, Mapping[str, Any]]
"""Version of a row and the state in it."""


class BudgetRows(Protocol):
    """Where counts are kept. Both methods raise `BudgetAway`."""

    async def load(self, known: Mapping[str, int]) -> dict[str, Stored]:
        """Rows of these credentials whose version is not the given one (0 = none known)."""
        ...

    async def swap(self, ref: str, version: int, state: Mapping[str, Any]) -> int | None:
        """Write the state if the row still has this version; its new version, None when another process was first."""
        ...


@dataclass(slots=True)
class _Block:
    """Calls reserved and not made yet. `stamp`: as when they count; `until`: on the monotonic clock."""

    size: int
    left: int
    stamp: float
    until: float


class SharedBudget(CallBudget):
    """`take` holds over all processes. The counts in memory are those of the row as last read or written."""

    def __init__(
        self,
        ref: str,
        budgets: Sequence[Budget],
        clock: Clock,
        overrides: Mapping[str, int] | None = None,
        *,
        rows: BudgetRows,
        shared_quota: bool = False,
    ) -> None:
        super().__init__(budgets, clock, overrides, shared_quota=shared_quota)
        self.ref = ref
        self.version = 0
        self._rows = rows
        self._blocks: dict[str, _Block] = {}
        self._unwritten: list[Callable[[], None]] = []
        self._lock = asyncio.Lock()

    async def take(self, operation: str, lane: Lane) -> float:
        """Take one call: 0 = granted, else seconds until it is worth asking again. Raises `BudgetAway`, `KeyError`."""
        if self._from_block(operation, lane):
            return 0.0
        # Others can only have used more than we know of: what our own count refuses needs no question.
        wait = self.ask(operation, lane)
        if wait > 0:
            return wait
        async with self._lock:
            if self._from_block(operation, lane):
                return 0.0
            return await self._reserve(operation, lane)

    def available(self, operation: str, lane: Lane) -> int:
        """Calls that this lane could make at once, those reserved ahead included."""
        counted = super().available(operation, lane)
        block = self._blocks.get(operation)
        return counted + (block.left if block is not None and self._usable(operation, block, lane) else 0)

    def _usable(self, operation: str, block: _Block, lane: Lane) -> bool:
        now = self._now()
        fresh = block.left > 0 and self._clock.monotonic() < block.until
        return fresh and self.penalised_until(operation) <= now and not self.bucket(operation).others_turn(now, lane)

    def _from_block(self, operation: str, lane: Lane) -> bool:
        block = self._blocks.get(operation)
        if block is None or not self._usable(operation, block, lane):
            return False
        block.left -= 1
        self.bucket(operation).made(lane, self._now())
        return True

    async def _reserve(self, operation: str, lane: Lane) -> float:
        size = self._next_size(operation)
        self._return_unused(operation)
        for _ in range(ATTEMPTS):
            wait = self.try_take(operation, lane)
            if wait > 0:
                return wait
            block = self._ahead(operation, size)
            if await self._write():
                self._blocks[operation] = block
                return 0.0
        return CONTENDED_SECONDS

    def _next_size(self, operation: str) -> int:
        """Calls are reserved ahead only in a rush: a block that was used up within its life is followed by one twice
        as large, so a call now and then reserves nothing that it does not make."""
        last, most = self._blocks.get(operation), max(1, self.bucket(operation).burst // BLOCK_SHARE)
        rush = last is not None and last.left == 0 and self._clock.monotonic() < last.until
        return min(last.size * 2, most) if rush and last is not None else 1

    def _ahead(self, operation: str, size: int) -> _Block:
        """Reserve the rest of a block, from what every lane may use."""
        bucket, now = self.bucket(operation), self._now()
        extra = min(size - 1, bucket.available(now, Lane.BULK))
        life = bucket.block_seconds
        if extra > 0:
            bucket.take(now, extra, now + life)
        return _Block(1 + max(extra, 0), max(extra, 0), now + life, self._clock.monotonic() + life)

    def _return_unused(self, operation: str) -> None:
        """Calls of an old block that this process will not make any more go back into the count."""
        block = self._blocks.pop(operation, None)
        if block is not None and block.left > 0:
            self._change(lambda: self.bucket(operation).give_back(block.left, block.stamp))

    def _change(self, change: Callable[[], None]) -> None:
        """Apply now, and again on top of newer counts until it is written."""
        change()
        self._unwritten.append(change)

    def penalise(self, operation: str, seconds: float) -> None:
        """See `CallBudget.penalise`; `settle` tells the other processes."""
        self._change(lambda: super(SharedBudget, self).penalise(operation, seconds))

    def refused(self, operation: str, seconds: float | None, *, everything: bool = False) -> None:
        """See `CallBudget.refused`; `settle` tells the other processes."""
        self._change(lambda: super(SharedBudget, self).refused(operation, seconds, everything=everything))

    def answered(self, operation: str) -> None:
        """See `CallBudget.answered`."""
        if self.bucket(operation).penalty.strikes or self._all.strikes:
            self._change(lambda: super(SharedBudget, self).answered(operation))

    async def settle(self) -> None:
        """Write what is not written: penalties, and calls reserved ahead that were not made in time. While that cannot
        be done it is kept here and tried with every later write."""
        for operation, block in list(self._blocks.items()):
            if self._clock.monotonic() >= block.until:
                self._return_unused(operation)
        if not self._unwritten:
            return
        async with self._lock:
            try:
                for _ in range(ATTEMPTS):
                    if await self._write():
                        return
            except BudgetAway:
                return

    async def _write(self) -> bool:
        written = len(self._unwritten)
        version = await self._rows.swap(self.ref, self.version, self.export_state())
        if version is not None:
            self.version = version
            del self._unwritten[:written]
            return True
        for found, state in (await self._rows.load({self.ref: self.version})).values():
            self.adopt(found, state)
        return False

    def adopt(self, version: int, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Take over what another process wrote. Returns the operations whose state could not be read."""
        self.version = version
        waiting = {name: bucket.turns for name, bucket in self._buckets.items() if bucket.turns}
        self._buckets.clear()
        self._all = Penalty()
        unreadable = self.import_state(state)
        for name, turns in waiting.items():
            self.bucket(name).turns.update(turns)
        for change in self._unwritten:
            change()
        return unreadable

    async def refresh(self, version: int, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Like `adopt`, between the writes of this process."""
        async with self._lock:
            return self.adopt(version, state) if version != self.version else ()
