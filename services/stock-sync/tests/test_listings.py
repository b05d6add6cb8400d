"""An offer that was taken off the marketplace is not put back on sale by the shop's next statement of stock."""

from __future__ import annotations

from uuid import uuid4

import pytest

from hub_contracts.catalog import OfferListed

from .conftest import MARKET, Stage


async def listed(stage: Stage, sku: str = "A", *, withdrawn: bool) -> None:
    data = OfferListed(
        connection_id=MARKET, offer_sku=sku, effect_id=uuid4(), withdrawn=withdrawn, confirmed_by="answer"
    )
    await stage.h.feed((MARKET, data))


async def push(stage: Stage) -> None:
    """Send what is planned, with calls left for it."""
    stage.clock.advance(60)
    await stage.h.make_due()
    await stage.push()


@pytest.fixture
async def selling(stage: Stage) -> Stage:
    """Offer A, 7 units at 12.50, taken by the marketplace."""
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.price("a", "12.50")
    await push(stage)
    stage.simulators["manomano"].record.entries.clear()
    return stage


async def test_nothing_is_sent_while_it_is_off(selling: Stage) -> None:
    await listed(selling, withdrawn=True)
    await selling.stock("a", 9)
    await selling.price("a", "11.00")
    await push(selling)
    assert (selling.applied("stock"), selling.applied("price")) == ([], [])


async def test_what_was_planned_before_is_taken_back(selling: Stage) -> None:
    await selling.stock("a", 9)
    await listed(selling, withdrawn=True)
    await push(selling)
    assert selling.applied("stock") == []


async def test_listed_again_it_gets_what_is_known_now(selling: Stage) -> None:
    await listed(selling, withdrawn=True)
    await selling.stock("a", 9)
    await listed(selling, withdrawn=False)
    await push(selling)
    assert (selling.applied("stock"), selling.applied("price")) == ([("A", 9)], [("A", "12.50")])


async def test_an_offer_that_is_not_ours_is_no_matter(selling: Stage) -> None:
    await listed(selling, "UNKNOWN", withdrawn=True)
    await selling.stock("a", 8)
    await push(selling)
    assert selling.applied("stock") == [("A", 8)]


async def test_what_was_taken_off_before_it_was_known_stays_off(selling: Stage) -> None:
    """Catalogue, links and stock come on three topics in any order."""
    await listed(selling, "C", withdrawn=True)
    await selling.link("C", "c")
    await selling.stock("c", 5)
    await push(selling)
    assert selling.applied("stock") == []
    await listed(selling, "C", withdrawn=False)
    await push(selling)
    assert selling.applied("stock") == [("C", 5)]
