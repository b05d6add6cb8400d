"""Stock and prices: never an older word over a newer one, thousands at once, one event per SKU."""

from __future__ import annotations

import asyncio
from typing import Any

from shop_gateway import levels
from shop_gateway.post_store import StoredPost
from shop_gateway.shop_protocol import StockPost

from .world import OTHER_SHOP, SHOP, Stage


def stock(stage: Stage, quantity: int, seconds: float = 0, sku: str = "A", **item: Any) -> dict[str, Any]:
    return {"items": [{"sku": sku, "quantity": quantity, **item}], "reported_at": stage.at(seconds)}


async def test_the_newest_count_stays_whatever_comes_late(stage: Stage) -> None:
    for quantity, seconds in ((5, -30), (3, -10), (9, -60), (3, -10), (4, -10), (4, -5)):
        answer = await stage.post("stock", stock(stage, quantity, seconds))
        assert answer.status_code == 202, answer.text
    events = await stage.harness.emitted()
    assert [e.data.quantity for e in events] == [5, 3, 4, 4]
    assert {e.key for e in events} == {f"{SHOP}:A"}


async def test_warehouses_and_shops_are_counted_apart(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP)
    await stage.post("stock", stock(stage, 1, warehouse="lyon"))
    await stage.post("stock", stock(stage, 2, warehouse="lille"))
    await stage.post("stock", stock(stage, 3))
    await stage.post("stock", stock(stage, 4), shop=OTHER_SHOP)
    events = await stage.told("stock.reported.v1")
    assert [(e.warehouse, e.quantity) for e in events] == [("lyon", 1), ("lille", 2), (None, 3), (None, 4)]


async def test_a_clock_that_runs_ahead_cannot_freeze_the_stock(stage: Stage) -> None:
    answer = await stage.post("stock", stock(stage, 1, 365 * 86_400))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/reported_at")
    await stage.post("stock", stock(stage, 2))
    assert [e.quantity for e in await stage.told("stock.reported.v1")] == [2]


async def test_the_hour_that_happens_twice_does_not_turn_the_order_of_statements(stage: Stage) -> None:
    """The night of 25 October 2026: half past two in summer time is an hour before half past two in winter time."""
    for quantity, at in ((9, "02:30:00+02:00"), (4, "02:30:00+01:00"), (7, "02:45:00+02:00")):
        body = {"items": [{"sku": "A", "quantity": quantity}], "reported_at": f"2026-10-25T{at}"}
        assert (await stage.post("stock", body)).status_code == 202
    events = await stage.told("stock.reported.v1")
    assert [(e.quantity, e.reported_at.isoformat()) for e in events] == [
        (9, "2026-10-25T00:30:00+00:00"),
        (4, "2026-10-25T01:30:00+00:00"),
    ]


async def test_prices_are_exact_and_only_newer_ones_count(stage: Stage) -> None:
    def price(amount: str, seconds: float, discount: str | None = None) -> dict[str, Any]:
        item: dict[str, Any] = {"sku": "A", "price": {"amount": amount, "currency": "EUR"}}
        if discount:
            item["discount_price"] = {"amount": discount, "currency": "EUR"}
        return {"items": [item], "reported_at": stage.at(seconds)}

    await stage.post("prices", price("19.90", -20))
    await stage.post("prices", price("0.1", -30))
    await stage.post("prices", price("18.9", -10, "17.05"))
    events = await stage.told("price.reported.v1")
    assert [str(e.price.amount) for e in events] == ["19.90", "18.9"]
    assert str(events[1].discount_price.amount) == "17.05"


async def test_a_discount_may_have_dates_and_a_price_a_channel(stage: Stage) -> None:
    money = {"amount": "19.90", "currency": "EUR"}
    item = {"sku": "A", "channel": "X", "price": money, "discount_price": {**money, "amount": "9.90"}}
    item |= {"discount_from": "2026-11-27T00:00:00+01:00", "discount_until": "2026-11-30T00:00:00+01:00"}
    await stage.post("prices", {"items": [item], "reported_at": stage.at(-10)})
    told = (await stage.told("price.reported.v1"))[0]
    assert told.channel == "X"
    assert told.discount_from.isoformat() == "2026-11-26T23:00:00+00:00"
    assert told.discount_until.isoformat() == "2026-11-29T23:00:00+00:00"


async def test_a_number_with_decimals_in_json_keeps_its_cents(stage: Stage) -> None:
    body = b'{"items":[{"sku":"A","price":{"amount":1234567.01,"currency":"EUR"}}],"reported_at":"%s"}'
    answer = await stage.post("prices", body.replace(b"%s", stage.at().encode()))
    assert answer.status_code == 202, answer.text
    (event,) = await stage.told("price.reported.v1")
    assert str(event.price.amount) == "1234567.01"


async def test_thousands_of_skus_are_a_handful_of_statements(stage: Stage) -> None:
    """5,000 in one go through the same path; the protocol's own limit per post is lower."""
    post = StockPost.model_construct(items=StockPost.model_validate(stock(stage, 7)).items, reported_at=stage.now)
    item = post.items[0]
    items = tuple(item.model_copy(update={"sku": f"SKU-{n}"}) for n in range(5_000))
    post = StockPost.model_construct(items=items, reported_at=stage.now)
    runtime = stage.harness.runtime
    shop = runtime.connections.get(SHOP)
    assert shop is not None
    stored = StoredPost(
        runtime.ids.new(), SHOP, "t", "k", b"", "rest", "stock", b"", stage.now, "received", None, "", ""
    )
    statements: list[str] = []
    async with runtime.transactions.begin() as tx:
        with tx.conn.query_logger(lambda record: statements.append(record.query)):
            verdict = await levels.take_stock(tx, stored, shop, post)
            await tx.flush()
            tx._events.clear()
    assert verdict.detail == ""
    assert len([text for text in statements if "INSERT INTO" in text]) == 2
    assert len(await stage.told("stock.reported.v1")) == 5_000


async def test_posts_that_name_the_same_skus_crosswise_all_end(stage: Stage) -> None:
    forth = [{"sku": f"SKU-{n}", "quantity": n} for n in range(300)]
    bodies = [
        {"items": items, "reported_at": stage.at(-second)}
        for second in range(6)
        for items in (forth, list(reversed(forth)))
    ]
    answers = await asyncio.gather(*(stage.post("stock", body, key=f"k{n}") for n, body in enumerate(bodies)))
    assert {answer.status_code for answer in answers} == {202}
    newest = await stage.harness.runtime.pool.fetchval("SELECT min(reported_at) FROM stock_levels")
    assert newest == stage.now


async def test_a_full_post_within_the_body_cap(stage: Stage) -> None:
    items = [{"sku": f"SKU-{n}", "quantity": n} for n in range(1_000)]
    answer = await stage.post("stock", {"items": items, "reported_at": stage.at()})
    assert answer.status_code == 202, answer.text
    assert len(await stage.told("stock.reported.v1")) == 1_000
