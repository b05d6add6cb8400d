"""What shops post about orders: once each, in any order, never more than was ordered, never lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from connector_kit.simulator import FaultRule
from hub_contracts.ids import parcel_id_for, route_id_for
from hub_contracts.routes import Route

from .world import MARKETPLACE, OTHER_SHOP, SHOP, Stage, cancelled, line, routed

HANDED_OVER = "parcel.handed_over.v1"


async def taken(answer: Any, state: str = "done") -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    assert found["state"] == state, found
    return found


async def test_the_whole_way_from_route_to_parcel(stage: Stage) -> None:
    await stage.behave()
    order = routed(1)
    route_id = await stage.route(order)
    result = await stage.shop_step()
    assert (result["taken"], result["failed"]) == (2, 0)
    (parcel,) = await stage.told(HANDED_OVER)
    reference = stage.simulator.shop("blue").orders[str(route_id)].parcels[0]
    assert parcel.parcel_id == parcel_id_for(order.order_id, SHOP, reference)
    assert (parcel.connection_id, parcel.route_id, parcel.destination_country) == (MARKETPLACE, route_id, "FR")
    assert [(li.line_id, li.quantity) for li in parcel.lines] == [("L1", 2)]
    assert (await stage.order_row(route_id))["closed_at"] is not None


@pytest.mark.parametrize("mode", ["rest", "webhook"])
@pytest.mark.parametrize("fault", [None, "duplicate_posts", "reordered_posts", "late_acknowledgement"])
async def test_repeats_and_another_order_end_the_same(stage: Stage, mode: str, fault: str | None) -> None:
    stage.simulator.faults.set([FaultRule(fault=fault)] if fault else [])
    script = {"partial_every_n": 2, "return_every_n": 2, "cancel_every_n": 5, "return_after_seconds": 0}
    await stage.behave(mode=mode, stock={"SKU-L1": 100}, prices={"SKU-L1": "19.90"}, **script)
    orders = [routed(number, line("L1", 3)) for number in range(1, 6)]
    for order in orders:
        await stage.route(order)
    for _ in range(3):
        await stage.shop_step()
        stage.harness.clock.advance(2)  # type: ignore[attr-defined]
    assert stage.simulator.shop("blue").outbox == []
    assert stage.simulator.shop("blue").failed == []
    caretaker = stage.caretaker()
    while await caretaker.posts_step():
        continue
    events = await stage.harness.emitted()
    counts = {kind: sum(e.type == kind for e in events) for kind in {e.type for e in events}}
    shipped = [e.data for e in events if e.type == HANDED_OVER]
    assert len({parcel.parcel_id for parcel in shipped}) == len(shipped)
    assert sum(li.quantity for parcel in shipped for li in parcel.lines) == 12
    returned = [(e.data.return_id, e.data.stage) for e in events if e.type == "return.reported.v1"]
    assert len(set(returned)) == len(returned)
    assert counts["shop_order.acknowledged.v1"] == 5
    assert counts["order.cancellation_requested.v1"] == 1
    assert counts["price.reported.v1"] == 1
    assert await stage.causes() == []


@pytest.mark.parametrize("fault", ["wrong_signature_posts", "stale_timestamp_posts"])
async def test_badly_signed_posts_come_through_when_signed_well(stage: Stage, fault: str) -> None:
    stage.simulator.faults.set([FaultRule(fault=fault, times=1, operation="shipment")])
    await stage.behave(mode="webhook")
    await stage.route(routed(1))
    await stage.shop_step()
    assert await stage.told(HANDED_OVER) == []
    stage.harness.clock.advance(5)  # type: ignore[attr-defined]
    await stage.shop_step()
    assert len(await stage.told(HANDED_OVER)) == 1


async def test_test_orders_stay_marked(stage: Stage) -> None:
    stage.simulator.faults.set([FaultRule(fault="plain_answer")])
    route_id = await stage.route(routed(1, is_test=True))
    await taken(await stage.post("acknowledgements", {"route_id": str(route_id), "shop_order_reference": "S-1"}))
    await taken(await stage.post("shipments", stage.shipment(route_id)))
    events = await stage.told()
    assert {e.TYPE for e in events} >= {HANDED_OVER, "shop_order.acknowledged.v1", "shop_order.created.v1"}
    assert all(e.is_test for e in events)


async def test_an_acknowledgement_is_told_once_and_keeps_its_number(stage: Stage) -> None:
    stage.simulator.faults.set([FaultRule(fault="plain_answer")])  # the shop gives no number with its answer
    route_id = await stage.route(routed(1))
    ack = {"order_number": "M00001", "shop_order_reference": "S-1"}
    await taken(await stage.post("acknowledgements", ack))
    await taken(await stage.post("acknowledgements", ack, key="k2"))
    assert len(await stage.told("shop_order.acknowledged.v1")) == 1
    other = await stage.post("acknowledgements", ack | {"shop_order_reference": "S-2"})
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "#/shop_order_reference")
    named = stage.shipment(route_id, shop_order_reference="S-1")
    del named["route_id"]
    await taken(await stage.post("shipments", named))
    assert len(await stage.told(HANDED_OVER)) == 1


async def test_two_partial_parcels_and_nothing_more(stage: Stage) -> None:
    route_id = await stage.route(routed(1, line("L1", 3), line("L2", 1)))
    await taken(await stage.post("shipments", stage.shipment(route_id, lines=[{"sku": "SKU-L1", "quantity": 2}])))
    await taken(await stage.post("shipments", stage.shipment(route_id, "P2", tracking_number="TRK-2")))
    third = await taken(await stage.post("shipments", stage.shipment(route_id, "P3")), "parked")
    assert third["cause"] == "shipped_too_many"
    first, second = await stage.told(HANDED_OVER)
    assert {li.line_id: li.quantity for li in first.lines} == {"L1": 2}
    assert {li.line_id: li.quantity for li in second.lines} == {"L1": 1, "L2": 1}


async def test_posts_at_the_same_moment_cannot_ship_the_same_units(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    bodies = [stage.shipment(route_id, f"P{n}", lines=[{"line_id": "L1", "quantity": 1}]) for n in range(6)]
    answers = await asyncio.gather(*(stage.post("shipments", body) for body in bodies))
    assert sorted(answer.json()["state"] for answer in answers) == ["done"] * 2 + ["parked"] * 4
    assert len(await stage.told(HANDED_OVER)) == 2


async def test_too_many_units_are_parked_whole(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    await stage.told()
    body = stage.shipment(route_id, lines=[{"line_id": "L1", "quantity": 3}])
    answer = await taken(await stage.post("shipments", body), "parked")
    assert (answer["cause"], "3 units, 2 are left" in answer["detail"]) == ("shipped_too_many", True)
    assert [e.TYPE for e in await stage.told()] == ["work.parked.v1"]


async def test_a_corrected_parcel_makes_room_for_the_parked_one(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    await taken(await stage.post("shipments", stage.shipment(route_id, "P1")))
    await taken(
        await stage.post("shipments", stage.shipment(route_id, "P2", lines=[{"line_id": "L1", "quantity": 1}])),
        "parked",
    )
    fixed = stage.shipment(route_id, "P1", lines=[{"line_id": "L1", "quantity": 1}])
    await taken(await stage.post("shipments", fixed))
    assert await stage.caretaker().posts_step() == 1
    assert await stage.causes() == []
    quantities = [[li.quantity for li in e.lines] for e in await stage.told(HANDED_OVER)]
    assert quantities == [[2], [1], [1]]


async def test_a_sku_on_several_lines_is_taken_from_the_first_with_units_left(stage: Stage) -> None:
    order = routed(1, line("L1", 1, "SKU"), line("L2", 2, "SKU"))
    route_id = await stage.route(order)
    await taken(await stage.post("shipments", stage.shipment(route_id, lines=[{"sku": "SKU", "quantity": 2}])))
    (parcel,) = await stage.told(HANDED_OVER)
    assert {li.line_id: li.quantity for li in parcel.lines} == {"L1": 1, "L2": 1}


@pytest.mark.parametrize("named", [{"sku": "NO-SUCH"}, {"line_id": "L1", "sku": "SKU-L2"}])
async def test_an_unknown_line_is_parked(stage: Stage, named: dict[str, str]) -> None:
    route_id = await stage.route(routed(1, line("L1"), line("L2")))
    body = stage.shipment(route_id, lines=[{**named, "quantity": 1}])
    assert (await taken(await stage.post("shipments", body), "parked"))["cause"] == "line_unknown"


async def test_late_tracking_and_corrections_keep_the_parcel(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    bare = stage.shipment(route_id)
    del bare["tracking_number"]
    await taken(await stage.post("shipments", bare))
    await taken(await stage.post("shipments", stage.shipment(route_id)))
    await taken(await stage.post("shipments", stage.shipment(route_id), key="again"))
    await taken(await stage.post("shipments", bare, key="late-repeat"))
    fixed = stage.shipment(route_id, tracking_number="TRK-9", tracking_url="https://t.example.invalid/9")
    await taken(await stage.post("shipments", fixed))
    parcels = await stage.told(HANDED_OVER)
    assert [p.tracking_number for p in parcels] == [None, "TRK-1", "TRK-9"]
    assert len({p.parcel_id for p in parcels}) == 1


async def test_a_parcel_is_never_told_before_it_left(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    early = stage.shipment(route_id, handed_over_at=stage.at(301))
    refused = await stage.post("shipments", early)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/handed_over_at")
    missing = stage.shipment(route_id)
    del missing["handed_over_at"]
    assert (await stage.post("shipments", missing)).status_code == 422
    assert await stage.told(HANDED_OVER) == []
    stage.harness.clock.advance(10)  # type: ignore[attr-defined]
    await taken(await stage.post("shipments", early))  # the same bytes, true by now
    assert len(await stage.told(HANDED_OVER)) == 1


async def test_a_post_before_its_order_waits_and_goes_on(stage: Stage) -> None:
    order = routed(1)
    route_id = order.routes[0].route_id
    by_id = stage.shipment(route_id, "P1", lines=[{"line_id": "L1", "quantity": 1}])
    by_number = stage.shipment(route_id, "P2", order_number="M00001")
    del by_number["route_id"]
    for body in (by_id, by_number):
        answer = await taken(await stage.post("shipments", body), "parked")
        assert answer["cause"] == "order_unknown"
    caretaker = stage.caretaker()
    assert await caretaker.posts_step() == 0
    await stage.route(order)
    assert await caretaker.posts_step() == 2
    assert await caretaker.posts_step() == 0
    assert await stage.causes() == []
    assert [p.shop_parcel_reference for p in await stage.told(HANDED_OVER)] == ["P1", "P2"]


async def test_an_order_held_back_is_unknown_to_the_shop(stage: Stage) -> None:
    route_id = await stage.route(routed(1), with_customer=False)
    await taken(await stage.post("shipments", stage.shipment(route_id)), "parked")
    assert await stage.caretaker().posts_step() == 0


async def test_another_shops_order_cannot_be_touched(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP)
    route_id = await stage.route(routed(1))
    answer = await stage.post("shipments", stage.shipment(route_id), shop=OTHER_SHOP)
    assert (await taken(answer, "parked"))["cause"] == "order_unknown"


async def test_names_that_contradict_each_other_are_refused(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    await stage.route(routed(2))
    answer = await stage.post("shipments", stage.shipment(route_id, order_number="M00002"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/order_number")


async def test_two_warehouses_of_one_shop(stage: Stage) -> None:
    order = routed(1)
    routes = tuple(
        Route(
            route_id=route_id_for(order.order_id, SHOP, place),
            shop_connection_id=SHOP,
            warehouse=place,
            lines=(line(name),),
        )
        for place, name in (("lyon", "L1"), ("lille", "L2"))
    )
    await stage.route(routed(1, routes=routes))
    unclear = stage.shipment(routes[0].route_id, order_number="M00001")
    del unclear["route_id"]
    assert (await taken(await stage.post("shipments", unclear), "parked"))["cause"] == "order_ambiguous"
    await taken(await stage.post("shipments", unclear | {"lines": [{"sku": "SKU-L2", "quantity": 2}]}))
    (parcel,) = await stage.told(HANDED_OVER)
    assert parcel.route_id == routes[1].route_id
    reused = stage.shipment(routes[0].route_id)
    assert (await taken(await stage.post("shipments", reused), "parked"))["cause"] == "reference_reused"


async def test_shipped_after_cancellation_waits_for_a_person(stage: Stage) -> None:
    order = routed(1)
    route_id = await stage.route(order)
    await stage.harness.feed((order.order_id, cancelled(order)))
    answer = await taken(await stage.post("shipments", stage.shipment(route_id)), "parked")
    assert answer["cause"] == "shipped_after_cancellation"
    path = f"/v1/posts/{answer['post_id']}/retry"
    assert (await stage.operator("POST", path, {})).json()["state"] == "parked"
    assert await stage.told(HANDED_OVER) == []
    forced = await stage.operator("POST", path, {"despite_cancellation": True})
    assert forced.json()["state"] == "done"
    assert len(await stage.told(HANDED_OVER)) == 1
    assert await stage.causes() == []
    settled = await stage.operator("POST", path, {})
    assert (settled.status_code, settled.json()["type"]) == (409, "urn:hub:problem:post-settled")


async def test_an_acknowledged_order_is_no_longer_refused(stage: Stage) -> None:
    stage.simulator.faults.set([FaultRule(fault="reject_4xx", times=1)])
    route_id = await stage.route(routed(1))
    await taken(await stage.post("acknowledgements", {"route_id": str(route_id), "shop_order_reference": "S-1"}))
    assert await stage.causes() == []
    assert (await stage.order_row(route_id))["state"] == "created"


async def test_each_stage_of_a_return_is_told_once_and_none_goes_back(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    await stage.post("shipments", stage.shipment(route_id))
    line_back = {"sku": "SKU-L1", "quantity": 1, "amount": "19.90", "reason": "broken"}
    back = {"route_id": str(route_id), "return_reference": "R1", "stage": "created", "lines": [line_back]}
    await taken(await stage.post("returns", back))
    await taken(await stage.post("returns", back, key="again"))
    received = {"route_id": str(route_id), "return_reference": "R1", "stage": "received"}
    await taken(await stage.post("returns", received))
    await taken(await stage.post("returns", back, key="late"))
    first, second = await stage.told("return.reported.v1")
    assert (first.stage, second.stage) == ("created", "received")
    assert first.lines == second.lines
    assert (str(first.lines[0].amount), first.lines[0].reason) == ("19.90", "broken")
    assert first.return_id == second.return_id


async def test_a_return_waits_for_its_shipment(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    back = {"route_id": str(route_id), "return_reference": "R1", "stage": "received"}
    answer = await taken(await stage.post("returns", back), "parked")
    assert answer["cause"] == "returned_too_many"
    caretaker = stage.caretaker()
    assert await caretaker.posts_step() == 0
    await stage.post("shipments", stage.shipment(route_id))
    assert await caretaker.posts_step() == 1
    (event,) = await stage.told("return.reported.v1")
    assert [(li.line_id, li.quantity) for li in event.lines] == [("L1", 2)]
    second = back | {"return_reference": "R2", "lines": [{"sku": "SKU-L1", "quantity": 1}]}
    assert (await taken(await stage.post("returns", second), "parked"))["cause"] == "returned_too_many"


async def test_a_return_in_another_currency_is_refused(stage: Stage) -> None:
    route_id = await stage.route(routed(1))
    await stage.post("shipments", stage.shipment(route_id))
    back = {"route_id": str(route_id), "return_reference": "R1", "stage": "created", "currency": "USD"}
    answer = await stage.post("returns", back)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/currency")


async def test_a_cancellation_of_everything_means_what_the_shop_was_given(stage: Stage) -> None:
    whole = await stage.route(routed(1))
    ask = {"cancellation_reference": "C1", "reason": "out of stock", "requested_at": stage.at()}
    for _ in range(2):
        await taken(await stage.post("cancellations", ask | {"route_id": str(whole)}))
    partly = await stage.route(routed(2, line("L1", 3)))
    await stage.post("shipments", stage.shipment(partly, "P2", lines=[{"sku": "SKU-L1", "quantity": 1}]))
    await taken(await stage.post("cancellations", ask | {"route_id": str(partly)}))
    await taken(await stage.post("cancellations", ask | {"route_id": str(partly)}, key="again"))
    first, second = await stage.told("order.cancellation_requested.v1")
    assert first.lines == ()
    assert [(li.line_id, li.quantity) for li in second.lines] == [("L1", 2)]
    more = ask | {"route_id": str(partly), "cancellation_reference": "C2"}
    assert (await taken(await stage.post("cancellations", more), "parked"))["cause"] == "cancelled_too_many"


async def test_a_cancellation_never_speaks_for_another_shop(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP)
    order = routed(1)
    routes = tuple(
        Route(route_id=route_id_for(order.order_id, shop, None), shop_connection_id=shop, lines=(line(name),))
        for shop, name in ((SHOP, "L1"), (OTHER_SHOP, "L2"))
    )
    await stage.route(routed(1, routes=routes))
    await taken(await stage.post("cancellations", {"order_number": "M00001", "cancellation_reference": "C1"}))
    (event,) = await stage.told("order.cancellation_requested.v1")
    assert [(li.line_id, li.quantity) for li in event.lines] == [("L1", 2)]
