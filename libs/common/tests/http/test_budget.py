"""Call budgets under random use: never more than allowed, the reserve kept, the state carried over."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector_kit.http import Lane
from connector_kit.manifest import Budget
from hub_common.clock import ManualClock
from hub_common.http import CallBudget

LANES = st.sampled_from(list(Lane))
STEPS = st.lists(st.tuples(st.floats(0, 40, allow_nan=False), LANES, st.booleans()), min_size=1, max_size=150)


def budget(calls: int = 10, per: int = 60, burst: int = 4, reserve: int = 2) -> Budget:
    return Budget(
        operation="accept",
        calls=calls,
        per_seconds=per,
        burst=burst,
        owner="order-acceptance",
        deadline_reserve=reserve,
    )


def grants(
    declared: Budget, steps: list[tuple[float, Lane, bool]], override: int | None = None
) -> list[tuple[float, Lane]]:
    """Times and lanes of granted calls. Steps wait some seconds, or exactly as long as they were told to."""
    clock = ManualClock()
    overrides = {"accept": override} if override is not None else {}
    bucket = CallBudget([declared], clock, overrides)
    granted, told = [], 0.0
    for number, (pause, lane, obey) in enumerate(steps):
        clock.advance(told if obey else pause)
        if number % 7 == 6:
            state = json.loads(json.dumps(bucket.export_state()))
            bucket = CallBudget([declared], clock, overrides)
            bucket.import_state(state)
        told = bucket.try_take("accept", lane)
        if told == 0:
            granted.append((clock.monotonic(), lane))
    return granted


@settings(max_examples=300, deadline=None)
@given(
    STEPS,
    st.builds(budget, st.integers(1, 30), st.integers(1, 600), st.integers(1, 40), st.integers(0, 5)),
    st.none() | st.integers(1, 500),
)
def test_no_window_sees_more_than_allowed(
    steps: list[tuple[float, Lane, bool]], declared: Budget, override: int | None
) -> None:
    calls, per = declared.calls, float(declared.per_seconds)
    if override is not None and override != calls * 3600 // declared.per_seconds:
        calls, per = override, 3600.0
    times = [at for at, _ in grants(declared, steps, override)]
    for index, start in enumerate(times):
        window = [at for at in times[index:] if at < start + per - 1e-5]
        assert len(window) <= calls
        for seconds in (0.0, per / 10, per / 3):
            inside = sum(1 for at in window if at <= start + seconds)
            assert inside <= min(declared.burst, calls) + seconds * calls / per + 1e-3


@given(st.builds(budget, st.integers(3, 30), st.integers(10, 600), st.integers(3, 10), st.integers(1, 2)), LANES)
def test_only_the_deadline_lane_uses_the_reserve(declared: Budget, lane: Lane) -> None:
    bucket = CallBudget([declared], ManualClock())
    taken = 0
    while bucket.try_take("accept", lane) == 0:
        taken += 1
    most = min(declared.burst, declared.calls)
    assert taken == (most if lane is Lane.DEADLINE else most - declared.deadline_reserve)
    assert bucket.available("accept", lane) == 0
    left = bucket.available("accept", Lane.DEADLINE)
    assert left == most - taken
    assert all(bucket.try_take("accept", Lane.DEADLINE) == 0 for _ in range(left))


@given(STEPS)
def test_the_reserve_is_kept_in_the_window_too(steps: list[tuple[float, Lane, bool]]) -> None:
    declared = budget(calls=8, per=600, burst=8, reserve=3)
    bulk = [(at, lane) for at, lane in grants(declared, [(p, Lane.BULK, o) for p, _, o in steps])]
    for index, (start, _) in enumerate(bulk):
        assert sum(1 for at, _ in bulk[index:] if at < start + 600 - 1e-5) <= 5


@given(st.lists(LANES, min_size=1, max_size=30))
def test_waiting_as_long_as_told_is_enough(lanes: list[Lane]) -> None:
    clock = ManualClock()
    bucket = CallBudget([budget()], clock)
    for lane in lanes:
        for _ in range(3):
            wait = bucket.try_take("accept", lane)
            if wait == 0:
                break
            clock.advance(wait)
        assert wait == 0


def test_sustained_rate_reaches_what_is_allowed() -> None:
    clock, taken = ManualClock(), 0
    bucket = CallBudget([budget(calls=200, per=3600, burst=20, reserve=0)], clock)
    while clock.monotonic() < 10 * 3600:
        wait = bucket.try_take("accept", Lane.LIVE)
        taken += wait == 0
        clock.advance(wait or 0.001)
    assert 10 * 200 * 0.97 <= taken <= 10 * 200 + 20


def test_penalty_holds_and_is_capped() -> None:
    clock = ManualClock()
    bucket = CallBudget([budget()], clock)
    bucket.penalise("accept", 90)
    bucket.penalise("accept", 5)
    assert bucket.try_take("accept", Lane.DEADLINE) == 90
    assert bucket.available("accept", Lane.DEADLINE) == 0
    clock.advance(90)
    assert bucket.try_take("accept", Lane.DEADLINE) == 0
    bucket.penalise("accept", float("inf"))
    assert bucket.try_take("accept", Lane.DEADLINE) == 6 * 3600
    bucket.penalise("accept", -5)


def test_overrides_are_calls_per_hour_and_zero_means_never() -> None:
    clock = ManualClock()
    assert (
        CallBudget([budget(calls=1, per=60, burst=1, reserve=0)], clock, {"accept": 60}).try_take("accept", Lane.BULK)
        == 0
    )
    none = CallBudget([budget()], clock, {"accept": 0})
    assert none.try_take("accept", Lane.DEADLINE) == 3600
    assert none.available("accept", Lane.DEADLINE) == 0
    few = CallBudget([budget(burst=50)], clock, {"accept": 7})
    assert few.available("accept", Lane.DEADLINE) == 7


def test_unknown_operation_and_unreadable_state() -> None:
    bucket = CallBudget([budget()], ManualClock())
    with pytest.raises(KeyError, match="refund"):
        bucket.try_take("refund", Lane.LIVE)
    assert bucket.import_state({"other": {}}) == ()
    assert bucket.import_state({"accept": {"tokens": "many"}}) == ("accept",)
    assert bucket.try_take("accept", Lane.DEADLINE) > 0, "after unreadable state the careful side is an empty bucket"


def test_a_clock_that_goes_back_grants_nothing_extra() -> None:
    clock = ManualClock()
    bucket = CallBudget([budget(burst=1, reserve=0)], clock)
    assert bucket.try_take("accept", Lane.LIVE) == 0
    clock.advance(-timedelta(hours=1).total_seconds())
    assert bucket.try_take("accept", Lane.LIVE) > 0
    clock.advance(3600)
    assert bucket.try_take("accept", Lane.LIVE) > 0


def test_state_of_a_holder_whose_clock_ran_ahead_does_not_block_for_long() -> None:
    ahead, clock = ManualClock(), ManualClock()
    ahead.advance(86_400)
    old = CallBudget([budget(burst=1, reserve=0)], ahead)
    old.try_take("accept", Lane.LIVE)
    new = CallBudget([budget(burst=1, reserve=0)], clock)
    new.import_state(old.export_state())
    assert 0 < new.try_take("accept", Lane.LIVE) <= 60
