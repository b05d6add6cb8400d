"""Today: counts that are kept instead of counted, deadlines, lag against time left, and services that do not answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.examples.world import TENANT
from ops_console import store, store_today, today_view
from ops_console.accounts import hash_password
from ops_console.charts import bar_chart, hours_until, nice_top, open_over_time
from ops_console.main import SPEC
from ops_console.upkeep import sum_up
from ops_console.watch import NAMES, Round, Seen, read_lag

from .test_console import records
from .test_sign_in import PASSWORD, Browser

HASH = hash_password(PASSWORD)
ACCOUNTS = f"ada:admin:*:{HASH} vic:viewer:{TENANT}:{HASH} eve:viewer:elsewhere:{HASH}"
NOW = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
METRICS = """# HELP hub_consumer_lag_seconds Age
hub_consumer_lag_seconds{partition="0",topic="hub.orders"} 4.0
hub_consumer_lag_seconds{partition="1",topic="hub.orders"} 0.5
hub_consumer_lag_records{partition="0",topic="hub.orders"} 7.0
"""
INSERT = """
INSERT INTO orders (order_id, tenant, connection_id, connector, environment, is_test, ours, live, order_number,
    reference, status, marketplace_status, total_price, currency, units, created_at, accept_by, ship_by, search,
    snapshot_version, status_version)
VALUES ($1, $2, $3, 'mirakl', 'sandbox', $4, true, true, $5, $5, $6, $6, 1, 'EUR', 1, $7, $8, $9, '', 1, 1)
"""


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    settings: dict[str, Any] = {"console_token": "t", "service_url_template": "http://127.0.0.1:9"}
    async with Harness(SPEC, database, local_accounts=ACCOUNTS, **settings) as running:
        yield running


async def order(harness: Harness, status: str, *, tenant: str = TENANT, test: bool = False, **due: float) -> UUID:
    now, order_id = harness.clock.now(), uuid4()
    instants = {name: now + timedelta(hours=hours) for name, hours in due.items()}
    await harness.runtime.pool.execute(
        INSERT,
        order_id,
        tenant,
        UUID(int=1),
        test,
        f"N-{order_id.hex[:6]}",
        status,
        now - timedelta(hours=2),
        instants.get("accept_by"),
        instants.get("ship_by"),
    )
    return order_id


async def kept(harness: Harness) -> dict[str, int]:
    async with harness.runtime.pool.acquire() as conn:
        rows = await conn.fetch(store_today.COUNTS, None)
    found: Counter[str] = Counter()
    for row in rows:
        found[row["status"]] += row["orders"]
    return dict(found)


async def counted(harness: Harness) -> dict[str, int]:
    rows = await harness.runtime.pool.fetch("SELECT status, count(*) AS n FROM orders WHERE NOT is_test GROUP BY 1")
    return {row["status"]: row["n"] for row in rows}


async def test_kept_counts_are_those_that_counting_would_give_whatever_writes_orders(harness: Harness) -> None:
    await harness.runtime.inbox.process(records())
    for status in ("PENDING", "PENDING", "SHIPPED"):
        await order(harness, status)
    await order(harness, "SHIPPED", test=True)
    assert await kept(harness) == await counted(harness)
    pool = harness.runtime.pool
    await pool.execute("UPDATE orders SET status = 'REFUSED' WHERE status = 'PENDING'")
    await pool.execute("UPDATE orders SET total_price = 2")
    assert await kept(harness) == await counted(harness)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("DELETE FROM orders WHERE status = 'REFUSED'")
    for _ in range(210):
        await pool.execute("UPDATE orders SET status = CASE status WHEN 'SHIPPED' THEN 'DELIVERED' ELSE 'SHIPPED' END")
    before = await kept(harness)
    await sum_up(harness.runtime)
    assert await pool.fetchval("SELECT count(*) FROM order_tallies") < 20
    assert await kept(harness) == before == await counted(harness)


async def test_a_replay_or_backfill_is_no_news_of_the_hour(harness: Harness) -> None:
    await harness.runtime.inbox.process(records())
    rows = await harness.runtime.pool.fetch("SELECT what, sum(events) AS n FROM hourly_tallies GROUP BY 1")
    told = await harness.runtime.pool.fetch(
        "SELECT type, count(*) AS n FROM story_events WHERE origin = 'live' AND coalesce(data ->> 'is_test',"
        " data -> 'order' ->> 'is_test') IS DISTINCT FROM 'true' GROUP BY 1"
    )
    types = {row["type"]: row["n"] for row in told}
    found = {row["what"]: row["n"] for row in rows}
    assert found["received"] == types["order.received.v1"]
    assert found["accepted"] == types["order.accepted.v1"]
    assert found["missed"] == types["order.deadline_missed.v1"]
    before = await harness.runtime.pool.fetchval("SELECT sum(events) FROM hourly_tallies WHERE what = 'received'")
    await harness.runtime.pool.execute(
        "INSERT INTO story_events (event_id, topic, key, type, tenant, source, at, version, origin, data)"
        " SELECT gen_random_uuid(), topic, key, type, tenant, source, at, version, 'backfill', data FROM story_events"
        " WHERE type = 'order.received.v1'"
    )
    after = await harness.runtime.pool.fetchval("SELECT sum(events) FROM hourly_tallies WHERE what = 'received'")
    assert after == before


async def test_deadlines_by_time_left_name_the_order_that_is_due_first(harness: Harness) -> None:
    late = await order(harness, "PENDING", accept_by=-1)
    soon = await order(harness, "PREPARATION", ship_by=0.5)
    await order(harness, "PREPARATION", ship_by=0.9)
    await order(harness, "PREPARATION", ship_by=30)
    await order(harness, "SHIPPED", ship_by=-5)
    await order(harness, "PENDING", accept_by=-1, tenant="elsewhere")
    now = harness.clock.now()
    async with harness.runtime.pool.acquire() as conn:
        figures = await store_today.today(conn, [TENANT], now)  # type: ignore[arg-type]
    clocks = today_view.clocks(figures["deadlines"], figures["tightest"], now)
    shown = [(c["kind"], c["bucket"], c["orders"], c["first"]["order_id"]) for c in clocks if c["bucket"] != "later"]
    assert shown == [("accept_by", "missed", 1, late), ("ship_by", "below_1_h", 2, soon)]
    assert today_view.tightest(clocks) == pytest.approx(1800)
    assert [row["order_id"] for row in figures["unexplained"]] == [late]


async def test_a_person_sees_the_figures_of_their_tenants_only(harness: Harness) -> None:
    await harness.runtime.inbox.process(records())
    browser = Browser(await harness.serve())
    await browser.sign_in("vic")
    mine = (await browser.get("/")).body
    assert 'href="/orders?status=' in mine
    await browser.sign_in("eve")
    theirs = (await browser.get("/")).body
    assert "No orders yet." in theirs
    assert "Nothing is parked" in theirs


async def test_what_services_say_is_shown_and_what_they_do_not_is_said(harness: Harness) -> None:
    await order(harness, "PREPARATION", ship_by=3)
    app = FastAPI()

    @app.get("/v1/operations/dead-letters/causes")
    async def letters() -> dict[str, Any]:
        row = {"cause": "undecodable", "topic": "hub.orders", "error": "no <b>body</b>", "count": 3}
        return {"items": [row | {"first": "2026-03-02T09:00:00Z", "last": "2026-03-02T09:00:00Z"}]}

    @app.get("/v1/operations/budgets")
    async def budgets() -> dict[str, Any]:
        return {"items": []}

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(METRICS)

    server = WebServer(app)
    await server.start()
    harness.settings.service_urls["order-router"] = server.url  # type: ignore[attr-defined]
    browser = Browser(await harness.serve())
    await browser.sign_in("ada")
    page = (await browser.get("/")).body
    await server.stop()
    assert "4 s of 3 h left" in page
    assert "0.04 %" in page
    assert "undecodable" in page
    assert "no &lt;b&gt;body&lt;/b&gt;" in page
    assert "Not known of" in page
    assert "order-ingest cannot be reached" in page
    await browser.sign_in("vic")
    page = (await browser.get("/")).body
    assert "undecodable" in page, "the same look serves everybody for some seconds"
    assert "no &lt;b&gt;body" not in page, "an error may quote another tenant's data"


async def test_the_api_counts_the_same(harness: Harness) -> None:
    await order(harness, "PENDING", accept_by=1)
    async with harness.runtime.pool.acquire() as conn:
        figures = await store.today(conn, harness.clock.now())  # type: ignore[arg-type]
    assert figures["orders"] == [{"connector": "mirakl", "status": "PENDING", "count": 1}]


def test_lag_is_that_of_the_slowest_partition() -> None:
    assert read_lag(METRICS) == (4.0, 7)
    assert read_lag("# nothing\n") == (None, 0)
    seen = Round((Seen("a", lag_seconds=40.0), Seen("b", lag_seconds=0.1), Seen("c", error="away")))
    rows = {row["service"]: row for row in today_view.lags(seen, 3600.0)}
    assert (rows["a"]["state"], rows["a"]["words"]) == ("warn", "40 s of 1 h left")
    assert (rows["b"]["state"], rows["c"]["state"]) == ("ok", "bad")
    assert today_view.lags(seen, None)[0]["service"] in ("a", "c")
    assert "order-ingest" in NAMES


def test_pollers_that_fail_or_are_late_come_first() -> None:
    base = {"label": "x", "state": "active", "consecutive_failures": 0, "age_seconds": 1.0, "last_success_at": None}
    items = [base | {"connection_id": name} for name in ("fresh", "late", "failing", "foreign")]
    items[1]["age_seconds"], items[2]["consecutive_failures"] = 500.0, 3
    rows = today_view.pollers(
        Round(pollers=tuple(items)), {n: {} for n in ("fresh", "late", "failing")}, {"late": 60.0}
    )
    assert [(row["connection_id"], row["state_of_poll"]) for row in rows] == [
        ("failing", "bad"),
        ("late", "warn"),
        ("fresh", "ok"),
    ]


def test_budgets_of_others_are_not_shown() -> None:
    line = {"connections": ["mine"], "used": 5, "calls": 10, "verdict": "short"}
    seen = Round((Seen("s", budgets=(line, line | {"connections": ["theirs"]}, line | {"verdict": "ok", "used": 9})),))
    rows = today_view.budgets(seen, {"mine": {"label": "Mine"}})
    assert [(row["tag"], row["share"], row["labels"]) for row in rows] == [("bad", 0.5, "Mine"), ("ok", 0.9, "Mine")]


def test_charts() -> None:
    axis = hours_until(NOW, 3)
    assert axis[-1] == NOW.replace(minute=0)
    chart = bar_chart("c", "Orders", axis, {"a": {axis[1]: 3}, "b": {axis[1]: 1, axis[2]: 2}}, "orders")
    assert (chart.total, len(chart.bars), chart.rows[1][1]) == (6, 3, (3, 1))
    assert chart.bars[1].y < chart.bars[0].y, "the second series stands on the first"
    assert [nice_top(n) for n in (0, 1, 3, 7, 11, 99)] == [1, 1, 5, 10, 20, 100]
    assert open_over_time(4, {axis[2]: 1, axis[1]: 3}, axis) == [0, 3, 4]
