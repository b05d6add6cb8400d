"""The operators' side: figures explained, stock by file, an offer pushed again, bad input named."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from hub_common.testing.harness import OPERATOR_TOKEN

from .conftest import MARKET, SHOP, Stage

HEAD = "shop_connection_id,shop_sku,quantity,warehouse\n"


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    url = await stage.h.serve()
    headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(base_url=f"{url}/v1", headers=headers) as made:
        yield made


async def test_nobody_reads_or_acts_without_a_token(stage: Stage, client: httpx.AsyncClient) -> None:
    del client.headers["authorization"]
    assert (await client.get("/offers")).status_code == 401
    assert (await client.post("/stock/import", content=HEAD)).status_code == 401
    assert (await client.post(f"/offers/{MARKET}/A/push-again")).status_code == 401


async def test_the_calculation_is_explained(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand(stock={"buffer": 2, "max_listed": 5})
    await stage.link("A/1", "a")
    await stage.stock("a", 9, warehouse="lyon")
    await stage.stock("a", 4, warehouse="lille")
    order = await stage.sell("M1", ("A/1", 3))
    answer = (await client.get(f"/offers/{MARKET}/A/1")).json()
    told = answer["explanation"]
    assert [(row["warehouse"], row["quantity"]) for row in told["on_hand"]] == [("lille", 4), ("lyon", 9)]
    assert [(row["order_id"], row["order_number"], row["quantity"]) for row in told["reservations"]] == [
        (str(order), "M1", 3)
    ]
    assert (told["buffer"], told["max_listed"]) == (2, 5)
    assert told["sum"] == "13 on hand - 3 reserved - 2 buffer = 8, at most 5 are listed = 5 available"
    assert answer["quantity"]["sent_or_planned"] == 5
    assert answer["quantity"]["not_sent_because"] is None


async def test_offers_are_found_by_either_sku_and_by_connection_page_by_page(
    stage: Stage, client: httpx.AsyncClient
) -> None:
    await stage.stand()
    for sku in ("A", "B", "C"):
        await stage.link(sku, sku.lower())
        await stage.stock(sku.lower(), 1)
    assert [o["offer_sku"] for o in (await client.get("/offers", params={"sku": "b"})).json()["items"]] == ["B"]
    assert [o["offer_sku"] for o in (await client.get("/offers", params={"sku": "B"})).json()["items"]] == ["B"]
    first = (await client.get("/offers", params={"connection": str(MARKET), "limit": 2})).json()
    rest = (await client.get("/offers", params={"limit": 2, "after": first["next"]})).json()
    assert [o["offer_sku"] for o in first["items"] + rest["items"]] == ["A", "B", "C"]
    assert rest["next"] is None
    assert (await client.get("/offers", params={"after": "-" * 36 + ":x"})).status_code == 422
    assert (await client.get(f"/offers/{MARKET}/nothing")).json()["type"] == "urn:hub:problem:offer-unknown"


async def test_stock_by_file_counts_like_a_statement_of_the_shop(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand()
    await stage.link("A", "a")
    answer = await client.post("/stock/import", content=f"{HEAD}{SHOP},a,8,lyon\n{SHOP},zzz,1,\n")
    assert answer.json() == {"dry_run": False, "rows": 2, "stored": 2, "older": 0}
    await stage.push()
    assert stage.applied("stock") == [("A", 8)]
    shown = (await client.get(f"/offers/{MARKET}/A")).json()["explanation"]["on_hand"]
    assert [row["reported_by"] for row in shown] == ["tester"]


async def test_a_file_that_is_older_than_the_shops_word_is_said_to_be(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 5, at=30)
    answer = await client.post("/stock/import", content=f"{HEAD}{SHOP},a,8,\n")
    assert answer.json() == {"dry_run": False, "rows": 1, "stored": 0, "older": 1}
    assert await stage.figures("A") == (5, 0, 5)


async def test_one_bad_row_keeps_the_whole_file_out(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand()
    await stage.link("A", "a")
    answer = await client.post("/stock/import", content=f"{HEAD}{SHOP},a,8,\n{SHOP},b,many,\n{MARKET},c,1,\n")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(row["row"], row["column"]) for row in answer.json()["rows"]] == [
        (3, "quantity"),
        (4, "shop_connection_id"),
    ]
    assert [error["pointer"] for error in answer.json()["errors"]] == ["row:3/quantity", "row:4/shop_connection_id"]
    assert await stage.figures("A") == (0, 0, 0)


async def test_a_dry_run_changes_nothing(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand()
    await stage.link("A", "a")
    answer = await client.post("/stock/import", params={"dry_run": True}, content=f"{HEAD}{SHOP},a,8,\n")
    assert answer.json() == {"dry_run": True, "rows": 1}
    assert await stage.figures("A") == (0, 0, 0)


async def test_an_offer_is_pushed_again_on_request(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 8)
    await stage.push()
    answer = await client.post(f"/offers/{MARKET}/A/push-again")
    assert (answer.status_code, answer.json()["planned"]) == (202, ["set_stock"])
    await stage.push()
    assert stage.applied("stock") == [("A", 8), ("A", 8)]


async def test_pushing_again_says_why_it_cannot(stage: Stage, client: httpx.AsyncClient) -> None:
    await stage.stand(stock={"push_stock": False})
    await stage.link("A", "a")
    await stage.stock("a", 8)
    answer = await client.post(f"/offers/{MARKET}/A/push-again")
    assert answer.status_code == 409
    assert answer.json()["detail"] == "no sound price is known; sending of stock is switched off."
    assert (await client.post(f"/offers/{MARKET}/none/push-again")).status_code == 404
