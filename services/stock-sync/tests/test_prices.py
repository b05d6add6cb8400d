"""Full sets of prices: channels, and discounts that begin and end at their instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.envelope import Origin
from hub_contracts.stock import OfferChanged
from stock_sync.moments import PriceMoments
from stock_sync.prices import Price, PriceTerms, channel_obstacle, full_price, price_from, sound_price, terms_text

from .conftest import MARKET, SHOP, Stage

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
moments = st.none() | st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days))
amounts = st.integers(1, 50).map(Decimal)
sound = st.builds(
    lambda amount, discount, since, until: sound_price(amount, discount, "EUR", since, until),
    amounts,
    st.none() | amounts,
    moments,
    moments,
)


@given(price=sound, channel=sound, days=st.integers(-6, 6))
def test_a_price_says_itself_when_it_becomes_another(price: Price, channel: Price, days: int) -> None:
    whole = Price(price.amount, price.discount, "EUR", price.since, price.until, (("X", channel),))
    now = NOW + timedelta(days=days)
    standing = whole.at(now)
    assert standing.at(now) == standing
    until = standing.next_change()
    assert until is None or until > now
    before = (until or now + timedelta(days=99)) - timedelta(seconds=1)
    assert standing.at(before) == standing
    assert until is None or standing.at(until) != standing
    holds = whole.discount is not None and (whole.since is None or whole.since <= now)
    holds = holds and (whole.until is None or now < whole.until)
    assert standing.paid == (whole.discount if holds else whole.amount)
    assert standing.begun().paid == standing.paid


@given(price=sound, channel=sound)
def test_what_is_stored_is_what_is_read(price: Price, channel: Price) -> None:
    whole = Price(price.amount, price.discount, "EUR", price.since, price.until, (("X", channel),))
    for each in (price, whole):
        assert price_from(each.amount, each.discount, each.currency, terms_text(each)) == each


def test_a_discount_that_ends_before_it_begins_is_none() -> None:
    assert sound_price(Decimal(9), Decimal(8), "EUR", NOW, NOW) == Price(Decimal(9), None, "EUR")


def euros(amount: str, currency: str = "EUR") -> Price:
    return Price(Decimal(amount), None, currency)


def test_only_named_channels_go_along_and_a_lost_one_follows_the_offer() -> None:
    terms = PriceTerms(frozenset({"X", "Y"}), True)
    stated = {"X": euros("8"), "Z": euros("7")}
    first = full_price(euros("10"), stated, terms, None, NOW)
    assert first is not None
    assert first.channels == (("X", euros("8")),)
    lost = full_price(euros("11"), {}, terms, first, NOW)
    assert lost is not None
    assert lost.channels == (("X", euros("11")),)
    kept = full_price(euros("11"), {"X": None}, terms, first, NOW)
    assert kept is not None
    assert kept.channels == (("X", euros("8")),)
    assert full_price(None, stated, terms, first, NOW) is None
    assert full_price(euros("10"), {"X": euros("8", "GBP")}, terms, None, NOW) == euros("10")


@pytest.mark.parametrize(
    ("stated", "own", "terms", "said"),
    [
        (euros("8"), euros("9"), PriceTerms(), "no prices per channel"),
        (euros("8"), euros("9"), PriceTerms(frozenset("Y"), True), "none of the channels"),
        (None, euros("9"), PriceTerms(frozenset("X"), True), "not above 0"),
        (euros("8"), None, PriceTerms(frozenset("X"), True), "of its own"),
        (euros("8", "GBP"), euros("9"), PriceTerms(frozenset("X"), True), "in GBP"),
    ],
)
def test_a_channel_price_that_is_not_sent_has_a_reason(
    stated: Price | None, own: Price | None, terms: PriceTerms, said: str
) -> None:
    assert said in (channel_obstacle("X", stated, own, terms) or "")
    assert channel_obstacle("X", euros("8"), euros("9"), PriceTerms(frozenset("X"), True)) is None


async def requests(stage: Stage) -> list[dict[str, Any]]:
    return [effect["request"] for effect in await stage.h.effects("set_price")]


async def mirakl(stage: Stage, **changes: Any) -> None:
    await stage.open("mirakl", offers=[{"sku": "A", "quantity": 1}])
    await stage.connect(SHOP, "generic_shop")
    await stage.connect(MARKET, "mirakl", connector_settings={"offer_channels": "FR_B2C, ES_B2C"}, **changes)
    await stage.link("A", "a")


async def settle(stage: Stage, rounds: int = 3) -> None:
    for _ in range(rounds):
        stage.clock.advance(61)
        await stage.h.make_due()
        await stage.push()


async def test_a_channels_price_is_pushed_with_the_offers_own(stage: Stage) -> None:
    await mirakl(stage)
    await stage.price("a", "12.50")
    await stage.price("a", "11.00", "9.00", channel="FR_B2C", days=(None, 3))
    await stage.price("a", "10.00", channel="ELSEWHERE")
    sent = (await requests(stage))[-1]
    assert [(each["channel"], each["price"]["amount"]) for each in sent["channel_prices"]] == [("FR_B2C", "11.00")]
    assert sent["channel_prices"][0]["discount_until"] is not None
    assert len(await requests(stage)) == 2  # a channel that is not sent changes nothing
    await settle(stage)
    assert [(e["state"], e["reason"]) for e in await stage.h.effects("set_price")][1:] == [("DONE", "")]
    row = await stage.offer("A")
    assert row["pushed_price"] == Decimal("12.50")
    assert row["pushed_terms"] == row["planned_terms"] != ""


async def test_naming_a_channel_later_sends_its_price(stage: Stage) -> None:
    await mirakl(stage)
    await stage.connect(MARKET, "mirakl")
    before = len(await requests(stage))
    await stage.price("a", "12.50")
    await stage.price("a", "10.00", channel="ES_B2C")
    assert len(await requests(stage)) == before + 1
    await stage.connect(MARKET, "mirakl", connector_settings={"offer_channels": "ES_B2C"})
    assert [each["channel"] for each in (await requests(stage))[-1]["channel_prices"]] == ["ES_B2C"]


async def test_an_equal_set_is_not_sent_again(stage: Stage) -> None:
    await mirakl(stage)
    for at in range(3):
        await stage.price("a", "12.50", "11.00", days=(1, 3), at=at)
        await stage.price("a", "10.00", channel="FR_B2C", at=at)
    assert len(await requests(stage)) == 2


async def test_a_marketplace_that_takes_dates_is_told_once(stage: Stage) -> None:
    await mirakl(stage)
    await stage.price("a", "12.50", "11.00", days=(1, 3))
    sent = (await requests(stage))[0]
    assert (sent["discount_price"]["amount"], sent["discount_from"] is None) == ("11.00", False)
    await settle(stage)
    await stage.told(OfferChanged)
    await stage.later(2)
    assert [changed.price.amount for changed in await stage.told(OfferChanged)] == [Decimal("11.00")]
    await stage.later(2)
    assert [changed.price.amount for changed in await stage.told(OfferChanged)] == [Decimal("12.50")]
    assert len(await requests(stage)) == 1
    assert (await stage.offer("A"))["price_due_at"] is None


async def test_a_marketplace_without_dates_is_told_when_a_discount_begins_and_ends(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.price("a", "12.50", "11.00", days=(1, 3))
    await stage.push()
    assert stage.applied("price") == [("A", "12.50")]
    assert (await requests(stage))[0]["discount_price"] is None
    await stage.later(0.9)
    await stage.push()
    assert len(await requests(stage)) == 1
    await stage.later(0.1)
    await stage.push()
    assert stage.applied("price")[1:] == [("A", "11.00")]
    await stage.later(2)
    await stage.push()
    assert stage.applied("price")[2:] == [("A", "12.50")]
    await stage.later(9)
    assert len(await requests(stage)) == 3


async def test_a_discount_that_is_over_is_never_sent(stage: Stage) -> None:
    await mirakl(stage)
    await stage.price("a", "12.50", "11.00", days=(-3, -1))
    assert [each["discount_price"] for each in await requests(stage)] == [None]


async def test_a_backfilled_price_still_begins_and_ends(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.price("a", "12.50", "11.00", days=(1, 3), origin=Origin.BACKFILL)
    assert await requests(stage) == []
    await stage.later(1)
    await stage.push()
    assert stage.applied("price") == [("A", "11.00")]


async def test_a_moment_of_an_offer_that_nobody_serves_passes(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"})
    await stage.price("A", "12.50", "11.00", days=(1, 3))
    await stage.connect(MARKET, sku={"link_mode": "linked"})
    await stage.later(1)
    assert not await PriceMoments(stage.h.runtime).step()
    assert len(await requests(stage)) == 1
