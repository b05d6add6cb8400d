"""A comparison found an offer with other values than the marketplace took: they are sent again, once per asking."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from hub_contracts.connections import ConnectionState
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment
from hub_contracts.reconciliations import DifferenceFound, DifferenceKind, Repair

from .conftest import CONTRACT, MARKET, OTHER_MARKET, OTHER_SHOP, Stage


async def push(stage: Stage) -> None:
    """Send what is planned, with calls left for it."""
    stage.clock.advance(60)
    await stage.h.make_due()
    await stage.push()


async def differs(stage: Stage, sku: str = "A", *, origin: Origin = Origin.LIVE, **changes: Any) -> None:
    values: dict[str, Any] = {
        "difference_id": uuid4(),
        "connection_id": MARKET,
        "kind": DifferenceKind.STOCK,
        "offer_sku": sku,
        "hub_value": "7",
        "marketplace_value": "25",
        "owner": "stock-sync",
        "repair": Repair.PUSH_AGAIN,
        "next_step": "none",
        "found_at": stage.at(),
    }
    await stage.h.feed((f"{MARKET}:{sku}", DifferenceFound(**(values | changes))), origin=origin)


@pytest.fixture
async def pushed(stage: Stage) -> Stage:
    """Offer A, 7 units at 12.50, taken by the marketplace and then changed behind the hub's back."""
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.price("a", "12.50")
    await push(stage)
    offer = stage.simulators["manomano"].world.offers[CONTRACT, "A"]
    offer.stock, offer.price = 25, Decimal("9.00")
    stage.simulators["manomano"].record.entries.clear()
    return stage


async def test_stock_and_price_are_sent_again_and_once_per_asking(pushed: Stage) -> None:
    await differs(pushed)
    await push(pushed)
    assert (pushed.applied("stock"), pushed.applied("price")) == ([("A", 7)], [("A", "12.50")])
    offer = pushed.simulators["manomano"].world.offers[CONTRACT, "A"]
    assert (offer.stock, offer.price) == (7, Decimal("12.50"))
    await push(pushed)
    assert len(pushed.applied("stock")) == 1
    await differs(pushed, attempts=1)
    await push(pushed)
    assert len(pushed.applied("stock")) == 2


@pytest.mark.parametrize("origin", [Origin.REPLAY, Origin.BACKFILL])
async def test_a_replayed_difference_sends_nothing(pushed: Stage, origin: Origin) -> None:
    before = len(await pushed.h.effects())
    await differs(pushed, origin=origin)
    await push(pushed)
    assert len(await pushed.h.effects()) == before
    assert pushed.applied("stock") == []


@pytest.mark.parametrize("repair", [Repair.OPERATOR, Repair.REREAD])
async def test_other_repairs_are_none_of_ours(pushed: Stage, repair: Repair) -> None:
    await differs(pushed, repair=repair)
    await push(pushed)
    assert pushed.applied("stock") == []


async def test_nothing_is_sent_for_offers_that_nobody_knows_or_serves(pushed: Stage) -> None:
    await pushed.connect(OTHER_SHOP, "generic_shop", environment=Environment.PRODUCTION)
    await pushed.link("B", "b", shop=OTHER_SHOP)
    await pushed.link("A", "a", shop=OTHER_SHOP)
    pushed.simulators["manomano"].record.entries.clear()
    await differs(pushed, "UNKNOWN")
    await differs(pushed, "A")
    await differs(pushed, "B")
    await differs(pushed, "A", connection_id=OTHER_MARKET)
    await push(pushed)
    assert pushed.applied("stock") == []


async def test_a_connection_that_is_not_active_is_left_alone(pushed: Stage) -> None:
    await pushed.connect(MARKET, state=ConnectionState.INACTIVE)
    await differs(pushed)
    assert [effect for effect in await pushed.h.effects() if effect["state"] == "PLANNED"] == []
