"""Parcels against what the operator set up, and shipments that exist already."""

from __future__ import annotations

import pytest

from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.shipments import read_update

from .stage import Stage, parcel_for


async def test_telling_a_parcel_again_finds_it_instead_of_making_a_second_one(stage: Stage) -> None:
    order = stage.shipping_order()
    part = parcel_for(order, "a", {order.lines[0].id: 1})
    for way in ("ST01", "ST11", "ST11"):
        [outcome] = await stage.connection.ship([part])
        assert (outcome.state, outcome.answer["way"]) == (OutcomeState.DONE, way)
    assert len(stage.applied("ship")) == 1
    assert order.lines[0].shipped == 1


async def test_a_shipment_that_was_left_open_is_said_to_have_left(stage: Stage) -> None:
    order = stage.shipping_order()
    stage.fault("shipment_left_open", "ship")
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert (outcome.state, outcome.answer["way"]) == (OutcomeState.DONE, "ST24")
    assert order.state == "SHIPPED"
    [call] = stage.http.made("confirm_shipment")
    assert (call.method, call.path) == ("PUT", "/api/shipments/ship")


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect", "item_missing"])
async def test_a_lost_departure_is_found(stage: Stage, fault: str) -> None:
    order = stage.shipping_order()
    stage.fault("shipment_left_open", "ship")
    stage.http.refuse = lambda call: call.operation == "confirm_shipment"
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.RETRY
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.NOT_APPLIED
    stage.http.refuse = lambda call: False
    stage.fault(fault, "confirm_shipment")
    [again] = await stage.connection.ship([parcel_for(order)])
    assert again.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.APPLIED
    assert len(stage.applied("ship")) == 1
    assert len(stage.simulator.world.shipments) == 1


async def test_a_refused_departure_is_left_to_the_probe(stage: Stage) -> None:
    order = stage.shipping_order()
    stage.fault("shipment_left_open", "ship")
    stage.http.refuse = lambda call: call.operation == "confirm_shipment"
    await stage.connection.ship([parcel_for(order)])
    stage.http.refuse = lambda call: False
    stage.fault("item_refused", "confirm_shipment")
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert (outcome.state, outcome.retry_if_not_applied) == (OutcomeState.UNKNOWN, False)
    assert (await stage.connection.probe_ship(parcel_for(order))).state is ProbeState.NOT_APPLIED


async def test_a_corrected_number_replaces_the_old_one(stage: Stage) -> None:
    order = stage.shipping_order()
    await stage.connection.ship([parcel_for(order)])
    corrected = parcel_for(order, tracking_number="0040-right", carrier_code="UPS", carrier_name="UPS")
    assert (await stage.connection.probe_ship(corrected)).state is ProbeState.NOT_APPLIED
    [outcome] = await stage.connection.ship([corrected])
    assert (outcome.state, outcome.answer["way"]) == (OutcomeState.DONE, "ST23")
    [shipment] = stage.simulator.world.shipments.values()
    assert (shipment.tracking["tracking_number"], shipment.tracking["carrier_code"]) == ("0040-right", "UPS")
    assert (await stage.connection.probe_ship(corrected)).state is ProbeState.APPLIED
    assert len(stage.applied("ship")) == 1


async def test_a_correction_names_an_unregistered_carrier_with_its_address(stage: Stage) -> None:
    order = stage.shipping_order()
    await stage.connection.ship([parcel_for(order)])
    await stage.connection.ship(
        [parcel_for(order, carrier_code=None, carrier_name="Velo Express", tracking_number="V1")]
    )
    [call] = stage.http.made("set_tracking")
    [shipment] = call.json["shipments"]
    assert shipment["tracking"] == {
        "carrier_name": "Velo Express",
        "tracking_number": "V1",
        "tracking_url": "https://track.example.invalid/x",
    }


async def test_a_corrected_number_of_a_whole_order_goes_by_or23() -> None:
    stage = Stage(sandbox={"multi_shipment": False})
    order = stage.shipping_order()
    await stage.connection.ship([parcel_for(order)])
    corrected = parcel_for(order, tracking_number="0040-right")
    [outcome] = await stage.connection.ship([corrected])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_ship(corrected)).state is ProbeState.APPLIED
    assert order.tracking["tracking_number"] == "0040-right"
    assert len(stage.applied("ship")) == 1


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("timeout_after_effect", OutcomeState.RETRY),
        ("error_500_after_effect", OutcomeState.RETRY),
        ("item_missing", OutcomeState.UNKNOWN),
        ("item_refused", OutcomeState.UNKNOWN),
    ],
)
async def test_an_unclear_correction_may_be_repeated(stage: Stage, fault: str, state: OutcomeState) -> None:
    order = stage.shipping_order()
    await stage.connection.ship([parcel_for(order)])
    corrected = parcel_for(order, tracking_number="0040-right")
    stage.fault(fault, "set_tracking", times=1)
    [outcome] = await stage.connection.ship([corrected])
    assert outcome.state is state
    [again] = await stage.connection.ship([corrected])
    assert again.state is OutcomeState.DONE
    assert (await stage.connection.probe_ship(corrected)).state is ProbeState.APPLIED


async def test_a_cancelled_shipment_is_not_made_again(stage: Stage) -> None:
    order = stage.shipping_order()
    parcel = parcel_for(order, "a", {order.lines[0].id: 1})
    await stage.connection.ship([parcel])
    [shipment] = stage.simulator.world.shipments.values()
    for status, state in (("CANCELED", OutcomeState.REJECTED), ("ON_HOLD", OutcomeState.UNKNOWN)):
        shipment.status = status
        stage.http.unwatched = True
        [outcome] = await stage.connection.ship([parcel])
        assert outcome.state is state
        assert (await stage.connection.probe_ship(parcel)).state is ProbeState.UNDECIDED
    assert len(stage.simulator.world.shipments) == 1


@pytest.mark.parametrize("fault", ["rate_limit", "error_500_before_effect", "html_answer", "timeout_after_effect"])
async def test_nothing_is_created_while_it_is_unknown_what_exists(stage: Stage, fault: str) -> None:
    order = stage.shipping_order()
    stage.fault(fault, "probe_shipments", times=1)
    [outcome] = await stage.connection.ship([parcel_for(order)])
    assert outcome.state is OutcomeState.RETRY
    assert stage.http.made("ship") == []


@pytest.mark.parametrize("several", [True, False])
async def test_a_type_that_demands_tracking_gets_no_parcel_without(several: bool) -> None:
    stage = Stage(sandbox={"multi_shipment": several})
    order = stage.shipping_order(shipping_type="EXP")
    bare = parcel_for(order, carrier_code=None, tracking_number=None)
    [outcome] = await stage.connection.ship([bare])
    assert outcome.state is OutcomeState.REJECTED
    assert "shipping type EXP demands tracking" in outcome.reason
    assert stage.http.made("ship") == []
    outcomes = await stage.connection.ship([parcel_for(order), parcel_for(stage.shipping_order())])
    assert [each.state for each in outcomes] == [OutcomeState.DONE] * 2


@pytest.mark.parametrize("several", [True, False])
async def test_other_types_take_a_parcel_without_tracking(several: bool) -> None:
    stage = Stage(sandbox={"multi_shipment": several})
    bare = parcel_for(stage.shipping_order(), carrier_code=None, tracking_number=None)
    [outcome] = await stage.connection.ship([bare])
    assert outcome.state is OutcomeState.DONE
    assert (await stage.connection.probe_ship(bare)).state is ProbeState.APPLIED


async def test_a_registered_carrier_that_needs_a_number_is_not_told_without(stage: Stage) -> None:
    [outcome] = await stage.connection.ship([parcel_for(stage.shipping_order(), tracking_number=None)])
    assert outcome.state is OutcomeState.REJECTED
    assert "carrier DPD cannot be told without one" in outcome.reason


async def test_unregistered_carriers_are_not_sent_where_they_are_forbidden() -> None:
    stage = Stage(sandbox={"unregistered_carriers": False})
    order = stage.shipping_order()
    outcomes = await stage.connection.ship(
        [parcel_for(order, carrier_code=None, carrier_name="Velo Express"), parcel_for(stage.shipping_order())]
    )
    assert [each.state for each in outcomes] == [OutcomeState.REJECTED, OutcomeState.DONE]
    assert "map 'Velo Express'" in outcomes[0].reason


async def test_a_line_is_not_split_where_it_must_leave_in_one_piece() -> None:
    stage = Stage(sandbox={"multi_part_item_shipment": False})
    order = stage.shipping_order()
    first, second = order.lines
    split = parcel_for(order, "a", {first.id: 1, second.id: 1})
    [outcome] = await stage.connection.ship([split])
    assert outcome.state is OutcomeState.REJECTED
    assert "1 of 2 units" in outcome.reason
    assert stage.http.made("ship") == []
    whole = [parcel_for(order, "b", {first.id: 2}), parcel_for(order, "c", {second.id: 1})]
    assert [each.state for each in await stage.connection.ship(whole)] == [OutcomeState.DONE] * 2
    assert order.state == "SHIPPED"


@pytest.mark.parametrize("operation", ["read_order", "read_shipping_types"])
async def test_a_parcel_waits_while_its_rules_cannot_be_read(stage: Stage, operation: str) -> None:
    bare = parcel_for(stage.shipping_order(), carrier_code=None, tracking_number=None)
    fine = parcel_for(stage.shipping_order())
    stage.fault("error_500_before_effect", operation)
    outcomes = await stage.connection.ship([bare, fine])
    assert [each.state for each in outcomes] == [OutcomeState.RETRY, OutcomeState.DONE]


async def test_the_operators_setup_is_read_once_a_day(stage: Stage) -> None:
    for hours in (0, 23, 1):
        stage.clock.pass_seconds(hours * 3600)
        bare = parcel_for(stage.shipping_order(), carrier_code=None, tracking_number=None)
        bad = parcel_for(stage.shipping_order(), tracking_number=None)
        await stage.connection.ship([bare, bad])
    for operation in ("read_configuration", "read_shipping_types", "read_carriers"):
        assert len(stage.http.made(operation)) == 2, operation


async def test_yesterdays_setup_holds_while_it_cannot_be_read_again(stage: Stage) -> None:
    await stage.connection.ship([parcel_for(stage.shipping_order())])
    stage.clock.pass_seconds(24 * 3600)
    stage.fault("error_500_before_effect", "read_configuration")
    for _ in range(3):
        [outcome] = await stage.connection.ship([parcel_for(stage.shipping_order())])
        assert outcome.state is OutcomeState.DONE
    assert len(stage.http.made("read_configuration")) == 2
    stage.no_faults()
    stage.clock.pass_seconds(15 * 60)
    await stage.connection.ship([parcel_for(stage.shipping_order())])
    assert len(stage.http.made("read_configuration")) == 3


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({}, "unknown"),
        ({"shipment_success": [{"id": "other"}]}, "unknown"),
        ({"shipment_success": [{"id": "ME"}]}, "done"),
        ({"shipment_success": [{"id": "ME"}], "shipment_errors": [{"id": "ME"}]}, "unknown"),
        ({"shipment_errors": [{"id": "ME"}]}, "unknown"),
    ],
)
def test_no_reading_of_the_lists_invents_success(told: dict[str, object], state: str) -> None:
    assert read_update(told, "ME", "ST24").state.value == state
