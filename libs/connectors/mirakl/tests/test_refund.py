"""Money: never given back twice, never said to be given back when it is not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import RefundTax
from connector_mirakl.refund import read_echo
from connector_mirakl.sandbox.world import SimOrder

from .stage import Stage, cancel_for, money_line, refund_for


def shipped(stage: Stage) -> SimOrder:
    return stage.shipping_order(status="SHIPPED")


async def test_refunds_money_per_line(stage: Stage) -> None:
    order = shipped(stage)
    line = money_line(order, amount="119.90", shipping_amount=Decimal("5.90"))
    [outcome] = await stage.connection.refund([refund_for(order, line)])
    assert outcome.state is OutcomeState.DONE
    [call] = stage.http.made("refund")
    assert call.json == {
        "order_tax_mode": "TAX_INCLUDED",
        "refunds": [
            {
                "order_line_id": line.line_id,
                "quantity": 1,
                "amount": Decimal("119.90"),
                "shipping_amount": Decimal("5.90"),
                "reason_code": "17",
                "currency_iso_code": "EUR",
            }
        ],
    }
    assert outcome.answer["references"] == [order.lines[0].refunds[0].id]
    assert len(stage.applied("refund")) == 1


async def test_taxes_are_sent_where_they_are_given(stage: Stage) -> None:
    order = shipped(stage)
    tax = (RefundTax(code="TVA20", amount=Decimal("19.98")),)
    await stage.connection.refund([refund_for(order, money_line(order, taxes=tax, shipping_taxes=tax))])
    item = stage.http.made("refund")[0].json["refunds"][0]
    assert item["taxes"] == item["shipping_taxes"] == [{"code": "TVA20", "amount": Decimal("19.98")}]


async def test_taxes_that_are_not_prorated_must_be_stated(stage: Stage) -> None:
    order = stage.shipping_order(status="SHIPPED", tax_rule="NONE")
    back = {"amount": "10.00", "shipping_amount": Decimal("5.90")}
    tax = (RefundTax(code="TVA20", amount=Decimal("1.67")),)
    for stated in ({}, {"taxes": tax}, {"shipping_taxes": tax}):
        request = refund_for(order, money_line(order, **back, **stated))  # type: ignore[arg-type]
        [outcome] = await stage.connection.refund([request])
        assert outcome.state is OutcomeState.UNKNOWN
        assert (await stage.connection.probe_refund(request)).state is ProbeState.NOT_APPLIED
    request = refund_for(order, money_line(order, **back, taxes=tax, shipping_taxes=tax))  # type: ignore[arg-type]
    [outcome] = await stage.connection.refund([request])
    assert outcome.state is OutcomeState.DONE
    [refund] = order.lines[0].refunds
    assert refund.taxes == refund.shipping_taxes == [{"code": "TVA20", "amount": 1.67}]


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
async def test_a_lost_answer_is_found_by_comparing_with_the_known_refunds(stage: Stage, fault: str) -> None:
    order = shipped(stage)
    await stage.connection.refund([refund_for(order)])
    known = (order.lines[0].refunds[0].id,)
    request = refund_for(order, known=known)
    stage.fault(fault, "refund")
    [outcome] = await stage.connection.refund([request])
    assert outcome.state is OutcomeState.UNKNOWN
    probe = await stage.connection.probe_refund(request)
    assert probe.state is ProbeState.APPLIED
    assert probe.answer["references"] == [order.lines[0].refunds[1].id]
    assert len(stage.applied("refund")) == 2


@pytest.mark.parametrize("fault", ["error_500_before_effect", "html_answer"])
async def test_an_equal_older_refund_is_not_taken_for_ours(stage: Stage, fault: str) -> None:
    order = shipped(stage)
    await stage.connection.refund([refund_for(order)])
    request = refund_for(order, known=(order.lines[0].refunds[0].id,))
    stage.fault(fault, "refund", times=1)
    [outcome] = await stage.connection.refund([request])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_refund(request)).state is ProbeState.NOT_APPLIED


async def test_part_of_a_refund_is_undecided(stage: Stage) -> None:
    order = shipped(stage)
    both = refund_for(order, money_line(order), money_line(order, 1, "19.99"))
    await stage.connection.refund([refund_for(order, money_line(order))])
    assert (await stage.connection.probe_refund(both)).state is ProbeState.UNDECIDED


async def test_another_amount_on_the_line_is_undecided(stage: Stage) -> None:
    order = shipped(stage)
    await stage.connection.refund([refund_for(order, money_line(order, amount="50.00"))])
    assert (await stage.connection.probe_refund(refund_for(order))).state is ProbeState.UNDECIDED


async def test_the_same_money_twice_on_a_line_needs_two_refunds(stage: Stage) -> None:
    order = shipped(stage)
    twice = refund_for(order, money_line(order, amount="10.00"), money_line(order, amount="10.00"))
    await stage.connection.refund([refund_for(order, money_line(order, amount="10.00"))])
    assert (await stage.connection.probe_refund(twice)).state is ProbeState.UNDECIDED


@pytest.mark.parametrize(
    "change",
    [{"amount": "999.00"}, {"reason_code": "14"}, {"reason_code": "34"}, {"shipping_amount": Decimal("6.00")}],
    ids=["too much", "not a shop right", "not a refund reason", "too much shipping"],
)
async def test_what_mirakl_refuses_is_rejected_through_the_probe(stage: Stage, change: dict[str, object]) -> None:
    order = shipped(stage)
    request = refund_for(order, money_line(order, **change))  # type: ignore[arg-type]
    [outcome] = await stage.connection.refund([request])
    assert outcome.state is OutcomeState.UNKNOWN
    assert not outcome.retry_if_not_applied
    assert (await stage.connection.probe_refund(request)).state is ProbeState.NOT_APPLIED


async def test_a_closed_order_takes_no_refund(stage: Stage) -> None:
    order = stage.shipping_order(status="CLOSED")
    [outcome] = await stage.connection.refund([refund_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert stage.applied("refund") == []


async def test_one_bad_order_does_not_take_others_with_it(stage: Stage) -> None:
    good, bad = shipped(stage), shipped(stage)
    outcomes = await stage.connection.refund([refund_for(bad, money_line(bad, amount="999.00")), refund_for(good)])
    assert [outcome.state.value for outcome in outcomes] == ["unknown", "done"]
    assert len(stage.http.made("refund")) == 2


async def test_nonsense_is_not_sent(stage: Stage) -> None:
    order = shipped(stage)
    empty = refund_for(order).model_copy(update={"lines": ()})
    negative = refund_for(order, money_line(order, amount="-1.00"))
    outcomes = await stage.connection.refund([empty, negative])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.REJECTED] * 2
    assert stage.http.calls == []


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "done"),
        ({"order_line_id": "another"}, "unknown"),
        ({"amount": Decimal("119.91")}, "unknown"),
        ({"shipping_amount": 1}, "unknown"),
        ({"refund_id": None}, "unknown"),
    ],
)
def test_a_line_that_the_answer_does_not_show_is_never_done(
    stage: Stage, change: dict[str, object], state: str
) -> None:
    line = money_line(shipped(stage))
    item = {"order_line_id": line.line_id, "amount": Decimal("119.90"), "shipping_amount": 0, "refund_id": "1"}
    assert read_echo([{**item, **change}], [line], "refund_id").state.value == state
    assert read_echo([], [line], "refund_id").state is OutcomeState.UNKNOWN
    assert read_echo([{**item, **change}], [line, line], "refund_id").state is OutcomeState.UNKNOWN


async def test_a_whole_order_is_cancelled_before_the_debit(stage: Stage) -> None:
    order = stage.order(status="WAITING_DEBIT", lines=1)
    request = cancel_for(order)
    assert (await stage.connection.probe_cancel(request)).state is ProbeState.NOT_APPLIED
    [outcome] = await stage.connection.cancel([request])
    assert outcome.state is OutcomeState.DONE
    assert stage.http.made("cancel")[0].path == f"/api/orders/{order.id}/cancel"
    assert (await stage.connection.probe_cancel(request)).state is ProbeState.APPLIED
    assert stage.applied("cancel") == [order.id]


async def test_lines_are_cancelled_before_they_leave(stage: Stage) -> None:
    order = stage.shipping_order()
    line = money_line(order, 1, "19.99", reason_code="35")
    request = cancel_for(order, line)
    assert (await stage.connection.probe_cancel(request)).state is ProbeState.NOT_APPLIED
    [outcome] = await stage.connection.cancel([request])
    assert outcome.state is OutcomeState.DONE
    assert order.lines[1].state == "CANCELED"
    assert stage.http.made("cancel")[0].path == "/api/orders/cancel"
    assert (await stage.connection.probe_cancel(request)).state is ProbeState.APPLIED


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
@pytest.mark.parametrize("by_line", [True, False])
async def test_a_lost_cancellation_is_found(stage: Stage, fault: str, by_line: bool) -> None:
    order = stage.shipping_order() if by_line else stage.order(status="WAITING_DEBIT", lines=1)
    request = cancel_for(order, *([money_line(order, 1, "19.99", reason_code="35")] if by_line else []))
    stage.fault(fault, "cancel")
    [outcome] = await stage.connection.cancel([request])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_cancel(request)).state is ProbeState.APPLIED
    assert len(stage.applied("cancel")) == 1


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("SHIPPED", ProbeState.REJECTED),
        ("SHIPPING", ProbeState.NOT_APPLIED),
        ("CANCELED", ProbeState.APPLIED),
        ("ON_HOLD", ProbeState.UNDECIDED),
    ],
)
async def test_a_cancellation_is_judged_by_the_state(stage: Stage, state: str, expected: ProbeState) -> None:
    order = stage.shipping_order(status=state)
    assert (await stage.connection.probe_cancel(cancel_for(order))).state is expected


async def test_two_equal_cancelations_cannot_be_told_apart(stage: Stage) -> None:
    order = stage.shipping_order()
    request = cancel_for(order, money_line(order, 0, "119.90", reason_code="35"))
    await stage.connection.cancel([request])
    await stage.connection.cancel([request])
    assert (await stage.connection.probe_cancel(request)).state is ProbeState.UNDECIDED


async def test_orders_that_are_not_shown_are_undecided(stage: Stage) -> None:
    ghost = stage.shipping_order()
    del stage.simulator.world.orders[ghost.id]
    assert (await stage.connection.probe_refund(refund_for(ghost))).state is ProbeState.UNDECIDED
    assert (await stage.connection.probe_cancel(cancel_for(ghost))).state is ProbeState.UNDECIDED
