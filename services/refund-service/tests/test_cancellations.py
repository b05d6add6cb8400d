"""Cancelling on the shop's wish: only while the marketplace lets the seller, once, and never instead of a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from connector_kit.simulator import FaultRule
from hub_contracts.connections import RefundSettings
from hub_contracts.orders import FulfilledBy
from hub_contracts.refunds import CancellationConfirmed, CancellationRejected, RefundRequested
from hub_contracts.shop_activity import LineQuantity

Stage = Any
"""The fixtures `mirakl` and `manomano`; their class lives in the conftest, which cannot be imported from here."""


POLICY = RefundSettings(default_reason="17", cancel_default_reason="35")


async def test_a_whole_order_in_preparation_is_cancelled_with_all_its_lines(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    reference = mirakl.sold(("A", "10.00", 3), ("B", "4.50", 1), status="SHIPPING")
    order = await mirakl.arrive(reference)
    event = await mirakl.cancel_wish(order)
    await mirakl.harness.feed((order.order_id, event))
    await mirakl.settle()
    assert mirakl.simulator.state()["orders"][reference]["order_state"] == "CANCELED"
    confirmed = await mirakl.told(CancellationConfirmed)
    assert [(c.cancellation_id, c.confirmed_by) for c in confirmed] == [(event.cancellation_id, "answer")]
    ledger = await mirakl.ledger(order)
    assert all(line["open"]["amount"] == "0.00" for line in ledger.values())


async def test_some_units_are_cancelled_and_the_rest_can_still_be_refunded(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    order = await mirakl.arrive(mirakl.sold(("A", "10.00", 3), status="SHIPPING"))
    await mirakl.cancel_wish(order, LineQuantity(line_id=order.lines[0].line_id, quantity=1))
    await mirakl.settle()
    assert len(mirakl.applied("cancel")) == 1
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["cancelled"] == {"quantity": 1, "amount": "10.00", "shipping_amount": "1.97"}
    assert line["open"] == {"quantity": 2, "amount": "20.00", "shipping_amount": "3.93"}
    await mirakl.take_back(order, mirakl.part(order, 3))
    assert await mirakl.parked() == ["exceeds_paid"]


async def test_before_the_debit_no_reason_is_needed(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(default_reason="17"))
    reference = mirakl.sold(status="WAITING_DEBIT")
    order = await mirakl.arrive(reference)
    await mirakl.cancel_wish(order)
    await mirakl.settle()
    assert mirakl.simulator.state()["orders"][reference]["order_state"] == "CANCELED"


async def test_without_a_reason_code_a_cancellation_waits_for_one(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(default_reason="17"))
    order = await mirakl.arrive(mirakl.sold(status="SHIPPING"))
    await mirakl.cancel_wish(order)
    assert await mirakl.parked() == ["reason_unmapped"]
    await mirakl.ready(POLICY)
    assert await mirakl.parked() == []
    assert len(await mirakl.harness.effects("cancel")) == 1


async def test_an_answer_lost_on_the_way_is_found_by_looking(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    order = await mirakl.arrive(mirakl.sold(status="SHIPPING"))
    mirakl.faults(FaultRule(fault="timeout_after_effect", operation="cancel", times=1))
    await mirakl.cancel_wish(order)
    await mirakl.settle()
    assert len(mirakl.applied("cancel")) == 1
    assert [c.confirmed_by for c in await mirakl.told(CancellationConfirmed)] == ["probe"]


async def test_two_cancellations_of_one_order_go_one_after_the_other(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    order = await mirakl.arrive(mirakl.sold(("A", "10.00", 3), status="SHIPPING"))
    one = LineQuantity(line_id=order.lines[0].line_id, quantity=1)
    await mirakl.cancel_wish(order, one, reference="C1")
    await mirakl.cancel_wish(order, reference="C2")
    assert len(await mirakl.harness.effects("cancel")) == 1
    await mirakl.settle(4)
    assert len(await mirakl.told(CancellationConfirmed)) == 2
    first, second = await mirakl.harness.effects("cancel")
    assert [each["request"]["lines"][0]["quantity"] for each in (first, second)] == [1, 2]
    assert len(mirakl.applied("cancel")) == 2


async def test_what_the_marketplace_will_not_cancel_needs_a_person(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    reference = mirakl.sold(status="SHIPPING")
    order = await mirakl.arrive(reference)
    await mirakl.cancel_wish(order)
    simulated = mirakl.simulator.world.orders[reference]
    for line in simulated.lines:
        line.state = "SHIPPED"
    simulated.state = "SHIPPED"
    await mirakl.settle()
    assert len(await mirakl.told(CancellationRejected)) == 1
    assert await mirakl.parked() == ["cancel_rejected"]


@pytest.mark.parametrize(
    ("status", "cause"),
    [("PENDING", "cancel_before_acceptance"), ("PREPARATION", "cancel_unsupported"), ("SHIPPED", "already_shipped")],
)
async def test_manomano_cancels_nothing(manomano: Stage, status: str, cause: str) -> None:
    await manomano.ready(POLICY)
    order = await manomano.arrive(manomano.sold(status=status))
    await manomano.cancel_wish(order)
    assert await manomano.parked() == [cause]
    assert await manomano.harness.effects() == []


async def test_a_parked_cancellation_ends_when_the_order_was_refused(manomano: Stage) -> None:
    await manomano.ready(POLICY)
    reference = manomano.sold(status="PENDING")
    order = await manomano.arrive(reference)
    await manomano.cancel_wish(order)
    manomano.simulator.set_status(reference, "REFUSED")
    await manomano.polled(reference)
    assert await manomano.parked() == []
    assert await manomano.park_story() == (1, 1)


async def test_a_cancellation_asked_before_acceptance_goes_on_after_it(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    reference = mirakl.sold(status="WAITING_ACCEPTANCE")
    order = await mirakl.arrive(reference)
    await mirakl.cancel_wish(order)
    assert await mirakl.parked() == ["cancel_before_acceptance"]
    simulated = mirakl.simulator.world.orders[reference]
    simulated.state, simulated.debited = "SHIPPING", mirakl.clock.now()
    for line in simulated.lines:
        line.state = "SHIPPING"
    await mirakl.polled(reference)
    await mirakl.settle()
    assert len(mirakl.applied("cancel")) == 1
    assert await mirakl.parked() == []


async def test_cancellations_are_kept_to_the_hub_where_the_connection_says_so(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(cancel_sync=False))
    order = await mirakl.arrive(mirakl.sold(status="SHIPPING"))
    await mirakl.cancel_wish(order)
    assert await mirakl.harness.effects() == []
    assert await mirakl.parked() == []


async def test_test_orders_and_those_of_the_marketplace_make_no_effect(mirakl: Stage) -> None:
    await mirakl.ready(POLICY)
    test = await mirakl.arrive(mirakl.sold(status="SHIPPING"), is_test=True)
    other = await mirakl.arrive(mirakl.sold(status="SHIPPING"), fulfilled_by=FulfilledBy.MARKETPLACE)
    await mirakl.cancel_wish(test)
    await mirakl.cancel_wish(other)
    assert await mirakl.harness.effects() == []
    confirmed = await mirakl.told(CancellationConfirmed)
    assert [(c.is_test, c.confirmed_by) for c in confirmed] == [(True, "test")]
    assert await mirakl.told(RefundRequested) == []


async def test_a_person_cancels_through_the_api(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(cancel_sync=False, cancel_default_reason="35"))
    order = await mirakl.arrive(mirakl.sold(status="SHIPPING"))
    path = f"/v1/orders/{order.order_id}/cancellation"
    answer = await mirakl.post(path, {"request_id": "00000000-0000-0000-0000-000000000009"})
    again = await mirakl.post(path, {"request_id": "00000000-0000-0000-0000-000000000009"})
    assert answer == again
    assert answer["state"] == "asked"
    await mirakl.settle()
    assert len(mirakl.applied("cancel")) == 1
