"""refund-service rebuilt from the topics: the same money, and none of it given back a second time."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from connector_kit.simulator import FaultRule
from hub_common.replay import plan_problems
from hub_common.testing.history import History
from hub_contracts.connections import RefundSettings
from hub_contracts.envelope import Origin
from hub_contracts.orders import ObservedRefund, OrderStatusChanged
from hub_contracts.shop_activity import LineQuantity
from hub_contracts.status import OrderStatus
from refund_service.main import SPEC

from .conftest import CONNECTION, Stage
from .test_market_returns import Returns

NewDatabase = Callable[[str | None], str]
POLICY = RefundSettings(default_reason="17", cancel_default_reason="35")


async def settle(stage: Stage) -> None:
    stage.clock.advance(60)
    await stage.settle()


async def refunds(stage: Stage) -> None:
    """By policy, by hand, in doubt, refused, of a test order, seen before we knew its end, made by others."""
    first, doubt, foreign = [await stage.arrive(stage.sold(("A", "10.00", 3), ("B", "4.50", 1))) for _ in range(3)]
    test = await stage.arrive(stage.sold(), is_test=True)
    early = await stage.snapshot(stage.sold())
    await stage.take_back(first, stage.part(first, 1), refund_shipping=True)
    await stage.take_back(test)
    await stage.take_back(early, reference="EARLY")  # before its order
    await stage.take_back(foreign, reference="PAST", origin=Origin.BACKFILL)
    await settle(stage)
    await stage.arrive(early.marketplace_reference)
    line = {"line_id": first.lines[1].line_id, "quantity": 1}
    await stage.post(f"/v1/orders/{first.order_id}/refunds", {"lines": [line], "reason_code": "17"})
    await settle(stage)
    stage.faults(FaultRule(fault="error_500_after_effect", operation="refund", times=1))
    await stage.take_back(doubt, reference="DOUBT")
    await stage.harness.run_effects()
    await stage.polled(doubt.marketplace_reference)  # shows our refund while we are in doubt
    await settle(stage)
    await stage.polled(first.marketplace_reference)
    others = ObservedRefund(
        refund_reference="by-hand",
        line_id=foreign.lines[0].line_id,
        quantity=1,
        amount=Decimal("10.00"),
        shipping_amount=Decimal(0),
        state="REFUNDED",
    )
    await stage.polled(foreign.marketplace_reference, refunds=(others,))
    await stage.take_back(foreign, stage.part(foreign, 3), reference="TOO-MUCH")  # exceeds what is left
    await settle(stage)


async def cancellations(stage: Stage) -> None:
    """In whole, in part, by hand, twice, of a test order, refused, not possible yet."""
    whole, part, by_hand, late, early = [
        await stage.arrive(stage.sold(("A", "10.00", 3), status=status))
        for status in ("SHIPPING", "SHIPPING", "SHIPPING", "SHIPPING", "WAITING_ACCEPTANCE")
    ]
    test = await stage.arrive(stage.sold(status="SHIPPING"), is_test=True)
    for order in (whole, late, early, test):
        await stage.cancel_wish(order)
    simulated = stage.simulator.world.orders[late.marketplace_reference]
    simulated.state = simulated.lines[0].state = "SHIPPED"
    await stage.cancel_wish(part, LineQuantity(line_id=part.lines[0].line_id, quantity=1))
    await stage.cancel_wish(part, reference="CAN-2")
    await stage.post(f"/v1/orders/{by_hand.order_id}/cancellation", {})
    await settle(stage)
    await settle(stage)
    for to_status in (OrderStatus.SHIPPED, OrderStatus.DELIVERED):
        changed = OrderStatusChanged(
            order_id=late.order_id,
            connection_id=CONNECTION,
            environment=late.environment,
            from_status=OrderStatus.PREPARATION,
            to_status=to_status,
            trigger="test",
            marketplace_status="x",
            marketplace_updated_at=stage.clock.now(),
        )
        await stage.harness.feed((late.order_id, changed))


async def returns(stage: Stage) -> None:
    """Accepted, refused by a person, not taken, followed by another word that is on its way, without its order."""
    market = Returns(stage)
    await market.connect()
    orders = [await stage.arrive(stage.sold()) for _ in range(4)]
    references = [market.opened(order) for order in orders]
    lost = await stage.snapshot(stage.sold())
    market.opened(lost)
    await market.read()
    ids = {each["return_reference"]: each["return_id"] for each in await market.shown()}
    await market.answer(ids[references[0]], answer="accept")
    await market.answer(ids[references[1]], answer="refuse", reason_code="RETURN_REJECTION_WINDOW_CLOSED")
    await market.answer(ids[references[2]], answer="accept")
    stage.simulator.world.returns[references[2]].state = "CANCELED"
    await settle(stage)
    await market.read()
    await stage.take_back(orders[0], stage.part(orders[0], 1), reference="BACK")
    await market.read()  # received: the next word is planned, and not sent any more


async def live(stage: Stage) -> History:
    history = History(stage.harness)
    await stage.ready(RefundSettings(default_reason="99"))  # which the marketplace refuses
    await stage.take_back(await stage.arrive(stage.sold()), reference="REFUSED")
    await settle(stage)
    await stage.ready(POLICY)
    await stage.fetch_reasons()
    await refunds(stage)
    await cancellations(stage)
    await returns(stage)
    await stage.ready(RefundSettings(default_reason="18"))  # today's rules are other ones
    await stage.harness.runtime.inbox.process(history.heard[5:25])  # delivered again
    return history


async def everything_happened(stage: Stage) -> None:
    """Else the comparison would prove less than it says."""
    pool = stage.harness.runtime.pool

    async def values(query: str) -> set[Any]:
        return {tuple(row) for row in await pool.fetch(query)}

    confirmed = "SELECT confirmed_by FROM refunds WHERE state = 'confirmed'"
    assert await values(confirmed) == {("answer",), ("probe",), ("test",)}
    assert await values("SELECT state FROM refunds") >= {("confirmed",), ("rejected",)}
    assert await values("SELECT DISTINCT kind FROM ledger_entries") == {
        (kind,) for kind in ("paid", "refund_requested", "refund_confirmed", "refund_rejected", "observed", "cancelled")
    }
    assert await values("SELECT state, requested_by FROM cancellations") >= {
        ("confirmed", "shop"),
        ("confirmed", "tester"),
        ("rejected", "shop"),
        ("open", "shop"),
    }
    assert await values("SELECT answer, answer_state FROM marketplace_returns") >= {
        ("refuse", "answered"),
        ("accept", "rejected"),
        ("receive", "planned"),
        (None, None),
    }
    assert await values("SELECT state, live FROM returns") >= {("done", True), ("open", True), ("recorded", False)}


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def test_refund_service_is_rebuilt_from_the_topics(mirakl: Stage, new_database: NewDatabase) -> None:
    history = await live(mirakl)
    await everything_happened(mirakl)
    calls = len(mirakl.simulator.record.entries)
    for seed, batch in ((1, 1), (2, 7), (3, 500)):
        report = await history.prove(new_database(None), seed=seed, batch=batch)
        assert (report.given, report.untold, report.fenced) == ({"reason_lists": 1, "cancellations": 1}, 0, 0)
    assert len(mirakl.simulator.record.entries) == calls
    await mirakl.harness.emitted()  # empties the outbox, and with it what the history knows of our own events
    verdicts = await history.verdicts(new_database(None))
    different = sorted(name for name, verdict in verdicts.items() if not verdict.equal)
    assert different == ["cancellations", "ledger_entries", "marketplace_returns", "parked", "refunds"]
