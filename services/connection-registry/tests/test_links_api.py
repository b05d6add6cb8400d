"""SKU links through the API, on a real database."""

from __future__ import annotations

from typing import Any

from hub_contracts.connections import SkuLinked


def link(offer: str, shop: str, sku: str) -> dict[str, str]:
    return {"offer_sku": offer, "shop_connection_id": shop, "shop_sku": sku}


async def told_links(desk: Any) -> list[tuple[str, str, bool]]:
    events = [event for event in await desk.told() if isinstance(event.data, SkuLinked)]
    return [(event.key.partition(":")[2], event.data.shop_sku, event.data.active) for event in events]


async def test_only_links_that_change_are_told(desk: Any) -> None:
    market, shop = await desk.marketplace(), await desk.shop()
    path = f"/connections/{market}/sku-links"
    body = {"links": [link("A", shop, "a"), link("B", shop, "b")]}
    counts = await desk("PUT", path, body)
    assert counts == {"added": 2, "changed": 0, "unchanged": 0, "removed": 0}
    assert sorted(await told_links(desk)) == [("A", "a", True), ("B", "b", True)]
    assert (await desk("PUT", path, body))["unchanged"] == 2
    assert await told_links(desk) == []
    counts = await desk("PUT", path, {"links": [link("A", shop, "a2"), link("C", shop, "c")], "replace": True})
    assert counts == {"added": 1, "changed": 1, "unchanged": 0, "removed": 1}
    assert sorted(await told_links(desk)) == [("A", "a2", True), ("B", "b", False), ("C", "c", True)]
    assert await desk("DELETE", path + "?offer_sku=A&offer_sku=nothing") == {"removed": 1}
    assert await told_links(desk) == [("A", "a2", False)]


async def test_one_bad_link_keeps_all_out(desk: Any) -> None:
    market, shop, live = await desk.marketplace(), await desk.shop(), await desk.shop(environment="production")
    body = {"links": [link("A", shop, "a"), link("B", live, ""), link("A", shop, "x")]}
    problem = await desk("PUT", f"/connections/{market}/sku-links", body, expect=422)
    assert {each["pointer"] for each in problem["errors"]} == {
        "#/links/1/shop_connection_id",
        "#/links/1/shop_sku",
        "#/links/2/offer_sku",
    }
    assert {"row": 1, "column": "shop_sku", "rule": "must not be empty"} in problem["rows"]
    assert (await desk("GET", f"/connections/{market}/sku-links"))["items"] == []
    assert await told_links(desk) == []


async def test_five_thousand_links_at_once_and_no_more(desk: Any) -> None:
    market, shop = await desk.marketplace(), await desk.shop()
    path = f"/connections/{market}/sku-links"
    body = {"links": [link(f"OFFER-{n:05}", shop, f"SKU-{n:05}") for n in range(5000)]}
    assert (await desk("PUT", path, body))["added"] == 5000
    assert len(await told_links(desk)) == 5000
    body["links"].append(link("ONE-MORE", shop, "x"))
    assert "#/links" in await desk.refused("PUT", path, body, status=422)
    first = await desk("GET", f"{path}?limit=1000")
    assert (len(first["items"]), first["next"]) == (1000, "OFFER-00999")
    second = await desk("GET", f"{path}?limit=1000&after={first['next']}")
    assert second["items"][0]["offer_sku"] == "OFFER-01000"
    found = await desk("GET", f"{path}?search=sku-0412")
    assert [each["shop_sku"] for each in found["items"]] == [f"SKU-0412{n}" for n in range(10)]
    assert (await desk("GET", f"{path}?search=%25"))["items"] == []


async def test_csv_there_and_back(desk: Any) -> None:
    market, shop = await desk.marketplace(), await desk.shop()
    path = f"/connections/{market}/sku-links"
    data = f'\ufeffoffer_sku;shop_connection_id;shop_sku\r\nA;{shop};"a;1"\r\n\'=B;{shop};b\r\n'.encode()
    dry = await desk("POST", path + "/import?dry_run=true", content=data)
    assert dry == {"dry_run": True, "links": 2}
    assert await told_links(desk) == []
    assert (await desk("POST", path + "/import", content=data))["added"] == 2
    exported = await desk.client.get(f"/v1{path}/export")
    assert exported.headers["content-type"].startswith("text/csv")
    again = await desk("POST", path + "/import?replace=true", content=exported.content)
    assert (again["unchanged"], again["removed"]) == (2, 0)
    assert {each["offer_sku"] for each in (await desk("GET", path))["items"]} == {"A", "=B"}


async def test_csv_errors_name_row_column_and_rule(desk: Any) -> None:
    market = await desk.marketplace()
    path = f"/connections/{market}/sku-links/import"
    data = f"offer_sku,shop_connection_id,shop_sku\nA,{desk.NOBODY},\n".encode()
    problem = await desk("POST", path, content=data, expect=422)
    assert problem["rows"] == [
        {"row": 2, "column": "shop_sku", "rule": "must not be empty"},
        {"row": 2, "column": "shop_connection_id", "rule": "is not a known connection"},
    ]
    many = "offer_sku,shop_connection_id,shop_sku\n" + "".join(f"{n},x,y\n" for n in range(300))
    problem = await desk("POST", path, content=many.encode(), expect=422)
    assert "300 rule(s) broken" in problem["detail"]
    assert len(problem["rows"]) == 200


async def test_links_belong_to_marketplaces_and_count_for_the_gate(desk: Any) -> None:
    market, shop = await desk.marketplace(), await desk.shop()
    await desk("PUT", f"/connections/{shop}/sku-links", {"links": [link("A", shop, "a")]}, expect=409)
    await desk("PATCH", f"/connections/{market}", {"settings": {"sku": {"link_mode": "linked"}}})

    async def open_items() -> set[str]:
        items = (await desk("GET", f"/connections/{market}/checklist"))["items"]
        return {item["name"] for item in items if item["state"] == "open"}

    assert {"sku_link_mode", "shop_chosen"} <= await open_items()
    await desk("PUT", f"/connections/{market}/sku-links", {"links": [link("A", shop, "a")]})
    assert not {"sku_link_mode", "shop_chosen"} & await open_items()
