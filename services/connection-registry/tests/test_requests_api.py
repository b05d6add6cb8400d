"""Test orders and backfills through the API, on a real database."""

from __future__ import annotations

from typing import Any

import pytest

from connection_registry.requests import draw_quantity
from hub_common.ids import SeededIds
from hub_contracts.connections import BackfillRequested, TestOrderRequested


async def ready_for_test_order(desk: Any) -> tuple[str, str]:
    market, shop = await desk.marketplace(), await desk.shop(active=True)
    await desk("PATCH", f"/connections/{market}", {"settings": {"sku": {"link_mode": "linked"}}})
    links = {"links": [{"offer_sku": "A", "shop_connection_id": shop, "shop_sku": "a"}]}
    await desk("PUT", f"/connections/{market}/sku-links", links)
    await desk.told()
    return market, shop


async def test_a_test_order_is_told_with_a_drawn_quantity(desk: Any) -> None:
    market, _ = await ready_for_test_order(desk)
    answer = await desk("POST", f"/connections/{market}/test-orders", {"offer_sku": "A", "country": "FR"}, expect=202)
    [event] = await desk.told()
    assert isinstance(event.data, TestOrderRequested)
    assert event.key == f"test:{answer['test_order_id']}"
    assert 1 <= event.data.quantity <= 4
    assert event.data.quantity == answer["quantity"]
    assert event.headers["tenant"] == desk.TENANT
    body = {"offer_sku": "A", "country": "FR", "quantity": 7}
    assert (await desk("POST", f"/connections/{market}/test-orders", body, expect=202))["quantity"] == 7
    listed = (await desk("GET", f"/connections/{market}/test-orders"))["items"]
    assert [each["quantity"] for each in listed] == [7, answer["quantity"]]


def test_drawn_quantities_are_one_to_four_and_repeatable() -> None:
    drawn = [draw_quantity(SeededIds(seed)) for seed in range(200)]
    assert set(drawn) == {1, 2, 3, 4}
    assert drawn == [draw_quantity(SeededIds(seed)) for seed in range(200)]


async def test_a_test_order_that_no_shop_could_get_is_refused_with_what_to_do(desk: Any) -> None:
    market, shop = await ready_for_test_order(desk)
    path, body = f"/connections/{market}/test-orders", {"offer_sku": "A", "country": "FR"}

    async def why(offer: str = "A") -> str:
        return str((await desk.refused("POST", path, body | {"offer_sku": offer}, status=409))["#/offer_sku"])

    assert "no link" in await why("B")
    await desk("POST", f"/connections/{shop}/deactivate")
    assert "activate the shop" in await why()
    await desk("PATCH", f"/connections/{market}", {"settings": {"sku": {"link_mode": "pass_through"}}})
    assert "routing rule" in await why("B")
    await desk("PATCH", f"/connections/{market}", {"settings": {"sku": {"link_mode": "unset"}}})
    assert "link_mode" in await why()
    await desk("POST", f"/connections/{shop}/test-orders", body, expect=409)
    assert [event.type for event in await desk.told() if event.type.startswith("test_order")] == []


async def test_pass_through_test_orders_go_by_the_routing_rules(desk: Any) -> None:
    market, shop = await desk.marketplace(), await desk.shop(active=True)
    await desk("PATCH", f"/connections/{market}", {"settings": desk.complete_settings(shop)})
    await desk("POST", f"/connections/{market}/test-orders", {"offer_sku": "ANY", "country": "DE"}, expect=202)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"offer_sku": "A", "country": "France"}, "#/country"),
        ({"offer_sku": "", "country": "FR"}, "#/offer_sku"),
        ({"offer_sku": "A", "country": "FR", "quantity": 0}, "#/quantity"),
    ],
)
async def test_bad_test_orders_name_the_field(desk: Any, body: dict[str, Any], pointer: str) -> None:
    market = await desk.marketplace()
    assert pointer in await desk.refused("POST", f"/connections/{market}/test-orders", body, status=422)


async def test_a_backfill_is_told(desk: Any, manomano: Any) -> None:
    market = await desk.live_marketplace(manomano.url)
    await desk.told()
    body = {"created_from": "2026-10-01T00:00:00+02:00", "created_until": "2026-11-01T00:00:00Z"}
    answer = await desk("POST", f"/connections/{market}/backfills", body, expect=202)
    [event] = await desk.told()
    assert isinstance(event.data, BackfillRequested)
    assert event.key == f"backfill:{answer['backfill_id']}"
    assert event.data.created_from.isoformat() == "2026-09-30T22:00:00+00:00"
    listed = (await desk("GET", f"/connections/{market}/backfills"))["items"]
    assert [each["requested_by"] for each in listed] == ["tester"]


@pytest.mark.parametrize(
    ("start", "end", "pointer"),
    [
        ("2026-10-02T00:00:00Z", "2026-10-01T00:00:00Z", "#/created_until"),
        ("2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z", "#/created_until"),
        ("2020-01-01T00:00:00Z", "2026-10-01T00:00:00Z", "#/created_from"),
        ("2026-10-01T00:00:00", "2026-10-02T00:00:00Z", "#/created_from"),
    ],
)
async def test_bad_windows_name_the_field(desk: Any, start: str, end: str, pointer: str) -> None:
    market = await desk.marketplace()
    body = {"created_from": start, "created_until": end}
    assert pointer in await desk.refused("POST", f"/connections/{market}/backfills", body, status=422)


async def test_nothing_is_fetched_for_inactive_connections_or_shops(desk: Any) -> None:
    body = {"created_from": "2026-10-01T00:00:00Z", "created_until": "2026-10-02T00:00:00Z"}
    for connection in (await desk.marketplace(), await desk.shop()):
        await desk("POST", f"/connections/{connection}/backfills", body, expect=409)
    assert [event.type for event in await desk.told() if event.type.startswith("backfill")] == []
