"""order-acceptance on a real database against a ManoMano simulator: answers given once, in time, whatever happens."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from connector_kit.simulator import FaultRule
from hub_common.deadlines import DeadlineClock
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.schema import schema_differences
from hub_contracts.acceptances import AnswerRejected, Decision, OrderAcceptanceDecided, OrderAccepted, OrderRefused
from hub_contracts.base import Money
from hub_contracts.connections import AcceptancePolicy, SkuLinked
from hub_contracts.envelope import Origin
from hub_contracts.orders import FulfilledBy, OrderReceived, OrderStatusChanged
from hub_contracts.status import OrderStatus
from hub_contracts.stock import OfferChanged
from hub_contracts.work import DeadlineApproaching, DeadlineMissed, WorkParked, WorkResumed
from hub_tools.run.api import Api, ApiError
from order_acceptance.clock import last_resort
from order_acceptance.main import SPEC

Stage = Any
"""The fixture `stage`; its class lives in the conftest, which cannot be imported from here."""
CONNECTION = UUID(int=11)
SHOP = UUID(int=12)


def offer(stage: Stage, sku: str, on_hand: int, price: str | None = None) -> tuple[str, OfferChanged]:
    data = OfferChanged(
        connection_id=CONNECTION,
        environment="sandbox",
        offer_sku=sku,
        shop_connection_id=SHOP,
        shop_sku=sku,
        on_hand=on_hand,
        reserved=0,
        buffer=0,
        available=on_hand,
        price=Money(amount=price, currency="EUR") if price else None,
        changed_at=stage.harness.clock.now(),
    )
    return f"{CONNECTION}:{sku}", data


def invent(stage: Stage, count: int = 1, **options: Any) -> list[str]:
    skus = [{"sku": "A", "price": "10.00", "quantity": 1}]
    references: list[str] = stage.simulator.create_orders(count, {"skus": skus, "lines": 1} | options)
    return references


async def arrive(stage: Stage, reference: str, **changes: Any) -> OrderReceived:
    event = await stage.received(reference)
    accept_by = event.order.created_at + timedelta(hours=48)
    order = event.order.model_copy(update={"accept_by": accept_by} | changes)
    event = event.model_copy(update={"order": order})
    await stage.harness.feed((order.order_id, event))
    return event


async def told(stage: Stage, kind: type[Any]) -> list[Any]:
    return [event.data for event in await stage.harness.emitted(clear=False) if isinstance(event.data, kind)]


async def ready(stage: Stage, policy: AcceptancePolicy | None = None, *, stock: int = 100) -> None:
    await stage.harness.feed((CONNECTION, stage.connection(policy)))
    if stock:
        await stage.harness.feed(offer(stage, "A", stock, "10.00"))


async def test_migrated_schema_is_what_the_code_believes(stage: Stage) -> None:
    dsn = stage.harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


async def test_a_good_order_is_accepted_at_the_marketplace_once(stage: Stage) -> None:
    await ready(stage)
    event = await arrive(stage, invent(stage)[0])
    await arrive(stage, event.order.marketplace_reference)
    await stage.harness.run_effects()
    assert stage.applied("accept") == [event.order.marketplace_reference]
    decided = await told(stage, OrderAcceptanceDecided)
    assert [d.decision for d in decided] == [Decision.ACCEPT]
    accepted = await told(stage, OrderAccepted)
    assert [(a.order_id, a.released, a.confirmed_by) for a in accepted] == [(event.order.order_id, True, "answer")]


async def test_fifty_orders_are_one_call(stage: Stage) -> None:
    await ready(stage, stock=1000)
    for reference in invent(stage, 50):
        await arrive(stage, reference)
    await stage.harness.run_effects()
    assert len(stage.applied("accept")) == 50
    ledger = await stage.harness.runtime.pool.fetch("SELECT DISTINCT at FROM effect_attempts")
    assert len(ledger) == 1


async def test_facts_may_come_in_any_order(stage: Stage) -> None:
    """Order first, then its connection, then stock: it is held for want of stock and accepted when that is known."""
    await stage.harness.feed((CONNECTION, stage.connection()))
    reference = invent(stage)[0]
    event = await stage.received(reference)
    await stage.harness.runtime.pool.execute("DELETE FROM connections")
    await stage.harness.feed((event.order.order_id, event))
    assert await told(stage, OrderAcceptanceDecided) == []
    await stage.harness.feed((CONNECTION, stage.connection()))
    assert [d.decision for d in await told(stage, OrderAcceptanceDecided)] == [Decision.HOLD]
    await stage.harness.feed(offer(stage, "A", 5))
    assert [d.decision for d in await told(stage, OrderAcceptanceDecided)] == [Decision.HOLD, Decision.ACCEPT]
    await stage.harness.run_effects()
    assert stage.applied("accept") == [reference]
    assert len(await told(stage, WorkParked)) == 1
    assert len(await told(stage, WorkResumed)) == 1
    assert await stage.harness.parked() == []


async def test_orders_of_one_batch_do_not_get_the_same_unit_twice(stage: Stage) -> None:
    await ready(stage, stock=3)
    for reference in invent(stage, 5):
        await arrive(stage, reference)
    decisions = [d.decision for d in await told(stage, OrderAcceptanceDecided)]
    assert decisions.count(Decision.ACCEPT) == 3
    assert decisions.count(Decision.HOLD) == 2


async def test_refusing_by_policy_refuses_at_the_marketplace(stage: Stage) -> None:
    await ready(stage, AcceptancePolicy(when_conditions_fail=Decision.REFUSE), stock=0)
    event = await arrive(stage, invent(stage)[0])
    await stage.harness.run_effects()
    assert stage.applied("refuse") == [event.order.marketplace_reference]
    refused = await told(stage, OrderRefused)
    assert [r.order_id for r in refused] == [event.order.order_id]
    assert "stock_available" in refused[0].reason


async def test_an_answer_lost_on_the_way_is_found_by_looking_not_by_sending_again(stage: Stage) -> None:
    await ready(stage)
    event = await arrive(stage, invent(stage)[0])
    stage.faults(FaultRule(fault="timeout_after_effect", operation="accept", times=1))
    await stage.harness.run_effects()
    await stage.harness.make_due()
    await stage.harness.run_effects()
    assert stage.applied("accept") == [event.order.marketplace_reference]
    assert [a.confirmed_by for a in await told(stage, OrderAccepted)] == ["probe"]


async def test_items_missing_from_a_mixed_answer_are_looked_up_one_by_one(stage: Stage) -> None:
    await ready(stage)
    references = invent(stage, 4)
    for reference in references:
        await arrive(stage, reference)
    stage.faults(FaultRule(fault="missing_item_207", operation="accept", times=1))
    await stage.harness.run_effects()
    await stage.harness.make_due()
    await stage.harness.run_effects()
    assert sorted(stage.applied("accept")) == sorted(references)
    assert len(await told(stage, OrderAccepted)) == 4


async def test_an_order_the_marketplace_no_longer_lets_us_accept_needs_a_person(stage: Stage) -> None:
    await ready(stage)
    reference = invent(stage)[0]
    event = await arrive(stage, reference)
    control = Api(stage.url, None)
    await asyncio.to_thread(control.put, f"/_sandbox/orders/{reference}/status", {"status": "REFUSED"})
    await stage.harness.run_effects()
    await stage.harness.make_due()
    await stage.harness.run_effects()
    assert stage.applied("accept") == []
    assert [r.order_id for r in await told(stage, AnswerRejected)] == [event.order.order_id]
    assert [item["cause"] for item in await stage.harness.parked()] == ["answer_rejected"]


async def test_orders_that_are_not_ours_to_answer_are_left_alone(stage: Stage) -> None:
    await ready(stage)
    first, second, third = invent(stage, 3)
    await arrive(stage, first, fulfilled_by=FulfilledBy.MARKETPLACE)
    await arrive(stage, second, status=OrderStatus.PREPARATION)
    event = await stage.received(third)
    await stage.harness.feed((event.order.order_id, event), origin=Origin.BACKFILL)
    await stage.harness.run_effects()
    assert stage.applied("accept") == []
    assert await told(stage, OrderAcceptanceDecided) == []


async def test_a_test_order_is_confirmed_without_the_marketplace(stage: Stage) -> None:
    await ready(stage)
    event = await arrive(stage, invent(stage)[0], is_test=True)
    assert await stage.harness.effects() == []
    accepted = await told(stage, OrderAccepted)
    assert [(a.is_test, a.released, a.confirmed_by) for a in accepted] == [(True, True, "test")]
    assert accepted[0].order_id == event.order.order_id


async def test_an_unpaid_order_is_decided_when_it_becomes_pending(stage: Stage) -> None:
    await ready(stage)
    event = await arrive(stage, invent(stage)[0], status=OrderStatus.WAITING_PAYMENT)
    assert await told(stage, OrderAcceptanceDecided) == []
    order = event.order
    changed = OrderStatusChanged(
        order_id=order.order_id,
        connection_id=CONNECTION,
        environment="sandbox",
        from_status=OrderStatus.WAITING_PAYMENT,
        to_status=OrderStatus.PENDING,
        trigger="payment_confirmed",
        marketplace_status="PENDING",
        marketplace_updated_at=order.created_at,
    )
    await stage.harness.feed((order.order_id, changed))
    assert [d.decision for d in await told(stage, OrderAcceptanceDecided)] == [Decision.ACCEPT]
    assert await stage.harness.runtime.pool.fetchval("SELECT count(*) FROM deadlines") == 1


async def test_a_link_that_arrives_resumes_what_waited_for_it(stage: Stage) -> None:
    await stage.harness.feed((CONNECTION, stage.connection(link_mode="linked")))
    await stage.harness.feed(offer(stage, "A", 5))
    await arrive(stage, invent(stage)[0])
    assert [item["cause"] for item in await stage.harness.parked()] == ["acceptance_held"]
    link = SkuLinked(connection_id=CONNECTION, offer_sku="A", shop_connection_id=SHOP, shop_sku="A")
    await stage.harness.feed((f"{CONNECTION}:A", link))
    assert await stage.harness.parked() == []


async def clock_speaks(stage: Stage) -> None:
    clock = DeadlineClock(stage.harness.runtime.transactions, last_resort)
    while await clock.step():
        pass


async def test_the_clock_tells_at_50_75_and_90_percent_and_when_it_is_too_late(stage: Stage) -> None:
    await ready(stage, AcceptancePolicy(auto_accept=False))
    event = await arrive(stage, invent(stage)[0])
    clock = stage.clock
    start = event.order.created_at
    told_at: list[tuple[int, int]] = []
    for percent in (49, 51, 60, 76, 91, 99, 101):
        target = start + timedelta(hours=48) * percent / 100
        clock.advance((target - clock.now()).total_seconds())
        await clock_speaks(stage)
        told_at.append((percent, len(await told(stage, DeadlineApproaching))))
    assert told_at == [(49, 0), (51, 1), (60, 1), (76, 2), (91, 3), (99, 3), (101, 3)]
    assert [d.percent_used for d in await told(stage, DeadlineApproaching)] == [50, 75, 90]
    missed = await told(stage, DeadlineMissed)
    assert [(m.order_id, m.last_resort) for m in missed] == [(event.order.order_id, "alarm")]


@pytest.mark.parametrize("action", ["accept", "refuse"])
async def test_the_last_resort_answers_before_the_window_closes(stage: Stage, action: str) -> None:
    await ready(stage, AcceptancePolicy(auto_accept=False, last_resort=action, last_resort_percent=80))
    event = await arrive(stage, invent(stage)[0])
    clock = stage.clock
    target = event.order.created_at + timedelta(hours=48) * 0.81
    clock.advance((target - clock.now()).total_seconds())
    await clock_speaks(stage)
    await clock_speaks(stage)
    await stage.harness.run_effects()
    assert stage.applied(action) == [event.order.marketplace_reference]
    decided = await told(stage, OrderAcceptanceDecided)
    assert [d.decided_by.value for d in decided] == ["policy", "last_resort"]
    assert await stage.harness.parked() == []


async def test_a_clock_stops_when_the_order_no_longer_waits(stage: Stage) -> None:
    await ready(stage)
    await arrive(stage, invent(stage)[0])
    await stage.harness.run_effects()
    row = await stage.harness.runtime.pool.fetchrow("SELECT met_at, next_at FROM deadlines")
    assert row is not None
    assert row["met_at"] is not None
    assert row["next_at"] is None


async def test_a_person_decides_through_the_api(stage: Stage) -> None:
    await ready(stage, AcceptancePolicy(auto_accept=False))
    event = await arrive(stage, invent(stage)[0])
    url = await stage.harness.serve()
    path = f"/v1/orders/{event.order.order_id}"

    def call(body: dict[str, Any], token: str = OPERATOR_TOKEN) -> Any:
        return Api(url, token).post(f"{path}/decision", body)

    with pytest.raises(ApiError, match="401"):
        await asyncio.to_thread(call, {"decision": "accept", "reason": "looks fine"}, "wrong")
    with pytest.raises(ApiError, match="422"):
        await asyncio.to_thread(call, {"decision": "maybe", "reason": "looks fine"})
    with pytest.raises(ApiError, match="whole orders only"):
        await asyncio.to_thread(call, {"decision": "accept", "reason": "looks fine", "refused_lines": ["A"]})
    answer = await asyncio.to_thread(call, {"decision": "refuse", "reason": "buyer asked us to"})
    assert answer["decided_by"] == "tester"
    with pytest.raises(ApiError, match="409"):
        await asyncio.to_thread(call, {"decision": "accept", "reason": "changed my mind"})
    await stage.harness.run_effects()
    assert stage.applied("refuse") == [event.order.marketplace_reference]
    shown = await asyncio.to_thread(Api(url, OPERATOR_TOKEN).get, path)
    assert (shown["decision"], shown["answer"]) == ("refuse", "refused")


async def test_an_unknown_order_is_a_clear_404(stage: Stage) -> None:
    url = await stage.harness.serve()
    with pytest.raises(ApiError, match="knows no order"):
        await asyncio.to_thread(Api(url, OPERATOR_TOKEN).get, f"/v1/orders/{UUID(int=99)}")
