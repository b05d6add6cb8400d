"""Offers as the marketplace shows them: online and offline, page by page, in the hub's words."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.http import Answer, BadAnswer, Call
from connector_kit.offers import MarketplaceOffer
from connector_manomano import offer_reading
from connector_manomano.connector import ManoMano
from hub_contracts.base import Money

from .conftest import World

OFFERS = [{"sku": "A", "price": "10.00", "stock": 5}, {"sku": "B", "price": "7.50", "stock": 0}]


async def read(connection: ManoMano, *skus: str) -> dict[str, MarketplaceOffer]:
    found = [offer async for page in connection.list_offers(skus) for offer in page]
    assert len(found) == len({offer.offer_sku for offer in found})
    return {offer.offer_sku: offer for offer in found}


def asked(call: Call) -> dict[str, str]:
    return dict(call.params)


def shows(world: World, *offers: dict[str, Any]) -> None:
    """Let the marketplace show these offers as online and none as offline."""

    def answer(call: Call) -> Answer:
        content = list(offers) if asked(call)["offer_online"] == "true" else []
        return Answer(200, {}, json.dumps({"content": content, "pagination": {"pages": 1}}).encode())

    world.http.before = answer


async def test_both_sides_are_asked_and_shown(make_world: Callable[..., World]) -> None:
    world = make_world(offers=OFFERS)
    found = await read(world.connect())
    assert [asked(call)["offer_online"] for call in world.http.calls] == ["true", "false"]
    assert {call.operation for call in world.http.calls} == {"read_offers"}
    assert (found["A"].quantity, found["A"].online, found["B"].quantity, found["B"].online) == (5, True, 0, False)
    assert found["A"].price == Money(amount="10.00", currency="EUR")
    assert all(offer.problems == () and offer.frozen == () for offer in found.values())


async def test_chosen_skus_are_asked_for_in_one_list(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[*OFFERS, {"sku": "C"}])
    assert set(await read(world.connect(), "A", "B", "A", "NOPE")) == {"A", "B"}
    assert [asked(call)["skus"] for call in world.http.calls] == ["A,B,NOPE"] * 2


async def test_many_skus_are_asked_for_in_parts(make_world: Callable[..., World]) -> None:
    skus = [f"S{at}" for at in range(250)]
    world = make_world(offers=[{"sku": sku} for sku in skus])
    assert set(await read(world.connect(), *skus)) == set(skus)
    assert [len(asked(call)["skus"].split(",")) for call in world.http.calls] == [100, 100, 100, 100, 50, 50]


async def test_a_sku_with_a_comma_is_found_all_the_same(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": "VIS 4,5"}, {"sku": "OTHER"}])
    assert set(await read(world.connect(), "VIS 4,5")) == {"VIS 4,5"}
    assert not any("skus" in asked(call) for call in world.http.calls)


async def test_all_pages_are_read(make_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer_reading, "OFFERS_PER_PAGE", 3)
    world = make_world(offers=[{"sku": f"S{at}", "stock": at % 2} for at in range(15)])
    assert len(await read(world.connect())) == 15
    assert [asked(call)["page"] for call in world.http.calls] == ["1", "2", "3", "1", "2", "3"]


async def test_without_a_page_count_full_pages_go_on_and_a_repeated_one_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offer_reading, "OFFERS_PER_PAGE", 1)
    world.http.before = lambda call: Answer(200, {}, b'{"content": [{"sku": "A"}]}')
    assert set(await read(world.connect())) == {"A"}
    assert world.http.made("read_offers") == 4


async def test_a_struck_price_makes_the_lower_one_the_discount(world: World) -> None:
    shows(
        world,
        {"sku": "A", "price": 15.5, "retail_price": 20},
        {"sku": "B", "price": 15, "retail_price": 15},
        {"sku": "C", "price": "0.10", "retail_price": None},
        {"sku": "D"},
    )
    found = await read(world.connect(country="UK"))
    assert found["A"].price == Money(amount="20", currency="GBP")
    assert found["A"].discount_price == Money(amount="15.5", currency="GBP")
    assert (found["B"].price, found["B"].discount_price) == (Money(amount="15", currency="GBP"), None)
    assert found["C"].price is not None
    assert found["C"].price.amount == Decimal("0.10")
    assert (found["D"].price, found["D"].quantity, found["D"].online) == (None, None, True)


async def test_frozen_values_and_errors_are_told(world: World) -> None:
    errors = ["INVALID_ECO_PARTICIPATION", {"x": 1}]
    shows(
        world,
        {"sku": "A", "frozen_price": True, "frozen_stock": True, "offer_is_online": False},
        {"sku": "B", "frozen_retail_price": True, "frozen_price": "true", "status": "ERROR", "errors": errors},
        {"sku": "C", "status": "ERROR", "errors": None},
    )
    found = await read(world.connect())
    assert (found["A"].frozen, found["A"].online) == (("price", "stock"), False)
    assert found["B"].frozen == ("retail_price",)
    assert found["B"].problems == ("INVALID_ECO_PARTICIPATION", "{'x': 1}")
    assert found["C"].problems == ("status ERROR without a reason",)


async def test_odd_values_are_said_not_guessed(world: World) -> None:
    shows(world, {"sku": "A", "price": "cheap", "stock": "some"}, {"sku": "B", "stock": 1.5}, {"sku": 7})
    found = await read(world.connect())
    assert set(found) == {"A", "B", "7"}
    assert (found["A"].price, found["A"].quantity, len(found["A"].problems)) == (None, None, 2)
    assert found["B"].quantity is None


@pytest.mark.parametrize("odd", [{"price": 1}, None, 7])
async def test_a_row_without_a_sku_is_told_when_all_others_were_given(world: World, odd: object) -> None:
    shows(world, {"sku": "A"}, odd, {"sku": "B"})
    found: set[str] = set()
    with pytest.raises(BadAnswer, match="all others were given"):
        async for page in world.connect().list_offers():
            found |= {offer.offer_sku for offer in page}
    assert found == {"A", "B"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"content": null}', b""])
async def test_an_unreadable_page_is_no_empty_one(world: World, body: bytes) -> None:
    world.http.before = lambda call: Answer(200, {}, body)
    with pytest.raises(BadAnswer):
        await read(world.connect())


async def test_an_offer_that_was_set_is_shown_as_frozen(make_world: Callable[..., World]) -> None:
    world = make_world(offers=OFFERS)
    connection = world.connect()
    await connection.patch("set_offers", [{"sku": "B", "stock": {"quantity": 4}}], [None])
    found = await read(connection, "B")
    assert (found["B"].quantity, found["B"].online, found["B"].frozen) == (4, True, ("stock",))
