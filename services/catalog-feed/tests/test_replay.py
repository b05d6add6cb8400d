"""catalog-feed rebuilt: what people stated is given, what became of it follows from events, and nobody hears again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from catalog_feed.main import SPEC
from catalog_feed.replay import REPLAY
from hub_common.replay import plan_problems
from hub_common.replay_digest import compare, digest, odd_rows
from hub_common.testing.history import History
from hub_contracts.connections import ConnectionKind
from hub_contracts.stock import OfferPushed

from .conftest import MARKET as FEED_MARKET
from .conftest import SHOP, Stage
from .markets import MARKET, Markets
from .test_imports import GOOD, MIXED, ended, upload
from .test_publishing import PHONE

NewDatabase = Callable[[str | None], str]


def pushed(connection_id: UUID, sku: str) -> tuple[str, OfferPushed]:
    """stock-sync tells that the marketplace took a quantity."""
    data = OfferPushed(
        connection_id=connection_id,
        offer_sku=sku,
        effect_id=UUID(int=1),
        quantity=1,
        confirmed_by="answer",
    )
    return f"{connection_id}:{sku}", data


async def offers_and_files(stage: Markets) -> None:
    """Offers taken, refused, stated anew, withdrawn, stated again by their dates; files taken whole, in part, never."""
    await stage.connect()
    now = stage.clock.now()
    dated = {
        "price": "99.90",
        "discount_price": "89.90",
        "discount_from": (now + timedelta(hours=2)).isoformat(),
        "discount_until": (now + timedelta(hours=9)).isoformat(),
    }
    unknown = {"product_id": "UNKNOWN", "product_id_type": "SKU"}
    for sku, changes in (("N-1", {}), ("N-2", {}), ("N-3", unknown), ("N-4", {"prices": [dated]}), ("N-5", unknown)):
        await stage.put(sku, PHONE | changes)
    await stage.send()
    await stage.put("N-1", PHONE | {"quantity": 1})
    await stage.put("N-5", PHONE)
    assert (await stage.client.delete(f"/v1/connections/{MARKET}/offers/N-2")).status_code == 202
    await stage.send()
    await stage.put("N-1", PHONE | unknown)
    await ended(stage, (await upload(stage, GOOD))["import_id"])
    await ended(stage, (await upload(stage, MIXED, file_name="others.csv"))["import_id"])
    await upload(stage, "", 422)
    await stage.h.feed(pushed(MARKET, "N-1"))
    stage.clock.advance(2 * 3600)
    assert await stage.boundary()  # the discount begins: listed, and on its way once more
    await stage.put("N-6", PHONE)


async def feeds(stage: Stage) -> None:
    """A feed that goes out twice, shrinks and is forced out, and is blocked."""
    await stage.stand(bad_rows="leave_out")
    skus = [f"S{number}" for number in range(10)]
    await stage.products(*skus)
    await stage.offers(*skus)
    await stage.build()
    # A price that went and came back at once has changed all the same.
    later = [stage.offer("S1", price=price) for price in ("19.90", "5.00", "19.90")]
    stage.clock.advance(7)
    later = [(key, data.model_copy(update={"changed_at": stage.clock.now()})) for key, data in later]
    await stage.h.feed(*later, pushed(FEED_MARKET, "S1"))
    await stage.offers("S2", available=1)
    await stage.build()
    await stage.h.runtime.pool.execute("DELETE FROM products WHERE shop_sku = ANY($1)", skus[:5])
    await stage.offers("S9", available=2)
    await stage.build()
    force = f"/v1/feeds/{FEED_MARKET}/versions/3/force"
    assert (await stage.client.post(force, json={"reason": "end of the season"})).status_code == 200
    await stage.build()
    assert (await stage.put(f"/connections/{FEED_MARKET}/feeds/offers", {"bad_rows": "block"})).status_code == 201
    await stage.products("S7", brand="")
    await stage.build()
    await stage.connect(SHOP, ConnectionKind.SHOP, label="another")
    await stage.root.get(await stage.address())


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


async def rebuilt(history: History, database: str, shadow: str, batch: int) -> set[str]:
    """Rebuild and compare; returns the tables that hold something."""
    before = await history.told()
    verdicts = await history.verdicts(shadow, seed=batch, batch=batch)
    for table in REPLAY.tables:
        if not verdicts[table.name].equal:
            key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
            pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert await history.told() == before
    return {name for name, verdict in verdicts.items() if verdict.rebuilt.rows}


async def differing(database: str, shadow: str) -> list[str]:
    again = compare(await digest(database, REPLAY), await digest(shadow, REPLAY))
    return [each.table for each in again if not each.equal]


async def test_offers_and_product_files_are_rebuilt(mirakl: Markets, database: str, new_database: NewDatabase) -> None:
    history, shadow, pool = History(mirakl.h), new_database(None), mirakl.h.runtime.pool
    await offers_and_files(mirakl)
    effects = len(await mirakl.h.effects())
    full = await rebuilt(history, database, shadow, 500)
    assert full >= {"listings", "product_imports", "parked", "connections"}
    assert len(await mirakl.h.effects()) == effects
    # Else the comparison would prove less than it says.
    rows = await pool.fetch("SELECT state, count(*) AS n FROM listings GROUP BY state")
    assert {row["state"] for row in rows} == {"listed", "rejected", "withdrawn", "publishing"}
    assert await pool.fetchval("SELECT count(*) FROM listings WHERE listed_version < version") >= 2
    assert {row["state"] for row in await pool.fetch("SELECT state FROM product_imports")} == {"ended", "refused"}
    await pool.execute("UPDATE listings SET listed_at = now() WHERE offer_sku = 'N-2'")
    await pool.execute("UPDATE product_imports SET counters = counters || '{\"rows_failed\": 9}'")
    assert await differing(database, shadow) == ["listings", "product_imports"]


async def test_feeds_are_rebuilt(stage: Stage, database: str, new_database: NewDatabase) -> None:
    history, shadow, pool = History(stage.h), new_database(None), stage.h.runtime.pool
    await feeds(stage)
    assert await rebuilt(history, database, shadow, 1) >= {"feeds", "feed_profiles", "offers", "parked"}
    rows = await pool.fetch("SELECT state, forced_by FROM feeds ORDER BY feed, version")
    assert [tuple(row) for row in rows][:3] == [("published", None), ("published", None), ("published", "tester")]
    assert await pool.fetchval("SELECT count(*) FROM offers WHERE pushed_at IS NOT NULL") == 1
    await pool.execute("UPDATE feed_profiles SET published_version = 1")
    await pool.execute("UPDATE feeds SET sha256 = 'other' WHERE version = 2")
    await pool.execute("UPDATE offers SET priced_at = now() WHERE offer_sku = 'S1'")
    assert await differing(database, shadow) == ["offers", "feeds", "feed_profiles"]
