"""What marketplaces show is compared with what they took, within the budget, and repaired a few times."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hub_contracts.work import WorkParked, WorkResumed
from stock_sync.readback import MOST_PUSHES, Drift, Step, next_step, settle_time
from stock_sync.reading import ReadBack, pause_after_reading

from .conftest import CONTRACT, MARKET, Stage

SOLD = Drift("set_stock", "", patient=True)
WRONG = Drift("set_price", "")


@pytest.mark.parametrize(
    ("found", "seen", "pushes", "step"),
    [
        ([], 1, 2, Step.FINE),
        ([SOLD], 0, 0, Step.LOOK_AGAIN),
        ([SOLD], 1, 0, Step.PUSH_AGAIN),
        ([SOLD, WRONG], 0, 0, Step.PUSH_AGAIN),
        ([WRONG], 0, MOST_PUSHES - 1, Step.PUSH_AGAIN),
        ([WRONG], 0, MOST_PUSHES, Step.GIVE_UP),
    ],
)
def test_patience_then_repeats_then_a_person(found: list[Drift], seen: int, pushes: int, step: Step) -> None:
    assert next_step(found, seen, pushes) is step


def test_no_look_before_the_marketplace_can_have_published() -> None:
    assert settle_time(15, None) == timedelta(minutes=15)
    assert settle_time(0, None) == timedelta(minutes=1)


@pytest.fixture
async def pushed(stage: Stage) -> Stage:
    """Offer A, 7 units at 12.50 reduced to 11.00, taken by the marketplace."""
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.price("a", "12.50", "11.00")
    await stage.push()
    stage.simulators["manomano"].record.entries.clear()
    return stage


def market_offer(stage: Stage) -> Any:
    return stage.simulators["manomano"].world.offers[CONTRACT, "A"]


async def look(stage: Stage, minutes: float = 20) -> None:
    """Let time pass, look, and send what follows."""
    stage.clock.advance(minutes * 60)
    await stage.h.lease()
    reader = ReadBack(stage.h.runtime)
    await reader.step()
    await stage.h.make_due()
    await stage.push()


async def test_an_offer_that_shows_what_was_taken_is_left_alone(pushed: Stage) -> None:
    await look(pushed)
    row = await pushed.offer("A")
    assert (row["check_at"], row["drift_pushes"]) == (None, 0)
    assert row["shown"] is not None
    assert pushed.applied("stock") == pushed.applied("price") == []


async def test_nothing_is_read_before_its_time_nor_twice(pushed: Stage) -> None:
    await look(pushed, minutes=5)
    assert (await pushed.offer("A"))["shown_at"] is None
    await look(pushed)
    first = (await pushed.offer("A"))["shown_at"]
    await look(pushed)
    assert (await pushed.offer("A"))["shown_at"] == first


async def test_a_wrong_price_is_sent_again_and_only_the_price(pushed: Stage) -> None:
    market_offer(pushed).price = Decimal("9.00")
    await look(pushed)
    assert (pushed.applied("price"), pushed.applied("stock")) == ([("A", "11.00")], [])
    await look(pushed)
    assert (await pushed.offer("A"))["drift_pushes"] == 0
    assert len(pushed.applied("price")) == 1


async def test_fewer_units_may_be_a_sale_and_are_sent_again_only_when_seen_twice(pushed: Stage) -> None:
    market_offer(pushed).stock = 5
    await look(pushed)
    assert pushed.applied("stock") == []
    await look(pushed)
    assert pushed.applied("stock") == [("A", 7)]


async def test_a_sale_that_arrives_meanwhile_is_no_drift(pushed: Stage) -> None:
    market_offer(pushed).stock = 5
    await look(pushed)
    await pushed.sell("M1", ("A", 2))
    await pushed.push()
    await look(pushed)
    assert pushed.applied("stock") == [("A", 5)]
    assert await pushed.h.parked() == []


async def test_what_repeats_do_not_mend_is_parked_and_resumes_by_itself(pushed: Stage) -> None:
    await pushed.told(WorkParked)
    for _ in range(MOST_PUSHES + 1):
        market_offer(pushed).price = Decimal("9.00")
        await look(pushed)
    assert len(pushed.applied("price")) == MOST_PUSHES
    parked = await pushed.told(WorkParked)
    assert [(p.cause, p.subject_id) for p in parked] == [("offer_drifts", f"{MARKET}:A")]
    assert "price 9.00 is shown, 11.00 was taken" in parked[0].detail
    await pushed.price("a", "12.00", at=1)
    await pushed.push()
    await look(pushed)
    assert len(await pushed.told(WorkResumed)) == 1
    assert await pushed.h.parked() == []


async def test_a_marketplace_that_cannot_be_read_is_asked_later(pushed: Stage) -> None:
    market_offer(pushed).price = Decimal("9.00")
    pushed.fault("error_500_before_effect", "read_offers", times=None)
    reader = ReadBack(pushed.h.runtime)
    pushed.clock.advance(20 * 60)
    await pushed.h.lease()
    assert await reader.step()
    assert not await reader.step()
    assert (await pushed.offer("A"))["check_at"] is not None
    pushed.simulators["manomano"].faults.set([])
    pushed.clock.advance(20 * 60)
    await pushed.h.lease()
    assert await reader.step()
    assert len(await pushed.h.effects("set_price")) == 2


async def test_what_could_not_be_looked_at_for_hours_is_left_to_others(pushed: Stage) -> None:
    market_offer(pushed).price = Decimal("9.00")
    await look(pushed, minutes=60 * 7)
    row = await pushed.offer("A")
    assert (row["check_at"], row["shown"]) == (None, None)
    assert pushed.applied("price") == []


async def test_a_connection_that_does_not_use_the_capability_is_not_read(stage: Stage) -> None:
    await stage.stand(off=("offers",))
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.push()
    assert (await stage.offer("A"))["check_at"] is None


async def test_readings_leave_half_of_the_budget(stage: Stage) -> None:
    await stage.stand(budgets={"set_offers": 1000, "read_offers": 8})
    connection = stage.h.runtime.connections.get(MARKET)
    assert connection is not None
    assert 3600 / pause_after_reading(connection) * 2 == 8 / 2
