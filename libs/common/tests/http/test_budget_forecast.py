"""Forecasts and batching decisions: pure, so every corner is a line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_common.clock import ManualClock
from hub_common.effects.batching import HOLD_SECONDS, NEAR_SECONDS, Holds, Waiting, worth_waiting
from hub_common.http.budget_forecast import Demand, Supply, Verdict, forecast

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
HOUR = 3600.0


def hourly(used: int = 0, left: int = 20, calls: int = 250, penalised: float = 0.0) -> Supply:
    return Supply(calls, HOUR, used, left, penalised)


@pytest.mark.parametrize(
    ("supply", "demand", "verdict", "sentence"),
    [
        (hourly(), Demand(), Verdict.OK, "the next hour needs 0 of 250 calls"),
        (hourly(), Demand(100, 20), Verdict.OK, "the next hour needs 120 of 250 calls, 20 of them wait now"),
        (hourly(), Demand(180, 20), Verdict.TIGHT, "the next hour needs 200 of 250 calls, 20 of them wait now; tight"),
        (
            hourly(left=0),
            Demand(10, 1),
            Verdict.TIGHT,
            "the next hour needs 11 of 250 calls, 1 of them wait now; tight",
        ),
        (
            hourly(),
            Demand(370),
            Verdict.SHORT,
            "the next hour needs 370 of 250 calls; they do not last beyond 09:10 UTC",
        ),
        (
            hourly(penalised=1800),
            Demand(130),
            Verdict.SHORT,
            "the next hour needs 130 of 125 calls; nothing may be called until 09:30 UTC; they do not last",
        ),
        (
            hourly(),
            Demand(50, bulk=100),
            Verdict.OK,
            "the next hour needs 50 of 250 calls; bulk work needs 100 more, done at about 09:30 UTC",
        ),
        (
            hourly(),
            Demand(260, bulk=3),
            Verdict.SHORT,
            "the next hour needs 260 of 250 calls; they do not last beyond 11:00 UTC; bulk work needs 3 more",
        ),
        (Supply(1, 60, 1, 0), Demand(30), Verdict.OK, "the next hour needs 30 of 60 calls"),
        (Supply(24, 86_400, 1, 3), Demand(1), Verdict.OK, "the next hour needs 1 of 4 calls"),
        (Supply(0, HOUR, 0, 0), Demand(1), Verdict.SHORT, "the next hour needs 1 of 0 calls; they do not last"),
    ],
)
def test_forecasts_in_words(supply: Supply, demand: Demand, verdict: Verdict, sentence: str) -> None:
    seen = forecast(supply, demand, NOW)
    assert seen.verdict is verdict
    assert seen.sentence.startswith(sentence)


@given(
    st.integers(0, 1000),
    st.integers(1, 90_000),
    st.integers(0, 100),
    st.floats(0, 30_000),
    st.floats(0, 1e5),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_more_demand_never_looks_better(
    calls: int, per: int, left: int, penalised: float, per_hour: float, waiting: int, bulk: int
) -> None:
    supply = Supply(calls, per, 0, min(left, calls), penalised)
    less, more = (forecast(supply, Demand(per_hour, count, bulk), NOW) for count in (waiting, waiting + 5))
    order = list(Verdict)
    assert order.index(more.verdict) >= order.index(less.verdict)
    assert more.ratio >= less.ratio
    assert (less.exhausted_at is not None) == (less.verdict is Verdict.SHORT)


def waiting(count: int = 3, deadline: timedelta | None = timedelta(hours=40), hurried: bool = False) -> Waiting:
    return Waiting(UUID(int=1), "accept", count, NOW + deadline if deadline else None, hurried)


@pytest.mark.parametrize(
    ("what", "waited", "holds"),
    [
        (waiting(), 0, True),
        (waiting(), HOLD_SECONDS - 1, True),
        (waiting(), HOLD_SECONDS, False),
        (waiting(count=50), 0, False),
        (waiting(deadline=timedelta(seconds=NEAR_SECONDS)), 0, False),
        (waiting(deadline=timedelta(seconds=NEAR_SECONDS + 1)), 0, True),
        (waiting(deadline=timedelta(hours=-1)), 0, False),
        (waiting(deadline=None), 0, True),
        (waiting(deadline=None, hurried=True), 0, False),
    ],
)
def test_effects_wait_only_while_nothing_is_at_stake(what: Waiting, waited: float, holds: bool) -> None:
    assert worth_waiting(what, 50, waited, NOW) is holds


def test_a_hold_begins_anew_for_those_that_come_later() -> None:
    clock = ManualClock(NOW)
    holds, pair = Holds(clock), (UUID(int=1), "accept")

    def held(*rows: Waiting) -> bool:
        return holds.held(rows, lambda _c, _k: 50, [pair]) == [pair]

    assert held(waiting())
    clock.advance(HOLD_SECONDS)
    assert not held(waiting()), "their minute is over"
    assert not held()
    clock.advance(1)
    assert held(waiting())
