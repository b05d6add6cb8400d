"""Refunds on a real database against marketplace simulators: money goes back once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from connector_kit.simulator import FaultRule
from hub_common.testing.schema import schema_differences
from hub_contracts.connections import RefundSettings
from hub_contracts.envelope import Event, Origin, decode_headers
from hub_contracts.orders import (
    LineStatus,
    ObservedRefund,
    OrderReceived,
    OrderStatusChanged,
)
from hub_contracts.refunds import RefundConfirmed, RefundRejected, RefundRequested
from hub_contracts.status import OrderStatus
from refund_service import store
from refund_service.main import SPEC
from refund_service.replay import on_ended, on_requested

Stage = Any
"""The fixtures `mirakl` and `manomano`; their class lives in the conftest, which cannot be imported from here."""
CONNECTION = UUID(int=21)


async def test_migrated_schema_is_what_the_code_believes(mirakl: Stage) -> None:
    dsn = mirakl.harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


async def test_the_ledger_only_grows(mirakl: Stage) -> None:
    await mirakl.ready()
    await mirakl.arrive(mirakl.sold())
    for statement in ("UPDATE ledger_entries SET amount = 0", "DELETE FROM ledger_entries"):
        with pytest.raises(Exception, match="never changed"):
            await mirakl.harness.runtime.pool.execute(statement)


async def test_a_partial_return_is_refunded_once_at_mirakl(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold(("A", "10.00", 3)))
    event = await mirakl.take_back(order, mirakl.part(order, 1), refund_shipping=True)
    await mirakl.harness.feed((order.order_id, event))
    await mirakl.take_back(order, mirakl.part(order, 1), refund_shipping=True, stage="inspected")
    await mirakl.settle()
    [applied] = mirakl.applied("refund")
    assert (Decimal(applied.detail["amount"]), applied.detail["shipping_amount"]) == (Decimal(10), "1.97")
    [asked] = await mirakl.told(RefundRequested)
    [confirmed] = await mirakl.told(RefundConfirmed)
    assert asked.requested_by == "policy"
    assert (confirmed.refund_id, confirmed.lines) == (asked.refund_id, asked.lines)
    assert confirmed.refund_references == (applied.reference.split("/")[1],)
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["open"] == {"quantity": 2, "amount": "20.00", "shipping_amount": "3.93"}


async def test_the_last_units_get_the_rest_of_the_shipping(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold(("A", "10.00", 3)))
    for number in (1, 2, 3):
        await mirakl.take_back(order, mirakl.part(order, 1), refund_shipping=True, reference=f"R{number}")
    await mirakl.settle(6)
    shipping = [entry.detail["shipping_amount"] for entry in mirakl.applied("refund")]
    assert shipping == ["1.97", "1.97", "1.96"]
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["open"] == {"quantity": 0, "amount": "0.00", "shipping_amount": "0.00"}


async def test_a_full_refund_at_manomano_asks_units_and_shipping(manomano: Stage) -> None:
    await manomano.ready()
    order = await manomano.arrive(manomano.sold(("A", "10.00", 2), ("B", "5.00", 1)))
    await manomano.take_back(order, manomano.part(order, 2), manomano.part(order, 1, 1), refund_shipping=True)
    await manomano.settle()
    [applied] = manomano.applied("refund")
    assert applied.detail["units"] == {"A": 2, "B": 1}
    assert applied.detail["shipping_fees"] is True
    assert [c.confirmed_by for c in await manomano.told(RefundConfirmed)] == ["answer"]
    ledger = await manomano.ledger(order)
    assert all(line["open"] == {"quantity": 0, "amount": "0.00", "shipping_amount": "0.00"} for line in ledger.values())


async def test_an_answer_lost_at_mirakl_is_found_by_looking(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    mirakl.faults(FaultRule(fault="timeout_after_effect", operation="refund", times=1))
    await mirakl.take_back(order)
    await mirakl.settle()
    assert len(mirakl.applied("refund")) == 1
    assert [c.confirmed_by for c in await mirakl.told(RefundConfirmed)] == ["probe"]


async def test_a_call_that_never_arrived_at_mirakl_is_sent_again_after_looking(mirakl: Stage) -> None:
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    mirakl.faults(FaultRule(fault="error_500_before_effect", operation="refund", times=1))
    await mirakl.take_back(order)
    await mirakl.settle(5)
    assert len(mirakl.applied("refund")) == 1
    assert len(await mirakl.told(RefundConfirmed)) == 1


async def test_an_answer_lost_at_manomano_goes_to_an_operator(manomano: Stage) -> None:
    await manomano.ready()
    order = await manomano.arrive(manomano.sold())
    manomano.faults(FaultRule(fault="timeout_after_effect", operation="refund", times=1))
    await manomano.take_back(order)
    await manomano.settle()
    assert len(manomano.applied("refund")) == 1
    assert await manomano.told(RefundConfirmed) == []
    assert await manomano.parked() == ["effect_unknown"]
    [effect] = await manomano.harness.effects("refund")
    path = f"/v1/operations/effects/{effect['effect_id']}/settle"
    await manomano.post(path, {"verdict": "applied", "evidence": "the back office shows it"})
    assert [c.confirmed_by for c in await manomano.told(RefundConfirmed)] == ["tester"]
    assert await manomano.parked() == []
    assert len(manomano.applied("refund")) == 1


async def test_two_equal_refunds_of_an_order_are_not_taken_for_each_other(mirakl: Stage) -> None:
    """The second goes out only when the first is known, and knows the first one's reference."""
    await mirakl.ready()
    order = await mirakl.arrive(mirakl.sold())
    await mirakl.take_back(order, reference="R1")
    await mirakl.take_back(order, reference="R2")
    assert len(await mirakl.told(RefundRequested)) == 2
    assert len(await mirakl.harness.effects("refund")) == 1
    await mirakl.harness.run_effects(1)
    mirakl.faults(FaultRule(fault="error_500_before_effect", operation="refund", times=1))
    await mirakl.settle(6)
    first, second = await mirakl.harness.effects("refund")
    assert second["request"]["known_refunds"] == first["answer"]["references"]
    assert len(mirakl.applied("refund")) == 2
    references = [c.refund_references for c in await mirakl.told(RefundConfirmed)]
    assert len(set(references)) == 2


async def test_facts_may_come_in_any_order(mirakl: Stage) -> None:
    await mirakl.ready()
    reference = mirakl.sold()
    order = await mirakl.snapshot(reference)
    await mirakl.harness.runtime.pool.execute("DELETE FROM connections")
    await mirakl.take_back(order)
    await mirakl.harness.feed((order.order_id, OrderReceived(order=order, snapshot_id=UUID(int=1))))
    assert await mirakl.told(RefundRequested) == []
    await mirakl.ready()
    assert len(await mirakl.told(RefundRequested)) == 1
    await mirakl.settle()
    assert len(mirakl.applied("refund")) == 1


async def test_a_return_before_the_shipment_shows_waits_for_it(manomano: Stage) -> None:
    await manomano.ready()
    reference = manomano.sold(status="PREPARATION")
    order = await manomano.arrive(reference)
    await manomano.take_back(order)
    assert await manomano.told(RefundRequested) == []
    assert await manomano.parked() == []
    manomano.simulator.set_status(reference, "SHIPPED")
    changed = OrderStatusChanged(
        order_id=order.order_id,
        connection_id=CONNECTION,
        environment=order.environment,
        from_status=OrderStatus.PREPARATION,
        to_status=OrderStatus.SHIPPED,
        trigger="all_units_shipped",
        marketplace_status="SHIPPED",
        marketplace_updated_at=manomano.clock.now(),
    )
    await manomano.harness.feed((order.order_id, changed))
    await manomano.settle()
    assert len(manomano.applied("refund")) == 1


async def test_the_marketplaces_word_on_refundable_lines_counts(mirakl: Stage) -> None:
    await mirakl.ready()
    reference = mirakl.sold()
    shown = await mirakl.snapshot(reference)
    closed = (shown.lines[0].model_copy(update={"refundable": False}),)
    order = await mirakl.arrive(reference, lines=closed)
    await mirakl.take_back(order)
    assert await mirakl.told(RefundRequested) == []
    await mirakl.polled(reference)
    assert len(await mirakl.told(RefundRequested)) == 1


async def test_a_refund_made_by_hand_is_not_made_again(mirakl: Stage) -> None:
    await mirakl.ready()
    reference = mirakl.sold()
    order = await mirakl.arrive(reference)
    by_hand = ObservedRefund(
        refund_reference="9001",
        line_id=order.lines[0].line_id,
        quantity=1,
        amount=Decimal("10.00"),
        shipping_amount=Decimal(0),
        state="REFUNDED",
    )
    await mirakl.polled(reference, refunds=(by_hand,))
    await mirakl.polled(reference, refunds=(by_hand,))
    await mirakl.take_back(order)
    assert await mirakl.parked() == ["refunded_elsewhere"]
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["refunded_elsewhere"]["amount"] == "10.00"
    assert line["open"]["quantity"] == 2
    await mirakl.take_back(order, mirakl.part(order, 3), reference="R2")
    assert await mirakl.told(RefundRequested) == []


async def test_our_own_refund_seen_at_the_marketplace_is_counted_once(mirakl: Stage) -> None:
    await mirakl.ready()
    reference = mirakl.sold()
    order = await mirakl.arrive(reference)
    mirakl.faults(FaultRule(fault="timeout_after_effect", operation="refund", times=1))
    await mirakl.take_back(order)
    await mirakl.harness.run_effects()
    await mirakl.polled(reference)
    await mirakl.settle()
    await mirakl.polled(reference)
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["refunded_elsewhere"]["amount"] == "0.00"
    assert line["open"]["amount"] == "20.00"
    await mirakl.take_back(order, mirakl.part(order, 2), reference="R2")
    await mirakl.settle()
    assert len(mirakl.applied("refund")) == 2
    assert await mirakl.parked() == []


async def test_a_refund_taken_for_ours_in_doubt_is_corrected_when_ours_is_known(mirakl: Stage) -> None:
    """While ours has not arrived, an equal one made by hand looks like it; afterwards the ledger holds both."""
    await mirakl.ready()
    reference = mirakl.sold()
    order = await mirakl.arrive(reference)
    await mirakl.take_back(order)
    by_hand = ObservedRefund(
        refund_reference="9001",
        line_id=order.lines[0].line_id,
        quantity=1,
        amount=Decimal("10.00"),
        shipping_amount=Decimal(0),
        state="REFUNDED",
    )
    await mirakl.polled(reference, refunds=(by_hand,))
    assert (await mirakl.ledger(order))[order.lines[0].line_id]["refunded_elsewhere"]["amount"] == "0.00"
    await mirakl.settle()
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["refunded_elsewhere"]["amount"] == "10.00"
    assert line["open"]["amount"] == "10.00"


async def test_an_order_the_marketplace_refunded_itself_is_not_refunded(manomano: Stage) -> None:
    await manomano.ready()
    order = await manomano.arrive(manomano.sold(status="REFUNDED"))
    await manomano.take_back(order)
    assert await manomano.parked() == ["refunded_elsewhere"]


async def test_a_rejected_refund_frees_the_money_and_needs_a_person(mirakl: Stage) -> None:
    await mirakl.ready(RefundSettings(default_reason="99"))
    order = await mirakl.arrive(mirakl.sold())
    event = await mirakl.take_back(order)
    await mirakl.settle()
    assert mirakl.applied("refund") == []
    assert len(await mirakl.told(RefundRejected)) == 1
    assert await mirakl.parked() == ["refund_rejected"]
    line = (await mirakl.ledger(order))[order.lines[0].line_id]
    assert line["open"] == {"quantity": 3, "amount": "30.00", "shipping_amount": "5.90"}
    await mirakl.take_back(order, stage="inspected")
    assert len(await mirakl.told(RefundRequested)) == 1
    body = {
        "lines": [{"line_id": order.lines[0].line_id, "quantity": 1}],
        "reason_code": "17",
        "return_id": str(event.return_id),
    }
    await mirakl.post(f"/v1/orders/{order.order_id}/refunds", body)
    await mirakl.settle()
    assert len(mirakl.applied("refund")) == 1
    assert await mirakl.parked() == []


async def test_refunds_of_many_orders_are_one_call_at_manomano(manomano: Stage) -> None:
    await manomano.ready()
    orders = [await manomano.arrive(manomano.sold()) for _ in range(5)]
    for order in orders:
        await manomano.take_back(order)
    await manomano.harness.run_effects()
    assert len(manomano.applied("refund")) == 5
    ledger = await manomano.harness.runtime.pool.fetch("SELECT DISTINCT at FROM effect_attempts")
    assert len(ledger) == 1


async def test_a_service_rebuilt_from_events_knows_its_refunds_and_sends_nothing(mirakl: Stage) -> None:
    await mirakl.ready()
    reference = mirakl.sold()
    order = await mirakl.arrive(reference)
    await mirakl.take_back(order, refund_shipping=True)
    await mirakl.settle()
    before = await mirakl.ledger(order)
    [asked] = await mirakl.told(RefundRequested)
    [confirmed] = await mirakl.told(RefundConfirmed)
    tables = "orders, lines, ledger_entries, returns, refunds, effects, effect_attempts"
    await mirakl.harness.runtime.pool.execute(f"TRUNCATE {tables}")
    meta = mirakl.harness
    async with meta.runtime.transactions.begin() as tx:
        for handler, data in ((on_requested, asked), (on_ended, confirmed)):
            record = meta.record(order.order_id, data, origin=Origin.REPLAY)
            await handler(tx, [Event(decode_headers(record.headers), data)])  # type: ignore[operator]
    await mirakl.arrive(reference)
    await mirakl.take_back(order, refund_shipping=True, origin=Origin.REPLAY)
    await mirakl.settle(1)
    assert await mirakl.ledger(order) == before
    await mirakl.take_back(order, refund_shipping=True, stage="inspected")
    await mirakl.settle(1)
    assert len(mirakl.applied("refund")) == 1


async def test_a_word_on_refundable_lines_does_not_outlive_its_status(mirakl: Stage) -> None:
    """Only the status is told as SHIPPED; that the line was not refundable belongs to the status before."""
    await mirakl.ready()
    reference = mirakl.sold(status="SHIPPING")
    order = await mirakl.arrive(reference)
    assert order.lines[0].refundable is False
    await mirakl.take_back(order)
    changed = OrderStatusChanged(
        order_id=order.order_id,
        connection_id=CONNECTION,
        environment=order.environment,
        from_status=OrderStatus.PREPARATION,
        to_status=OrderStatus.SHIPPED,
        trigger="all_units_shipped",
        marketplace_status="SHIPPED",
        lines=tuple(
            LineStatus(line_id=line.line_id, status=OrderStatus.SHIPPED, marketplace_status="SHIPPED")
            for line in order.lines
        ),
        marketplace_updated_at=mirakl.clock.now(),
    )
    await mirakl.harness.feed((order.order_id, changed))
    assert len(await mirakl.told(RefundRequested)) == 1


async def test_two_facts_stored_at_the_same_moment_do_not_overlook_each_other(mirakl: Stage) -> None:
    await mirakl.ready()
    inbox, harness = mirakl.harness.runtime.inbox, mirakl.harness
    orders = [await mirakl.snapshot(mirakl.sold()) for _ in range(5)]
    for order in orders:
        facts = (OrderReceived(order=order, snapshot_id=UUID(int=1)), mirakl.returned(order))
        records = [harness.record(order.order_id, fact) for fact in facts]
        await asyncio.gather(*(inbox.process([record]) for record in records))
    asked = await mirakl.told(RefundRequested)
    assert sorted(each.order_id for each in asked) == sorted(order.order_id for order in orders)
    # The one that came first held the other back until it was written down.
    async with harness.runtime.transactions.begin() as first:
        await store.lock(first.conn, [orders[0].order_id])
        async with harness.runtime.pool.acquire() as other:
            await other.execute("SET lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await store.lock(other, [orders[0].order_id])  # type: ignore[arg-type]
            await other.execute("RESET lock_timeout")
