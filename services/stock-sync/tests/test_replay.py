"""stock-sync rebuilt from the topics: the same figures from the same facts, and no marketplace told again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx

from hub_common.replay import plan_problems
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.history import History
from hub_contracts.catalog import OfferListed
from hub_contracts.envelope import Origin
from stock_sync.main import SPEC

from .conftest import MARKET, OTHER_MARKET, OTHER_SHOP, SHOP, Stage

NewDatabase = Callable[[str | None], str]
LINKS = {"A": "a", "B": "b", "C": "c", "S1": "s1", "S2": "s2", "S3": "s3", "S4": "s4"}


async def push(stage: Stage) -> None:
    stage.clock.advance(60)
    await stage.h.make_due()
    await stage.push()


async def listed(stage: Stage, sku: str, *, withdrawn: bool) -> None:
    data = OfferListed(
        connection_id=MARKET, offer_sku=sku, effect_id=uuid4(), withdrawn=withdrawn, confirmed_by="answer"
    )
    await stage.h.feed((MARKET, data))


async def import_file(stage: Stage, *rows: tuple[UUID, str, int]) -> None:
    text = "shop_connection_id,shop_sku,quantity\n" + "".join(f"{shop},{sku},{n}\n" for shop, sku, n in rows)
    async with httpx.AsyncClient(base_url=await stage.h.serve(), trust_env=False) as client:
        answer = await client.post(
            "/v1/stock/import", content=text, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        )
    assert answer.status_code == 200, answer.text


async def offers(stage: Stage) -> None:
    """Linked, linked anew, unlinked, passed through by one of two shops, in the wrong environment, never stated."""
    await stage.open("manomano", offers=[{"sku": sku, "stock": 5} for sku in LINKS if sku != "S4"])
    await stage.connect(SHOP, "generic_shop")
    await stage.connect(OTHER_SHOP, "generic_shop")
    await stage.connect(MARKET, stock={"buffer": 1})
    await stage.connect(OTHER_MARKET, sku={"link_mode": "pass_through"}, off=("stock", "price"))
    for offer_sku, shop_sku in LINKS.items():
        await stage.link(offer_sku, shop_sku)
    await stage.link("NOWHERE", "never-stated")
    for shop_sku in LINKS.values():
        await stage.stock(shop_sku, 20)
        await stage.price(shop_sku, "12.50")
    await stage.stock("b", 3, warehouse="second", shop=OTHER_SHOP)
    await stage.price("b", "10.00", "9.00", days=(1, 3))
    await stage.price("s1", "0")  # not above 0
    await stage.price("c", "11.00", "8.00", days=(None, 2))
    await stage.stock("past", 4, origin=Origin.BACKFILL)
    await push(stage)
    await stage.link("S1", "s1-new")
    await stage.stock("s1-new", 2)
    await stage.link("S2", "s2", active=False)
    await stage.link("S3", "a")  # shares the stock of A
    await listed(stage, "B", withdrawn=True)
    await listed(stage, "NOT-YET", withdrawn=True)
    await stage.link("NOT-YET", "not-yet")
    await stage.stock("not-yet", 6)
    await stage.stock("wrong", 1)
    await stage.connect(OTHER_SHOP, "generic_shop", environment="production")
    await stage.link("WRONG", "wrong", shop=OTHER_SHOP)
    await import_file(stage, (SHOP, "by-file", 9), (SHOP, "a", 15), (SHOP, "s3", 8))


async def orders(stage: Stage) -> None:
    """Held, consumed by a statement, shipped, cancelled in a line, refunded while held, stopped by the shop."""
    names = ("held", "taken", "shipped", "cancelled", "refunding", "stopped", "test")
    ids = {name: await stage.sell(name, ("A", 1), ("C", 1), is_test=name == "test") for name in names}
    await stage.taken(ids["taken"])
    await stage.taken(ids["stopped"])
    stage.clock.advance(60)
    await stage.stock("c", 18)
    await stage.taken(ids["stopped"], cancelled=True)
    await stage.becomes(ids["shipped"], "SHIPPED")
    await stage.becomes(ids["cancelled"], "PREPARATION", lines={"cancelled-0": "CANCELLED"})
    await stage.taken(ids["refunding"])
    await stage.becomes(ids["refunding"], "REFUNDING")
    await stage.becomes(ids["shipped"], "REFUNDING")
    await stage.sell("late", ("S3", 2))
    stage.clock.advance(60)
    await stage.stock("c", 17)
    await stage.stock("a", 14, at=-500)  # older than what a person stated


async def live(stage: Stage) -> History:
    history = History(stage.h)
    await offers(stage)
    await orders(stage)
    await push(stage)
    await stage.later(1.5)  # a discount has begun
    await push(stage)
    await stage.later(1)  # another is over
    await stage.connect(OTHER_MARKET, sku={"link_mode": "linked"}, off=("stock", "price"))  # nobody serves those now
    await stage.connect(MARKET, stock={"buffer": 2})
    await push(stage)
    await stage.stock("a", 11)  # on its way, of which no event speaks
    await stage.h.runtime.inbox.process(history.heard[5:30])  # delivered again
    return history


async def everything_happened(stage: Stage) -> None:
    """Else the comparison would prove less than it says."""
    pool = stage.h.runtime.pool

    async def values(query: str) -> set[Any]:
        return {row[0] for row in await pool.fetch(query)}

    assert await values("SELECT serving FROM offers") == {"linked", "withdrawn", "unserved", "mismatch"}
    assert await values("SELECT state FROM reservations") == {"held", "consumed", "released"}
    assert await values("SELECT reported_by FROM shop_stock") == {"shop", "tester"}
    told = "SELECT count(*) FROM offers WHERE told AND pushed_quantity IS NOT NULL AND pushed_price IS NOT NULL"
    assert await pool.fetchval(told) >= 3
    assert await pool.fetchval("SELECT count(*) FROM offers WHERE quantity_rejected IS NOT NULL") >= 1
    assert await pool.fetchval("SELECT count(*) FROM offers WHERE withdrawn_at IS NOT NULL") == 2
    assert await pool.fetchval("SELECT count(*) FROM offers WHERE planned_quantity <> pushed_quantity") >= 1
    assert await values("SELECT cause FROM parked") >= {"environment_mismatch", "price_invalid", "offer_missing"}


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def test_stock_sync_is_rebuilt_from_the_topics(stage: Stage, new_database: NewDatabase) -> None:
    history = await live(stage)
    await everything_happened(stage)
    calls = len(stage.simulators["manomano"].record.entries)
    for seed, batch in ((1, 1), (2, 7), (3, 500)):
        report = await history.prove(new_database(None), seed=seed, batch=batch)
        assert report.given == {"shop_stock": 2}
    assert len(stage.simulators["manomano"].record.entries) == calls
    await stage.h.emitted()  # empties the outbox, and with it what the history knows of our own events
    verdicts = await history.verdicts(new_database(None))
    assert sorted(name for name, verdict in verdicts.items() if not verdict.equal) == ["offers", "parked"]
