"""Shipping: the two ways are never mixed, and a parcel that is not confirmed is never called shipped."""

from __future__ import annotations

import pytest

from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.ship import one_per_order, read_item

from .stage import Stage, parcel_for


def whole_order_stage() -> Stage:
    return Stage(sandbox={"multi_shipment": False})


async def test_a_parcel_is_one_shipment_where_the_platform_knows_several(stage: Stage) -> None:
    order = stage.shipping_order()
    parcel = parcel_for(order)
    [outcome] = await stage.connection.ship([parcel])
    assert outcome.state is OutcomeState.DONE
    assert outcome.answer["way"] == "ST01"
    [call] = stage.http.made("ship")
    [shipment] = call.json["shipments"]
    assert shipment["shipped"] is True
    assert shipment["tracking"] == {"carrier_code": "DPD", "carrier_name": "DPD", "tracking_number": "00401"}
    assert {line["package_reference"] for line in shipment["shipment_lines"]} == {str(parcel.parcel_id)}
    assert order.state == "SHIPPED"
    assert stage.applied("ship") == [f"{order.id}/{parcel.parcel_id}"]


async def test_parts_of_an_order_leave_one_by_one(stage: Stage) -> None:
    order = stage.shipping_order()
    first, second = order.lines
    a = parcel_for(order, "a", {first.id: 1})
    b = parcel_for(order, "b", {first.id: 1, second.id: 1})
    outcomes = [*await stage.connection.ship([a])]
    assert order.state == "SHIPPING"
    assert (await stage.connection.probe_ship(a)).state is ProbeState.APPLIED
    assert (await stage.connection.probe_ship(b)).state is ProbeState.NOT_APPLIED
    outcomes += await stage.connection.ship([b])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.DONE] * 2
    assert order.state == "SHIPPED"


async def test_two_parcels_of_one_order_never_share_a_call(stage: Stage) -> None:
    order, other = stage.shipping_order(), stage.shipping_order()
    first, second = order.lines
    parcels = [
        parcel_for(order, "a", {first.id: 2}),
        parcel_for(other),
        parcel_for(order, "b", {second.id: 1}),
    ]
    assert one_per_order(parcels) == [[0, 1], [2]]
    outcomes = await stage.connection.ship(parcels)
    assert [outcome.state for outcome in outcomes] == [OutcomeState.DONE] * 3
    assert [len(call.json["shipments"]) for call in stage.http.made("ship")] == [2, 1]


async def test_the_platform_is_asked_once(stage: Stage) -> None:
    await stage.connection.ship([parcel_for(stage.shipping_order())])
    await stage.connection.ship([parcel_for(stage.shipping_order())])
    assert len(stage.http.made("read_configuration")) == 1


@pytest.mark.parametrize(("setting", "way"), [("on", "ST01"), ("off", "OR24")])
async def test_the_setting_spares_the_question(setting: str, way: str) -> None:
    stage = Stage(settings={"multi_shipment": setting})
    [outcome] = await stage.connection.ship([parcel_for(stage.shipping_order())])
    assert outcome.answer["way"] == way
    assert stage.http.made("read_configuration") == []


@pytest.mark.parametrize("fault", ["error_500_before_effect", "timeout_after_effect", "rate_limit", "html_answer"])
async def test_nothing_is_sent_while_the_way_is_unknown(stage: Stage, fault: str) -> None:
    order = stage.shipping_order()
    stage.fault(fault, "read_configuration", times=1)
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.RETRY
    assert stage.http.made("ship") == []
    [again] = await stage.connection.ship([parcel_for(order)])
    assert again.state is OutcomeState.DONE


async def test_a_whole_order_gets_its_tracking_and_is_shipped() -> None:
    stage = whole_order_stage()
    order = stage.shipping_order()
    parcel = parcel_for(order)
    [outcome] = await stage.connection.ship([parcel])
    assert outcome.state is OutcomeState.DONE
    assert [call.operation for call in stage.http.calls] == ["read_configuration", "set_tracking", "ship"]
    assert order.state == "SHIPPED"
    assert order.tracking["tracking_number"] == "00401"
    assert (await stage.connection.probe_ship(parcel)).state is ProbeState.APPLIED


async def test_a_part_is_rejected_where_only_whole_orders_can_be_shipped() -> None:
    stage = whole_order_stage()
    order = stage.shipping_order()
    [outcome] = await stage.connection.ship([parcel_for(order, "a", {order.lines[0].id: 1})])
    assert outcome.state is OutcomeState.REJECTED
    assert "multi-shipment is off" in outcome.reason
    assert stage.applied("ship") == []


async def test_a_404_of_shipments_falls_back_to_the_whole_order() -> None:
    stage = Stage(sandbox={"multi_shipment": False}, settings={"multi_shipment": "on"})
    whole, part = stage.shipping_order(), stage.shipping_order()
    outcomes = await stage.connection.ship([parcel_for(whole), parcel_for(part, "a", {part.lines[0].id: 1})])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.DONE, OutcomeState.REJECTED]
    assert stage.applied("ship") == [whole.id]
    await stage.connection.ship([parcel_for(stage.shipping_order())])
    assert [call for call in stage.http.made("ship") if call.method == "POST"] == []
    assert len(stage.http.made("read_shipments")) == 1


async def test_multi_shipment_switched_off_later_is_noticed_by_the_probe_too(stage: Stage) -> None:
    order = stage.shipping_order()
    await stage.connection.ship([parcel_for(stage.shipping_order())])
    stage.fault("multi_shipment_off")
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.NOT_APPLIED


@pytest.mark.parametrize(
    ("several", "operation", "key"), [(False, "set_tracking", "carrier_url"), (True, "ship", "tracking_url")]
)
async def test_an_unregistered_carrier_goes_by_name_and_address(several: bool, operation: str, key: str) -> None:
    stage = Stage(sandbox={"multi_shipment": several})
    parcel = parcel_for(stage.shipping_order(), carrier_code=None, carrier_name="Velo Express")
    [outcome] = await stage.connection.ship([parcel])
    assert outcome.state is OutcomeState.DONE
    body = stage.http.made(operation)[0].json
    tracking = body["shipments"][0]["tracking"] if several else body
    assert tracking == {
        "carrier_name": "Velo Express",
        key: "https://track.example.invalid/x",
        "tracking_number": "00401",
    }


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
@pytest.mark.parametrize("several", [True, False])
async def test_a_lost_answer_is_unknown_and_the_probe_finds_the_parcel(fault: str, several: bool) -> None:
    stage = Stage(sandbox={"multi_shipment": several})
    order = stage.shipping_order()
    stage.fault(fault, "ship")
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.APPLIED
    assert len(stage.applied("ship")) == 1


@pytest.mark.parametrize("fault", ["error_500_before_effect", "html_answer"])
@pytest.mark.parametrize("several", [True, False])
async def test_an_unclear_answer_without_effect_is_denied_by_the_probe(fault: str, several: bool) -> None:
    stage = Stage(sandbox={"multi_shipment": several})
    order = stage.shipping_order()
    stage.fault(fault, "ship", times=1)
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.NOT_APPLIED


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect", "rate_limit"])
async def test_an_unclear_tracking_may_be_sent_again(fault: str) -> None:
    stage = whole_order_stage()
    order = stage.shipping_order()
    stage.fault(fault, "set_tracking", times=1)
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.RETRY
    assert stage.applied("ship") == []
    [again] = await stage.connection.ship([parcel_for(order)])
    assert again.state is OutcomeState.DONE


async def test_a_repeat_of_a_shipped_order_is_left_to_the_probe() -> None:
    stage = whole_order_stage()
    order = stage.shipping_order()
    await stage.connection.ship([parcel_for(order)])
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.UNKNOWN
    assert not outcome.retry_if_not_applied
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.APPLIED
    assert stage.applied("ship") == [order.id]


async def test_mixed_answers_are_read_item_by_item(stage: Stage) -> None:
    orders = [stage.shipping_order() for _ in range(3)]
    stage.fault("st01_mixed", times=1)
    outcomes = await stage.connection.ship([parcel_for(order) for order in orders])
    assert [outcome.state.value for outcome in outcomes] == ["unknown", "done", "done"]
    assert not outcomes[0].retry_if_not_applied
    assert (await stage.connection.probe_ship(parcel_for(orders[0]))).state is ProbeState.NOT_APPLIED


async def test_an_item_that_is_in_neither_list_is_unknown(stage: Stage) -> None:
    orders = [stage.shipping_order() for _ in range(2)]
    stage.fault("st01_missing_item", times=1)
    outcomes = await stage.connection.ship([parcel_for(order) for order in orders])
    assert [outcome.state.value for outcome in outcomes] == ["unknown", "done"]
    assert (await stage.connection.probe_ship(parcel_for(orders[0]))).state is ProbeState.APPLIED


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, "unknown"),
        ({"shipment_success": None, "shipment_errors": None}, "unknown"),
        ({"shipment_success": [{"order_id": "other", "status": "SHIPPED"}]}, "unknown"),
        ({"shipment_success": [{"order_id": "ME", "status": "SHIPPING"}]}, "unknown"),
        ({"shipment_success": [{"order_id": "ME", "status": "BRAND_NEW"}]}, "unknown"),
        ({"shipment_success": [{"order_id": "ME", "status": "SHIPMENT_PREPARED", "id": "1"}]}, "done"),
        ({"shipment_success": [{"order_id": "ME", "status": "SHIPPED"}] * 2}, "unknown"),
        (
            {"shipment_success": [{"order_id": "ME", "status": "SHIPPED"}], "shipment_errors": [{"order_id": "ME"}]},
            "unknown",
        ),
        ({"shipment_errors": [{"order_id": "ME", "message": None}]}, "unknown"),
    ],
)
def test_no_reading_of_the_lists_invents_success(stage: Stage, told: dict[str, object], state: str) -> None:
    parcel = parcel_for(stage.shipping_order()).model_copy(update={"order_reference": "ME"})
    assert read_item(told, parcel).state.value == state


async def test_a_shipment_entered_by_hand_is_recognised_by_number_and_lines(stage: Stage) -> None:
    order = stage.shipping_order()
    by_hand = parcel_for(order, "hand", tracking_number="777")
    await stage.connection.ship([by_hand])
    ours = parcel_for(order, "ours", tracking_number="777")
    other = parcel_for(order, "other", tracking_number="888")
    assert (await stage.connection.probe_ship(ours)).state is ProbeState.APPLIED
    assert (await stage.connection.probe_ship(other)).state is ProbeState.NOT_APPLIED


async def test_many_shipments_of_an_order_are_all_read(stage: Stage) -> None:
    order = stage.shipping_order(skus=[{"sku": "TEL-PRO-128", "price": "1.00", "quantity": 130}])
    line = order.lines[0].id
    parcels = [parcel_for(order, str(index), {line: 1}) for index in range(130)]
    await stage.connection.ship(parcels)
    assert (await stage.connection.probe_ship(parcels[-1])).state is ProbeState.APPLIED
    pages = stage.http.made("probe_shipments")
    assert [[name for name, _ in call.params] for call in pages] == [["order_id", "limit"], ["page_token"]]


@pytest.mark.parametrize(
    ("state", "number", "expected"),
    [
        ("WAITING_DEBIT", None, ProbeState.NOT_APPLIED),
        ("SHIPPING", "00401", ProbeState.NOT_APPLIED),
        ("SHIPPED", "00401", ProbeState.APPLIED),
        ("RECEIVED", "00401", ProbeState.APPLIED),
        ("SHIPPED", "another", ProbeState.UNDECIDED),
        ("CANCELED", None, ProbeState.REJECTED),
        ("ON_HOLD", None, ProbeState.UNDECIDED),
    ],
)
async def test_a_whole_order_is_judged_by_state_and_number(
    state: str, number: str | None, expected: ProbeState
) -> None:
    stage = whole_order_stage()
    order = stage.shipping_order()
    order.state, order.tracking = state, {"tracking_number": number}
    order.accepted_at = None
    assert (await stage.connection.probe_ship(parcel_for(order))).state is expected


async def test_an_order_that_is_not_shown_is_undecided(stage: Stage) -> None:
    parcel = parcel_for(stage.shipping_order()).model_copy(update={"order_reference": "nobody"})
    assert (await stage.connection.probe_ship(parcel)).state is ProbeState.UNDECIDED
