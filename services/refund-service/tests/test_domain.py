"""Money, returns and observed refunds: pure rules, with properties that must hold whatever shops and people do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.connections import RefundSettings
from hub_contracts.orders import Environment, FulfilledBy, ObservedRefund, Tax, TaxMode
from hub_contracts.shop_activity import ReturnLine
from hub_contracts.status import OrderStatus
from refund_service.domain import Ask, Balance, BoughtLine, Obstacle, Order, Want, fit_level, price
from refund_service.domain_cancel import CancelPlan, cancel_code, decide_cancellation
from refund_service.domain_observed import OwnRefund, corrections
from refund_service.domain_returns import Rules, Stated, choose_reason, decide, merged
from refund_service.money import Sums, is_payable, minor_unit, part, shipping_part, tax_parts

D = Decimal
LINE = BoughtLine("L", "SKU", 3, D("10.00"), D("30.00"), D("5.90"), (), (), OrderStatus.SHIPPED, None)
PAID = Sums(3, D("30.00"), D("5.90"))


def order(*lines: BoughtLine, status: OrderStatus = OrderStatus.SHIPPED, currency: str = "EUR") -> Order:
    return Order(
        order_id=UUID(int=1),
        connection_id=UUID(int=2),
        tenant="t",
        environment=Environment.SANDBOX,
        is_test=False,
        fulfilled_by=FulfilledBy.SELLER,
        reference="M1",
        order_number="M1",
        currency=currency,
        tax_mode=TaxMode.INCLUDED,
        status=status,
        lines={line.line_id: line for line in lines or (LINE,)},
    )


def rules(**changes: object) -> Rules:
    given_rules = {"settings": RefundSettings(default_reason="17"), "level": "line_amount", "refund_codes": None}
    return Rules(**(given_rules | changes))  # type: ignore[arg-type]


MONEY = st.decimals("0.00", "200.00", places=2)
STEP = st.one_of(
    st.tuples(st.just("refund"), st.integers(0, 5), st.none() | MONEY, st.booleans(), st.booleans()),
    st.tuples(st.just("reject"), st.integers(0, 9)),
    st.tuples(st.just("by_hand"), st.integers(0, 3), MONEY, MONEY),
    st.tuples(st.just("cancel"), st.integers(1, 2)),
)


@given(
    st.integers(1, 7),
    st.decimals("0.01", "60.00", places=2),
    MONEY,
    st.sampled_from(["EUR", "JPY", "KWD"]),
    st.lists(STEP, max_size=14),
)
def test_no_line_ever_gets_back_more_than_was_paid(
    bought: int, unit: Decimal, shipping: Decimal, currency: str, steps: list[tuple[object, ...]]
) -> None:
    if currency == "JPY":
        unit, shipping = D(int(unit) + 1), D(int(shipping))
    line = replace(LINE, quantity=bought, unit_price=unit, line_price=unit * bought, shipping_price=shipping)
    sold, paid = order(line, currency=currency), Sums(bought, unit * bought, shipping)
    balance, asked = Balance(paid=paid), []
    for kind, *values in steps:
        if kind == "refund":
            quantity, amount, with_shipping, by_person = values
            result = price(sold, balance, Want("L", quantity, amount, with_shipping), by_person=by_person)  # type: ignore[arg-type]
            if isinstance(result, Ask):
                before = balance.open
                balance = balance.with_request(result.sums)
                asked.append(result.sums)
                # The request itself fitted into what was open, whoever gave money back before.
                left = before - result.sums
                assert min(left.quantity, left.amount, left.shipping) >= 0
        elif kind == "reject" and asked:
            balance = balance.with_request(Sums() - asked.pop(values[0] % len(asked)))  # type: ignore[operator]
        elif kind == "by_hand":
            balance = replace(balance, observed=(*balance.observed, Sums(*values)))  # type: ignore[arg-type]
        elif kind == "cancel" and balance.open.quantity >= values[0]:  # type: ignore[operator]
            units = values[0]
            balance = replace(
                balance, cancelled=balance.cancelled + Sums(units, min(unit * units, balance.open.amount))
            )  # type: ignore[arg-type,operator]
        requested = sum(asked, Sums())
        assert requested.quantity <= paid.quantity
        assert requested.amount <= paid.amount
        assert requested.shipping <= paid.shipping
        assert is_payable(requested.shipping, currency)


@given(st.integers(1, 40), st.decimals("0.00", "99.99", places=2), st.data())
def test_shipping_given_back_in_any_parts_adds_up_exactly(bought: int, shipping: Decimal, data: st.DataObject) -> None:
    back, given_back = 0, D(0)
    while back < bought:
        units = data.draw(st.integers(1, bought - back))
        share = shipping_part(shipping, shipping - given_back, units, back, bought, "EUR")
        assert 0 <= share <= shipping - given_back
        back, given_back = back + units, given_back + share
    assert given_back == shipping


def test_the_last_unit_does_not_get_shipping_that_others_were_refused() -> None:
    assert shipping_part(D("9.00"), D("9.00"), 1, 2, 3, "EUR") == D("3.00")


@given(st.decimals("0.01", "99.99", places=2), st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_tax_parts_add_up_exactly(tax: Decimal, parts: list[int]) -> None:
    whole, before, total = D(sum(parts)), D(0), D(0)
    for each in parts:
        [share] = tax_parts((Tax(code="T", amount=tax, rule="NONE"),), TaxMode.INCLUDED, before, D(each), whole, "EUR")
        before, total = before + each, total + share.amount
    assert total == tax


def test_taxes_are_stated_only_where_needed() -> None:
    taxes = (Tax(code="A", amount=D(6), rule="PROPORTIONAL_TO_AMOUNT"), Tax(code="B", amount=D(3), rule="NONE"))
    included = tax_parts(taxes, TaxMode.INCLUDED, D(0), D(10), D(30), "EUR")
    excluded = tax_parts(taxes, TaxMode.EXCLUDED, D(0), D(10), D(30), "EUR")
    assert [(tax.code, tax.amount) for tax in included] == [("B", D("1.00"))]
    assert [(tax.code, tax.amount) for tax in excluded] == [("A", D("2.00")), ("B", D("1.00"))]


def test_rounding_follows_the_currency() -> None:
    assert [minor_unit(code) for code in ("EUR", "JPY", "KWD")] == [D("0.01"), D(1), D("0.001")]
    assert part(D(100), 1, 3, "JPY") == D(33)
    assert part(D("0.05"), 1, 2, "EUR") == D("0.03")
    assert not is_payable(D("1.5"), "JPY")


@pytest.mark.parametrize(
    ("line", "status", "cause"),
    [
        (LINE, OrderStatus.CANCELLED, "order_cancelled"),
        (replace(LINE, status=OrderStatus.REFUSED), OrderStatus.SHIPPED, "order_cancelled"),
        (replace(LINE, status=OrderStatus.PREPARATION), OrderStatus.PREPARATION, "not_refundable_yet"),
        (replace(LINE, refundable=False), OrderStatus.SHIPPED, "not_refundable_yet"),
        (replace(LINE, status=OrderStatus.REFUNDING), OrderStatus.REFUNDING, "not_refundable_yet"),
        (replace(LINE, status=OrderStatus.REFUNDED), OrderStatus.REFUNDED, "refunded_elsewhere"),
    ],
)
def test_a_status_that_forbids_a_refund(line: BoughtLine, status: OrderStatus, cause: str) -> None:
    result = price(order(line, status=status), Balance(paid=PAID), Want("L", 1))
    assert isinstance(result, Obstacle)
    assert result.cause == cause


def test_a_line_that_the_marketplace_calls_refundable_is_refunded_in_any_status() -> None:
    line = replace(LINE, status=OrderStatus.PREPARATION, refundable=True)
    assert isinstance(price(order(line, status=OrderStatus.PREPARATION), Balance(paid=PAID), Want("L", 1)), Ask)


def test_a_refund_that_looks_like_one_made_by_hand_is_for_a_person_to_decide() -> None:
    balance = Balance(paid=PAID, observed=(Sums(0, D("10.00")),))
    policy = price(order(), balance, Want("L", 1))
    person = price(order(), balance, Want("L", 1), by_person=True)
    assert isinstance(policy, Obstacle)
    assert policy.cause == "refunded_elsewhere"
    assert isinstance(person, Ask)


def test_levels_of_refunding() -> None:
    second = replace(LINE, line_id="M", quantity=1, line_price=D("10.00"), shipping_price=D(0))
    sold = order(LINE, second)
    books = {"L": Balance(paid=PAID), "M": Balance(paid=Sums(1, D("10.00")))}
    whole = [price(sold, books["L"], Want("L", 3, None, True)), price(sold, books["M"], Want("M", 1, None, True))]
    asks = [each for each in whole if isinstance(each, Ask)]
    assert fit_level("order", sold, books, asks) == []
    assert {o.cause for o in fit_level("order", sold, books, asks[:1])} == {"partial_refund_unsupported"}
    assert {o.cause for o in fit_level("none", sold, books, asks)} == {"refund_unsupported"}
    odd = price(sold, books["L"], Want("L", 1, D("9.99")))
    assert isinstance(odd, Ask)
    assert [o.cause for o in fit_level("line_quantity", sold, books, [odd])] == ["amount_unsupported"]
    assert fit_level("line_amount", sold, books, [odd]) == []


def stated(quantity: int, stage: str = "received", **more: object) -> dict[str, Stated]:
    return merged({}, stage, [ReturnLine(line_id="L", quantity=quantity, **more)])  # type: ignore[arg-type]


def test_statements_are_merged_per_line_and_stage() -> None:
    lines = stated(2, "created")
    lines = merged(lines, "received", [ReturnLine(line_id="L", quantity=1), ReturnLine(line_id="M", quantity=1)])
    lines = merged(lines, "created", [ReturnLine(line_id="L", quantity=3)])
    assert {name: (each.stage, each.quantity) for name, each in lines.items()} == {
        "L": ("received", 1),
        "M": ("received", 1),
    }
    both = [
        ReturnLine(line_id="L", quantity=1, reason="a", amount=D(4)),
        ReturnLine(line_id="L", quantity=2, reason="b"),
    ]
    assert merged({}, "received", both)["L"] == Stated("received", 3, D(4), 2, "b")
    assert Stated.of_json(merged({}, "received", both)["L"].as_json()) == Stated("received", 3, D(4), 2, "b")


@given(st.lists(st.tuples(st.sampled_from(["created", "received", "inspected"]), st.integers(0, 4)), max_size=8))
def test_a_return_told_again_and_again_is_refunded_once(statements: list[tuple[str, int]]) -> None:
    lines: dict[str, Stated] = {}
    asked, balance = Sums(), Balance(paid=PAID)
    most = 0
    for stage, quantity in statements:
        lines = merged(lines, stage, [ReturnLine(line_id="L", quantity=quantity)])
        outcome = decide(order(), {"L": balance}, lines, True, {"L": asked}, rules())
        for ask in outcome.asks:
            asked, balance = asked + ask.sums, balance.with_request(ask.sums)
        if lines["L"].stage != "created":
            most = max(most, min(lines["L"].quantity, 3) if lines["L"].quantity <= 3 else most)
    assert asked.quantity == most
    assert asked.amount == most * D("10.00")


def test_shipping_said_late_is_given_back_once() -> None:
    asked, balance = {"L": Sums(3, D("30.00"))}, Balance(paid=PAID, requested=Sums(3, D("30.00")))
    outcome = decide(order(), {"L": balance}, stated(3), True, asked, rules())
    assert [ask.sums for ask in outcome.asks] == [Sums(0, D(0), D("5.90"))]
    asked = {"L": asked["L"] + outcome.asks[0].sums}
    assert decide(order(), {"L": balance}, stated(3), True, asked, rules()).asks == []


def test_a_whole_order_is_refunded_at_once_or_not_at_all() -> None:
    sold = order(
        replace(LINE, status=OrderStatus.PREPARATION), replace(LINE, line_id="M"), status=OrderStatus.PREPARATION
    )
    books = {"L": Balance(paid=PAID), "M": Balance(paid=PAID)}
    lines = {**stated(3), "M": stated(3)["L"]}
    outcome = decide(sold, books, lines, True, {}, rules(level="order"))
    assert (outcome.asks, outcome.obstacles) == ([], [])
    assert len(outcome.waits) == 1


def test_reasons_are_mapped_defaulted_or_parked() -> None:
    mapped = rules(settings=RefundSettings(reason_map={"Broken": "15"}))
    assert choose_reason(mapped, "L", "broken ") == "15"
    for reason in ("other", None):
        result = choose_reason(mapped, "L", reason)
        assert isinstance(result, Obstacle)
        assert result.cause == "reason_unmapped"
    assert choose_reason(rules(refund_codes=frozenset({"17"})), "L", "other") == "17"
    unknown = choose_reason(rules(refund_codes=frozenset({"1"})), "L", None)
    assert isinstance(unknown, Obstacle)
    assert unknown.cause == "reason_unknown"


def test_cancellation_codes_come_from_the_list_of_cancellations() -> None:
    settings = RefundSettings(reason_map={"gone": "15"}, cancel_default_reason="35")
    assert cancel_code(settings, "gone", None) == "35"
    assert cancel_code(settings, "gone", frozenset({"35", "34"})) == "35"
    assert cancel_code(settings, "gone", frozenset({"15", "35"})) == "15"
    assert isinstance(cancel_code(settings, "gone", frozenset({"34"})), Obstacle)


def test_a_cancellation_of_shipped_lines_is_not_made_by_halves() -> None:
    sold = order(LINE, replace(LINE, line_id="M", status=OrderStatus.PREPARATION), status=OrderStatus.PREPARATION)
    books = {"L": Balance(paid=PAID), "M": Balance(paid=PAID)}
    settings = RefundSettings(cancel_default_reason="35")
    result = decide_cancellation(sold, books, (), None, settings, supported=True, codes=None)
    assert isinstance(result, Obstacle)
    assert result.cause == "already_shipped"
    alone = order(replace(LINE, status=OrderStatus.PREPARATION), status=OrderStatus.PREPARATION)
    plan = decide_cancellation(alone, books, (), None, settings, supported=True, codes=None)
    assert isinstance(plan, CancelPlan)
    assert [ask.sums for ask in plan.asks] == [PAID]


def shown(reference: str, amount: str = "10.00") -> ObservedRefund:
    return ObservedRefund(
        refund_reference=reference, line_id="L", quantity=1, amount=D(amount), shipping_amount=D(0), state="REFUNDED"
    )


def test_observed_refunds_that_are_ours_are_not_counted_twice() -> None:
    ten = ("L", Sums(1, D("10.00")))
    foreign = {("2", "L"): Sums(1, D("10.00"))}
    assert corrections([shown("1"), shown("2")], [OwnRefund(("1",), (ten,))], {}) == foreign
    assert corrections([shown("1"), shown("2")], [OwnRefund((), (ten,))], {}) == foreign
    assert corrections([shown("1")], [OwnRefund((), (ten, ten))], {}) == {}
    assert corrections([shown("2")], [OwnRefund(("1",), (ten,))], foreign) == {}


def test_what_turns_out_to_be_ours_is_taken_out_again_and_what_vanishes_stays() -> None:
    recorded = {("1", "L"): Sums(1, D("10.00"))}
    own = [OwnRefund(("1",), (("L", Sums(1, D("10.00"))),))]
    assert corrections([shown("1")], own, recorded) == {("1", "L"): Sums(-1, D("-10.00"))}
    assert corrections([], [], recorded) == {}
    assert corrections([shown("1", "12.00")], [], recorded) == {("1", "L"): Sums(0, D("2.00"))}
