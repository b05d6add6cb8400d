"""People see every stated price, what of it goes out, and what the marketplace shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from hub_common.testing.harness import OPERATOR_TOKEN
from stock_sync.reading import ReadBack

from .conftest import CONTRACT, MARKET, SHOP, Stage


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    url = await stage.h.serve()
    headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(base_url=f"{url}/v1", headers=headers) as made:
        yield made


async def shown(client: httpx.AsyncClient, sku: str = "A") -> dict[str, Any]:
    answer = await client.get(f"/connections/{MARKET}/offers/{sku}")
    assert answer.status_code == 200, answer.text
    assert answer.json() == (await client.get(f"/offers/{MARKET}/{sku}")).json()
    found: dict[str, Any] = answer.json()
    return found


def whys(found: dict[str, Any]) -> dict[str | None, tuple[bool, str | None]]:
    return {row["channel"]: (row["sent"], row["why"]) for row in found["prices"]["stated"]}


async def test_a_marketplace_without_channels_or_dates_says_what_it_is_not_sent(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.price("a", "12.50", "11.00", days=(1, 3))
    await stage.price("a", "9.00", channel="X")
    found = await shown(client)
    assert whys(found) == {
        None: (True, "the discount is sent when it begins"),
        "X": (False, "this marketplace has no prices per channel"),
    }
    assert [row["channel"] for row in found["prices"]["sent_or_planned"]] == [None]
    assert found["prices"]["changes_by_itself_at"] is not None
    await stage.later(1)
    assert whys(await shown(client))[None] == (True, "the price is sent again without the discount when that ends")
    await stage.later(2)
    assert whys(await shown(client))[None] == (True, "the discount is over and is not sent")


async def test_channels_that_are_sent_refused_or_left_over_are_all_listed(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    await stage.open("mirakl", offers=[{"sku": "A", "quantity": 1}])
    await stage.connect(SHOP, "generic_shop")
    await stage.connect(MARKET, "mirakl", connector_settings={"offer_channels": "FR_B2C,ES_B2C"})
    await stage.link("A", "a")
    await stage.price("a", "12.50", "11.00", days=(1, 3))
    await stage.price("a", "9.00", channel="FR_B2C")
    await stage.price("a", "0", channel="ES_B2C")
    await stage.price("a", "8.00", channel="ELSEWHERE")
    found = await shown(client)
    told = whys(found)
    assert told[None] == (True, "the discount is sent with its dates")
    assert told["FR_B2C"] == (True, None)
    assert told["ES_B2C"] == (False, "it is not above 0")
    assert "none of the channels" in (told["ELSEWHERE"][1] or "")
    assert [row["channel"] for row in found["prices"]["sent_or_planned"]] == [None, "FR_B2C"]
    await stage.link("A", "other")
    await stage.price("other", "13.00")
    found = await shown(client)
    assert whys(found)["FR_B2C"] == (
        True,
        "the shop no longer states it, so the channel gets the offer's own price",
    )
    assert {row["price"]["amount"] for row in found["prices"]["sent_or_planned"]} == {"13.00"}


async def test_switched_off_is_said_of_each_price(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand(stock={"push_price": False})
    await stage.link("A", "a")
    await stage.price("a", "12.50")
    assert whys(await shown(client)) == {None: (False, "sending of price is switched off")}


async def test_what_the_marketplace_shows_and_has_frozen_is_shown(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 7)
    assert (await shown(client))["shown"]["offer"] is None
    await stage.push()
    stage.clock.advance(20 * 60)
    await stage.h.lease()
    await ReadBack(stage.h.runtime).step()
    found = await shown(client)
    assert found["shown"]["offer"]["quantity"] == stage.simulators["manomano"].world.offers[CONTRACT, "A"].stock == 7
    assert found["shown"]["frozen"] == ["stock"]
    items = (await client.get("/offers", params={"sku": "A"})).json()["items"]
    assert [item["frozen"] for item in items] == [["stock"]]
