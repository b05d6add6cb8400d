"""shipment-notifier against simulators: each parcel told once, in time, in order, whatever the facts' order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from hub_common.testing.schema import schema_differences
from hub_contracts.connections import ConnectionState, HubSettings
from hub_contracts.envelope import Event, Origin, decode_headers
from hub_contracts.orders import Environment, FulfilledBy, OrderReceived, OrderSnapshot
from hub_contracts.status import OrderStatus
from shipment_notifier.handlers import on_parcel
from shipment_notifier.tables import METADATA

from .conftest import Stage, of, parcel_id

NOTIFIED, REJECTED = "shipment.notified.v1", "shipment.rejected.v1"
PARKED, RESUMED = "work.parked.v1", "work.resumed.v1"


async def states(stage: Stage) -> list[str]:
    return [effect["state"] for effect in await stage.harness.effects("ship")]


WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_migrated_schema_equals_the_tables(database: str) -> None:
    assert await schema_differences(database, METADATA) == []


async def test_a_whole_order_is_told_once(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    [effect] = await stage.harness.effects("ship")
    assert effect["natural_key"] == f"ship:{stage.connection_id}:{order.marketplace_reference}:{parcel_id('p1')}"
    assert effect["deadline"] == order.ship_by
    assert (effect["request"]["whole_order"], effect["request"]["completes_order"]) == (True, True)
    [told] = of(await stage.send(), NOTIFIED)
    assert (told.order_complete, told.confirmed_by, told.is_test) == (True, "answer", False)
    assert {line.line_id: line.quantity for line in told.lines} == {line.line_id: line.quantity for line in order.lines}
    assert [each["tracking_number"] for each in stage.applied()] == ["NUMBER-p1"]
    await stage.ship(order)
    assert await stage.send() == []
    assert len(stage.applied()) == 1


async def test_parcels_of_an_order_go_one_after_the_other(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    for name, units in (("p1", (1, 0)), ("p2", (0, 1)), ("p3", (1, 0))):
        await stage.ship(order, name, units)
    told = of(await stage.send(), NOTIFIED)
    assert [each.parcel_id for each in told] == [parcel_id("p1"), parcel_id("p2"), parcel_id("p3")]
    assert [each.order_complete for each in told] == [False, False, True]
    requests = [effect["request"] for effect in await stage.harness.effects("ship")]
    assert [request["completes_order"] for request in requests] == [False, False, True]
    assert len(stage.applied()) == 3


@pytest.mark.parametrize("first", ["parcel", "order", "connection"])
async def test_facts_in_any_order_lead_to_the_same(stage: Stage, first: str) -> None:
    order = await stage.order()
    await stage.harness.runtime.pool.execute("DELETE FROM connections")
    facts: dict[str, tuple[UUID, Any]] = {
        "parcel": (order.order_id, stage.parcel(order)),
        "order": (order.order_id, OrderReceived(order=order, snapshot_id=UUID(int=1))),
        "connection": (stage.connection_id, stage.connection()),
    }
    for name in [first, *(name for name in ("connection", "parcel", "order") if name != first)]:
        await stage.harness.feed(facts[name])
    assert len(of(await stage.send(), NOTIFIED)) == 1
    assert len(stage.applied()) == 1
    assert await stage.causes() == []


async def test_one_batch_with_everything_plans_once(stage: Stage) -> None:
    order = await stage.order()
    received = OrderReceived(order=order, snapshot_id=UUID(int=1))
    one = stage.parcel(order, "p1", (1, 0))
    corrected = stage.parcel(order, "p1", (2, 0), tracking_number="BETTER")
    two = stage.parcel(order, "p2", (0, 1))
    key = order.order_id
    await stage.harness.feed((key, received), (key, one), (key, received), (key, corrected), (key, two))
    told = of(await stage.send(), NOTIFIED)
    assert {each.parcel_id for each in told} == {parcel_id("p1"), parcel_id("p2")}
    assert sorted(each["tracking_number"] for each in stage.applied()) == ["BETTER", "NUMBER-p2"]


async def test_an_order_waits_for_the_parcel_that_is_being_stored(stage: Stage) -> None:
    order = await stage.order()
    await stage.ship(order, "p1", (2, 0))
    parcel = stage.parcel(order, "p2", (0, 1))
    event = Event(decode_headers(stage.harness.record(order.order_id, parcel).headers), parcel)
    async with stage.harness.runtime.transactions.begin() as tx:
        await on_parcel(tx, [event])
        received = asyncio.create_task(stage.receive(order))
        async with asyncio.timeout(30):
            while not received.done() and not await stage.harness.runtime.pool.fetchval(WAITING):
                continue
    await received
    assert await states(stage) == ["PLANNED", "PLANNED"]


async def test_order_and_parcel_at_the_same_moment_cannot_miss_each_other(stage: Stage) -> None:
    orders = [await stage.order() for _ in range(12)]
    parcels = [(order.order_id, stage.parcel(order, f"p{i}")) for i, order in enumerate(orders)]
    received = [(order.order_id, OrderReceived(order=order, snapshot_id=UUID(int=1))) for order in orders]
    await asyncio.gather(
        *(stage.harness.feed(each) for each in parcels), *(stage.harness.feed(each) for each in reversed(received))
    )
    assert len(await stage.harness.effects("ship")) == 12


async def test_an_order_that_is_not_released_waits_without_being_parked(stage: Stage) -> None:
    order = await stage.receive(await stage.order(), status=OrderStatus.ACCEPTED)
    await stage.ship(order)
    assert (await states(stage), await stage.causes()) == ([], [])
    assert (await stage.shown(order))["parcels"][0]["state"] == "waiting"
    await stage.show(order, OrderStatus.PREPARATION)
    assert len(of(await stage.send(), NOTIFIED)) == 1


@pytest.mark.parametrize("status", [OrderStatus.CANCELLED, OrderStatus.REFUSED])
async def test_never_after_the_end(stage: Stage, status: OrderStatus) -> None:
    order = await stage.receive(await stage.order(), status=status)
    await stage.ship(order)
    assert (await states(stage), await stage.causes()) == ([], ["shipped_after_cancellation"])


async def test_a_cancellation_takes_back_what_was_not_sent(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    await stage.show(order, OrderStatus.CANCELLED)
    assert await states(stage) == ["SUPERSEDED"]
    assert await stage.causes() == ["shipped_after_cancellation"]
    assert of(await stage.send(), NOTIFIED) == []
    assert stage.applied() == []


async def test_a_line_cancelled_at_the_marketplace_completes_the_order_without_it(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order, "p1", (2, 0))
    await stage.show(order, OrderStatus.PREPARATION, lines={order.lines[1].line_id: OrderStatus.CANCELLED})
    assert await states(stage) == ["SUPERSEDED", "PLANNED"]
    [told] = of(await stage.send(), NOTIFIED)
    assert told.order_complete is True


async def test_test_orders_are_never_told(stage: Stage) -> None:
    order = await stage.receive(await stage.order(), is_test=True)
    await stage.ship(order, is_test=True)
    assert await stage.send() == []
    assert (await states(stage), await stage.causes(), stage.applied()) == ([], [], [])
    shown = await stage.shown(order)
    assert (shown["parcels"][0]["state"], shown["deadlines"]) == ("set_aside", [])


async def test_orders_shipped_by_the_marketplace_are_left_alone(stage: Stage) -> None:
    order = await stage.receive(await stage.order(), fulfilled_by=FulfilledBy.MARKETPLACE)
    await stage.ship(order)
    assert await stage.send() == []
    assert (await stage.shown(order))["deadlines"] == []


async def test_replayed_parcels_are_never_told(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order, origin=Origin.REPLAY)
    assert (await states(stage), await stage.send()) == ([], [])


async def test_environments_never_mix(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order, environment=Environment.PRODUCTION)
    assert (await states(stage), await stage.causes()) == ([], ["environment_mismatch"])


async def test_switching_the_capability_off_and_on(stage: Stage) -> None:
    await stage.connect(settings=HubSettings(capabilities_off=("ship",)))
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    assert (await states(stage), await stage.causes()) == ([], [])
    await stage.connect()
    assert len(of(await stage.send(), NOTIFIED)) == 1


async def test_a_paused_connection_keeps_what_is_planned(stage: Stage) -> None:
    order = await stage.order()
    await stage.connect(state=ConnectionState.PAUSED)
    await stage.receive(order)
    await stage.ship(order)
    assert (of(await stage.send(), NOTIFIED), await states(stage)) == ([], ["PLANNED"])
    await stage.connect()
    assert len(of(await stage.send(), NOTIFIED)) == 1


async def test_too_many_units_wait_for_a_person_and_a_correction_cures_it(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order, "p1", (2, 0))
    await stage.ship(order, "p2", (1, 1))
    [item] = await stage.harness.parked()
    assert (item["cause"], item["subject_id"]) == ("shipped_too_many", str(parcel_id("p2")))
    assert item["next_step"]
    await stage.ship(order, "p2", (0, 1))
    events = await stage.send()
    assert len(of(events, RESUMED)) == 1
    assert [each.order_complete for each in of(events, NOTIFIED)] == [False, True]


async def test_a_link_where_one_is_demanded(manomano: Stage) -> None:
    order = await manomano.receive(await manomano.order())
    await manomano.ship(order, tracking_url=None)
    assert (await states(manomano), await manomano.causes()) == ([], ["tracking_url_missing"])
    await manomano.ship(order)
    [told] = of(await manomano.send(), NOTIFIED)
    assert told.order_complete
    assert [each["carrier"] for each in manomano.applied()] == ["DPD"]
    assert await manomano.causes() == []


async def test_a_correction_before_sending_replaces(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    await stage.ship(order, tracking_number="BETTER")
    await stage.ship(order, tracking_number="BEST")
    keys = [effect["natural_key"].rsplit(":", 1)[-1] for effect in await stage.harness.effects("ship")]
    assert (await states(stage), keys[1:]) == (["SUPERSEDED", "SUPERSEDED", "PLANNED"], ["v2", "v3"])
    await stage.send()
    assert [each["tracking_number"] for each in stage.applied()] == ["BEST"]


async def test_a_correction_in_the_middle_keeps_the_order_of_parcels(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order, "p1", (2, 0))
    await stage.ship(order, "p2", (0, 1))
    await stage.ship(order, "p1", (2, 0), tracking_number="BETTER")
    planned = [effect for effect in await stage.harness.effects("ship") if effect["state"] == "PLANNED"]
    assert [effect["request"]["completes_order"] for effect in planned] == [False, True]
    assert [UUID(effect["request"]["parcel_id"]) for effect in planned] == [parcel_id("p1"), parcel_id("p2")]
    await stage.send()
    assert [each["tracking_number"] for each in stage.applied()] == ["BETTER", "NUMBER-p2"]


async def test_a_correction_after_the_fact_is_for_a_person(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    await stage.send()
    await stage.ship(order, tracking_number="BETTER")
    [item] = await stage.harness.parked()
    assert (item["cause"], "tracking_number" in item["detail"]) == ("tracking_changed", True)
    assert of(await stage.send(), NOTIFIED) == []
    path = f"/v1/operations/parked/{item['parked_id']}/close"
    answer = await stage.client.post(path, json={"resolution": "done in the back office"})
    assert answer.status_code == 200
    await stage.show(order, OrderStatus.SHIPPED)
    assert await stage.causes() == [], "what a person closed does not come back with an unrelated event"
    await stage.ship(order, tracking_number="STILL-BETTER")
    assert await stage.causes() == ["tracking_changed"]
    await stage.ship(order)
    assert await stage.causes() == [], "corrected back to what the marketplace knows"
    assert len(stage.applied()) == 1


async def test_a_correction_while_in_doubt_waits_for_the_truth(stage: Stage) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    stage.fault("timeout_after_effect", "ship")
    await stage.send()
    assert await states(stage) == ["UNKNOWN"]
    await stage.ship(order, tracking_number="BETTER")
    assert await states(stage) == ["UNKNOWN"]
    events = await stage.probe()
    [told] = of(events, NOTIFIED)
    assert told.confirmed_by == "probe"
    assert await stage.causes() == ["tracking_changed"]
    assert len(stage.applied()) == 1


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect", "st01_missing_item"])
async def test_a_lost_answer_never_tells_twice(stage: Stage, fault: str) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    stage.fault(fault, "ship")
    assert of(await stage.send(), NOTIFIED) == []
    [told] = of(await stage.probe(), NOTIFIED)
    assert (told.order_complete, told.confirmed_by) == (True, "probe")
    assert len(stage.applied()) == 1


@pytest.mark.parametrize("fault", ["rate_limit", "error_500_before_effect", "html_answer"])
async def test_a_call_that_did_nothing_is_made_again(stage: Stage, fault: str) -> None:
    order = await stage.receive(await stage.order())
    await stage.ship(order)
    stage.fault(fault, "ship")
    await stage.send()
    stage.clock.advance(120)
    assert len(of(await stage.probe(), NOTIFIED)) == 1
    assert len(stage.applied()) == 1


async def test_what_the_marketplace_refuses_is_told_and_waits_for_a_correction(manomano: Stage) -> None:
    order = await manomano.receive(await manomano.order())
    await manomano.ship(order, carrier_name="Nobody Knows Them")
    events = await manomano.send()
    [refused] = of(events, REJECTED)
    assert refused.parcel_id == parcel_id("p1")
    [item] = await manomano.harness.parked()
    assert item["cause"] == "shipment_rejected"
    assert "Nobody Knows Them" in item["detail"]
    await manomano.ship(order, carrier_name="Nobody Knows Them")
    assert await manomano.send() == [], "the same again is not sent again"
    await manomano.ship(order, carrier_name="GLS")
    events = await manomano.send()
    assert (len(of(events, RESUMED)), len(of(events, NOTIFIED))) == (1, 1)
    assert [each["carrier"] for each in manomano.applied()] == ["GLS"]


async def test_a_refused_parcel_makes_the_later_one_incomplete(manomano: Stage) -> None:
    order = await manomano.receive(await manomano.order())
    await manomano.ship(order, "p1", (2, 0), carrier_name="Nobody Knows Them")
    await manomano.ship(order, "p2", (0, 1))
    events = await manomano.send()
    assert len(of(events, REJECTED)) == 1
    [told] = of(events, NOTIFIED)
    assert (told.parcel_id, told.order_complete) == (parcel_id("p2"), False)
    request = (await manomano.harness.effects("ship"))[-1]["request"]
    assert (UUID(request["parcel_id"]), request["completes_order"]) == (parcel_id("p2"), False)


async def test_an_operator_that_takes_whole_orders_refuses_parts(whole: Stage) -> None:
    order = await whole.receive(await whole.order())
    await whole.ship(order, "p1", (2, 0))
    assert len(of(await whole.send(), REJECTED)) == 1
    assert whole.applied() == []
    other = await whole.receive(await whole.order())
    await whole.ship(other, "p9")
    assert len(of(await whole.send(), NOTIFIED)) == 1


async def test_an_operator_settles_what_no_probe_can(manomano: Stage) -> None:
    order = await manomano.receive(await manomano.order())
    await manomano.ship(order, "p1", (1, 0))
    manomano.fault("timeout_after_effect", "ship")
    await manomano.send()
    await manomano.probe()
    assert await manomano.causes() == ["effect_unknown"]
    [effect] = await manomano.harness.effects("ship")
    body = {"verdict": "applied", "evidence": "seen in the back office"}
    answer = await manomano.client.post(f"/v1/operations/effects/{effect['effect_id']}/settle", json=body)
    assert answer.status_code == 200, answer.text
    [told] = of(await manomano.harness.emitted(), NOTIFIED)
    assert told.confirmed_by == "tester"
    assert await manomano.causes() == []


def _snapshots(orders: Sequence[OrderSnapshot]) -> list[str]:
    return [order.marketplace_reference for order in orders]


async def test_many_orders_share_calls_and_none_is_lost(manomano: Stage) -> None:
    orders = [await manomano.receive(await manomano.order()) for _ in range(8)]
    assert len(set(_snapshots(orders))) == 8
    for i, order in enumerate(orders):
        await manomano.ship(order, f"p{i}")
    manomano.fault("missing_item_207", "ship")
    await manomano.send()
    events = await manomano.probe()
    assert {effect["state"] for effect in await manomano.harness.effects("ship")} == {"DONE"}
    assert len(manomano.applied()) == 8
    assert of(events, PARKED) == []
