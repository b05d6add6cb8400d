"""Parcels: whole orders, several parcels, refusals, doubts."""

from __future__ import annotations

import pytest

from connector_kit.outcome import OutcomeState, ProbeState

from .conftest import World, parcel

SKUS = [{"sku": "A", "price": "10.00", "quantity": 3}, {"sku": "B", "price": "5.00", "quantity": 1}]


def accepted(world: World, **options: object) -> str:
    return world.order(**({"status": "PREPARATION", "skus": SKUS} | options))


async def test_a_whole_order_in_one_parcel_names_no_products(world: World) -> None:
    reference = accepted(world)
    [outcome] = await world.connect().ship([parcel(reference, ("A", 3), ("B", 1), whole=True)])
    assert (outcome.state, world.status(reference)) == (OutcomeState.DONE, "SHIPPED")
    assert world.http.calls[0].json == [
        {
            "order_reference": reference,
            "seller_contract_id": 11781522,
            "carrier": "GLS",
            "tracking_number": "00401234567890",
            "tracking_url": "https://track.example.invalid/00401234567890",
        }
    ]
    assert world.applied("ship") == [f"{reference}/parcel-1"]


async def test_two_parcels_of_an_order_never_share_a_call(world: World) -> None:
    reference, other = accepted(world), accepted(world)
    outcomes = await world.connect().ship(
        [
            parcel(reference, ("A", 2)),
            parcel(reference, ("A", 1), ("B", 1), completes=True),
            parcel(other, whole=True),
        ]
    )
    assert [outcome.state for outcome in outcomes] == [OutcomeState.DONE] * 3
    assert [[item["order_reference"] for item in call.json] for call in world.http.calls] == [
        [reference, other],
        [reference],
    ]
    assert world.status(reference) == "SHIPPED"
    assert world.sim.state()["orders"][reference]["shipped"] == {"A": 3, "B": 1}


async def test_more_than_fifty_go_out_in_several_calls(world: World) -> None:
    references = [accepted(world) for _ in range(101)]
    outcomes = await world.connect().ship([parcel(reference, whole=True) for reference in references])
    assert {outcome.state for outcome in outcomes} == {OutcomeState.DONE}
    assert [len(call.json) for call in world.http.calls] == [50, 50, 1]
    assert len(world.applied("ship")) == 101


async def test_a_partial_parcel_leaves_the_order_in_preparation(world: World) -> None:
    reference = accepted(world)
    await world.connect().ship([parcel(reference, ("A", 1))])
    assert world.status(reference) == "PREPARATION"


async def test_lines_that_repeat_a_sku_are_added_up(world: World) -> None:
    reference = accepted(world, duplicate_skus=True)
    [outcome] = await world.connect().ship([parcel(reference, ("A", 3), ("A", 1), ("B", 1))])
    assert outcome.state == OutcomeState.DONE
    assert world.http.calls[0].json[0]["products"] == [
        {"seller_sku": "A", "quantity": 4},
        {"seller_sku": "B", "quantity": 1},
    ]


async def test_what_the_marketplace_refuses_is_rejected_with_its_reason(world: World) -> None:
    orders = [accepted(world) for _ in range(2)]
    outcomes = await world.connect().ship(
        [
            parcel(orders[0], ("C", 1)),
            parcel(orders[1], whole=True, carrier_name="Colis Privé"),
            parcel("M0", whole=True),
        ]
    )
    rejected, done = OutcomeState.REJECTED, OutcomeState.DONE
    assert [outcome.state for outcome in outcomes] == [rejected, done, rejected]
    assert "PRODUCT_NOT_FOUND" in outcomes[0].reason


async def test_too_many_units_or_a_wrong_status_go_to_the_probe(world: World) -> None:
    pending, few = world.order(skus=SKUS), accepted(world)
    connection = world.connect()
    outcomes = await connection.ship([parcel(pending, whole=True), parcel(few, ("A", 9))])
    assert {(outcome.state, outcome.retry_if_not_applied) for outcome in outcomes} == {(OutcomeState.UNKNOWN, False)}
    assert (await connection.probe_ship(parcel(pending, whole=True))).state == ProbeState.NOT_APPLIED
    assert (await connection.probe_ship(parcel(few, ("A", 9)))).state == ProbeState.UNDECIDED


async def test_a_parcel_without_content_is_not_sent(world: World) -> None:
    reference = accepted(world)
    empty, whole = await world.connect().ship([parcel(reference), parcel(reference, whole=True)])
    assert (empty.state, whole.state) == (OutcomeState.REJECTED, OutcomeState.DONE)
    assert len(world.applied("ship")) == 1


@pytest.mark.parametrize(
    ("fault", "whole", "probed", "applied"),
    [
        ("timeout_after_effect", True, ProbeState.APPLIED, 1),
        ("error_500_after_effect", True, ProbeState.APPLIED, 1),
        ("missing_item_207", True, ProbeState.APPLIED, 1),
        ("error_500_before_effect", True, ProbeState.NOT_APPLIED, 0),
        ("html_answer", True, ProbeState.NOT_APPLIED, 0),
        ("timeout_after_effect", False, ProbeState.UNDECIDED, 1),
        ("error_500_before_effect", False, ProbeState.UNDECIDED, 0),
    ],
)
async def test_doubts(world: World, fault: str, whole: bool, probed: ProbeState, applied: int) -> None:
    reference = accepted(world)
    world.fault(fault, "ship")
    request = parcel(reference, ("A", 1), whole=whole)
    connection = world.connect()
    [outcome] = await connection.ship([request])
    assert (outcome.state, outcome.retry_if_not_applied) == (OutcomeState.UNKNOWN, True)
    assert (await connection.probe_ship(request)).state == probed
    assert len(world.applied("ship")) == applied
    assert world.http.calls[-1].operation == "probe_ship"


A, N, R, U = ProbeState.APPLIED, ProbeState.NOT_APPLIED, ProbeState.REJECTED, ProbeState.UNDECIDED


@pytest.mark.parametrize(
    ("status", "whole", "last", "middle", "last_if_unsure"),
    [
        ("PENDING", N, N, N, N),
        ("REFUSED", R, R, R, R),
        ("PREPARATION", N, N, U, U),
        ("SHIPPED", A, A, A, U),
        ("REFUNDING", U, U, U, U),
        ("REFUNDED", U, U, U, U),
    ],
)
async def test_what_each_status_proves(
    world: World, status: str, whole: ProbeState, last: ProbeState, middle: ProbeState, last_if_unsure: ProbeState
) -> None:
    reference = world.order(skus=SKUS, status=status)
    connection, unsure = world.connect(), world.connect(shipped_when_complete=False)
    completing = parcel(reference, ("B", 1), completes=True)
    assert (await connection.probe_ship(parcel(reference, whole=True))).state == whole
    assert (await connection.probe_ship(completing)).state == last
    assert (await connection.probe_ship(parcel(reference, ("B", 1)))).state == middle
    assert (await unsure.probe_ship(parcel(reference, whole=True))).state == whole
    assert (await unsure.probe_ship(completing)).state == last_if_unsure


async def test_a_probe_of_what_is_not_there_does_not_guess(world: World) -> None:
    connection = world.connect()
    assert (await connection.probe_ship(parcel("M0", whole=True))).state == U
    odd = world.order(unknown_status=True)
    assert (await connection.probe_ship(parcel(odd, whole=True))).state == U
