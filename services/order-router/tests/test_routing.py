"""Orders become routes: when, to which shop, with which money, and once, in whatever order the facts come."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from hub_common.testing.schema import schema_differences
from hub_contracts.connections import ConnectionState, RoutingRule
from hub_contracts.envelope import Event, Metadata, Origin
from hub_contracts.ids import route_id_for
from hub_contracts.orders import FulfilledBy
from hub_contracts.routes import OrderRouted, RouteCancelled
from hub_contracts.status import OrderStatus
from hub_contracts.work import WorkParked
from order_router.deciding import advance
from order_router.handlers import on_own_routed

S = OrderStatus


async def test_migrated_schema_is_what_the_code_believes(world: Any) -> None:
    dsn = world.h.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, world.h.runtime.spec.metadata) == []


async def test_an_order_released_by_the_answer_is_routed_to_the_only_shop(world: Any) -> None:
    order = world.order(world.line("A", 2, "34.90", "4.90"), world.line("B", 1, "12.50", "0.00"))
    await world.h.feed(world.connection(), world.shop(), world.received(order))
    assert await world.told(OrderRouted) == []
    await world.h.feed(world.accepted(order))
    [routed] = await world.told(OrderRouted)
    assert (routed.products_price, routed.shipping_price, routed.total_price) == (
        Decimal("82.30"),
        Decimal("4.90"),
        Decimal("87.20"),
    )
    [route] = routed.routes
    assert route.route_id == route_id_for(order.order_id, world.shop_a, None)
    assert [(x.line_id, x.shop_sku, x.quantity, x.shipping_price.amount) for x in route.lines] == [
        ("L-A", "A", 2, Decimal("4.90")),
        ("L-B", "B", 1, Decimal("0.00")),
    ]
    assert routed.ship_by == order.ship_by
    assert {rule.rule: rule.outcome for rule in routed.rules}["only_shop"] == "passed"
    assert await world.h.parked() == []


async def test_acceptance_without_release_waits_for_preparation(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection(), world.shop(), world.received(order), world.accepted(order, released=False))
    await world.h.feed(world.status(order, S.ACCEPTED))
    assert await world.told(OrderRouted) == []
    await world.h.feed(world.status(order, S.PREPARATION))
    assert len(await world.told(OrderRouted)) == 1


async def test_facts_in_any_order_lead_to_the_same_single_routing(world: Any) -> None:
    order = world.order(world.line("A"), world.line("B"))
    await world.h.feed(world.shop())
    facts = {
        "connection": world.connection("linked"),
        "link": world.link("A", world.shop_a, "SA"),
        "received": world.received(order),
        "accepted": world.accepted(order, "L-B"),
    }
    for number, arrangement in enumerate(permutations(facts)):
        await world.h.runtime.pool.execute(
            "DELETE FROM connections WHERE body ->> 'kind' = 'marketplace';"
            "TRUNCATE orders, routes, waits, parked, sku_links, inbox"
        )
        for name in arrangement:
            await world.h.feed(facts[name])
        [routed] = await world.told(OrderRouted)
        lines = [(line.line_id, line.shop_sku) for line in routed.routes[0].lines]
        assert (number, lines) == (number, [("L-A", "SA")])
        assert (number, await world.h.parked()) == (number, [])


async def test_a_status_that_comes_before_its_order_is_kept(world: Any) -> None:
    order = world.order(world.line("A"), world.line("B"))
    received = world.h.record(*world.received(order))
    shown = {"L-A": S.PREPARATION, "L-B": S.REFUSED}
    status = world.h.record(*world.status(order, S.PREPARATION, lines=shown))
    await world.h.feed(world.connection(), world.shop())
    await world.h.runtime.inbox.process([status])
    assert await world.told(OrderRouted) == []
    await world.h.runtime.inbox.process([received])
    [routed] = await world.told(OrderRouted)
    assert [line.line_id for line in routed.routes[0].lines] == ["L-A"]


async def test_older_facts_do_not_overwrite_newer_ones(world: Any) -> None:
    order = world.order()
    received = world.h.record(*world.received(order))
    preparation = world.h.record(*world.status(order, S.PREPARATION))
    cancelled = world.h.record(*world.status(order, S.CANCELLED))
    await world.h.feed(world.connection(), world.shop())
    for record in (cancelled, preparation, received):
        await world.h.runtime.inbox.process([record])
    assert await world.told(OrderRouted) == []


async def test_first_seen_in_preparation_is_routed_without_an_answer_of_ours(world: Any) -> None:
    order = world.order(status=S.PREPARATION)
    await world.h.feed(world.connection(), world.shop(), world.received(order))
    assert len(await world.told(OrderRouted)) == 1


async def test_repeated_and_restated_facts_route_once(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection(), world.shop(), world.received(order), world.accepted(order))
    [first] = await world.told(OrderRouted)
    await world.h.feed(
        world.received(order),
        world.accepted(order),
        world.status(order, S.PREPARATION),
        world.changed(order),
        world.connection("linked"),
        world.shop(world.shop_b),
        world.link("A", world.shop_b, "other"),
    )
    assert await world.told(OrderRouted) == []
    rows = await world.h.runtime.pool.fetch("SELECT route_id FROM routes")
    assert [row["route_id"] for row in rows] == [first.routes[0].route_id]


@pytest.mark.parametrize(
    "changes",
    [
        {"fulfilled_by": FulfilledBy.MARKETPLACE},
        {"status": S.SHIPPED},
        {"status": S.CANCELLED},
        {"status": S.WAITING_PAYMENT},
    ],
)
async def test_orders_that_are_not_ours_to_send_are_never_routed(world: Any, changes: dict[str, Any]) -> None:
    order = world.order(**changes)
    await world.h.feed(world.connection(), world.shop(), world.received(order), world.accepted(order))
    assert await world.told(OrderRouted) == []
    assert await world.h.parked() == []


@pytest.mark.parametrize("origin", [Origin.BACKFILL, Origin.REPLAY])
async def test_backfilled_and_replayed_events_route_nothing(world: Any, origin: Origin) -> None:
    order = world.order(status=S.PREPARATION)
    await world.h.feed(world.connection(), world.shop())
    await world.h.feed(world.received(order), origin=origin)
    assert await world.told(OrderRouted) == []
    await world.h.feed(world.changed(order))
    assert len(await world.told(OrderRouted)) == (origin is Origin.REPLAY)


async def test_a_replayed_decision_of_ours_is_not_taken_again(world: Any) -> None:
    order = world.order(status=S.PREPARATION)
    await world.h.feed(world.connection(), world.shop(), world.received(order))
    [told] = await world.told(OrderRouted)
    await world.h.runtime.pool.execute("TRUNCATE orders, routes, waits, parked, inbox")
    meta = Metadata(uuid4(), told.TYPE, "order-router", world.h.clock.now(), str(order.order_id), "tenant-1", 1)
    async with world.h.runtime.transactions.begin() as tx:
        await on_own_routed(tx, [Event(meta, told)])
    await world.h.feed(world.received(order), origin=Origin.REPLAY)
    await world.h.feed(world.changed(order))
    assert await world.told(OrderRouted) == []
    await world.h.feed(world.status(order, S.CANCELLED))
    assert len(await world.told(RouteCancelled)) == 1


async def test_lines_refused_or_cancelled_are_left_out_with_their_money(world: Any) -> None:
    order = world.order(world.line("A"), world.line("B", 2, "20.00"), world.line("C", status=S.CANCELLED))
    await world.h.feed(world.connection(), world.shop(), world.received(order), world.accepted(order, "L-A"))
    [routed] = await world.told(OrderRouted)
    assert [line.line_id for line in routed.routes[0].lines] == ["L-B"]
    assert (routed.products_price, routed.total_price) == (Decimal("40.00"), Decimal("41.50"))
    why = {option.option: option.why_not for option in routed.losing_options}
    assert why["line L-A"] == "we refused the line"
    assert "CANCELLED" in why["line L-C"]


async def test_rules_split_an_order_over_shops_and_the_trace_says_why(world: Any) -> None:
    rules = (
        RoutingRule(name="spain", shop_connection_id=world.shop_a, countries=("ES",)),
        RoutingRule(name="lamps", shop_connection_id=world.shop_b, warehouse="lyon", sku_prefixes=("LAMP-",)),
        RoutingRule(name="france", shop_connection_id=world.shop_a, countries=("FR",)),
    )
    order = world.order(world.line("LAMP-1"), world.line("X"), world.line("LAMP-2"))
    await world.h.feed(
        world.connection("pass_through", *rules), world.shop(), world.shop(world.shop_b), world.received(order)
    )
    await world.h.feed(world.accepted(order))
    [routed] = await world.told(OrderRouted)
    split = [(r.shop_connection_id, r.warehouse, [x.line_id for x in r.lines]) for r in routed.routes]
    assert split == [(world.shop_b, "lyon", ["L-LAMP-1", "L-LAMP-2"]), (world.shop_a, None, ["L-X"])]
    tried = {(rule.rule, rule.outcome): rule.inputs["lines"] for rule in routed.rules}
    assert tried["rule spain", "failed"] == "L-LAMP-1, L-X, L-LAMP-2"
    assert tried["rule lamps", "passed"] == "L-LAMP-1, L-LAMP-2"
    assert any(o.option.startswith("rule france: shop A") for o in routed.losing_options)


async def test_a_rule_for_countries_waits_until_the_country_is_shown(world: Any) -> None:
    rule = RoutingRule(name="spain", shop_connection_id=world.shop_b, countries=("ES",))
    hidden = world.order(destination_country=None)
    await world.h.feed(world.connection("pass_through", rule), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.received(hidden), world.accepted(hidden))
    assert await world.causes() == ["country_unknown"]
    await world.h.feed(world.changed(world.order(destination_country="ES")))
    [routed] = await world.told(OrderRouted)
    assert routed.routes[0].shop_connection_id == world.shop_b
    assert await world.causes() == []


async def test_of_several_shops_the_one_known_to_have_enough_serves(world: Any) -> None:
    order = world.order(world.line("A", 2), world.line("A", 2, line_id="L-A#2"))
    await world.h.feed(world.connection(), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.offer(world.shop_a, "A", 3), world.received(order), world.accepted(order))
    assert await world.causes() == ["no_shop", "no_shop"]
    await world.h.feed(world.offer(world.shop_b, "A", 1))
    await world.h.feed(world.offer(world.shop_b, "A", 9, minutes=-5))
    assert await world.causes() == ["no_shop", "no_shop"]
    await world.h.feed(world.offer(world.shop_b, "A", 9, minutes=5), world.offer(world.shop_b, "A", 1, minutes=1))
    [routed] = await world.told(OrderRouted)
    assert [(r.shop_connection_id, len(r.lines)) for r in routed.routes] == [(world.shop_b, 2)]
    stock = next(rule for rule in routed.rules if rule.rule == "stock")
    assert (stock.inputs["on_hand_shop A"], stock.inputs["on_hand_shop B"], stock.inputs["wanted"]) == ("3", "9", "4")
    assert await world.causes() == []


async def test_a_paused_shop_keeps_its_orders(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection(), world.shop(state=ConnectionState.PAUSED), world.received(order))
    await world.h.feed(world.accepted(order))
    [routed] = await world.told(OrderRouted)
    assert routed.routes[0].shop_connection_id == world.shop_a


async def test_test_orders_and_product_skus_go_the_same_way(world: Any) -> None:
    order = world.order(world.line("A", product_sku="P-1"), is_test=True)
    await world.h.feed(world.connection(source="product_sku"), world.shop(), world.received(order))
    await world.h.feed(world.accepted(order))
    [routed] = await world.told(OrderRouted)
    assert (routed.is_test, routed.routes[0].lines[0].shop_sku) == (True, "P-1")


async def test_a_status_only_passed_through_routes_nothing(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection(connector="mirakl"), world.shop(), world.received(order))
    await world.h.feed(world.status(order, S.PREPARATION, word="SHIPPED", lines={}))
    await world.h.feed(world.status(order, S.SHIPPED, word="SHIPPED"))
    assert await world.told(OrderRouted) == []


async def test_two_replicas_that_look_at_an_order_at_once_route_it_once(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection("linked"), world.shop(), world.received(order), world.accepted(order))
    await world.h.emitted()
    pool, transactions = world.h.runtime.pool, world.h.runtime.transactions
    await pool.execute(
        "INSERT INTO sku_links (connection_id, offer_sku, shop_connection_id, shop_sku) VALUES ($1, 'A', $2, 'A')",
        world.market,
        world.shop_a,
    )

    async def second() -> None:
        async with transactions.begin() as tx:
            await advance(tx, [order.order_id])

    async with transactions.begin() as tx, asyncio.timeout(20):
        await advance(tx, [order.order_id])
        task = asyncio.create_task(second())
        waiting = False
        while not (waiting or task.done()):
            waiting = await pool.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted")
    await task
    assert len(await world.told(OrderRouted)) == 1


async def test_another_sellers_shop_is_never_used(world: Any) -> None:
    order = world.order()
    rule = RoutingRule(name="mine", shop_connection_id=world.shop_b)
    await world.h.feed(world.shop(world.shop_b), tenant="tenant-2")
    await world.h.feed(world.connection("pass_through", rule), world.shop(), world.received(order))
    await world.h.feed(world.accepted(order))
    assert [item.cause for item in await world.told(WorkParked)] == ["shop_unknown"]


async def test_many_orders_take_the_same_number_of_statements(world: Any) -> None:
    await world.h.feed(world.connection(), world.shop())

    async def statements(count: int, prefix: str) -> int:
        orders = [world.order(reference=f"{prefix}{n}", status=S.PREPARATION) for n in range(count)]
        records = [world.h.record(*world.received(order)) for order in orders]
        seen: list[str] = []
        pool = world.h.runtime.pool
        async with pool.acquire() as conn:
            log = lambda record: seen.append(record.query)  # noqa: E731
            holders = [holder for holder in pool._holders if holder._con is not None]
            for holder in holders:
                holder._con.add_query_logger(log)
            await conn.fetchval("SELECT 1")
        await world.h.runtime.inbox.process(records)
        for holder in holders:
            holder._con.remove_query_logger(log)
        assert len(await world.told(OrderRouted)) == count
        return len(seen)

    await statements(1, "warm")  # types are looked up at the first use of a database session
    assert await statements(200, "many") == await statements(1, "one")
