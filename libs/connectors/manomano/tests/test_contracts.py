"""Several contracts under one key: one connection each, one quota for all of them, and no mixing of orders."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from connector_kit.capabilities import MappingError, OrderWindow
from connector_kit.http import NotSent
from connector_kit.outcome import OutcomeState
from connector_kit.requests import SetStock
from connector_manomano.connector import ManoMano
from connector_manomano.manifest import MANIFEST

from .conftest import World, answer_request

FRANCE, SPAIN, BRITAIN = 11781522, 22781522, 33781522
CONTRACTS = {FRANCE: "FR", SPAIN: "ES", BRITAIN: "UK"}
SINCE = OrderWindow(updated_from=datetime(2025, 11, 1, tzinfo=UTC))


@pytest.fixture
def group(make_world: Callable[..., World]) -> World:
    return make_world(contracts=CONTRACTS, offers=[{"sku": "A", "stock": 5}])


def contract(world: World, number: int) -> ManoMano:
    """The connection of one contract; all of them hold the same key."""
    return world.connect(connection_id=UUID(int=number), seller_contract_id=number, country=CONTRACTS[number])


async def listed(connection: ManoMano) -> list[str]:
    return [order.reference async for page in connection.list_orders(SINCE) for order in page]


async def test_each_connection_sees_its_own_contract_only(group: World) -> None:
    made = {number: group.orders(3, contract=number) for number in CONTRACTS}
    for number, references in made.items():
        assert sorted(await listed(contract(group, number))) == sorted(references)
    asked = [dict(call.params)["seller_contract_id"] for call in group.http.calls]
    assert asked == [str(number) for number in CONTRACTS]
    assert len({call.headers["x-api-key"] for call in group.http.calls}) == 1


async def test_channel_and_currency_are_those_of_the_contract(group: World) -> None:
    for number, country, currency in ((FRANCE, "FR", "EUR"), (SPAIN, "ES", "EUR"), (BRITAIN, "UK", "GBP")):
        connection = contract(group, number)
        raw = await connection.read_order(group.order(contract=number))
        assert raw is not None
        snapshot = connection.map_order(raw).snapshot
        assert (snapshot.channel, snapshot.currency) == (country, currency)


async def test_the_same_reference_under_two_contracts_is_two_orders(group: World) -> None:
    for number in (FRANCE, SPAIN):
        group.order(contract=number, reference="M2511070009999")
    french, spanish = contract(group, FRANCE), contract(group, SPAIN)
    [one] = [order async for page in french.list_orders(SINCE) for order in page]
    [two] = [order async for page in spanish.list_orders(SINCE) for order in page]
    assert one.reference == two.reference
    assert french.map_order(one).snapshot.order_id != spanish.map_order(two).snapshot.order_id
    [outcome] = await french.accept([answer_request("M2511070009999")])
    assert outcome.state == OutcomeState.DONE
    orders = group.sim.state()["orders"]
    assert orders[f"{FRANCE}:M2511070009999"]["status"] == "PREPARATION"
    assert orders[f"{SPAIN}:M2511070009999"]["status"] == "PENDING"
    [entry] = group.sim.record.entries
    assert entry.detail["contract"] == FRANCE


async def test_an_order_of_another_contract_is_parked_not_taken(group: World) -> None:
    raw = await contract(group, SPAIN).read_order(group.order(contract=SPAIN))
    assert raw is not None
    with pytest.raises(MappingError, match="seller_contract_id"):
        contract(group, FRANCE).map_order(raw)


async def test_an_array_holds_items_of_one_contract(group: World) -> None:
    """A connector object speaks for one connection, so contracts never share an array."""
    for number in CONTRACTS:
        references = group.orders(60, contract=number)
        outcomes = await contract(group, number).accept([answer_request(reference) for reference in references])
        assert {outcome.state for outcome in outcomes} == {OutcomeState.DONE}
        await contract(group, number).set_stock([SetStock(offer_sku="A", quantity=number % 7)])
    accepts = [call.json for call in group.http.calls if call.operation == "accept"]
    assert [len(array) for array in accepts] == [50, 10] * 3
    assert all(len({item["seller_contract_id"] for item in array}) == 1 for array in accepts)
    offers = group.sim.state()["offers"]
    assert {number: offers[f"{number}:A"]["stock"] for number in CONTRACTS} == {n: n % 7 for n in CONTRACTS}


async def test_all_contracts_of_a_key_use_up_one_quota(make_world: Callable[..., World]) -> None:
    world = make_world(contracts=CONTRACTS, quota_per_hour=4)
    connections = [contract(world, number) for number in CONTRACTS]
    for connection in [*connections, connections[0]]:
        assert await listed(connection) == []
    for connection in connections:
        with pytest.raises(NotSent, match="429") as caught:
            await listed(connection)
        assert caught.value.retry_after == 3605
    world.clock.forward(seconds=3605)
    assert await listed(connections[2]) == []


def test_the_manifest_says_that_the_quota_is_shared() -> None:
    assert MANIFEST.quota == "shared"
