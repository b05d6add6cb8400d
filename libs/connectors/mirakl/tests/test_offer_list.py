"""Offers read back: each once, none lost while prices move the pages, odd values named and never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.http import BadAnswer, Call
from connector_kit.offers import MarketplaceOffer, ReadsOffers
from connector_mirakl.client import Unavailable
from connector_mirakl.offers import map_offer
from connector_mirakl.sandbox.world import SimPrice

from .stage import Stage, euros


async def listed(stage: Stage, skus: Sequence[str] = ()) -> list[MarketplaceOffer]:
    assert isinstance(stage.connection, ReadsOffers)
    return [offer async for page in stage.connection.list_offers(skus) for offer in page]


def many(count: int) -> Stage:
    return Stage(sandbox={"offers": [{"sku": f"SKU-{n:03d}", "price": f"{n + 1}.00"} for n in range(count)]})


async def test_an_offer_is_shown_with_all_its_prices(stage: Stage) -> None:
    offer = stage.simulator.world.offers["TEL-PRO-128"]
    offer.quantity = 0
    offer.prices = [
        SimPrice(Decimal("119.90"), discount=Decimal("99.90"), discount_end="2025-12-01T23:00:00Z"),
        SimPrice(Decimal("130.00"), channels=("ES_B2C",), ranges=((5, Decimal("125.00")),)),
        SimPrice(Decimal("80.00"), groups=("VIP",)),
        SimPrice(Decimal("70.00"), start="2025-12-24T00:00:00Z"),
    ]
    [shown] = await listed(stage, ["TEL-PRO-128"])
    assert (shown.price, shown.discount_price) == (euros("119.9"), euros("99.9"))
    [spain] = shown.channel_prices
    assert (spain.channel, spain.price, spain.volume_prices[0].from_quantity) == ("ES_B2C", euros("130.0"), 5)
    assert (shown.quantity, shown.online, shown.problems) == (0, False, ("ZERO_QUANTITY",))
    assert (shown.lead_time_days, shown.state_code) == (2, offer.state_code)


async def test_all_offers_come_page_by_page() -> None:
    stage = many(230)
    found = await listed(stage)
    assert len(found) == len({offer.offer_sku for offer in found}) == len(stage.simulator.world.offers)
    pages = -(-len(found) // 100)
    assert len(stage.http.made("read_offers")) == pages


async def test_an_offer_that_moved_between_two_pages_is_not_lost() -> None:
    stage = many(230)
    world = stage.simulator.world

    def moves(call: Call) -> None:
        """The last offer becomes the first while the second page is read: everything after it shifts."""
        if dict(call.params).get("offset") == "100" and world.offers["SKU-150"].title != "A moved":
            world.offers["SKU-050"].title = "Z moved"
            world.offers["SKU-150"].title = "A moved"

    stage.http.before = moves
    found = await listed(stage)
    assert {offer.offer_sku for offer in found} == set(world.offers)
    assert len(found) == len(world.offers)


async def test_few_offers_are_read_one_by_one_and_many_by_page() -> None:
    stage = many(230)
    assert len(await listed(stage, ["SKU-001", "SKU-002", "NOBODY"])) == 2
    assert len(stage.http.made("read_offers")) == 4
    stage.http.calls.clear()
    wanted = [f"SKU-{n:03d}" for n in range(100)]
    assert {offer.offer_sku for offer in await listed(stage, wanted)} == set(wanted)
    assert len(stage.http.made("read_offers")) == 3


@pytest.mark.parametrize(("fault", "error"), [("error_500_before_effect", Unavailable), ("html_answer", BadAnswer)])
async def test_a_listing_that_cannot_be_read_raises(stage: Stage, fault: str, error: type[Exception]) -> None:
    stage.fault(fault, "read_offers")
    with pytest.raises(error):
        await listed(stage)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"quantity": None}, {"quantity": None}),
        ({"quantity": "7"}, {"quantity": 7}),
        ({"price": "12.50", "currency_iso_code": "EUR"}, {"price": euros("12.50")}),
        ({"active": None, "state_code": 11, "leadtime_to_ship": 0}, {"state_code": "11", "lead_time_days": 0}),
        ({"inactivity_reasons": "odd", "all_prices": None, "warehouses": 5}, {"problems": ()}),
        (
            {"currency_iso_code": "EUR", "all_prices": [{"unit_origin_price": 5, "channel_code": "ES_B2C"}]},
            {"price": None, "channel_prices": 1},
        ),
        (
            {
                "currency_iso_code": "EUR",
                "all_prices": [
                    {
                        "unit_origin_price": "5.00",
                        "unit_discount_price": "4.00",
                        "discount_start_date": "2025-10-26T01:30:00",
                        "discount_end_date": "2025-10-26T02:30:00+02:00",
                    }
                ],
            },
            {"discount_price": euros("4.00")},
        ),
    ],
)
def test_odd_values_are_read_as_far_as_they_can_be(shown: Any, expected: Any) -> None:
    offer = map_offer({"shop_sku": "A", "quantity": 1, "leadtime_to_ship": 1, "future_field": {"x": 1}, **shown})
    for name, value in expected.items():
        found = getattr(offer, name)
        assert (len(found) if name == "channel_prices" else found) == value


@pytest.mark.parametrize(
    ("shown", "word"),
    [
        ({"quantity": -1}, "quantity"),
        ({"leadtime_to_ship": "soon"}, "leadtime_to_ship"),
        ({"all_prices": [{"price": None}]}, "unit_origin_price"),
        ({"all_prices": [{"unit_origin_price": 5}]}, "currency"),
        ({"price": "much"}, "price"),
        ({"currency_iso_code": "EUR", "all_prices": [{"price": 5, "discount_end_date": "soon"}]}, "discount_end_date"),
    ],
)
def test_what_cannot_be_read_is_named(shown: Any, word: str) -> None:
    offer = map_offer({"shop_sku": "A", "quantity": 1, "leadtime_to_ship": 1, **shown})
    assert any(word in problem for problem in offer.problems)


def test_dates_without_an_offset_are_utc() -> None:
    price = {"unit_origin_price": 5, "channel_code": "ES", "unit_discount_price": 4}
    price |= {"discount_start_date": "2025-10-26T01:30:00", "discount_end_date": "2025-10-26T02:30:00+02:00"}
    [shown] = map_offer({"shop_sku": "A", "currency_iso_code": "EUR", "all_prices": [price]}).channel_prices
    assert shown.discount_from == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    assert shown.discount_until == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
