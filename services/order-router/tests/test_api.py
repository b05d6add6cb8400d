"""The operators' API: what is shown, what may be chosen, what is refused and how that is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub_contracts.connections import ConnectionState, RoutingRule
from hub_contracts.orders import Environment
from hub_contracts.routes import OrderRouted
from hub_contracts.status import OrderStatus


@pytest.fixture
async def api(world: Any) -> AsyncIterator[Any]:
    async with await world.client() as client:
        yield client


async def waiting(world: Any) -> Any:
    order = world.order(world.line("A"), world.line("B"))
    await world.h.feed(world.connection("linked"), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.link("B", world.shop_a, "SB"), world.received(order), world.accepted(order))
    return order


def choice(shop: UUID, line: str = "L-A", **more: Any) -> dict[str, Any]:
    return {"line_id": line, "shop_connection_id": str(shop), **more}


async def test_shows_what_an_order_waits_for_and_then_its_route_with_the_trace(world: Any, api: Any) -> None:
    order = await waiting(world)
    shown = (await api.get(f"/v1/orders/{order.order_id}")).json()
    assert [(w["line_id"], w["cause"]) for w in shown["waiting"]] == [("L-A", "sku_unlinked")]
    assert shown["routes"] == []
    await world.h.feed(world.link("A", world.shop_a, "SA"))
    shown = (await api.get(f"/v1/orders/{order.order_id}")).json()
    assert shown["routed_by"] == "rules"
    assert [line["shop_sku"] for line in shown["routes"][0]["lines"]] == ["SA", "SB"]
    assert {"shop_sku", "linked_shop", "shop_usable"} == {rule["rule"] for rule in shown["rules"]}
    assert shown["waiting"] == []


async def test_an_operator_chooses_shop_and_sku_of_the_waiting_line(world: Any, api: Any) -> None:
    order = await waiting(world)
    body = {"lines": [choice(world.shop_b, shop_sku="SA", warehouse="lyon")], "reason": "called the shop"}
    answer = await api.post(f"/v1/orders/{order.order_id}/reroute", json=body)
    assert answer.status_code == 200
    assert answer.json()["routed_by"] == "tester"
    [routed] = await world.told(OrderRouted)
    split = {r.shop_connection_id: (r.warehouse, [x.shop_sku for x in r.lines]) for r in routed.routes}
    assert split == {world.shop_b: ("lyon", ["SA"]), world.shop_a: (None, ["SB"])}
    by = next(rule for rule in routed.rules if rule.rule == "operator")
    assert (by.inputs["by"], by.reason) == ("tester", "called the shop")
    assert await world.causes() == []
    again = await api.post(f"/v1/orders/{order.order_id}/reroute", json=body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:hub:problem:order-not-waiting")


async def test_a_choice_for_one_line_is_kept_while_another_still_waits(world: Any, api: Any) -> None:
    order = world.order(world.line("A"), world.line("B"))
    await world.h.feed(world.connection("linked"), world.shop(), world.received(order), world.accepted(order))
    body = {"lines": [choice(world.shop_a, shop_sku="SA")], "reason": "known"}
    answer = (await api.post(f"/v1/orders/{order.order_id}/reroute", json=body)).json()
    assert answer["routed_at"] is None
    assert [w["line_id"] for w in answer["waiting"]] == ["L-B"]
    await world.h.feed(world.link("B", world.shop_a, "SB"))
    [routed] = await world.told(OrderRouted)
    assert [x.shop_sku for x in routed.routes[0].lines] == ["SA", "SB"]


async def test_what_cannot_be_chosen_names_field_and_rule(world: Any, api: Any) -> None:
    order = await waiting(world)
    production, inactive = uuid4(), uuid4()
    await world.h.feed(world.shop(production, environment=Environment.PRODUCTION))
    await world.h.feed(world.shop(inactive, state=ConnectionState.INACTIVE))
    lines = [
        choice(world.shop_a),
        choice(world.shop_a, "L-X", shop_sku="S"),
        choice(uuid4(), "L-B"),
        choice(production, "L-B"),
        choice(inactive, "L-B"),
    ]
    answer = await api.post(f"/v1/orders/{order.order_id}/reroute", json={"lines": lines, "reason": "try"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    found = {(error["pointer"], error["detail"]) for error in answer.json()["errors"]}
    assert found == {
        ("#/lines/0/shop_sku", "is required: the line has no SKU of a shop yet"),
        ("#/lines/1/line_id", "the order has no such line"),
        ("#/lines/2/shop_connection_id", "is no shop connection of this seller"),
        ("#/lines/3/line_id", "the line is chosen for twice"),
        ("#/lines/3/shop_connection_id", "is production, the order is sandbox"),
        ("#/lines/4/line_id", "the line is chosen for twice"),
        ("#/lines/4/shop_connection_id", "is inactive"),
    }
    assert await world.told(OrderRouted) == []
    assert await world.h.runtime.pool.fetchval("SELECT count(*) FROM choices") == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "x"}, "#/reason"),
        ({"reason": "good", "lines": [{"line_id": "L-A"}]}, "#/lines/0/shop_connection_id"),
        ({"reason": "good", "shop": "A"}, "#/shop"),
        ({"reason": "good", "lines": [{"line_id": "", "shop_connection_id": "no"}]}, "#/lines/0/line_id"),
    ],
)
async def test_bad_bodies_are_problems(world: Any, api: Any, body: dict[str, Any], pointer: str) -> None:
    answer = await api.post(f"/v1/orders/{uuid4()}/reroute", json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_unknown_unreleased_and_cancelled_orders_cannot_be_rerouted(world: Any, api: Any) -> None:
    body = {"reason": "please"}
    for path in (f"/v1/orders/{uuid4()}", f"/v1/preview?order_id={uuid4()}"):
        assert (await api.get(path)).status_code == 404
    assert (await api.post(f"/v1/orders/{uuid4()}/reroute", json=body)).status_code == 404
    order = world.order()
    await world.h.feed(world.connection(), world.shop(), world.received(order))
    early = await api.post(f"/v1/orders/{order.order_id}/reroute", json=body)
    assert early.status_code == 409
    assert "not released" in early.json()["detail"]
    await world.h.feed(world.status(order, OrderStatus.CANCELLED))
    late = await api.post(f"/v1/orders/{order.order_id}/reroute", json=body)
    assert late.status_code == 409
    assert "CANCELLED before it was routed" in late.json()["detail"]


async def test_an_order_with_a_refund_under_way_is_routed_only_by_hand(world: Any, api: Any) -> None:
    order = world.order()
    await world.h.feed(world.connection(), world.shop(), world.received(order))
    await world.h.feed(world.status(order, OrderStatus.PREPARATION), world.status(order, OrderStatus.REFUNDING))
    await world.h.emitted()
    answer = await api.post(f"/v1/orders/{order.order_id}/reroute", json={"reason": "partial refund only"})
    assert answer.json()["routed_by"] == "tester"
    assert len(await world.told(OrderRouted)) == 1
    assert await world.causes() == []


async def test_preview_says_what_would_happen_and_writes_nothing(world: Any, api: Any) -> None:
    rule = RoutingRule(name="spain", shop_connection_id=world.shop_b, countries=("ES",))
    rest = RoutingRule(name="rest", shop_connection_id=world.shop_a)
    order = world.order()
    await world.h.feed(world.connection("pass_through", rule, rest), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.received(order))
    now = (await api.get("/v1/preview", params={"order_id": order.order_id})).json()
    assert (now["standing"], now["would_route"], now["differs_from_routed"]) == ("not_yet", True, None)
    assert now["routes"][0]["shop_connection_id"] == str(world.shop_a)
    spain = (await api.get("/v1/preview", params={"order_id": order.order_id, "country": "es"})).json()
    assert spain["routes"][0]["shop_connection_id"] == str(world.shop_b)
    assert await world.h.emitted() == []
    await world.h.feed(world.accepted(order))
    await world.h.feed(world.connection("linked"))
    changed = (await api.get("/v1/preview", params={"order_id": order.order_id})).json()
    assert (changed["would_route"], changed["differs_from_routed"]) == (False, True)
    assert changed["waiting"][0]["cause"] == "sku_unlinked"


async def test_without_a_token_nothing_is_told(world: Any, api: Any) -> None:
    answer = await api.get(f"/v1/orders/{uuid4()}", headers={"authorization": ""})
    assert answer.status_code == 401
    bad = await api.get("/v1/preview", params={"order_id": "x", "country": "FRA"})
    assert {error["pointer"] for error in bad.json()["errors"]} == {"query:/order_id", "query:/country"}
