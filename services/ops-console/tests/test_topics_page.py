"""Topics: lists, filters that agree with the live tail, links between records, live tails that end, other tenants."""

from __future__ import annotations

import asyncio
import http.client
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import orjson
import pytest

from hub_common.clock import SystemClock
from hub_common.kafka.records import InRecord
from hub_common.testing import Harness
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.examples import EXAMPLES
from hub_contracts.orders import OrderCustomerRecorded, OrderReceived
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.topics import CONNECTIONS, ORDER_CUSTOMERS, ORDERS, TOPICS
from ops_console import store_topics, tail
from ops_console.main import SPEC
from ops_console.topic_view import Cursor, TopicFilter, schema_rows

from .test_console import records
from .test_sign_in import ACCOUNTS, Browser

RECEIVED = next(one.data for one in EXAMPLES if isinstance(one.data, OrderReceived))
CUSTOMER = next(one.data for one in EXAMPLES if isinstance(one.data, OrderCustomerRecorded))


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database, clock=SystemClock(), local_accounts=ACCOUNTS) as running:
        await running.runtime.inbox.process(records())
        yield running


@pytest.fixture
async def browser(harness: Harness) -> Browser:
    opened = Browser(await harness.serve())
    await opened.sign_in("ada")
    return opened


def order_record(harness: Harness, number: int, *, tenant: str = "acme", key: str = "") -> InRecord:
    """An order of its own."""
    order_id = UUID(key) if key else uuid4()
    order = RECEIVED.order.model_copy(update={"order_id": order_id, "order_number": f"NEW-{number}"})
    body = RECEIVED.model_copy(update={"order": order}).model_dump_json().encode()
    now = harness.clock.now()
    meta = Metadata(harness.runtime.ids.new(), OrderReceived.TYPE, "order-ingest", now, str(order_id), tenant, 1)
    return InRecord(ORDERS, 0, 10_000 + number, str(order_id).encode(), body, encode_headers(meta), 0)


class Watcher:
    """An open tail, read by hand: what a browser's EventSource would be told."""

    def __init__(self, browser: Browser, path: str, **headers: str) -> None:
        parts = urlsplit(browser.base)
        assert parts.hostname is not None
        self._line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        cookies = "; ".join(f"{k}={v}" for k, v in browser.cookies.items())
        self._line.request("GET", path, headers={"cookie": cookies, "accept": "text/event-stream"} | headers)
        self.answer = self._line.getresponse()

    def next(self) -> dict[str, str]:
        """The next message; heartbeats are passed over."""
        found: dict[str, str] = {}
        while True:
            line = self.answer.readline().decode()
            if not line:
                return {"event": "closed"}
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n" and "event" in found:
                return found
            if name:
                found[name] = value

    def close(self) -> None:
        self._line.close()


async def watch(browser: Browser, path: str, **headers: str) -> Watcher:
    return await asyncio.to_thread(Watcher, browser, path, **headers)


async def until(check: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_the_list_names_every_topic_and_says_when_the_broker_is_away(browser: Browser) -> None:
    page = await browser.get("/topics")
    assert page.status == 200
    for topic in TOPICS:
        assert f"/topics/{topic.name}" in page.body
    assert "The broker does not say how far services are behind" in page.body
    assert (await browser.get("/topics/hub.nothing")).status == 404


async def test_every_type_can_be_read_with_its_schema(browser: Browser, harness: Harness) -> None:
    rows = await harness.runtime.pool.fetch("SELECT DISTINCT ON (type) event_id, topic FROM story_events ORDER BY type")
    for row in rows[::6]:
        page = await browser.get(f"/topics/{row['topic']}/records/{row['event_id']}")
        assert page.status == 200
        assert '<h2 id="schema">Schema</h2>' in page.body
    for model in EVENT_TYPES:
        assert {row.name for row in schema_rows(model.TYPE) if row.depth == 0} == set(model.model_fields)
    order = {row.name: row for row in schema_rows(OrderReceived.TYPE)}
    assert (order["order_id"].type, order["order_id"].depth) == ("uuid", 1)
    assert "list of" in order["lines"].type


FILTERS = [
    TopicFilter(),
    TopicFilter(type="order.received.v1"),
    TopicFilter(key=str(RECEIVED.order.order_id)[:6].upper()),
    TopicFilter(key=str(RECEIVED.order.order_id)),
    TopicFilter(connection=str(RECEIVED.order.connection_id)),
    TopicFilter(header="source", value="order-ingest"),
    TopicFilter(header="source", value="order"),
    TopicFilter(header="tenant", value="nobody"),
    TopicFilter(header="origin", value="live"),
    TopicFilter(header="trace", value="4bf92f"),
    TopicFilter(text=RECEIVED.order.order_number.upper()),
    TopicFilter(text="%"),
    TopicFilter(type="order.changed.v1", text='"currency": "eur"'),
]


async def test_looking_back_and_the_live_tail_agree_on_what_a_filter_means(harness: Harness) -> None:
    async with harness.runtime.pool.acquire() as conn:
        conn_: Any = conn
        for topic in (ORDERS, CONNECTIONS, "hub.stock"):
            everything = await store_topics.arrived(conn_, 0, [topic], 10_000)
            for wanted in FILTERS:
                there = {row["event_id"] for row in everything if row["topic"] == topic and wanted.fits(row)}
                page = await store_topics.page_of(conn_, topic, wanted, tenants=None, limit=500)
                assert {row["event_id"] for row in page.rows} == there, wanted
                assert page.older is None


async def test_paging_back_shows_each_record_once_and_says_how_far_it_looked(
    browser: Browser, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = harness.clock.now()
    await harness.runtime.inbox.process([order_record(harness, n) for n in range(120)])
    # Many records of one instant: the place of a page must be told by more than the time.
    await harness.runtime.pool.execute("UPDATE story_events SET at = $1 WHERE topic = $2", same, ORDERS)
    total = await harness.runtime.pool.fetchval("SELECT count(*) FROM story_events WHERE topic = $1", ORDERS)
    seen: list[str] = []
    path: str | None = f"/topics/{ORDERS}?limit=50"
    while path:
        page = (await browser.get(path)).body
        seen += re.findall(r'data-seq="(\d+)"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else None
    assert len(seen) == len(set(seen)) == total
    monkeypatch.setattr(store_topics, "LOOK_BACK", 40)
    page = (await browser.get(f"/topics/{ORDERS}?text=occurs-nowhere")).body
    assert "None of the last 40 records is like this" in page
    assert "Looked back to" in page


async def test_a_record_is_shown_in_its_place(browser: Browser, harness: Harness) -> None:
    made = [order_record(harness, n) for n in range(40)]
    await harness.runtime.inbox.process(made)
    middle = dict(made[20].headers)["ce_id"].decode()
    page = (await browser.get(f"/topics/{ORDERS}?record={middle}&limit=50")).body
    rows = re.findall(r"<tr data-seq[^>]*>", page)
    assert [number for number, row in enumerate(rows) if "aria-current" in row] == [10]
    assert (await browser.get(f"/topics/hub.stock?record={middle}")).status == 404


async def test_from_a_record_to_its_order_its_cause_and_what_it_led_to(browser: Browser, harness: Harness) -> None:
    row = await harness.runtime.pool.fetchrow(
        "SELECT e.event_id, e.topic, e.order_id, c.event_id AS cause, c.topic AS cause_topic FROM story_events e"
        " JOIN story_events c ON e.causation_id = c.event_id::text WHERE e.order_id IS NOT NULL LIMIT 1"
    )
    assert row is not None
    page = await browser.get(f"/topics/{row['topic']}/records/{row['event_id']}")
    assert f'href="/orders/{row["order_id"]}"' in page.body
    back = f'href="/topics/{row["cause_topic"]}/records/{row["cause"]}"'
    assert back in page.body
    cause = await browser.get(back[6:-1])
    assert f'href="/topics/{row["topic"]}/records/{row["event_id"]}"' in cause.body


async def test_the_newest_record_of_each_key(browser: Browser, harness: Harness) -> None:
    key = str(uuid4())
    await harness.runtime.inbox.process([order_record(harness, n, key=key) for n in (1, 2, 3)])
    async with harness.runtime.pool.acquire() as conn:
        page = await store_topics.page_of(conn, ORDERS, TopicFilter(), tenants=None, latest=True, limit=500)  # type: ignore[arg-type]
    assert len({row["key"] for row in page.rows}) == len(page.rows)
    assert [row["version"] for row in page.rows if row["key"] == key] == [1]
    assert [orjson.loads(row["body"])["order"]["order_number"] for row in page.rows if row["key"] == key] == ["NEW-3"]
    shown = await browser.get(f"/topics/{ORDERS}?latest=1&text=NEW-1")
    assert "None of the last" in shown.body


async def test_personal_data_is_named_not_shown(browser: Browser, harness: Harness) -> None:
    event = await harness.runtime.pool.fetchval("SELECT event_id FROM story_events WHERE topic = $1", ORDER_CUSTOMERS)
    page = await browser.get(f"/topics/{ORDER_CUSTOMERS}/records/{event}")
    assert "Masked, because it is personal data" in page.body
    assert "<code>shipping.street_1</code>" in page.body
    assert CUSTOMER.shipping is not None
    assert CUSTOMER.shipping.street_1 not in page.body
    assert "Operators see the buyer on" in page.body
    await browser.sign_in("vic")
    await harness.runtime.pool.execute("UPDATE story_events SET tenant = 'acme'")
    assert "An operator can see the buyer" in (await browser.get(f"/topics/{ORDER_CUSTOMERS}/records/{event}")).body


async def test_other_tenants_records_are_not_there(browser: Browser, harness: Harness) -> None:
    mine, other = order_record(harness, 1), order_record(harness, 2, tenant="foreign")
    await harness.runtime.inbox.process([mine, other])
    await browser.sign_in("vic")
    page = (await browser.get(f"/topics/{ORDERS}")).body
    assert ("NEW-1" in page, "NEW-2" in page) == (True, False)
    assert len(re.findall("<tr data-seq", page)) == 1, "the examples are of another tenant too"
    for record, status in ((mine, 200), (other, 404)):
        event = dict(record.headers)["ce_id"].decode()
        assert (await browser.get(f"/topics/{ORDERS}/records/{event}")).status == status
        assert (await browser.get(f"/topics/{ORDERS}?record={event}")).status == status
    assert "NEW-2" not in (await browser.get(f"/topics/{ORDERS}?text=NEW-&latest=1")).body


async def test_questions_that_cannot_be_read_get_a_page(browser: Browser) -> None:
    for query in ("connection=x", "header=secret", "until=yesterday", "before=now", "before=2026-01-01|1"):
        answer = await browser.get(f"/topics/{ORDERS}?{query}")
        assert (answer.status, "That cannot be read" in answer.body) == (422, True), query


async def test_a_live_tail_tells_what_fits_and_resumes_where_it_was(browser: Browser, harness: Harness) -> None:
    after = await harness.runtime.pool.fetchval("SELECT max(seq) FROM story_events")
    path = f"/topics/{ORDERS}/live?{urlencode({'after': after, 'text': 'new-'})}"
    watcher = await watch(browser, path)
    assert watcher.answer.status == 200
    assert watcher.answer.headers["content-type"].startswith("text/event-stream")
    other = order_record(harness, 2)
    other = other._replace(value=other.value.replace(b"NEW-2", b"ELSE-2"))  # type: ignore[union-attr]
    await harness.runtime.inbox.process([order_record(harness, 1), other, order_record(harness, 3)])
    first, second = await asyncio.to_thread(watcher.next), await asyncio.to_thread(watcher.next)
    assert ("NEW-1" in first["data"], "NEW-3" in second["data"]) == (True, True)
    assert orjson.loads(first["data"]).startswith("<tr data-seq")
    watcher.close()
    await harness.runtime.inbox.process([order_record(harness, 4)])
    again = await watch(browser, path, **{"last-event-id": first["id"]})
    told = [await asyncio.to_thread(again.next) for _ in range(2)]
    assert ["NEW-3" in told[0]["data"], "NEW-4" in told[1]["data"]] == [True, True]
    again.close()


async def test_records_that_commit_late_are_told_too(browser: Browser, harness: Harness) -> None:
    """Two replicas take numbers in one order and commit in the other."""
    after = await harness.runtime.pool.fetchval("SELECT max(seq) FROM story_events")
    watcher = await watch(browser, f"/topics/{ORDERS}/live?after={after}")
    async with harness.runtime.pool.acquire() as slow, slow.transaction():
        await slow.execute(
            "INSERT INTO story_events (event_id, topic, key, type, tenant, source, at, version, origin, data)"
            " SELECT gen_random_uuid(), topic, 'LATE', type, tenant, source, at, version, origin, data"
            " FROM story_events WHERE topic = $1 LIMIT 1",
            ORDERS,
        )
        await harness.runtime.inbox.process([order_record(harness, 1)])
        assert "NEW-1" in (await asyncio.to_thread(watcher.next))["data"]
    assert "LATE" in (await asyncio.to_thread(watcher.next))["data"]
    watcher.close()


async def test_a_tail_ends_with_the_session_and_shows_no_other_tenant(browser: Browser, harness: Harness) -> None:
    await browser.sign_in("vic")
    watcher = await watch(browser, f"/topics/{ORDERS}/live?after=0")
    await harness.runtime.inbox.process([order_record(harness, 1, tenant="foreign"), order_record(harness, 2)])
    assert "NEW-2" in (await asyncio.to_thread(watcher.next))["data"]
    await browser.post("/sign-out", {"csrf": await browser.csrf()})
    assert (await asyncio.to_thread(watcher.next))["event"] == "end"
    assert (await asyncio.to_thread(watcher.next))["event"] == "closed"
    assert (await browser.get(f"/topics/{ORDERS}/live", accept="text/event-stream")).status == 401


async def test_tails_are_bounded_and_given_back(
    browser: Browser, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "VIEWERS", 2)
    open_ = [await watch(browser, f"/topics/{ORDERS}/live") for _ in range(2)]
    refused = await browser.get(f"/topics/{ORDERS}/live", accept="text/event-stream")
    assert (refused.status, refused.headers["retry-after"]) == (503, "30")
    for one in open_:
        one.close()

    async def free() -> Watcher | None:
        one = await watch(browser, f"/topics/{ORDERS}/live")
        return one if one.answer.status == 200 else None

    end = time.monotonic() + 10
    while (found := await free()) is None:
        assert time.monotonic() < end, "a tail that was left is still counted"
    found.close()


def test_a_place_survives_its_address() -> None:
    place = Cursor(SystemClock().now(), 5)
    assert Cursor.parse(str(place)) == place
