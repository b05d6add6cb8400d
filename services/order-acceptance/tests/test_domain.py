"""Decisions, pure: each rule alone, and what the connection's policy makes of what failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.acceptances import DecidedBy, Decision
from hub_contracts.base import Money
from hub_contracts.connections import AcceptancePolicy
from hub_contracts.orders import Environment, OrderLine, OrderSnapshot
from hub_contracts.status import OrderStatus
from order_acceptance.domain import Facts, KnownOffer, Verdict, by_person, decide

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def euro(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def line(sku: str = "A", quantity: int = 1, price: str = "10.00") -> OrderLine:
    return OrderLine(
        line_id=f"L-{sku}",
        offer_sku=sku,
        quantity=quantity,
        unit_price=euro(price),
        line_price=euro(price).times(quantity),
        shipping_price=euro("0"),
        status=OrderStatus.PENDING,
        marketplace_status="PENDING",
    )


def order(*lines: OrderLine, **changes: Any) -> OrderSnapshot:
    values: dict[str, Any] = {
        "order_id": uuid4(),
        "connection_id": uuid4(),
        "connector": "somewhere",
        "environment": Environment.SANDBOX,
        "marketplace_reference": "M1",
        "order_number": "M1",
        "status": OrderStatus.PENDING,
        "marketplace_status": "PENDING",
        "currency": "EUR",
        "products_price": Decimal(10),
        "shipping_price": Decimal("5.00"),
        "total_price": Decimal(15),
        "lines": lines or (line(),),
        "destination_country": "FR",
        "created_at": NOW - timedelta(hours=1),
        "marketplace_updated_at": NOW,
    }
    return OrderSnapshot(**(values | changes))


FACTS = Facts(
    now=NOW,
    offers={"A": KnownOffer(5, euro("10.00")), "B": KnownOffer(5, euro("20.00"))},
    linked_skus=frozenset({"A", "B"}),
    pass_through=False,
    line_acceptance=True,
    address_shown=True,
)


def failed(verdict: Verdict) -> set[str]:
    return {rule.rule for rule in verdict.rules if rule.outcome == "failed"}


def test_everything_holds_is_accepted_with_the_options_that_lost() -> None:
    verdict = decide(order(), AcceptancePolicy(), FACTS)
    assert verdict.decision is Decision.ACCEPT
    assert all(each.accepted for each in verdict.lines)
    assert {option.option for option in verdict.losing_options} == {"refuse", "hold"}
    stock = next(rule for rule in verdict.rules if rule.rule == "stock_available")
    assert stock.inputs == {"line": "L-A", "sku": "A", "wanted": "1", "free": "5"}


@pytest.mark.parametrize(
    ("rule", "subject", "policy", "facts"),
    [
        ("stock_available", order(line(quantity=6)), AcceptancePolicy(), FACTS),
        ("stock_available", order(line("C")), AcceptancePolicy(require_linked_skus=False), FACTS),
        ("sku_linked", order(line("C")), AcceptancePolicy(require_stock=False), FACTS),
        ("price_within_tolerance", order(line(price="9.49")), AcceptancePolicy(), FACTS),
        (
            "price_within_tolerance",
            order(),
            AcceptancePolicy(),
            replace(FACTS, offers={"A": KnownOffer(5, Money(amount=Decimal(10), currency="GBP"))}),
        ),
        (
            "shipping_price",
            order(),
            AcceptancePolicy(expected_shipping_price=Decimal(6), shipping_tolerance_percent=Decimal(10)),
            FACTS,
        ),
        ("order_age", order(created_at=NOW - timedelta(hours=49)), AcceptancePolicy(max_order_age_hours=48), FACTS),
        ("address_complete", order(missing_address_fields=("city",)), AcceptancePolicy(), FACTS),
    ],
)
@pytest.mark.parametrize("otherwise", [Decision.HOLD, Decision.REFUSE])
def test_each_condition_alone_leads_to_the_connections_choice(
    rule: str, subject: OrderSnapshot, policy: AcceptancePolicy, facts: Facts, otherwise: Decision
) -> None:
    verdict = decide(subject, policy.model_copy(update={"when_conditions_fail": otherwise}), facts)
    assert failed(verdict) == {rule}
    assert verdict.decision is otherwise
    assert rule in verdict.reason
    assert all(each.accepted is (otherwise is Decision.HOLD) for each in verdict.lines)
    assert any(option.option == "accept" for option in verdict.losing_options)


def test_tolerances_are_inclusive() -> None:
    assert decide(order(line(price="9.50")), AcceptancePolicy(), FACTS).decision is Decision.ACCEPT
    policy = AcceptancePolicy(expected_shipping_price=Decimal("5.00"), shipping_tolerance_percent=Decimal(0))
    assert decide(order(), policy, FACTS).decision is Decision.ACCEPT


def test_paying_more_is_never_a_reason_to_hold() -> None:
    assert decide(order(line(price="100.00")), AcceptancePolicy(), FACTS).decision is Decision.ACCEPT


def test_contradicting_data_and_manual_connections_wait_for_a_person_whatever_the_policy() -> None:
    policy = AcceptancePolicy(when_conditions_fail=Decision.REFUSE)
    assert decide(order(data_alerts=("sums differ",)), policy, FACTS).decision is Decision.HOLD
    assert decide(order(), policy.model_copy(update={"auto_accept": False}), FACTS).decision is Decision.HOLD


def test_hidden_addresses_are_not_missing_addresses() -> None:
    hidden = order(missing_address_fields=("city", "street_1"), destination_country=None)
    facts = replace(FACTS, address_shown=False)
    assert decide(hidden, AcceptancePolicy(), facts).decision is Decision.ACCEPT
    assert decide(hidden, AcceptancePolicy(), FACTS).decision is Decision.HOLD


def test_partial_acceptance_refuses_only_failing_lines_where_the_marketplace_can() -> None:
    subject = order(line("A"), line("B", quantity=9))
    policy = AcceptancePolicy(partial_acceptance=True)
    verdict = decide(subject, policy, FACTS)
    assert verdict.decision is Decision.ACCEPT
    assert {each.line_id: each.accepted for each in verdict.lines} == {"L-A": True, "L-B": False}
    assert decide(subject, policy, replace(FACTS, line_acceptance=False)).decision is Decision.HOLD
    assert decide(order(line("B", quantity=9)), policy, FACTS).decision is Decision.HOLD


@given(st.integers(-3, 12), st.integers(1, 9), st.booleans())
def test_never_accepts_more_than_is_free_unless_told_not_to_look(free: int, wanted: int, look: bool) -> None:
    facts = replace(FACTS, offers={"A": KnownOffer(free, None)})
    verdict = decide(order(line(quantity=wanted)), AcceptancePolicy(require_stock=look), facts)
    assert (verdict.decision is Decision.ACCEPT) == (not look or wanted <= free)


def test_a_persons_decision_names_lines_the_order_does_not_have() -> None:
    with pytest.raises(ValueError, match="no line 'X'"):
        by_person(order(), Decision.ACCEPT, ["X"], "called the buyer", DecidedBy.OPERATOR)
    with pytest.raises(ValueError, match="every line is refused"):
        by_person(order(), Decision.ACCEPT, ["L-A"], "called the buyer", DecidedBy.OPERATOR)


def test_the_price_of_a_test_order_is_not_compared() -> None:
    """It is invented, because the hub does not know what the offer costs: every test order would be refused for it."""
    test_order = order(line(price="0.01"), is_test=True)
    verdict = decide(test_order, AcceptancePolicy(when_conditions_fail=Decision.REFUSE), FACTS)
    (price,) = (rule for rule in verdict.rules if rule.rule == "price_within_tolerance")
    assert (verdict.decision, price.outcome) == (Decision.ACCEPT, "skipped")


def test_a_sku_on_several_lines_takes_its_units_once_from_the_stock() -> None:
    """5 are free. Each line alone could be served, both together cannot."""
    twice = order(line(quantity=3), line(quantity=3).model_copy(update={"line_id": "L-A2"}))
    verdict = decide(twice, AcceptancePolicy(partial_acceptance=True), FACTS)
    assert failed(verdict) == {"stock_available"}
    assert [(each.line_id, each.accepted) for each in verdict.lines] == [("L-A", True), ("L-A2", False)]
    enough = order(line(quantity=3), line(quantity=2).model_copy(update={"line_id": "L-A2"}))
    assert decide(enough, AcceptancePolicy(), FACTS).decision is Decision.ACCEPT
