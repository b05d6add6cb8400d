"""The circuit breaker and the retry budget."""

from __future__ import annotations

from hub_common.clock import ManualClock
from hub_common.http.breaker import Breaker, BreakerRules, BreakerState, RetryBudget

RULES = BreakerRules(failures=3, cool_down=10, longest=35, jitter=0.5)


def opened(clock: ManualClock) -> Breaker:
    breaker = Breaker(clock, lambda seconds: seconds, RULES)
    for _ in range(3):
        assert breaker.admit() == 0
        breaker.failure()
    return breaker


def test_opens_after_consecutive_failures_only() -> None:
    breaker = Breaker(ManualClock(), lambda seconds: seconds, RULES)
    for _ in range(5):
        breaker.failure()
        breaker.failure()
        breaker.success()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.admit() == 0


def test_wait_has_jitter_and_one_trial_closes_it() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    assert breaker.admit() == 15
    seen: list[BreakerState] = []
    for seconds in (14.9, 0.2):
        clock.advance(seconds)
        seen.append(breaker.state)
    assert seen == [BreakerState.OPEN, BreakerState.HALF_OPEN]
    assert breaker.admit() == 0
    assert breaker.admit() > 0, "only one trial at a time"
    breaker.success()
    assert breaker.admit() == breaker.admit() == 0


def test_a_failed_trial_doubles_the_wait_up_to_the_longest() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    waits = []
    for _ in range(4):
        waits.append(breaker.admit())
        clock.advance(waits[-1])
        assert breaker.admit() == 0
        breaker.failure()
    assert waits == [15, 30, 52.5, 52.5]


def test_a_released_trial_lets_another_one_through() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(20)
    assert breaker.admit() == 0
    breaker.release()
    assert breaker.admit() == 0


def test_stragglers_do_not_lengthen_an_open_wait() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    breaker.failure()
    breaker.failure()
    assert breaker.admit() == 15


def test_retries_stay_below_a_tenth_of_the_calls() -> None:
    budget, repeats = RetryBudget(), 0
    for _ in range(1000):
        budget.called()
        repeats += budget.take()
    assert repeats == 100
    for _ in range(1000):
        budget.called()
    assert sum(budget.take() for _ in range(50)) == 10
