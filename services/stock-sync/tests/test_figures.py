"""stock-sync on a real database: what may be sold, whatever comes in which order and how often."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from uuid import UUID

import pytest

from hub_common.testing.schema import schema_differences
from hub_contracts.connections import ConnectionState
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment, FulfilledBy, OrderChanged, OrderStatusChanged
from hub_contracts.status import OrderStatus
from hub_contracts.stock import OfferChanged
from hub_contracts.work import WorkParked, WorkResumed
from stock_sync.main import SPEC

from .conftest import MARKET, OTHER_MARKET, OTHER_SHOP, SHOP, Stage

UUID_THIRD, UUID_FOURTH = UUID(int=13), UUID(int=14)


def stage_market(n: int) -> UUID:
    return UUID(int=1000 + n)


def stage_shop(n: int) -> UUID:
    return UUID(int=5000 + n)


async def test_migrated_schema_is_what_the_code_believes(stage: Stage) -> None:
    dsn = stage.h.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


async def test_stock_of_all_warehouses_less_reservations_less_buffer(stage: Stage) -> None:
    await stage.stand(stock={"buffer": 2})
    await stage.link("A", "a")
    await stage.stock("a", 5, warehouse="lyon")
    await stage.stock("a", 7, warehouse="lille")
    await stage.sell("M1", ("A", 3))
    assert await stage.figures("A") == (12, 3, 7)
    last = (await stage.told(OfferChanged))[-1]
    assert (last.on_hand, last.reserved, last.buffer, last.available) == (12, 3, 2, 7)
    assert (last.connection_id, last.offer_sku, last.shop_connection_id, last.shop_sku) == (MARKET, "A", SHOP, "a")


async def test_what_is_listed_can_be_capped(stage: Stage) -> None:
    await stage.stand(stock={"max_listed": 4})
    await stage.link("A", "a")
    await stage.stock("a", 50)
    assert await stage.figures("A") == (50, 0, 4)


async def test_an_order_at_one_marketplace_takes_units_from_all(stage: Stage) -> None:
    await stage.stand()
    await stage.connect(OTHER_MARKET)
    await stage.link("A", "a")
    await stage.link("ALPHA", "a", market=OTHER_MARKET)
    await stage.stock("a", 10)
    await stage.h.emitted()
    await stage.sell("M1", ("ALPHA", 4), market=OTHER_MARKET)
    assert await stage.figures("A") == await stage.figures("ALPHA", OTHER_MARKET) == (10, 4, 6)
    assert sorted(e.offer_sku for e in await stage.told(OfferChanged)) == ["A", "ALPHA"]


async def test_restated_facts_tell_nothing_new(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 5)
    await stage.price("a", "10.00")
    await stage.sell("M1", ("A", 1))
    assert len(await stage.told(OfferChanged)) == 3
    await stage.stock("a", 5, at=1)
    await stage.price("a", "10.0", at=1)
    await stage.sell("M1", ("A", 1))
    await stage.link("A", "a")
    await stage.connect(MARKET)
    await stage.connect(SHOP, "generic_shop")
    assert await stage.told(OfferChanged) == []


async def test_older_statements_never_overwrite_newer_ones(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 5, at=10)
    await stage.stock("a", 99, at=9)
    assert await stage.figures("A") == (5, 0, 5)
    await stage.h.feed(
        stage.stock_event("a", 98, at=8), stage.stock_event("a", 6, at=12), stage.stock_event("a", 97, at=11)
    )
    assert await stage.figures("A") == (6, 0, 6)
    await stage.price("a", "10.00", at=10)
    await stage.price("a", "1.00", at=9)
    assert (await stage.offer("A"))["price"] == Decimal("10.00")


async def test_unpaid_orders_reserve_and_dead_ones_release(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    unpaid = await stage.sell("M1", ("A", 1), status="WAITING_PAYMENT")
    refused = await stage.sell("M2", ("A", 2))
    assert await stage.figures("A") == (10, 3, 7)
    await stage.becomes(unpaid, "CANCELLED")
    assert await stage.figures("A") == (10, 2, 8)
    await stage.becomes(refused, "REFUSED")
    assert await stage.figures("A") == (10, 0, 10)


async def test_a_refused_line_releases_only_itself(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.link("B", "b")
    await stage.stock("a", 10)
    await stage.stock("b", 10)
    order = await stage.sell("M1", ("A", 1), ("B", 2))
    await stage.becomes(order, "PREPARATION", lines={"M1-0": "PREPARATION", "M1-1": "REFUSED"})
    assert (await stage.figures("A"), await stage.figures("B")) == ((10, 1, 9), (10, 0, 10))


async def test_a_line_that_vanished_or_shrank_at_the_marketplace_is_released(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.link("B", "b")
    await stage.stock("a", 10)
    await stage.stock("b", 10)
    await stage.sell("M1", ("A", 3), ("B", 2))
    order = stage.order("M1", ("A", 1)).order
    await stage.h.feed(
        (order.order_id, OrderChanged(order=order, changed_fields=("lines",), snapshot_id=order.order_id))
    )
    assert (await stage.figures("A"), await stage.figures("B")) == ((10, 1, 9), (10, 0, 10))


@pytest.mark.parametrize("change", [{"is_test": True}, {"fulfilled_by": FulfilledBy.MARKETPLACE}])
async def test_test_orders_and_marketplace_fulfilled_orders_reserve_nothing(
    stage: Stage, change: dict[str, object]
) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    order = await stage.sell("M1", ("A", 4), **change)
    assert await stage.figures("A") == (10, 0, 10)
    await stage.becomes(order, "PREPARATION")
    assert await stage.figures("A") == (10, 0, 10)


async def test_a_reservation_lasts_until_the_shops_next_statement_after_it_took_the_order(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    order = await stage.sell("M1", ("A", 3))
    stage.clock.advance(600)
    await stage.taken(order)
    assert await stage.figures("A") == (10, 3, 7)
    await stage.stock("a", 10, at=-5)  # stated before it took the order, told late
    assert await stage.figures("A") == (10, 3, 7)
    await stage.h.emitted()
    await stage.stock("a", 7, at=1)
    assert await stage.figures("A") == (7, 0, 7)
    assert [(e.on_hand, e.reserved, e.available) for e in await stage.told(OfferChanged)] == [(7, 0, 7)]


async def test_the_statement_may_arrive_before_the_news_that_the_shop_took_the_order(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    order = await stage.sell("M1", ("A", 3))
    await stage.stock("a", 7, at=5)
    assert await stage.figures("A") == (7, 3, 4)
    await stage.taken(order)
    assert await stage.figures("A") == (7, 0, 7)


async def test_even_the_shops_order_may_be_known_before_the_marketplaces(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    order = stage.order("M1", ("A", 3)).order.order_id
    await stage.taken(order)
    await stage.stock("a", 7, at=5)
    await stage.sell("M1", ("A", 3))
    assert await stage.figures("A") == (7, 0, 7)


async def test_an_order_that_the_shop_stopped_holds_its_units_again(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    order = await stage.sell("M1", ("A", 3))
    await stage.taken(order)
    await stage.stock("a", 7, at=1)
    stage.clock.advance(120)
    await stage.taken(order, cancelled=True)
    assert await stage.figures("A") == (7, 3, 4)
    await stage.becomes(order, "CANCELLED")
    await stage.stock("a", 10, at=1)
    assert await stage.figures("A") == (10, 0, 10)


@pytest.mark.parametrize("status", ["SHIPPED", "DELIVERED"])
async def test_what_has_left_is_no_longer_held(stage: Stage, status: str) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    order = await stage.sell("M1", ("A", 3))
    await stage.becomes(order, status)
    assert await stage.figures("A") == (10, 0, 10)
    await stage.becomes(order, "REFUNDING")
    assert await stage.figures("A") == (10, 0, 10)


async def test_a_refund_before_shipping_keeps_the_units_until_it_is_known_how_it_ends(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    order = await stage.sell("M1", ("A", 3))
    await stage.becomes(order, "REFUNDING")
    assert await stage.figures("A") == (10, 3, 7)
    await stage.becomes(order, "REFUNDED")
    assert await stage.figures("A") == (10, 0, 10)


async def test_facts_may_come_in_any_order(stage: Stage) -> None:
    """Whatever is learnt last, the offer ends the same: link, stock, price, order, shop, marketplace."""
    await stage.open("manomano")
    steps = {
        "link": lambda n: stage.link(f"A{n}", f"a{n}", market=stage_market(n), shop=stage_shop(n)),
        "stock": lambda n: stage.stock(f"a{n}", 9, shop=stage_shop(n)),
        "order": lambda n: stage.sell(f"M{n}", (f"A{n}", 2), market=stage_market(n)),
        "shop": lambda n: stage.connect(stage_shop(n), "generic_shop"),
        "market": lambda n: stage.connect(stage_market(n)),
    }
    for n, sequence in enumerate(permutations(steps)):
        if n % 5 == 0:  # every fifth order keeps the test short and still begins and ends with each step
            for step in sequence:
                await steps[step](n)
            assert await stage.figures(f"A{n}", stage_market(n)) == (9, 2, 7), sequence


async def test_passed_through_skus_become_offers_at_every_marketplace_of_the_tenant(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"})
    await stage.connect(OTHER_MARKET, sku={"link_mode": "pass_through"}, environment=Environment.PRODUCTION)
    await stage.stock("A", 5)
    offers = await stage.told(OfferChanged)
    assert [(e.connection_id, e.offer_sku, e.available) for e in offers] == [(MARKET, "A", 5)]
    await stage.connect(UUID_THIRD, sku={"link_mode": "pass_through"})
    assert [(e.connection_id, e.available) for e in await stage.told(OfferChanged)] == [(UUID_THIRD, 5)]
    await stage.connect(UUID_FOURTH, sku={"link_mode": "pass_through"}, tenant="somebody else")
    assert await stage.told(OfferChanged) == []


async def test_an_order_alone_makes_an_offer_whose_stock_nobody_invents(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"})
    await stage.sell("M1", ("A", 2))
    assert await stage.told(OfferChanged) == []
    assert (await stage.h.effects()) == []
    await stage.stock("A", 5)
    assert await stage.figures("A") == (5, 2, 3)


async def test_the_products_sku_may_name_the_shops(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through", "sku_source": "product_sku"})
    await stage.stock("P", 5)
    await stage.sell("M1", ("A", 2), product_sku="P")
    assert (await stage.offer("A"))["shop_sku"] == "P"
    assert await stage.figures("A") == (5, 2, 3)


async def test_routing_decides_which_of_several_shops_serves_a_passed_through_sku(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"}, prefers=(OTHER_SHOP, SHOP))
    await stage.connect(OTHER_SHOP, "generic_shop")
    await stage.stock("A", 5)
    assert await stage.figures("A") == (5, 0, 5)
    await stage.stock("A", 8, shop=OTHER_SHOP)
    assert await stage.figures("A") == (8, 0, 8)
    assert (await stage.offer("A"))["shop_connection_id"] == OTHER_SHOP


async def test_a_link_across_environments_is_parked_and_serves_nothing(stage: Stage) -> None:
    await stage.stand()
    await stage.connect(OTHER_SHOP, "generic_shop", environment=Environment.PRODUCTION)
    await stage.stock("a", 5, shop=OTHER_SHOP)
    await stage.link("A", "a", shop=OTHER_SHOP)
    assert await stage.told(OfferChanged, clear=False) == []
    parked = await stage.told(WorkParked)
    assert [(p.cause, p.subject_kind, p.subject_id) for p in parked] == [
        ("environment_mismatch", "offer", f"{MARKET}:A")
    ]
    assert await stage.h.effects() == []
    await stage.stock("a", 3)
    await stage.link("A", "a")
    assert await stage.figures("A") == (3, 0, 3)
    assert len(await stage.told(WorkResumed)) == 1
    assert await stage.h.parked() == []


async def test_moving_a_link_moves_the_reservations_with_it(stage: Stage) -> None:
    await stage.stand()
    await stage.connect(OTHER_MARKET)
    await stage.stock("a", 10)
    await stage.stock("b", 20)
    await stage.link("A", "a")
    await stage.link("X", "a", market=OTHER_MARKET)
    await stage.sell("M1", ("A", 4))
    assert await stage.figures("X", OTHER_MARKET) == (10, 4, 6)
    await stage.link("A", "b")
    assert await stage.figures("A") == (20, 4, 16)
    assert await stage.figures("X", OTHER_MARKET) == (10, 0, 10)


async def test_an_offer_whose_link_is_taken_away_is_sold_out(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 5)
    await stage.push()
    await stage.link("A", "a", active=False)
    await stage.push()
    assert (await stage.told(OfferChanged))[-1].available == 0
    assert stage.applied("stock") == [("A", 5), ("A", 0)]
    await stage.link("A", "a")
    assert await stage.figures("A") == (5, 0, 5)


async def test_switching_the_mode_of_linking_does_not_empty_the_catalogue(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"})
    await stage.stock("A", 5)
    await stage.push()
    await stage.h.emitted()
    await stage.connect(MARKET, sku={"link_mode": "unset"})
    await stage.stock("A", 1, at=1)
    await stage.push()
    assert await stage.told(OfferChanged) == []
    assert stage.applied("stock") == [("A", 5)]
    await stage.connect(MARKET, sku={"link_mode": "pass_through"})
    await stage.push()
    assert stage.applied("stock") == [("A", 5), ("A", 1)]


async def test_settings_that_change_are_obeyed_at_once(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    await stage.h.emitted()
    await stage.connect(MARKET, stock={"buffer": 3})
    assert [(e.buffer, e.available) for e in await stage.told(OfferChanged)] == [(3, 7)]


async def test_prices_reach_every_offer_of_the_sku_and_discounts_are_what_is_paid(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.link("B", "a")
    await stage.price("a", "20.00", "15.00")
    assert sorted((e.offer_sku, e.price.amount) for e in await stage.told(OfferChanged)) == [
        ("A", Decimal("15.00")),
        ("B", Decimal("15.00")),
    ]
    await stage.price("a", "18.00", channel="FR", at=1)
    assert await stage.told(OfferChanged) == []


async def test_a_price_of_nothing_is_parked_and_never_sent(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.price("a", "0.00")
    assert [p.cause for p in await stage.told(WorkParked)] == ["price_invalid"]
    assert await stage.h.effects("set_price") == []
    await stage.price("a", "9.90", at=1)
    assert await stage.h.parked() == []
    assert [e["request"]["price"]["amount"] for e in await stage.h.effects("set_price")] == ["9.90"]


async def test_a_backfilled_order_reserves_but_pushes_nothing_until_something_live_happens(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    await stage.push()
    event = stage.order("M1", ("A", 3))
    await stage.h.feed((event.order.order_id, event), origin=Origin.BACKFILL)
    assert await stage.figures("A") == (10, 3, 7)
    await stage.push()
    assert stage.applied("stock") == [("A", 10)]
    await stage.price("a", "5.00")
    await stage.push()
    assert stage.applied("stock") == [("A", 10), ("A", 7)]


async def test_nothing_is_planned_before_a_connection_is_activated(stage: Stage) -> None:
    await stage.stand(state=ConnectionState.INACTIVE)
    await stage.link("A", "a")
    await stage.stock("a", 10)
    assert await stage.h.effects() == []
    await stage.connect(MARKET)
    await stage.push()
    assert stage.applied("stock") == [("A", 10)]


async def test_statuses_that_come_together_count_one_after_the_other(stage: Stage) -> None:
    """An order that is shipped and then refunded says nothing about its units any more, but they have left."""
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 10)
    order_id = await stage.sell("one", ("A", 2))
    assert await stage.figures("A") == (10, 2, 8)
    events = [
        OrderStatusChanged(
            order_id=order_id,
            connection_id=MARKET,
            environment=Environment.SANDBOX,
            from_status=before,
            to_status=after,
            trigger="test",
            marketplace_status=after.value,
            marketplace_updated_at=stage.at(),
        )
        for before, after in (
            (OrderStatus.PREPARATION, OrderStatus.SHIPPED),
            (OrderStatus.SHIPPED, OrderStatus.REFUNDING),
        )
    ]
    await stage.h.feed(*((order_id, event) for event in events))
    assert await stage.figures("A") == (10, 0, 10)
