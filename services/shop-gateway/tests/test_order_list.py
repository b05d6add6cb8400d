"""The list that shops pull: complete, in the order of changes, and only what this shop may see."""

from __future__ import annotations

import pytest

from hub_contracts.connections import ConnectionState

from .world import API_KEY, BUYER, OTHER_SHOP, SHOP, Stage, cancelled, routed


async def test_a_shop_pulls_changes_in_order(stage: Stage) -> None:
    await stage.connect(settings={"delivery": "pull"})
    orders = [routed(number) for number in (1, 2, 3)]
    for order in orders:
        await stage.route(order)
    first = await stage.pull(limit="2")
    assert [e["order"]["order_number"] for e in first["orders"]] == ["M00001", "M00002"]
    assert first["orders"][0]["order"]["customer"]["shipping"]["last_name"] == BUYER.split()[1]
    assert first["has_more"] is True
    second = await stage.pull(cursor=first["next_cursor"])
    assert [e["order"]["order_number"] for e in second["orders"]] == ["M00003"]
    empty = await stage.pull(cursor=second["next_cursor"])
    assert (empty["orders"], empty["next_cursor"]) == ([], second["next_cursor"])
    await stage.harness.feed((orders[0].order_id, cancelled(orders[0])))
    third = await stage.pull(cursor=second["next_cursor"])
    assert [(e["state"], e["order"]["order_number"]) for e in third["orders"]] == [("cancelled", "M00001")]


async def test_a_pulling_shop_works_through_its_list(stage: Stage) -> None:
    await stage.connect(settings={"delivery": "pull"})
    await stage.behave(pull=True)
    for number in (1, 2):
        await stage.route(routed(number))
    await stage.shop_step()
    await stage.shop_step()
    assert len(await stage.told("parcel.handed_over.v1")) == 2
    assert (await stage.pull())["orders"] == []


async def test_names_are_withheld_from_shops_that_get_none(stage: Stage) -> None:
    await stage.connect(settings={"delivery": "pull", "send_personal_data": "false"})
    route_id = await stage.route(routed(1))
    answer = await stage.client.get(
        f"{stage.hub_url}/v1/shops/{SHOP}/orders/{route_id}", headers={"authorization": f"Bearer {API_KEY}"}
    )
    order = answer.json()["order"]
    assert (order["customer"], order["destination_country"]) == (None, "FR")
    assert BUYER.split()[1] not in answer.text


async def test_a_paused_shop_sees_nothing_new(stage: Stage) -> None:
    await stage.connect(state=ConnectionState.PAUSED)
    await stage.route(routed(1))
    assert (await stage.pull())["orders"] == []


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 19, "1;"])
async def test_a_bad_cursor_is_named(stage: Stage, cursor: str) -> None:
    url = f"{stage.hub_url}/v1/shops/{SHOP}/orders"
    answer = await stage.client.get(url, params={"cursor": cursor}, headers={"authorization": f"Bearer {API_KEY}"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "query:/cursor")


async def test_another_shops_order_is_not_shown(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP)
    route_id = await stage.route(routed(1))
    answer = await stage.client.get(
        f"{stage.hub_url}/v1/shops/{OTHER_SHOP}/orders/{route_id}", headers={"authorization": f"Bearer {API_KEY}"}
    )
    assert answer.status_code == 404
