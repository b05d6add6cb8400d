"""One count for several processes: together never more than allowed, whoever dies, races or cannot reach the rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.http import Lane
from connector_kit.manifest import Budget
from hub_common.clock import ManualClock
from hub_common.http.budget import BudgetAway
from hub_common.http.budget_shared import SharedBudget, Stored

TINY = 1e-5


class Rows:
    """Rows in memory that yield between question and answer, and can be away or lose an answer after writing."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, str]] = {}
        self.writes = 0
        self.away = False
        self.loses_answer = False

    async def load(self, known: Mapping[str, int]) -> dict[str, Stored]:
        await asyncio.sleep(0)
        if self.away:
            raise BudgetAway("away")
        return {
            ref: (self.kept[ref][0], json.loads(self.kept[ref][1]))
            for ref, version in known.items()
            if ref in self.kept and self.kept[ref][0] != version
        }

    async def swap(self, ref: str, version: int, state: Mapping[str, Any]) -> int | None:
        text = json.dumps(state)
        await asyncio.sleep(0)
        if self.away:
            raise BudgetAway("away")
        if ref in self.kept and self.kept[ref][0] != version:
            return None
        self.writes += 1
        self.kept[ref] = (self.kept[ref][0] + 1 if ref in self.kept else 1, text)
        await asyncio.sleep(0)
        if self.loses_answer:
            raise BudgetAway("the connection broke")
        return self.kept[ref][0]


def declared(calls: int = 60, per: int = 60, burst: int = 20, reserve: int = 2, operation: str = "do") -> Budget:
    return Budget(
        operation=operation, calls=calls, per_seconds=per, burst=burst, owner="probe", deadline_reserve=reserve
    )


def process(rows: Rows, clock: ManualClock, *budgets: Budget, shared: bool = False) -> SharedBudget:
    return SharedBudget("c1", budgets or (declared(),), clock, rows=rows, shared_quota=shared)


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(list(Lane)), st.sampled_from([0, 0, 0, 0.1, 1, 7, 40]), st.booleans()),
    min_size=1,
    max_size=120,
)


@settings(max_examples=150, deadline=None)
@given(
    STEPS,
    st.builds(declared, st.integers(1, 40), st.integers(1, 600), st.integers(1, 40), st.integers(0, 3)),
    st.data(),
)
def test_processes_together_stay_within_every_window_also_when_they_die(
    steps: list[tuple[int, Lane, float, bool]], budget: Budget, data: st.DataObject
) -> None:
    """Three processes; a step may be a rush of two at once, and any of them may be killed and started anew."""

    async def run() -> list[float]:
        rows, clock = Rows(), ManualClock()
        alive = [process(rows, clock, budget) for _ in range(3)]
        made: list[float] = []
        for number, (who, lane, pause, dies) in enumerate(steps):
            clock.advance(pause)
            rows.loses_answer = number % 11 == 7
            asked = [alive[who].take("do", lane), alive[(who + 1) % 3].take("do", lane), alive[who].take("do", lane)]
            for result in await asyncio.gather(*asked, return_exceptions=True):
                assert not isinstance(result, BaseException) or isinstance(result, BudgetAway)
                if result == 0:
                    made.append(clock.monotonic())
            if dies:
                alive[who] = process(rows, clock, budget)
        return made

    made = asyncio.run(run())
    for index, start in enumerate(made):
        inside = sum(1 for at in made[index:] if at < start + budget.per_seconds - TINY)
        assert inside <= budget.calls


def test_a_rush_is_written_in_blocks_and_single_calls_reserve_nothing_they_do_not_make() -> None:
    async def run() -> tuple[int, int, int]:
        rows, clock = Rows(), ManualClock()
        one = process(rows, clock, declared(calls=600, per=60, burst=100, reserve=0))
        rush = 0
        while await one.take("do", Lane.LIVE) == 0:
            rush += 1
        in_rush = rows.writes
        clock.advance(3600)
        for _ in range(50):
            assert await one.take("do", Lane.LIVE) == 0
            clock.advance(12)
        return rush, in_rush, one.bucket("do").used(clock.now().timestamp())

    rush, writes, used = asyncio.run(run())
    assert rush == 100
    assert writes <= 12, "1, 2, 4, 8, 16, 25, 25, … and not one a call"
    assert used <= 5, "one call every twelve seconds leaves five in a minute"


def test_unused_calls_of_a_block_come_back_while_their_process_lives() -> None:
    async def run() -> tuple[int, int]:
        rows, clock = Rows(), ManualClock()
        one = process(rows, clock, declared(calls=40, per=3600, burst=40, reserve=0))
        for _ in range(4):
            await one.take("do", Lane.LIVE)  # blocks of 1, 2 and 4: three reserved for nothing
        before = one.bucket("do").used(clock.now().timestamp())
        clock.advance(60)
        await one.take("do", Lane.LIVE)
        return before, one.bucket("do").used(clock.now().timestamp())

    assert asyncio.run(run()) == (7, 5)


def test_what_a_dead_process_had_reserved_is_lost_and_not_made_twice() -> None:
    async def run() -> int:
        rows, clock = Rows(), ManualClock()
        one = process(rows, clock, declared(calls=20, per=3600, burst=20, reserve=0))
        made = 0
        for _ in range(4):
            made += await one.take("do", Lane.LIVE) == 0
        two = process(rows, clock, declared(calls=20, per=3600, burst=20, reserve=0))
        while await two.take("do", Lane.LIVE) == 0:
            made += 1
        return made

    assert asyncio.run(run()) == 17


def test_without_the_rows_nothing_is_granted() -> None:
    async def run() -> None:
        rows, clock = Rows(), ManualClock()
        one = process(rows, clock)
        rows.away = True
        with pytest.raises(BudgetAway):
            await one.take("do", Lane.DEADLINE)
        rows.away = False
        assert await one.take("do", Lane.DEADLINE) == 0

    asyncio.run(run())


def test_a_penalty_outlives_its_process_and_reaches_all_operations_of_a_shared_quota() -> None:
    async def run(shared: bool) -> list[float]:
        rows, clock = Rows(), ManualClock()
        budgets = (declared(), declared(operation="other"))
        one = process(rows, clock, *budgets, shared=shared)
        await one.take("do", Lane.LIVE)
        one.refused("do", 90)
        await one.settle()
        two = process(rows, clock, *budgets, shared=shared)
        return [await two.take("do", Lane.DEADLINE), await two.take("other", Lane.DEADLINE)]

    assert asyncio.run(run(shared=True)) == [90, 90]
    assert asyncio.run(run(shared=False)) == [90, 0]


def test_a_penalty_that_could_not_be_written_is_kept_and_written_later() -> None:
    async def run() -> tuple[float, float]:
        rows, clock = Rows(), ManualClock()
        one, two = process(rows, clock), process(rows, clock)
        await one.take("do", Lane.LIVE)
        rows.away = True
        one.refused("do", 600)
        await one.settle()
        here = await one.take("do", Lane.LIVE)
        rows.away = False
        await two.take("do", Lane.LIVE)
        await one.settle()
        return here, await process(rows, clock).take("do", Lane.LIVE)

    assert asyncio.run(run()) == (600, 600)


def test_reserved_calls_are_not_made_during_a_penalty_nor_in_a_higher_lanes_turn() -> None:
    async def run() -> None:
        rows, clock = Rows(), ManualClock()
        one = process(rows, clock, declared(calls=600, per=60, burst=12, reserve=1))
        for _ in range(2):
            assert await one.take("do", Lane.BULK) == 0
        block = one._blocks["do"]
        assert block.left > 0
        one.bucket("do").refused(Lane.LIVE, clock.now().timestamp(), 0.5)
        assert not one._usable("do", block, Lane.BULK)
        assert one._usable("do", block, Lane.LIVE)
        one.refused("do", 30)
        assert await one.take("do", Lane.DEADLINE) == 30

    asyncio.run(run())


def test_concurrent_calls_of_one_process_share_blocks() -> None:
    async def run() -> tuple[int, int]:
        rows, clock = Rows(), ManualClock()
        one = process(rows, clock, declared(calls=1000, per=60, burst=400, reserve=0))
        asked: list[Coroutine[Any, Any, float]] = [one.take("do", Lane.LIVE) for _ in range(200)]
        granted = [wait for wait in await asyncio.gather(*asked) if wait == 0]
        return len(granted), rows.writes

    granted, writes = asyncio.run(run())
    assert granted == 200
    assert writes <= 10
