"""Each kind of difference, made behind the hub's back at a simulated marketplace."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from hub_contracts.ids import order_id_for
from hub_contracts.orders import OrderStatusChanged
from hub_contracts.refunds import RefundConfirmed, RefundLine, RefundRequested
from hub_contracts.status import OrderStatus

from .conftest import CONNECTION, found, kinds, resolved


async def test_two_sides_that_agree_give_no_difference_and_everything_was_compared(world: Any) -> None:
    await world.known(3)
    assert found(await world.compare(2)) == []
    report = await world.report()
    assert (report["orders_seen"], report["orders_compared"], report["complete"]) == (3, 3, True)
    assert (await world.state())["round"] == 2
    assert await world.rows("SELECT * FROM differences") == []


async def test_a_status_that_moved_on_without_the_hub(world: Any) -> None:
    """Told by the second comparison, asked to be read again three times, then a person's; over when both agree."""
    [reference] = await world.known(1, status="PREPARATION")
    world.sandbox.set_status(reference, "REFUSED")
    assert kinds(await world.compare()) == []
    [first] = found(await world.compare())
    assert (first.kind, first.repair, first.attempts, first.owner) == ("status", "reread", 0, "order-ingest")
    assert (first.hub_value, first.marketplace_value) == ("PREPARATION (PREPARATION)", "REFUSED (REFUSED)")
    assert first.order_id == order_id_for(CONNECTION, reference)
    asked = [found(await world.compare()) for _ in range(3)]
    assert [[(each.repair, each.attempts) for each in told] for told in asked] == [
        [("reread", 1)],
        [("reread", 2)],
        [("operator", 3)],
    ]
    assert "cannot lead" in asked[-1][0].next_step
    assert found(await world.compare(2)) == []
    await world.learn(reference, again=True)
    [over] = resolved(await world.compare())
    assert (over.difference_id, over.actor, over.found_at) == (first.difference_id, None, first.found_at)
    [row] = await world.rows("SELECT * FROM differences")
    assert (row["state"], row["attempts"]) == ("resolved", 3)


async def test_an_order_that_the_hub_never_received(world: Any) -> None:
    [reference] = world.buy()
    assert kinds(await world.compare(2)) == [("order_missing", "reread")]
    await world.learn(reference)
    events = await world.compare()
    assert [each.kind for each in resolved(events)] == ["order_missing"]
    assert found(events) == []


async def test_an_order_that_the_marketplace_no_longer_knows(world: Any) -> None:
    """An absent page proves nothing: the order itself is asked for."""
    gone, _ = await world.known(2)
    del world.sandbox.world.orders[11781522, gone]
    [told] = found(await world.compare(2))
    assert (told.kind, told.repair, told.marketplace_reference) == ("order_vanished", "operator", gone)
    assert told.marketplace_value == "not known"


async def test_a_missing_order_that_is_void_after_all_is_no_difference_any_more(world: Any) -> None:
    [reference] = world.buy()
    assert kinds(await world.compare(2)) == [("order_missing", "reread")]
    del world.sandbox.world.orders[11781522, reference]
    assert [each.kind for each in resolved(await world.compare())] == ["order_missing"]


async def test_lines_and_paid_total(world: Any) -> None:
    [reference] = await world.known(1, skus=[{"sku": "A", "price": "10.00", "quantity": 1}])
    world.order(reference).lines[0].quantity = 3
    told = {each.kind: each for each in found(await world.compare(2))}
    assert set(told) == {"lines", "paid_total"}
    assert (told["lines"].hub_value, told["lines"].marketplace_value) == ("1 × A", "3 × A")
    assert (told["lines"].line_id, told["lines"].repair) == ("A", "reread")
    assert (told["paid_total"].hub_value, told["paid_total"].marketplace_value) == ("13.00 EUR", "39.00 EUR")


async def test_an_answer_that_the_marketplace_took_and_still_waits_for(world: Any) -> None:
    lost, fine = await world.known(2)
    world.sandbox.set_status(fine, "PREPARATION")
    await world.learn(fine, again=True)
    for reference in (lost, fine):
        await world.accepted(reference)
    [told] = found(await world.compare(2))
    assert (told.kind, told.repair, told.owner) == ("answer_missing", "operator", "order-acceptance")
    assert told.marketplace_reference == lost


async def test_a_parcel_that_the_marketplace_took_and_does_not_show(world: Any) -> None:
    [reference] = await world.known(1, status="PREPARATION")
    await world.accepted(reference)
    await world.shipped(reference)
    [told] = found(await world.compare(2))
    assert (told.kind, told.repair, told.owner) == ("parcel_missing", "operator", "shipment-notifier")


async def test_an_order_that_was_shipped_in_the_back_office(world: Any) -> None:
    [reference] = await world.known(1, status="PREPARATION")
    await world.accepted(reference)
    world.sandbox.set_status(reference, "SHIPPED")
    await world.learn(reference, again=True)
    [told] = found(await world.compare(2))
    assert (told.kind, told.repair, told.hub_value) == ("status", "operator", "no parcel told")
    assert "back office" in told.next_step


def _line(order: Any, amount: str) -> RefundLine:
    return RefundLine(
        line_id=order.lines[0].line_id,
        quantity=1,
        amount=Decimal(amount),
        shipping_amount=Decimal(0),
        reason_code="15",
    )


async def _refunded(world: Any, reference: str, order: Any, amount: str, *references: str) -> None:
    await world.tell(
        reference,
        RefundConfirmed,
        refund_id=uuid4(),
        effect_id=uuid4(),
        currency="EUR",
        lines=(_line(order, amount),),
        refund_references=references,
        confirmed_by="answer",
    )


def _give_back(world: Any, reference: str, refund_id: str, amount: str) -> None:
    from connector_mirakl.sandbox.world import SimMoneyBack  # the simulator's own side of the fence

    line = world.order(reference).lines[0]
    line.refunds.append(
        SimMoneyBack(refund_id, "g", Decimal(amount), Decimal(0), 1, "15", world.order(reference).created)
    )


async def test_refunds_by_their_references(mirakl: Any) -> None:
    """One agrees, one never happened, one is of another amount, one nobody here asked for."""
    skus = [{"sku": "COQUE-NOIR", "price": "20.00", "quantity": 2}]
    agrees, never, other, foreign = await mirakl.known(4, status="SHIPPED", skus=skus)
    _give_back(mirakl, agrees, "R1", "10.00")
    _give_back(mirakl, other, "R3", "4.00")
    _give_back(mirakl, foreign, "R4", "7.50")
    for reference, amount, name in ((agrees, "10.00", "R1"), (never, "10.00", "R2"), (other, "10.00", "R3")):
        order = await mirakl.learn(reference, again=True)
        await _refunded(mirakl, reference, order, amount, name)
    await mirakl.learn(foreign, again=True)
    told = {each.marketplace_reference: each for each in found(await mirakl.compare(2))}
    assert set(told) == {never, other, foreign}
    assert (told[never].kind, told[never].marketplace_value) == ("refund_missing", "0.00 EUR in 0 of 1 refund(s)")
    assert (told[other].kind, told[other].marketplace_value) == ("refund_missing", "4.00 EUR in 1 of 1 refund(s)")
    assert (told[foreign].kind, told[foreign].hub_value) == ("refund_unknown", "not asked for")
    assert {each.repair for each in told.values()} == {"operator"}


async def test_refunds_without_references_and_those_from_before_are_not_foreign(mirakl: Any) -> None:
    skus = [{"sku": "COQUE-NOIR", "price": "20.00", "quantity": 2}]
    [before] = mirakl.buy(1, status="SHIPPED", skus=skus)
    _give_back(mirakl, before, "R1", "5.00")
    await mirakl.learn(before)
    [unnamed] = await mirakl.known(1, status="SHIPPED", skus=skus)
    _give_back(mirakl, unnamed, "R2", "6.00")
    order = await mirakl.learn(unnamed, again=True)
    await _refunded(mirakl, unnamed, order, "6.00")
    assert found(await mirakl.compare(3)) == []


async def test_a_refund_on_its_way_keeps_the_order_from_being_judged_for_a_while(mirakl: Any) -> None:
    [reference] = await mirakl.known(1, status="SHIPPED")
    order = await mirakl.shown(reference)
    world_id = uuid4()
    await mirakl.tell(
        reference,
        RefundRequested,
        refund_id=world_id,
        currency="EUR",
        lines=(_line(order, "1.00"),),
        requested_by="tester",
    )
    _give_back(mirakl, reference, "R9", "3.00")
    assert found(await mirakl.compare(2)) == []
    assert (await mirakl.report())["orders_unsettled"] == 1
    # Work that never ends is a difference of its own: after four hours it excuses nothing.
    assert kinds(await mirakl.compare(4)) == [("refund_unknown", "operator")]


async def test_stock_and_price_changed_behind_the_hubs_back(world: Any) -> None:
    for sku in ("A", "B"):
        await world.known(1, skus=[{"sku": sku, "price": "10.00", "quantity": 1}])
        await world.offer(sku, 25, "10.00")
    offers = world.sandbox.world.offers
    offers[11781522, "A"].stock, offers[11781522, "B"].price = 99, Decimal("8.00")
    told = {each.kind: each for each in found(await world.compare(2))}
    assert set(told) == {"stock", "price"}
    assert (told["stock"].offer_sku, told["stock"].hub_value, told["stock"].marketplace_value) == ("A", "25", "99")
    assert (told["price"].offer_sku, told["price"].hub_value) == ("B", "10.00 EUR")
    assert told["price"].marketplace_value == "8.00 EUR"
    assert {(each.repair, each.owner) for each in told.values()} == {("push_again", "stock-sync")}
    offers[11781522, "A"].stock, offers[11781522, "B"].price = 25, Decimal("10.00")
    assert {each.kind for each in resolved(await world.compare())} == {"stock", "price"}


async def test_an_offer_that_the_marketplace_no_longer_shows(world: Any) -> None:
    await world.offer("GONE", 5, "10.00")
    await world.offer("NEVER-PUSHED", 5, "10.00", pushed=False)
    told = found(await world.compare(2))
    assert [(each.kind, each.offer_sku, each.repair) for each in told] == [("offer_missing", "GONE", "operator")]


async def test_a_status_event_counts_as_the_hubs_word(world: Any) -> None:
    [reference] = await world.known(1)
    world.sandbox.set_status(reference, "PREPARATION")
    await world.tell(
        reference,
        OrderStatusChanged,
        environment="sandbox",
        from_status=OrderStatus.PENDING,
        to_status=OrderStatus.PREPARATION,
        trigger="accepted_and_released",
        marketplace_status="PREPARATION",
        marketplace_updated_at=world.clock.now(),
    )
    assert found(await world.compare(2)) == []
