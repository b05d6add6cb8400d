"""The checklist before going live: the hub says what it sees, people say the rest, and nobody can say what is seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog_feed.golive import Facts, items_of, stand
from connector_kit.discovery import connector
from connector_kit.manifest import Capability, ChecklistItem
from hub_contracts.stock import OfferPushed

from .conftest import MARKET, Stage
from .markets import Markets

HERE = f"/connections/{MARKET}/go-live"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
PERSON = ("feed_accepted", "templates_right", "account_manager")


async def open_items(stage: Stage) -> dict[str, str]:
    shown = await stage.get(HERE)
    assert shown["ready"] == all(item["done"] for item in shown["items"])
    return {item["name"]: item["detail"] for item in shown["items"] if not item["done"]}


async def test_everything_must_be_seen_or_said(stage: Stage) -> None:
    await stage.stand()
    waiting = await open_items(stage)
    assert set(waiting) == {"feed_complete", "feed_fetched", "offers_listed", *PERSON}
    await stage.products("A")
    await stage.offers("A")
    await stage.build()
    assert "feed_complete" not in await open_items(stage)
    await stage.root.get(await stage.address())
    assert "feed_fetched" not in await open_items(stage)
    pushed = OfferPushed(connection_id=MARKET, offer_sku="A", effect_id=MARKET, quantity=5, confirmed_by="answer")
    await stage.h.feed((f"{MARKET}:A", pushed))
    assert set(await open_items(stage)) == set(PERSON)
    for item in PERSON:
        body = {"done": True, "note": "Ms. Example, 2 March"}
        shown = (await stage.put(f"{HERE}/{item}", body)).json()
    assert shown["ready"] is True
    [approved] = [item for item in shown["items"] if item["name"] == "account_manager"]
    assert (approved["ticked_by"], approved["note"], approved["automatic"]) == ("tester", "Ms. Example, 2 March", False)
    assert (await stage.put(f"{HERE}/feed_accepted", {"done": False, "note": "report shows errors"})).status_code == 200
    assert await open_items(stage) == {"feed_accepted": "not done, says tester: report shows errors"}
    await stage.offers("NEW")
    await stage.build()
    assert set(await open_items(stage)) == {"feed_accepted", "feed_complete"}, "what is seen can cease to be so"
    stage.clock.advance(49 * 3600)
    assert "feed_fetched" in await open_items(stage)


async def test_nobody_can_say_what_the_hub_sees(stage: Stage) -> None:
    await stage.stand()
    answer = await stage.put(f"{HERE}/feed_complete", {"done": True})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:hub:problem:item-automatic")
    assert (await stage.put(f"{HERE}/colours", {"done": True})).status_code == 404
    assert (await stage.put(f"{HERE}/account_manager", {"said": True})).status_code == 422
    assert (await stage.client.get("/v1/connections/00000000-0000-0000-0000-000000000009/go-live")).status_code == 404


async def test_without_a_list_of_its_own_a_connector_is_asked_by_capability(mirakl: Markets) -> None:
    items = (await mirakl.get("/go-live"))["items"]
    assert [item["name"] for item in items] == ["products_taken", "offers_listed"]
    await mirakl.put("NEW-1", {"product_id": "4006381333931", "product_id_type": "EAN", "state_code": "11",
                               "prices": [{"price": "9.90"}]})  # fmt: skip
    await mirakl.send()
    found = {item["name"]: (item["done"], item["detail"]) for item in (await mirakl.get("/go-live"))["items"]}
    assert found["offers_listed"] == (True, "1 listed, 0 refused")
    assert found["products_taken"][0] is False


@pytest.mark.parametrize(
    ("check", "facts", "done"),
    [
        ("feed_complete", Facts(feeds=1, published=1), True),
        ("feed_complete", Facts(feeds=2, published=1), False),
        ("feed_complete", Facts(feeds=1, published=1, feed_problems=1), False),
        ("feed_complete", Facts(), False),
        ("feed_fetched", Facts(last_fetched_at=NOW - timedelta(hours=48)), True),
        ("feed_fetched", Facts(last_fetched_at=NOW - timedelta(hours=49)), False),
        ("feed_fetched", Facts(), False),
        ("offers_listed", Facts(listed=1), True),
        ("offers_listed", Facts(listed=1, refused=1), False),
        ("offers_listed", Facts(), False),
        ("products_taken", Facts(last_import_failed=0), True),
        ("products_taken", Facts(last_import_failed=1), False),
        ("products_taken", Facts(), False),
    ],
)
def test_what_the_hub_sees(check: Any, facts: Facts, done: bool) -> None:
    item = ChecklistItem(name="item", title="Item", check=check)
    assert stand(item, facts, {"item": (True, "said")}, NOW).done is done


def test_a_feed_adds_its_items_where_the_connector_does_not_know_feeds() -> None:
    manifest = connector("mirakl").manifest
    assert Capability.FEED not in manifest.capabilities
    assert [item.name for item in items_of(manifest, has_feed=True)][:2] == ["feed_complete", "feed_fetched"]


def test_items_have_names_of_their_own() -> None:
    values = connector("manomano").manifest.model_dump()
    values["go_live"] = [{"name": "same", "title": "A"}, {"name": "same", "title": "B"}]
    with pytest.raises(ValueError, match="go_live: an item is declared twice"):
        type(connector("manomano").manifest).model_validate(values)
