"""The plan for one order, pure: what is told, in which order, and why the rest waits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.orders import Environment
from hub_contracts.status import OrderStatus as S
from shipment_notifier.domain import Content, Kind, Line, Order, Parcel, Plan, Sent, covers, notified_units, plan

SANDBOX = Environment.SANDBOX


def order(status: S = S.PREPARATION, a: int = 2, b: int = 1, **changes: Any) -> Order:
    lines = {"A": Line("A", "SKU-A", a, S.PREPARATION), "B": Line("B", "SKU-B", b, S.PREPARATION)}
    return replace(Order(status, SANDBOX, lines), **changes)


def content(a: int = 0, b: int = 0, **changes: Any) -> Content:
    lines = {line: units for line, units in (("A", a), ("B", b)) if units}
    return replace(Content(None, "DPD", "N1", "https://t.example/1", lines), **changes)


def parcel(number: int, a: int = 0, b: int = 0, **changes: Any) -> Parcel:
    return replace(Parcel(UUID(int=number), SANDBOX, content(a, b)), **changes)


def sent(number: int, state: Sent, a: int = 0, b: int = 0, **changes: Any) -> Parcel:
    return parcel(number, a, b, sent=state, told=content(a, b), **changes)


def causes(made: Plan) -> list[str | None]:
    return [step.cause for step in made.steps.values()]


def flags(made: Plan) -> list[tuple[int, bool, bool]]:
    return [(shipment.leading.int, shipment.whole_order, shipment.completes_order) for shipment in made.shipments]


def test_one_parcel_with_everything_is_the_whole_order() -> None:
    assert flags(plan(order(), [parcel(1, 2, 1)])) == [(1, True, True)]


def test_parts_are_told_in_order_and_the_last_completes() -> None:
    assert flags(plan(order(), [parcel(1, 1), parcel(2, 1), parcel(3, 0, 1)])) == [
        (1, False, False), (2, False, False), (3, False, True),
    ]  # fmt: skip


def test_what_was_told_counts_and_is_not_told_again() -> None:
    made = plan(order(), [sent(1, Sent.DONE, 1), sent(2, Sent.OPEN, 1), parcel(3, 0, 1)])
    assert [step.kind for step in made.steps.values()] == [Kind.DONE, Kind.OPEN, Kind.SHIP]
    assert flags(made) == [(3, False, True)]


def test_the_rest_after_a_told_parcel_is_not_the_whole_order() -> None:
    assert flags(plan(order(b=0), [sent(1, Sent.DONE, 1), parcel(2, 1)]))[0][1] is False


def test_more_than_the_order_has_is_parked_and_the_earlier_parcel_wins() -> None:
    made = plan(order(), [parcel(1, 2), parcel(2, 1), parcel(3, 0, 1)])
    assert causes(made) == [None, "shipped_too_many", None]
    assert flags(made) == [(1, False, False), (3, False, True)]
    assert causes(plan(order(), [parcel(1, content=content(lines={"X": 1}))])) == ["shipped_too_many"]


@pytest.mark.parametrize("lines", [{}, {"A": 0}, {"A": -1}])
def test_a_parcel_without_units_is_parked(lines: dict[str, int]) -> None:
    assert causes(plan(order(), [parcel(1, content=content(lines=lines))])) == ["parcel_empty"]


@pytest.mark.parametrize("status", list(S))
def test_only_released_orders_are_told(status: S) -> None:
    [step] = plan(order(status), [parcel(1, 2, 1)]).steps.values()
    expected = {
        S.PREPARATION: (Kind.SHIP, None),
        S.SHIPPED: (Kind.SHIP, None),
        S.DELIVERED: (Kind.PARK, "order_past_shipping"),
        S.REFUNDING: (Kind.PARK, "order_past_shipping"),
        S.REFUNDED: (Kind.PARK, "shipped_after_cancellation"),
        S.CANCELLED: (Kind.PARK, "shipped_after_cancellation"),
        S.REFUSED: (Kind.PARK, "shipped_after_cancellation"),
    }
    assert (step.kind, step.cause) == expected.get(status, (Kind.WAIT, None))


@pytest.mark.parametrize(
    "changes", [{"is_test": True}, {"by_seller": False}, {"ships": False}], ids=lambda value: next(iter(value))
)
def test_what_is_never_told_is_set_aside(changes: dict[str, bool]) -> None:
    for status in S:
        [step] = plan(order(status, **changes), [parcel(1, 2, 1)]).steps.values()
        assert step.kind is Kind.SET_ASIDE
    assert [step.kind for step in plan(order(), [parcel(1, 2, 1, live=False)]).steps.values()] == [Kind.SET_ASIDE]


@pytest.mark.parametrize("where", ["parcel", "order", "connection"])
def test_environments_never_mix(where: str) -> None:
    made_order = order(connection_environment=SANDBOX)
    one = parcel(1, 2, 1)
    if where == "parcel":
        one = replace(one, environment=Environment.PRODUCTION)
    elif where == "order":
        made_order = replace(made_order, environment=Environment.PRODUCTION)
    else:
        made_order = replace(made_order, connection_environment=Environment.PRODUCTION)
    assert causes(plan(made_order, [one])) == ["environment_mismatch"]


def test_a_cancelled_line_is_not_owed_and_must_not_be_shipped() -> None:
    lines = dict(order().lines)
    lines["B"] = replace(lines["B"], status=S.CANCELLED)
    made = plan(replace(order(), lines=lines), [parcel(1, 2), parcel(2, 0, 1)])
    assert flags(made) == [(1, True, True)]
    assert causes(made) == [None, "shipped_after_cancellation"]


def test_a_missing_link_is_parked_where_one_is_demanded() -> None:
    bare = parcel(1, 2, 1, content=content(2, 1, tracking_url=None))
    assert causes(plan(order(), [bare])) == [None]
    assert causes(plan(order(requires_tracking_url=True), [bare])) == ["tracking_url_missing"]


def test_one_shipment_per_order_waits_for_the_last_unit() -> None:
    single = order(partial_shipment=False)
    made = plan(single, [parcel(1, 2)])
    assert ([step.kind for step in made.steps.values()], made.shipments) == ([Kind.WAIT], [])
    made = plan(single, [parcel(1, 2), parcel(2, 0, 1, content=content(0, 1, tracking_number="N2"))])
    [shipment] = made.shipments
    assert shipment.parcel_ids == (UUID(int=1), UUID(int=2))
    assert (shipment.content.tracking_number, dict(shipment.lines)) == ("N2", {"A": 2, "B": 1})
    assert (shipment.whole_order, shipment.completes_order) == (True, True)


def test_corrections_by_how_far_the_telling_is() -> None:
    other = content(2, 1, tracking_number="N2")
    done = plan(order(), [sent(1, Sent.DONE, 2, 1, content=other)])
    assert (causes(done), done.shipments) == (["tracking_changed"], [])
    flying = plan(order(), [sent(1, Sent.OPEN, 2, 1, content=other)])
    assert ([step.kind for step in flying.steps.values()], flying.shipments) == ([Kind.OPEN], [])
    refused = plan(order(), [sent(1, Sent.REJECTED, 2, 1)])
    assert (causes(refused), refused.shipments) == (["shipment_rejected"], [])
    assert flags(plan(order(), [sent(1, Sent.REJECTED, 2, 1, content=other)])) == [(1, True, True)]


PARCELS = st.lists(
    st.tuples(st.sampled_from(list(Sent)), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=6
)


@given(given=PARCELS, status=st.sampled_from(list(S)), partial=st.booleans(), a=st.integers(1, 4), b=st.integers(1, 4))
def test_whatever_comes_nothing_is_told_twice_or_too_much(
    given: list[tuple[Sent, int, int, bool]], status: S, partial: bool, a: int, b: int
) -> None:
    parcels = []
    for number, (state, units_a, units_b, corrected) in enumerate(given):
        one = sent(number, state, units_a, units_b)
        parcels.append(replace(one, content=content(units_a, units_b, tracking_number="N2")) if corrected else one)
    made = plan(order(status, a, b, partial_shipment=partial), parcels)
    assert list(made.steps) == [each.parcel_id for each in parcels], "every parcel has exactly one step"
    shipped = [parcel_id for shipment in made.shipments for parcel_id in shipment.parcel_ids]
    assert len(shipped) == len(set(shipped))
    for each in parcels:
        step = made.steps[each.parcel_id]
        assert (step.kind is Kind.SHIP) == (each.parcel_id in shipped)
        assert each.sent not in (Sent.OPEN, Sent.DONE) or step.kind is not Kind.SHIP
        assert step.kind is not Kind.PARK or (step.cause and step.reason and step.next_step)
    if status not in (S.PREPARATION, S.SHIPPED):
        assert not made.shipments
    told: Counter[str] = Counter()
    for each in parcels:
        told.update(each.counted.lines if each.counted else {})
    for shipment in made.shipments:
        told.update(shipment.lines)
        has = {"A": a, "B": b}
        assert all(told[line] <= has[line] for line in shipment.lines)
        assert shipment.completes_order == covers(told, Counter(has))
        assert not shipment.whole_order or dict(shipment.lines) == has


def test_complete_means_confirmed() -> None:
    parcels = [sent(1, Sent.DONE, 2), sent(2, Sent.OPEN, 0, 1)]
    assert not covers(notified_units(parcels), order().owed)
    assert covers(notified_units([*parcels[:1], sent(2, Sent.DONE, 0, 1)]), order().owed)
    assert not covers(Counter(), Counter())
