"""The life of a difference, and what people read in a statement: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.offers import ChannelPrice, MarketplaceOffer
from hub_contracts.base import Money
from hub_contracts.reconciliations import DifferenceKind, Repair
from reconciliation.life import Difference, Sighting, State, Told, agreed, closed, shown
from reconciliation.offers import paid_price
from reconciliation.statement import Facts, age, as_html, as_text, headline, issue, missing_parts
from reconciliation.statements import may_issue, next_day
from reconciliation.steps import FOR_PEOPLE, OWNER, Finding, offer_finding

CONNECTION, AT = UUID(int=1), datetime(2026, 11, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def sight(number: int, **rules: int) -> Sighting:
    return Sighting(CONNECTION, "tenant-1", number, AT + number * HOUR, **rules)


def stock(seen: str = "25", repair: Repair = Repair.PUSH_AGAIN) -> Finding:
    return offer_finding(DifferenceKind.STOCK, CONNECTION, "A", hub="7", marketplace=seen, repair=repair)


def opened(**rules: int) -> Difference:
    first = shown(None, stock(), sight(1, **rules)).row
    second = shown(first, stock(), sight(2, **rules)).row
    assert second is not None
    return second


def test_every_kind_has_an_owner_and_words_for_people() -> None:
    assert set(OWNER) == set(FOR_PEOPLE) == set(DifferenceKind)


def test_found_at_is_the_first_sighting_and_opened_at_the_one_that_confirmed_it() -> None:
    row = opened()
    assert (row.state, row.found_at, row.opened_at, row.comparisons) == (State.OPEN, AT + HOUR, AT + 2 * HOUR, 2)


def test_with_one_confirmation_it_is_told_at_once() -> None:
    step = shown(None, stock(), sight(1, confirmations=1))
    assert (step.told, step.row and step.row.state) == (Told.FOUND, State.OPEN)


def test_without_attempts_a_person_is_asked_at_once() -> None:
    row = opened(attempts=0)
    assert (row.repair, row.attempts) == (Repair.OPERATOR, 0)
    assert "stock-sync" in row.next_step
    assert shown(row, stock(), sight(3, attempts=0)).told is Told.NOTHING


def test_a_change_of_value_is_told_and_the_same_value_to_a_person_is_not() -> None:
    row = opened()
    for number in (3, 4, 5):
        step = shown(row, stock(), sight(number))
        assert step.row is not None
        row = step.row
    assert (row.repair, row.attempts) == (Repair.OPERATOR, 3)
    assert shown(row, stock(), sight(6)).told is Told.NOTHING
    changed = shown(row, stock("24"), sight(6))
    assert (changed.told, changed.row and changed.row.marketplace_value) == (Told.FOUND, "24")


def test_what_a_person_closed_stays_closed_until_a_value_changes() -> None:
    step = closed(opened(), AT + 3 * HOUR, "counted by hand", "ada")
    assert step.row is not None
    assert (step.told, step.event and step.event.actor) == (Told.RESOLVED, "ada")  # type: ignore[union-attr]
    still = shown(step.row, stock(), sight(4))
    assert (still.told, still.row and still.row.state) == (Told.NOTHING, State.CLOSED)
    again = shown(step.row, stock("3"), sight(4))
    assert again.row is not None
    assert (again.row.state, again.row.found_at, again.row.resolution) == (State.SUSPECTED, AT + 4 * HOUR, None)
    over = agreed(step.row, sight(4))
    assert (over.told, over.row and over.row.resolution) == (Told.NOTHING, "counted by hand")


@given(st.lists(st.sampled_from(["same", "other", "agree", "close"]), max_size=30))
def test_found_and_resolved_alternate_and_nothing_is_told_twice(steps: list[str]) -> None:
    """Between two ends there is a beginning, and an unchanged row is never told again."""
    row: Difference | None = None
    is_open, last = False, None
    for number, what in enumerate(steps, start=1):
        if what == "agree":
            step = agreed(row, sight(number)) if row is not None and row.state is not State.RESOLVED else None
        elif what == "close":
            step = closed(row, AT, "reason", "ada") if row is not None and row.state is State.OPEN else None
        else:
            step = shown(row, stock("25" if what == "same" else "24"), sight(number))
        if step is None:
            continue
        if step.told is Told.RESOLVED:
            assert is_open
            is_open, last = False, None
        elif step.told is Told.FOUND:
            assert step.event != last
            is_open, last = True, step.event
        row = step.row
        assert row is None or (row.state is State.OPEN) == is_open


def _money(amount: str) -> Money:
    return Money(amount=amount, currency="EUR")


@pytest.mark.parametrize(
    ("days_from", "days_until", "paid"), [(-1, 1, "8.00"), (1, 2, "10.00"), (-2, -1, "10.00"), (None, None, "8.00")]
)
def test_a_discount_counts_while_it_runs(days_from: Any, days_until: Any, paid: str) -> None:
    """A discount that is over is not what a buyer pays; one without dates is."""
    day = timedelta(days=1)
    price = ChannelPrice(
        price=_money("10.00"),
        discount_price=_money("8.00"),
        discount_from=AT + days_from * day if days_from is not None else None,
        discount_until=AT + days_until * day if days_until is not None else None,
    )
    assert paid_price(MarketplaceOffer(offer_sku="A", channel_prices=(price,)), AT) == _money(paid)


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "connection_id": CONNECTION,
        "label": "Shop <FR>",
        "environment": "production",
        "day": date(2026, 11, 2),
        "orders": 3,
        "orders_compared": 3,
        "offers": 2,
        "offers_compared": 2,
        "effects_by_kind": {"accept": 3, "ship": 2},
        "found": 0,
        "resolved": 0,
        "open_by_kind": {},
        "open": (),
        "compared_at": AT,
    }
    return Facts(**(values | changes))


def test_a_complete_day_says_so() -> None:
    told = issue(facts())
    assert (told.complete, headline(told)) == (True, "3 orders, 5 effects, 0 differences")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"orders_compared": 1}, "2 of 3 orders were not compared"),
        ({"offers_compared": 0}, "2 of 2 offers were not compared"),
        ({"offers_why_not": "comparing offers is switched off"}, "comparing offers is switched off"),
        ({"orders_why_not": "comparing orders is switched off"}, "comparing orders is switched off"),
        ({"gaps": "orders could not be read"}, "orders could not be read"),
        ({"compared_at": None}, "no comparison has been finished since the day began"),
    ],
)
def test_what_was_not_compared_makes_it_incomplete_and_is_said(changes: dict[str, Any], words: str) -> None:
    told = issue(facts(**changes))
    assert (told.complete, headline(told)) == (False, "3 orders, 5 effects, 0 differences (incomplete)")
    assert words in missing_parts(facts(**changes))


def _body(**changes: Any) -> dict[str, Any]:
    given = facts(**changes)
    told = issue(given)
    listed = {
        "kind": "stock",
        "what": "<b>A</b>",
        "hub_value": "7",
        "marketplace_value": "25",
        "age": "3 h 0 min",
        "owner": "stock-sync",
        "next_step": "Look.",
    }
    return told.model_dump(mode="json") | {
        "label": given.label,
        "environment": given.environment,
        "final": given.final,
        "issued_at": "2026-11-03T01:00:00Z",
        "headline": headline(told),
        "not_compared": missing_parts(given),
        "open": [listed],
    }


def test_the_text_holds_headline_tables_and_next_steps() -> None:
    text = as_text(_body(open_by_kind={"stock": 1}, orders_compared=2))
    assert "3 orders, 5 effects, 1 differences (incomplete)" in text
    assert "Not compared: 1 of 3 orders were not compared." in text
    assert "accept  3" in text
    assert "Look." in text


def test_the_page_escapes_what_others_wrote() -> None:
    page = as_html(_body())
    assert "<b>A</b>" not in page
    assert "&lt;b&gt;A&lt;/b&gt;" in page
    assert "Shop &lt;FR&gt;" in page


def test_ages_for_people() -> None:
    assert [age(AT, AT + gap) for gap in (timedelta(minutes=5), timedelta(days=2, hours=3), timedelta(-1))] == [
        "0 h 5 min",
        "2 d 3 h",
        "0 h 0 min",
    ]


def test_days_are_made_up_for_but_not_for_ever() -> None:
    today = date(2026, 11, 20)
    assert next_day(date(2026, 11, 20), None, today, 7) is None
    assert next_day(date(2026, 11, 19), None, today, 7) == date(2026, 11, 19)
    assert next_day(date(2026, 1, 1), date(2026, 11, 18), today, 7) == date(2026, 11, 19)
    assert next_day(date(2026, 1, 1), None, today, 7) == date(2026, 11, 13)
    assert next_day(date(2026, 1, 1), date(2026, 11, 19), today, 7) is None


def test_a_day_waits_for_a_comparison_that_began_after_it_settled_but_not_longer_than_allowed() -> None:
    day, settle, latest = date(2026, 11, 2), timedelta(minutes=15), timedelta(hours=6)
    settled_at = datetime(2026, 11, 3, 0, 15, tzinfo=UTC)
    assert not may_issue(day, settled_at - timedelta(seconds=1), settle, latest, settled_at)
    assert not may_issue(day, settled_at + HOUR, settle, latest, settled_at - timedelta(seconds=1))
    assert may_issue(day, settled_at + HOUR, settle, latest, settled_at)
    assert may_issue(day, settled_at + latest, settle, latest, None)
