"""Prices: a price file deletes what it does not carry, so everything that an offer has is carried along."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.offers import ChannelPrice, VolumePrice
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.requests import SetPrice
from connector_mirakl.price_dates import INSTANTS, DateStyle
from connector_mirakl.sandbox.world import SimPrice
from hub_contracts.base import Money

from .stage import Stage, euros, price, sent_rows

START, END = datetime(2025, 11, 27, 23, tzinfo=UTC), datetime(2025, 12, 1, 23, tzinfo=UTC)
SKU = "TEL-PRO-128"


def volume(quantity: int, amount: str) -> VolumePrice:
    return VolumePrice(from_quantity=quantity, price=euros(amount))


async def test_a_price_is_sent_and_confirmed(stage: Stage) -> None:
    [outcome] = await stage.connection.set_price([price(SKU, "109.90")])
    assert outcome.state is OutcomeState.SENT
    assert sent_rows(stage, "set_price") == [
        ["offer-sku", "price", "discount-price", "discount-start-date", "discount-end-date"],
        [SKU, "109.90", "", "", ""],
    ]
    assert (await stage.connection.probe_price(price(SKU, "109.90"), outcome.answer)).state.value == "pending"
    stage.clock.pass_seconds(61)
    probe = await stage.connection.probe_price(price(SKU, "109.90"), outcome.answer)
    assert probe.state is ProbeState.APPLIED
    assert stage.simulator.world.offers[SKU].prices == [SimPrice(Decimal("109.90"))]


async def test_prices_that_the_hub_does_not_state_survive(stage: Stage) -> None:
    offer = stage.simulator.world.offers[SKU]
    kept = [
        SimPrice(Decimal("125.00"), channels=("ES_B2C",)),
        SimPrice(Decimal("99.00"), start="2025-11-28T00:00:00Z", end="2025-11-29T00:00:00Z"),
        SimPrice(Decimal("88.00"), groups=("VIP",)),
        SimPrice(Decimal("87.00"), organizations=("ORG-1",), discount=Decimal("80.00")),
    ]
    ranges = ((5, Decimal("109.20")), (10, Decimal("108.73")))
    offer.prices = [SimPrice(Decimal("119.90"), ranges=ranges), *kept]
    [outcome] = await stage.connection.set_price([price(SKU, "118.00")])
    assert outcome.state is OutcomeState.SENT
    rows = sent_rows(stage, "set_price")
    assert rows[1][rows[0].index("price-ranges")] == "5|109.2,10|108.73"
    assert "discount-ranges" not in rows[0]
    stage.clock.pass_seconds(20)
    stage.simulator.desk.advance()
    assert offer.prices[0] == SimPrice(Decimal("118.00"), ranges=ranges)
    assert sorted(offer.prices[1:], key=str) == sorted(kept, key=str)


async def test_a_price_for_several_becomes_one_row_for_each(stage: Stage) -> None:
    offer = stage.simulator.world.offers[SKU]
    offer.prices = [SimPrice(Decimal(5)), SimPrice(Decimal(4), channels=("ES_B2C", "FR_B2C"), groups=("A", "B"))]
    await stage.connection.set_price([price(SKU, "5.00", ES_B2C="4.50")])
    header, *rows = sent_rows(stage, "set_price")
    at = [header.index(name) for name in ("channels", "customer-group-ids", "price")]
    assert sorted([row[i] for i in at] for row in rows) == [
        ["", "", "5.00"],
        ["ES_B2C", "", "4.50"],
        ["ES_B2C", "A", "4.0"],
        ["ES_B2C", "B", "4.0"],
        ["FR_B2C", "A", "4.0"],
        ["FR_B2C", "B", "4.0"],
    ]


async def test_all_stated_prices_go_with_discounts_dates_and_volumes(stage: Stage) -> None:
    spain = ChannelPrice(
        channel="ES_B2C",
        price=euros("130.00"),
        discount_price=euros("120.00"),
        discount_until=END,
        volume_prices=(volume(5, "125.00"),),
        discount_volume_prices=(volume(5, "115.00"),),
    )
    request = SetPrice(
        offer_sku=SKU,
        price=euros("119.90"),
        discount_price=euros("99.90"),
        discount_from=START,
        discount_until=END,
        channel_prices=(spain,),
    )
    [outcome] = await stage.connection.set_price([request])
    header, own, other = sent_rows(stage, "set_price")
    assert dict(zip(header, own, strict=True)) == {
        "offer-sku": SKU,
        "price": "119.90",
        "discount-price": "99.90",
        "discount-start-date": "2025-11-27T23:00:00Z",
        "discount-end-date": "2025-12-01T23:00:00Z",
        "price-ranges": "",
        "discount-ranges": "",
        "channels": "",
    }
    assert other == [SKU, "130.00", "120.00", "", "2025-12-01T23:00:00Z", "5|125.00", "5|115.00", "ES_B2C"]
    stage.clock.pass_seconds(61)
    assert (await stage.connection.probe_price(request, outcome.answer)).state is ProbeState.APPLIED
    assert (await stage.connection.probe_price(request, {})).state is ProbeState.APPLIED


async def test_days_are_written_in_the_operators_time_zone() -> None:
    stage = Stage(settings={"price_dates": "day", "time_zone": "Europe/Paris"})
    request = price(SKU, "119.90", discount="99.90").model_copy(update={"discount_from": START, "discount_until": END})
    await stage.connection.set_price([request])
    assert sent_rows(stage, "set_price")[1][2:] == ["99.90", "2025-11-28", "2025-12-01"]


@pytest.mark.parametrize(
    ("style", "start", "end"),
    [
        (INSTANTS, "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
        (DateStyle("day", "Europe/Paris"), "2025-10-26", "2025-10-26"),
        (DateStyle("day", "UTC"), "2025-10-25", "2025-10-26"),
    ],
)
def test_dates_over_the_night_of_the_clock_change(style: DateStyle, start: str, end: str) -> None:
    first, last = datetime(2025, 10, 25, 22, tzinfo=UTC), datetime(2025, 10, 26, 23, tzinfo=UTC)
    assert (style.start(first), style.end(last)) == (start, end)
    assert (style.start(None), style.end(None)) == ("", "")


async def test_a_discount_that_is_not_stated_ends_unless_it_is_to_be_kept() -> None:
    old = SimPrice(Decimal("119.90"), discount=Decimal("100.00"), discount_end="2025-12-01T00:00:00Z")
    for keep, expected in (("false", ["", "", ""]), ("true", ["100.0", "", "2025-12-01T00:00:00Z"])):
        stage = Stage(settings={"keep_discounts": keep})
        stage.simulator.world.offers[SKU].prices = [old]
        await stage.connection.set_price([price(SKU, "110.00")])
        assert sent_rows(stage, "set_price")[1][2:] == expected
        await stage.connection.set_price([price(SKU, "95.00")])
        assert sent_rows(stage, "set_price")[1] == [SKU, "95.00", "", "", ""]


async def test_a_volume_price_above_the_new_price_goes(stage: Stage) -> None:
    ranges = ((5, Decimal("109.20")), (10, Decimal("90.00")))
    stage.simulator.world.offers[SKU].prices = [SimPrice(Decimal("119.90"), ranges=ranges)]
    await stage.connection.set_price([price(SKU, "100.00")])
    assert sent_rows(stage, "set_price")[1][-1] == "10|90.0"


async def test_of_two_requests_for_one_offer_the_last_is_sent(stage: Stage) -> None:
    outcomes = await stage.connection.set_price([price(SKU, "1.00", ES_B2C="2.00"), price(SKU, "3.00")])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.SENT] * 2
    assert sent_rows(stage, "set_price")[1:] == [[SKU, "3.00", "", "", ""]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"discount_price": euros("119.90")}, "discount-price: must be above zero and below the price"),
        ({"discount_price": euros("0")}, "discount-price: must be above zero and below the price"),
        ({"discount_from": START}, "discount-price: dates without a discount price"),
        (
            {"discount_price": euros("9"), "discount_from": END, "discount_until": START},
            "discount-start-date: must be before the end",
        ),
        ({"price": euros("0")}, "price: must be above zero"),
        ({"price": Money(amount=Decimal(2), currency="USD")}, "price: is in USD, the offer is in EUR"),
        (
            {"channel_prices": (ChannelPrice(channel="X", price=Money(amount=Decimal(2), currency="USD")),)},
            "price[channel=X]: mixes EUR and USD",
        ),
        ({"channel_prices": (ChannelPrice(channel=None, price=euros("9")),)}, "price: is stated twice"),
        (
            {"channel_prices": (ChannelPrice(channel="X", price=euros("9"), volume_prices=(volume(1, "8"),)),)},
            "price-ranges[channel=X]: quantities must be distinct and above one",
        ),
        (
            {
                "channel_prices": (
                    ChannelPrice(channel="X", price=euros("9"), discount_volume_prices=(volume(2, "8"),)),
                )
            },
            "discount-price[channel=X]: discount ranges without a discount price",
        ),
        (
            {"channel_prices": tuple(ChannelPrice(channel=f"C{i}", price=euros("9")) for i in range(50))},
            "the offer would have 51 prices, 50 are allowed",
        ),
        ({"offer_sku": "NOBODY"}, "offer_sku: Mirakl shows no such offer"),
    ],
)
async def test_what_mirakl_would_refuse_is_not_sent(stage: Stage, change: dict[str, Any], reason: str) -> None:
    [outcome] = await stage.connection.set_price([price(SKU, "119.90").model_copy(update=change)])
    assert outcome.state is OutcomeState.REJECTED
    assert reason in outcome.reason
    assert stage.http.made("set_price") == []


async def test_a_channel_that_the_operator_has_not_is_found_before_sending() -> None:
    stage = Stage(settings={"offer_channels": "ES_B2C, IT_B2C"})
    wrong, right = await stage.connection.set_price([price("COQUE-NOIR", "2", DE_B2C="2"), price(SKU, "2", ES_B2C="2")])
    assert "it has ES_B2C, IT_B2C" in wrong.reason
    assert wrong.answer["problems"][0]["next_step"]
    assert right.state is OutcomeState.SENT


async def test_unreadable_present_prices_stop_the_file(stage: Stage) -> None:
    offer = stage.simulator.world.offers[SKU]
    offer.prices = [SimPrice(Decimal(1), ranges=((-5, Decimal(1)),))]
    [outcome] = await stage.connection.set_price([price(SKU, "2")])
    assert outcome.state is OutcomeState.REJECTED
    assert "present prices cannot be read" in outcome.reason


@pytest.mark.parametrize("operation", ["read_offers", "set_price"])
@pytest.mark.parametrize("fault", ["error_500_before_effect", "timeout_after_effect", "rate_limit", "html_answer"])
async def test_whatever_is_unclear_about_prices_may_be_sent_again(stage: Stage, fault: str, operation: str) -> None:
    stage.fault(fault, operation, times=1)
    [outcome] = await stage.connection.set_price([price(SKU, "109.90")])
    assert outcome.state is OutcomeState.RETRY
    [again] = await stage.connection.set_price([price(SKU, "109.90")])
    assert again.state is OutcomeState.SENT


async def test_a_row_that_the_operator_refuses_is_rejected_with_its_message(stage: Stage) -> None:
    requests = [price(SKU, "109.90", NOWHERE="109.90"), price("COQUE-NOIR", "18.00")]
    outcomes = await stage.connection.set_price(requests)
    stage.clock.pass_seconds(20)
    probes = [await stage.connection.probe_price(r, o.answer) for r, o in zip(requests, outcomes, strict=True)]
    assert [probe.state.value for probe in probes] == ["rejected", "applied"]
    assert "channel is unknown" in probes[0].evidence


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (price(SKU, "119.90"), ProbeState.APPLIED),
        (price(SKU, "1.00"), ProbeState.NOT_APPLIED),
        (price(SKU, "119.90", ES_B2C="119.90"), ProbeState.NOT_APPLIED),
        (price(SKU, "119.90", discount="100.00"), ProbeState.NOT_APPLIED),
        (price("NOBODY", "1.00"), ProbeState.UNDECIDED),
    ],
)
async def test_without_an_import_the_shown_price_is_read(stage: Stage, request_: Any, expected: ProbeState) -> None:
    assert (await stage.connection.probe_price(request_, {"import_id": "forgotten"})).state is expected
