"""Other routing rules over past orders: only what the rules change shows, and nothing is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest


@pytest.fixture
async def api(world: Any) -> AsyncIterator[Any]:
    async with await world.client() as client:
        yield client


def rule(shop: Any, **more: Any) -> dict[str, Any]:
    return {"name": "all", "shop_connection_id": str(shop), **more}


async def routed(world: Any) -> Any:
    order = world.order(world.line("A"))
    await world.h.feed(world.connection("linked"), world.shop(), world.shop(world.shop_b))
    await world.h.feed(world.link("A", world.shop_a, "SA"), world.received(order), world.accepted(order))
    return order


async def test_a_rule_that_sends_elsewhere_shows_the_orders_it_changes(world: Any, api: Any) -> None:
    order = await routed(world)
    path = f"/v1/connections/{order.connection_id}/what-if"
    same = (await api.post(path, json={"routing": []})).json()
    assert (same["orders"], same["changed"]) == (1, 0)
    pool = world.h.runtime.pool
    counts = "(SELECT count(*) FROM outbox), (SELECT count(*) FROM parked)"
    look = f"SELECT md5(string_agg(o::text, '')), {counts} FROM orders o"
    before = await pool.fetchrow(look)
    other = (await api.post(path, json={"routing": [rule(world.shop_b)]})).json()
    assert await pool.fetchrow(look) == before
    [change] = other["changes"]
    assert change["order_id"] == str(order.order_id)
    assert change["before"] != change["after"]
    nobody = (await api.post(path, json={"sku": {"link_mode": "unset"}})).json()
    assert [each["after"] for each in nobody["changes"]] == ["waits: sku_link_mode_unset"]


async def test_bad_rules_name_what_is_wrong(world: Any, api: Any) -> None:
    order = await routed(world)
    path = f"/v1/connections/{order.connection_id}/what-if"
    for body, pointer in (
        ({"routing": [{"name": "no shop"}]}, "#/routing/0/shop_connection_id"),
        ({"sku": {"link_mode": "guess"}}, "#/sku/link_mode"),
        ({}, "#/routing"),
    ):
        answer = await api.post(path, json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    gone = await api.post("/v1/connections/00000000-0000-0000-0000-0000000000ff/what-if", json={"routing": []})
    assert gone.status_code == 404
