"""ManoFulfillment: recorded, never answered, never shipped, its stock never set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector_kit.capabilities import OrderWindow, RawOrder
from connector_kit.offers import PublishOffer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import SetPrice, SetStock
from connector_manomano import fulfilment
from hub_contracts.base import Money
from hub_contracts.orders import FulfilledBy

from .conftest import World, answer_request, order_body, parcel, raw

SINCE = OrderWindow(updated_from=datetime(2025, 11, 1, tzinfo=UTC))
REJECTED = OutcomeState.REJECTED


async def answers(connection: Any, reference: str) -> list[Any]:
    return [
        *await connection.accept([answer_request(reference)]),
        *await connection.refuse([answer_request(reference)]),
        *await connection.ship([parcel(reference, whole=True)]),
    ]


async def test_an_order_that_was_listed_is_not_answered(world: World) -> None:
    theirs, ours = world.order(is_mmf=True), world.order()
    connection = world.connect()
    snapshots = [connection.map_order(order).snapshot async for page in connection.list_orders(SINCE) for order in page]
    assert {each.marketplace_reference: each.fulfilled_by for each in snapshots} == {
        theirs: FulfilledBy.MARKETPLACE,
        ours: FulfilledBy.SELLER,
    }
    outcomes = await answers(connection, theirs)
    assert {outcome.state for outcome in outcomes} == {REJECTED}
    assert all("ManoFulfillment" in outcome.reason for outcome in outcomes)
    assert [call.method for call in world.http.calls] == ["GET"]
    mixed = await connection.accept([answer_request(theirs), answer_request(ours)])
    assert [outcome.state for outcome in mixed] == [REJECTED, OutcomeState.DONE]
    assert world.applied("accept") == [ours]


async def test_an_order_that_was_read_once_is_known_from_then_on(world: World) -> None:
    reference = world.order(is_mmf=True, status="PREPARATION")
    connection = world.connect()
    assert await connection.read_order(reference) is not None
    [outcome] = await connection.ship([parcel(reference, whole=True)])
    assert (outcome.state, world.applied("ship")) == (REJECTED, [])


@pytest.mark.parametrize("status", ["PENDING", "PREPARATION", "SHIPPED", "REFUNDED"])
async def test_a_probe_never_takes_their_work_for_ours(world: World, status: str) -> None:
    """Their orders first appear as SHIPPED, which for one of ours would prove both acceptance and parcel."""
    reference = world.order(is_mmf=True, status=status)
    connection = world.connect()
    for result in (
        await connection.probe_accept(answer_request(reference)),
        await connection.probe_refuse(answer_request(reference)),
        await connection.probe_ship(parcel(reference, whole=True)),
    ):
        assert (result.state, "ManoFulfillment" in result.evidence) == (ProbeState.REJECTED, True)


async def test_a_manofulfillment_contract_takes_nothing_but_prices(world: World) -> None:
    world.sim.world.offers.clear()
    connection = world.connect(fulfilled_by_manomano=True)
    outcomes = [
        *await answers(connection, "M1"),
        *await connection.set_stock([SetStock(offer_sku="A", quantity=1)]),
        *await connection.publish_offers([PublishOffer(offer_sku="A", withdraw=True)]),
    ]
    assert {outcome.state for outcome in outcomes} == {REJECTED}
    assert world.http.calls == []
    await connection.set_price([SetPrice(offer_sku="A", price=Money(amount="9.00", currency="EUR"))])
    assert world.http.made("set_offers") == 1
    snapshot = connection.map_order(raw(order_body(is_mmf=...))).snapshot
    assert snapshot.fulfilled_by is FulfilledBy.MARKETPLACE


@pytest.mark.parametrize(
    "body", [b'{"is_mmf": false}', b'{"x": {"is_mmf": true}}', b'{"is_mmf": true', b"[]", b'{"is_mmf": 1}']
)
def test_only_a_clear_yes_counts(body: bytes) -> None:
    known = fulfilment.FulfilledThere(whole_contract=False)
    known.note(RawOrder("M1", body))
    assert known.obstacle("M1") is None
    known.note(RawOrder("M1", b'{"is_mmf" : true}'))
    known.note(RawOrder("", b'{"is_mmf": true}'))
    assert known.obstacle("M1") == fulfilment.REASON
    assert known.obstacle("") is None


def test_what_is_remembered_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulfilment, "MAX_KNOWN", 3)
    known = fulfilment.FulfilledThere(whole_contract=False)
    for at in range(5):
        known.note(RawOrder(f"M{at}", b'{"is_mmf":true}'))
    assert [known.obstacle(f"M{at}") is not None for at in range(5)] == [False, False, True, True, True]
