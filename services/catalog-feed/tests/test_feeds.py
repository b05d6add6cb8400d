"""Feeds over HTTP: several per connection, versions compared and downloaded, grids by rules, problems row by row."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from hub_contracts.catalog import FeedBlocked, FeedPublished

from .conftest import MARKET, Stage

HERE = f"/connections/{MARKET}"


def lines(content: bytes, separator: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=separator))


async def test_products_and_offers_are_feeds_of_their_own(stage: Stage) -> None:
    await stage.stand()
    assert (await stage.put(f"{HERE}/feeds/products", {"separator": ";"})).status_code == 201
    assert (await stage.put(f"{HERE}/feeds/offers", {})).status_code == 201
    await stage.products("A")
    await stage.offers("A")
    assert await stage.build() == 3
    addresses = {}
    for feed in ("catalogue", "products", "offers"):
        shown = (await stage.get(f"{HERE}/feeds/{feed}/address"))["address"]
        addresses[feed] = "/feeds/" + shown.split("/feeds/")[1]
    assert len(set(addresses.values())) == 3
    products = lines((await stage.root.get(addresses["products"])).content, ";")
    offers = lines((await stage.root.get(addresses["offers"])).content)
    assert (products[0]["title"], "quantity" in products[0]) == ("Lamp", False)
    assert (offers[0]["quantity"], offers[0]["Carrier Grid"], "title" in offers[0]) == ("5", "Standard", False)
    assert sorted(p.feed for p in await stage.told(FeedPublished)) == ["catalogue", "offers", "products"]
    await stage.offers("A", available=1)
    await stage.build()
    versions = {f: (await stage.get(f"{HERE}/feeds/{f}"))["published_version"] for f in addresses}
    assert versions == {"catalogue": 2, "products": 1, "offers": 2}, "a sale is no new version of a product feed"
    assert (await stage.client.post(f"/v1{HERE}/feeds/offers/rotate")).status_code == 200
    assert (await stage.root.get(addresses["offers"])).status_code == 404
    assert (await stage.root.get(addresses["products"])).status_code == 200


async def test_one_feed_that_is_blocked_does_not_hold_up_another(stage: Stage) -> None:
    await stage.stand()
    await stage.put(f"{HERE}/feeds/offers", {})
    await stage.offers("A")
    await stage.build()
    assert [b.feed for b in await stage.told(FeedBlocked)] == ["catalogue"]
    assert [p.feed for p in await stage.told(FeedPublished)] == ["offers"]
    [waiting] = await stage.h.parked()
    assert waiting["subject_id"] == str(MARKET)
    assert {"sku": "A", "column": "brand", "rule": "is empty"}.items() <= waiting["data"]["problems"][0].items()
    rows = (await stage.get(f"{HERE}/feeds/catalogue/problems"))["items"]
    assert all(row["next_step"] for row in rows)
    report = lines((await stage.client.get(f"/v1{HERE}/feeds/catalogue/problems.csv")).content)
    assert ("A", "brand") in {(row["sku"], row["column"]) for row in report}
    await stage.products("A")
    await stage.build()
    assert await stage.h.parked() == []
    assert (await stage.get(f"{HERE}/feeds/catalogue/problems"))["items"] == []


async def test_two_versions_are_compared_row_by_row(stage: Stage) -> None:
    await stage.stand()
    await stage.products("A", "B", "C")
    await stage.offers("A", "B")
    await stage.build()
    await stage.offers("C")
    await stage.offers("A", available=1)
    await stage.build()
    found = await stage.get(f"{HERE}/feeds/catalogue/versions/1/diff/2")
    assert (found["added"], found["removed"], found["changed"]) == (1, 0, 1)
    assert found["rows"] == [
        {"sku": "A", "change": "changed", "cells": {"quantity": ["5", "1"]}},
        {"sku": "C", "change": "added", "cells": {}},
    ]
    answer = await stage.client.get(f"/v1{HERE}/feeds/catalogue/versions/1.csv")
    assert [row["sku"] for row in lines(answer.content)] == ["A", "B"]
    assert "attachment" in answer.headers["content-disposition"]
    assert (await stage.client.get(f"/v1{HERE}/feeds/catalogue/versions/9/diff/1")).status_code == 404


async def test_how_many_versions_are_kept_is_the_feeds_own_setting(stage: Stage) -> None:
    await stage.stand(keep_versions=1)
    await stage.products("A")
    for available in range(3):
        await stage.offers("A", available=available)
        await stage.build()
    items = (await stage.get(f"{HERE}/feeds/catalogue/versions"))["items"]
    assert [(item["version"], item["kept"]) for item in items] == [(3, True), (2, False), (1, False)]
    assert (await stage.get(f"{HERE}/feeds/catalogue/versions/3/diff/3"))["rows"] == []


async def test_rules_write_the_grid_and_follow_the_price(stage: Stage) -> None:
    await stage.stand()
    await stage.template("Free")
    rules = {"rules": [{"name": "dear", "grids": ["Free"], "price_from": "50"}]}
    assert (await stage.put(f"{HERE}/shipping/rules", rules)).status_code == 200
    await stage.products("A", "B")
    await stage.offers("A")
    await stage.offers("B", price="60")
    await stage.build()
    found = {row["sku"]: row["Carrier Grid"] for row in lines((await stage.root.get(await stage.address())).content)}
    assert found == {"A": "Standard", "B": "Free"}
    await stage.offers("B", price="40")
    await stage.build()
    found = {row["sku"]: row["Carrier Grid"] for row in lines((await stage.root.get(await stage.address())).content)}
    assert found["B"] == "Standard"
    assert (await stage.get(f"{HERE}/shipping/rules"))["items"][0]["price_from"] == "50"
    assert {t["name"] for t in (await stage.get(f"{HERE}/shipping/templates"))["items"]} == {"Free", "Standard"}


async def test_a_forced_version_is_an_exception_and_the_guard_stays(stage: Stage) -> None:
    await stage.stand(bad_rows="leave_out")
    skus = [f"S{n}" for n in range(10)]
    await stage.products(*skus)
    await stage.offers(*skus)
    await stage.build()

    async def lose(*gone: str) -> None:
        await stage.h.runtime.pool.execute("DELETE FROM products WHERE shop_sku = ANY($1)", list(gone))
        await stage.offers("S9", available=len(gone))
        await stage.build()

    await lose(*skus[:5])
    force = f"/v1{HERE}/feeds/catalogue/versions/2/force"
    assert (await stage.client.post(force, json={"reason": "x"})).status_code == 422
    assert (await stage.client.post(force, json={"reason": "end of the season"})).status_code == 200
    shown = (await stage.get(f"{HERE}/feeds/catalogue/versions"))["items"][0]
    assert (shown["forced_by"], shown["forced_reason"]) == ("tester", "end of the season")
    await lose(*skus[5:8])
    assert [p["cause"] for p in await stage.h.parked()] == ["feed_shrunk"]


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("feeds/products", {"columns": ["sku", "colour"]}, "#"),
        ("feeds/products", {"columns": ["ean"]}, "#"),
        ("feeds/products", {"constants": {"sku": "x"}}, "#"),
        ("feeds/products", {"separator": "::"}, "#/separator"),
        ("feeds/products", {"keep_versions": 0}, "#/keep_versions"),
        ("shipping/rules", {"rules": [{"name": "a", "grids": ["Gone"]}]}, "#/rules/0/grids/0"),
        (
            "shipping/rules",
            {"rules": [{"name": "a", "grids": ["Standard"], "weight_from": 1.5}]},
            "#/rules/0/weight_from",
        ),
        (
            "shipping/rules",
            {"rules": [{"name": "a", "grids": ["Standard"], "price_from": "5", "price_below": "5"}]},
            "#/rules/0",
        ),
    ],
)
async def test_bad_settings_are_refused_by_field_and_rule(stage: Stage, path: str, body: Any, pointer: str) -> None:
    await stage.stand()
    answer = await stage.put(f"{HERE}/{path}", body)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_only_the_three_feeds_exist(stage: Stage) -> None:
    await stage.stand()
    answer = await stage.put(f"{HERE}/feeds/colours", {})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:hub:problem:feed-unknown")
    assert (await stage.client.get(f"/v1{HERE}/feeds/offers")).status_code == 404
    assert [item["feed"] for item in (await stage.get(f"{HERE}/feeds"))["items"]] == ["catalogue"]
