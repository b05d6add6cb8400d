"""What cannot be routed waits, says why, and goes on by itself; what was cancelled stops, once."""

from __future__ import annotations

from typing import Any

import pytest

from hub_contracts.connections import ConnectionState, RoutingRule
from hub_contracts.orders import Environment
from hub_contracts.routes import OrderRouted, RouteCancelled
from hub_contracts.status import OrderStatus
from hub_contracts.work import WorkParked, WorkResumed

S = OrderStatus


async def test_an_unlinked_line_parks_the_order_with_near_skus_and_resumes_by_itself(world: Any) -> None:
    order = world.order(world.line("LUM-0042 É"), world.line("B"))
    await world.h.feed(world.connection("linked"), world.shop(), world.link("B", world.shop_a, "SB"))
    await world.h.feed(world.offer(world.shop_a, "lum0042e", 5), world.offer(world.shop_a, "LUM0043E", 5))
    await world.h.feed(world.received(order), world.accepted(order))
    [item] = await world.h.parked()
    assert (item["subject_kind"], item["cause"], item["due_at"]) == ("line", "sku_unlinked", order.ship_by)
    assert item["data"]["candidates"] == [{"shop_connection_id": str(world.shop_a), "shop_sku": "lum0042e"}]
    emitted = await world.h.emitted()
    assert [e.type for e in emitted] == [WorkParked.TYPE]
    await world.h.feed(world.link("LUM-0042 É", world.shop_a, "lum0042e"))
    emitted = await world.h.emitted()
    assert [e.type for e in emitted] == [OrderRouted.TYPE, WorkResumed.TYPE]
    assert {x.line_id: x.shop_sku for x in emitted[0].data.routes[0].lines} == {
        "L-LUM-0042 É": "lum0042e",
        "L-B": "SB",
    }
    assert await world.h.runtime.pool.fetchval("SELECT count(*) FROM waits") == 0


async def test_waiting_is_told_once_however_often_it_is_looked_at(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection("linked"), world.shop(), world.received(order), world.accepted(order))
    await world.h.feed(world.changed(order), world.connection("linked"), world.shop())
    assert len(await world.told(WorkParked)) == 1


async def test_an_item_closed_by_hand_comes_back_while_the_order_still_waits(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection("linked"), world.shop(), world.received(order), world.accepted(order))
    await world.h.runtime.pool.execute("UPDATE parked SET resolved_at = now(), resolution = 'closed'")
    await world.h.feed(world.changed(order))
    assert await world.causes() == ["sku_unlinked"]


@pytest.mark.parametrize(
    ("cause", "before", "after"),
    [
        ("no_shop", lambda w: [w.connection()], lambda w: [w.shop()]),
        ("sku_link_mode_unset", lambda w: [w.connection("unset"), w.shop()], lambda w: [w.connection()]),
        ("connection_unknown", lambda w: [w.shop()], lambda w: [w.connection()]),
        (
            "shop_inactive",
            lambda w: [
                w.connection("pass_through", RoutingRule(name="r", shop_connection_id=w.shop_a)),
                w.shop(state=ConnectionState.INACTIVE),
            ],
            lambda w: [w.shop()],
        ),
        (
            "shop_unknown",
            lambda w: [w.connection("pass_through", RoutingRule(name="r", shop_connection_id=w.market))],
            lambda w: [w.shop(), w.connection()],
        ),
        (
            "environment_mismatch",
            lambda w: [
                w.connection("pass_through", RoutingRule(name="r", shop_connection_id=w.shop_b)),
                w.shop(),
                w.shop(w.shop_b, environment=Environment.PRODUCTION),
            ],
            lambda w: [w.connection()],
        ),
        (
            "environment_mismatch",
            lambda w: [
                w.connection("linked"),
                w.shop(),
                w.shop(w.shop_b, environment=Environment.PRODUCTION),
                w.link("A", w.shop_b, "A"),
            ],
            lambda w: [w.link("A", w.shop_a, "A")],
        ),
        ("sku_missing", lambda w: [w.connection(source="product_sku"), w.shop()], lambda w: [w.connection()]),
    ],
)
async def test_each_obstacle_parks_and_its_end_resumes(world: Any, cause: str, before: Any, after: Any) -> None:
    order = world.order()
    await world.h.feed(*before(world), world.received(order), world.accepted(order))
    assert await world.told(OrderRouted) == []
    assert await world.causes() == [cause]
    await world.h.feed(*after(world))
    [routed] = await world.told(OrderRouted)
    assert routed.routes[0].shop_connection_id == world.shop_a
    assert await world.causes() == []


async def test_a_sandbox_shop_is_never_the_only_shop_of_a_production_order(world: Any) -> None:
    order = world.order(environment=Environment.PRODUCTION)
    await world.h.feed(world.connection(environment=Environment.PRODUCTION), world.shop(), world.received(order))
    await world.h.feed(world.accepted(order))
    assert await world.told(OrderRouted) == []
    assert await world.causes() == ["no_shop"]


async def test_cancelled_before_routing_is_never_routed(world: Any) -> None:
    order = world.order(world.line("A"), world.line("B"))
    await world.h.feed(world.connection("linked"), world.shop(), world.received(order), world.accepted(order))
    assert await world.causes() == ["sku_unlinked", "sku_unlinked"]
    await world.h.feed(world.status(order, S.CANCELLED))
    await world.h.feed(world.link("A", world.shop_a, "A"), world.link("B", world.shop_a, "B"), world.accepted(order))
    emitted = await world.h.emitted()
    assert {e.type for e in emitted} == {WorkParked.TYPE, WorkResumed.TYPE}
    assert await world.causes() == []


async def test_sent_without_us_is_not_sent_again(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection("linked"), world.shop(), world.received(order), world.accepted(order))
    await world.h.feed(world.status(order, S.SHIPPED))
    await world.h.feed(world.link("A", world.shop_a, "A"))
    assert await world.told(OrderRouted) == []
    assert await world.causes() == []
    closed = await world.h.runtime.pool.fetchval("SELECT closed_reason FROM orders")
    assert closed == "the order became SHIPPED before it was routed"


async def test_a_refund_before_routing_is_for_a_person(world: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection(), world.shop())
    await world.h.feed(world.received(order), world.status(order, S.PREPARATION), world.status(order, S.REFUNDING))
    assert await world.told(OrderRouted) == []
    assert await world.causes() == ["refund_before_routing"]


@pytest.mark.parametrize("how", ["cancelled", "refused", "answer"])
async def test_cancelled_after_routing_stops_every_route_once(world: Any, how: str) -> None:
    rule = RoutingRule(name="b", shop_connection_id=world.shop_b, sku_prefixes=("B",))
    order = world.order(world.line("A"), world.line("B"))
    await world.h.feed(world.connection("pass_through", rule), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.offer(world.shop_a, "A", 5), world.received(order), world.accepted(order))
    [routed] = await world.told(OrderRouted)
    ends = {
        "cancelled": world.status(order, S.CANCELLED),
        "refused": world.status(order, S.REFUSED),
        "answer": world.refused(order),
    }
    await world.h.feed(ends[how])
    await world.h.feed(ends[how], world.changed(world.order(*order.lines, status=S.CANCELLED)))
    [cancelled] = await world.told(RouteCancelled)
    assert set(cancelled.route_ids) == {route.route_id for route in routed.routes}
    assert len(routed.routes) == 2


async def test_a_route_whose_lines_are_all_cancelled_stops_and_a_single_line_is_for_a_person(world: Any) -> None:
    rule = RoutingRule(name="b", shop_connection_id=world.shop_b, sku_prefixes=("B",))
    order = world.order(world.line("A1"), world.line("A2"), world.line("B"), status=S.PREPARATION)
    rules = (rule, RoutingRule(name="rest", shop_connection_id=world.shop_a))
    await world.h.feed(world.connection("pass_through", *rules), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.received(order))
    [routed] = await world.told(OrderRouted)
    by_shop = {route.shop_connection_id: route.route_id for route in routed.routes}
    gone = {"status": S.CANCELLED}
    lines = (world.line("A1"), world.line("A2", **gone), world.line("B", **gone))
    shown = world.order(*lines, status=S.PREPARATION)
    await world.h.feed(world.changed(shown))
    [cancelled] = await world.told(RouteCancelled)
    assert cancelled.route_ids == (by_shop[world.shop_b],)
    assert await world.causes() == ["line_cancelled_after_routing"]
    await world.h.runtime.pool.execute("UPDATE parked SET resolved_at = now(), resolution = 'told the shop'")
    await world.h.feed(world.changed(shown))
    assert await world.causes() == []
    await world.h.feed(world.status(order, S.CANCELLED))
    [rest] = await world.told(RouteCancelled)
    assert rest.route_ids == (by_shop[world.shop_a],)
