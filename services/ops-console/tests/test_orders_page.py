"""Finding orders, and an order's story: by whatever is at hand, at any instant, for those whose business it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from fastapi import FastAPI

from hub_common.kafka.records import InRecord
from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.envelope import encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE, EXAMPLES
from hub_contracts.examples.world import ORDER, ORDER_REFERENCE, TENANT
from hub_contracts.orders import Address, OrderCustomerErased, OrderCustomerRecorded
from ops_console.accounts import hash_password
from ops_console.buyer_terms import Learned, TermKeys
from ops_console.main import SPEC
from ops_console.pages.orders_actions import read_units
from ops_console.store_orders import words_query
from ops_console.story_view import parcel_map, read_instant, steps, tell

from .test_console import records
from .test_sign_in import PASSWORD, Browser

HASH = hash_password(PASSWORD)
ACCOUNTS = f"ole:operator:{TENANT}:{HASH} vic:viewer:{TENANT}:{HASH} eve:operator:elsewhere:{HASH}"
BUYER = next(e.data for e in EXAMPLES if isinstance(e.data, OrderCustomerRecorded) and e.data.order_id == ORDER)
STORY = f"/orders/{ORDER}"


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    settings: dict[str, Any] = {"console_token": "t", "service_url_template": "http://127.0.0.1:9"}
    async with Harness(SPEC, database, local_accounts=ACCOUNTS, **settings) as running:
        erased = OrderCustomerErased.TYPE.encode()
        await running.runtime.inbox.process([r for r in records() if ("ce_type", erased) not in r.headers])
        yield running


@pytest.fixture
async def browser(harness: Harness) -> Browser:
    return Browser(await harness.serve())


async def found(browser: Browser, **query: str) -> bool:
    """Whether the list, or the story that a single hit leads to, is that of the example's order."""
    answer = await browser.get("/orders?" + "&".join(f"{k}={quote(v)}" for k, v in query.items()))
    assert answer.status in (200, 303), answer.body
    return STORY in answer.headers.get("location", "") or f'href="{STORY}"' in answer.body


async def test_an_order_is_found_by_whatever_is_at_hand(browser: Browser, harness: Harness) -> None:
    await browser.sign_in("ole")
    tracking = await harness.runtime.pool.fetchval(
        "SELECT tracking_number FROM tracking_numbers WHERE order_id = $1", ORDER
    )
    for text in (
        ORDER_REFERENCE,
        ORDER_REFERENCE[:8].lower(),
        "lum-opaline",
        tracking,
        f" {tracking.lower()} ",
        str(ORDER),
    ):
        assert await found(browser, q=text), text
    for text in ("nothing-like-it", "' | 'x", "\\", "%", f"{ORDER_REFERENCE} nothing"):
        assert not await found(browser, q=text), text


async def test_a_buyer_is_found_by_operators_and_nothing_of_him_is_kept(browser: Browser, harness: Harness) -> None:
    address = BUYER.shipping
    assert address is not None
    assert address.last_name
    assert address.first_name
    assert address.postal_code
    await browser.sign_in("ole")
    asked = [address.last_name.upper(), f"{address.first_name} {address.last_name}", address.postal_code]
    asked += [
        f"{address.last_name} {address.postal_code}",
        address.email or address.last_name,
        address.phone or address.last_name,
    ]
    for text in asked:
        assert await found(browser, q=text), text
    assert not await found(browser, q=f"{address.last_name} 00000")
    assert not await found(browser, q=address.first_name), "half of Europe is called that"
    rows = await harness.runtime.pool.fetch("SELECT t::text AS line FROM customer_terms t")
    assert rows
    assert not [row for row in rows if address.last_name.lower() in row["line"].lower()]
    other = TermKeys([b"k" * 32])
    assert not {term for row in rows for term in other.of_buyer(BUYER) if term.hex() in row["line"]}, "the key is in it"
    await browser.sign_in("vic")
    assert not await found(browser, q=address.last_name)
    await harness.runtime.inbox.process(records())
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM customer_terms") == 0, "the last event erases him"
    await browser.sign_in("ole")
    assert not await found(browser, q=address.last_name)


async def test_filters(browser: Browser, harness: Harness) -> None:
    await browser.sign_in("vic")
    row = await harness.runtime.pool.fetchrow("SELECT * FROM orders WHERE order_id = $1", ORDER)
    day, connection = row["created_at"].date().isoformat(), str(row["connection_id"])
    await harness.runtime.pool.execute(
        "UPDATE orders SET status = 'PREPARATION', live = true, is_test = false, ship_by = $2 WHERE order_id = $1",
        ORDER,
        harness.clock.now(),
    )
    yes = [{"status": "PREPARATION"}, {"connection_id": connection}, {"since": day, "until": day}, {"tests": "with"}]
    no = [{"status": "REFUSED"}, {"connection_id": str(UUID(int=7))}, {"since": "2031-01-01"}, {"tests": "only"}]
    yes += [{"deadline": "below_1_h"}]
    no += [{"deadline": "missed"}, {"deadline": "later"}, {"cause": "no_such_cause"}]
    assert [await found(browser, **query) for query in yes] == [True] * len(yes)
    assert [await found(browser, **query) for query in no] == [False] * len(no)
    for bad in ("connection_id=7", "since=soon", "cursor=x", "deadline=never", "cursor=2026-01-01|7"):
        assert (await browser.get(f"/orders?{bad}")).status == 422, bad


async def test_pages_of_orders_follow_each_other_without_gaps(browser: Browser, harness: Harness) -> None:
    await harness.runtime.pool.execute(
        "INSERT INTO orders SELECT gen_random_uuid(), tenant, connection_id, connector, environment, false, ours, live,"
        " 'P' || i, 'P' || i, status, marketplace_status, total_price, currency, units,"
        " now() - make_interval(secs => i / 3), accept_by, ship_by, 'p' || i, 1, 1"
        " FROM orders, generate_series(1, 120) i WHERE order_id = $1",
        ORDER,
    )
    await browser.sign_in("vic")
    seen: list[str] = []
    address: str | None = "/orders?tests=with"
    while address:
        body = (await browser.get(address)).body
        seen += re.findall(r'<a href="/orders/([0-9a-f-]{36})">', body)
        following = re.search(r'href="(/orders\?[^"]+)" rel="next"', body)
        address = following[1].replace("&amp;", "&") if following else None
    assert (
        len(seen)
        == len(set(seen))
        == await harness.runtime.pool.fetchval("SELECT count(*) FROM orders WHERE tenant = $1", TENANT)
    )


async def test_another_tenants_person_finds_nothing_and_gets_404(browser: Browser) -> None:
    await browser.sign_in("eve")
    assert not await found(browser, q=ORDER_REFERENCE)
    assert (await browser.get(STORY)).status == 404
    token = {"csrf": await browser.csrf()}
    for path in ("decision", "fetch", "raw", "address", "cancel", "refund", f"doubts/{UUID(int=1)}/settle"):
        form = token | {"decision": "accept", "reason": "because", "request_id": str(ORDER), "reason_code": "X"}
        form |= {"verdict": "applied", "evidence": "seen"}
        assert (await browser.post(f"{STORY}/{path}", form)).status == 404, path


async def test_a_viewer_reads_and_cannot_act(browser: Browser, harness: Harness) -> None:
    await browser.sign_in("vic")
    body = (await browser.get(STORY)).body
    assert "What you can do" not in body
    assert body.count("<form") == body.count('action="/theme"') + body.count('action="/sign-out"') + body.count(
        'role="search"'
    ) + body.count('method="dialog"') + body.count('method="get"')
    token = await browser.csrf()
    for path in ("decision", "fetch", "raw", "address", "address/correct", "cancel", "refund", "reroute"):
        assert (await browser.post(f"{STORY}/{path}", {"csrf": token})).status == 403, path
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM audit_log WHERE action <> 'sign_in'") == 0


async def test_the_story_says_what_happened_why_and_what_is_not_known_now(browser: Browser) -> None:
    await browser.sign_in("ole")
    page = await browser.get(STORY)
    assert page.status == 200
    for words in ("Received", "Decided: accept", "Parcel told", "because of", "rules tried", "Causes and effects"):
        assert words in page.body, words
    assert "Not known now" in page.body, "no service answers here, and that is said"
    address = BUYER.shipping
    assert address is not None
    assert str(address.last_name) not in page.body


async def test_time_travel_shows_only_what_was_known_and_offers_nothing_to_do(
    browser: Browser, harness: Harness
) -> None:
    await browser.sign_in("ole")
    at = await harness.runtime.pool.fetchval(
        "SELECT at FROM story_events WHERE order_id = $1 AND type = 'order.accepted.v1'", ORDER
    )
    page = (await browser.get(f"{STORY}?as_of={quote(at.isoformat())}")).body
    assert "As of " in page
    assert "The marketplace took our answer: accepted" in page
    for later in ("Parcel left", "Parcel told", "What you can do", "What people did", "data-confirm"):
        assert later not in page, later
    before = (await browser.get(f"{STORY}?as_of=2020-01-01T00:00")).body
    assert "Nothing was known of this order by then" in before
    assert (await browser.get(f"{STORY}?step=1")).body.count("<li id=") >= 1
    assert (await browser.get(f"{STORY}?as_of=yesterday")).status == 422


async def test_a_corrected_address_is_in_the_story_with_what_it_led_to(browser: Browser, harness: Harness) -> None:
    """However it was made: the console learns of it from its event."""
    corrected, led_to = EXAMPLE_BY_TYPE["shipping_address.corrected.v1"], EXAMPLE_BY_TYPE["shop_order.created.v1"]
    at = corrected.time + timedelta(minutes=1)
    meta = replace(led_to.metadata(corrected), event_id=UUID(int=7), time=at, aggregate_version=99)
    body = led_to.data.model_dump_json().encode()
    record = InRecord(led_to.data.TOPIC, 0, 999, meta.key.encode(), body, encode_headers(meta), 0)
    await harness.runtime.inbox.process([record])
    await browser.sign_in("vic")
    page = (await browser.get(STORY)).body
    assert page.count("<span>postal code, street 1; by operator-3</span>") == 1
    number = re.search(r'id="e(\d+)"[^>]*><div class="row"><span class="tag info">Address corrected<', page)
    assert number
    assert page.count(f'because of <a href="#e{number[1]}">{number[1]}. Address corrected</a>') == 1
    for travelled, shown in ((corrected.time - timedelta(seconds=1), False), (corrected.time, True)):
        then = (await browser.get(f"{STORY}?as_of={quote(travelled.isoformat())}")).body
        assert ("Address corrected" in then) is shown
        assert ". Address corrected</a>" not in then


async def test_what_is_asked_of_a_service_is_audited_with_its_outcome(browser: Browser, harness: Harness) -> None:
    bodies: list[Any] = []
    app = FastAPI()

    @app.post("/v1/orders/{order_id}/decision")
    async def decide(order_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
        bodies.append(body)
        return {}

    server = WebServer(app)
    await server.start()
    await browser.sign_in("ole")
    form = {"csrf": await browser.csrf(), "decision": "refuse", "reason": "sold out since"}
    away = await browser.post(f"{STORY}/decision", form)
    assert (away.status, away.headers["location"]) == (303, STORY)
    assert "cannot be reached" in (await browser.get(STORY)).body
    harness.settings.service_urls["order-acceptance"] = server.url  # type: ignore[attr-defined]
    await browser.post(f"{STORY}/decision", form)
    await server.stop()
    assert bodies == [{"decision": "refuse", "reason": "sold out since"}]
    body = (await browser.get(STORY)).body
    assert "Decided: refuse. The marketplace is told next." in body
    rows = await harness.runtime.pool.fetch(
        "SELECT outcome, tenant, order_id, login FROM audit_log WHERE action = 'order_refuse' ORDER BY at, audit_id"
    )
    assert [tuple(row) for row in rows] == [("failed", TENANT, ORDER, "ole"), ("done", TENANT, ORDER, "ole")]
    assert (await browser.post(f"{STORY}/decision", form | {"reason": "x"})).status == 422
    assert (await browser.post(f"{STORY}/parked/{UUID(int=1)}/close", form | {"resolution": "done"})).status == 404


def test_digests_of_the_same_words_are_the_same_however_they_are_typed() -> None:
    keys = TermKeys([b"1" * 32])
    data = BUYER.model_copy(
        update={"shipping": Address(last_name="D’Été-Müller", phone="+33 6 39 98 00 01", postal_code="AB1 2CD")}
    )
    kept = keys.of_buyer(data.model_copy(update={"billing": None}))
    for text in ("d'ete muller", "D’ÉTÉ MÜLLER", "06.39.98.00.01", "ab12cd"):
        assert set(keys.of_question(text)[0]) & kept, text
    rotated = TermKeys([b"2" * 32, b"1" * 32])
    assert set(rotated.of_question("ab12cd")[0]) & kept, "found after the key was changed"
    assert repr(rotated) == "TermKeys(2)"
    assert not TermKeys().of_buyer(data)
    assert Learned.keys is not None


def test_units_of_a_form() -> None:
    assert read_units({"units.a": "2", "units.b": "0", "units.c": " ", "csrf": "1"}) == [
        {"line_id": "a", "quantity": 2}
    ]
    for bad in ("-1", "1.5", "many", "９", "9999999"):
        with pytest.raises(Exception, match="units must be a number"):
            read_units({"units.a": bad})


def test_words_for_the_index_cannot_leave_their_quotes() -> None:
    assert words_query("a'b \\c") == "'a''b':* & '\\\\c':*"


def test_which_unit_is_in_which_parcel() -> None:
    order = {"lines": [{"line_id": "a", "offer_sku": "A", "title": "", "quantity": 3}]}
    parcels = [
        {"lines": [{"line_id": "a", "quantity": 1}], "marketplace_knows": True},
        {"lines": [{"line_id": "a", "quantity": 1}, {"line_id": "b", "quantity": 9}], "marketplace_knows": False},
    ]
    (row,) = parcel_map(order, parcels)["rows"]
    assert [(s["parcel"], s["told"]) for s in row["squares"]] == [(1, True), (2, False), (0, False)]
    assert (row["left"], row["over"]) == (1, 0)
    (over,) = parcel_map({"lines": [order["lines"][0] | {"quantity": 1}]}, parcels)["rows"]
    assert (over["left"], over["over"]) == (0, 1)


def test_the_way_through_time() -> None:
    at = [datetime(2026, 3, 2, 9, minute, tzinfo=UTC) for minute in (0, 1, 1, 5)]
    events = [
        {
            "at": t,
            "event_id": str(n),
            "topic": "t",
            "version": n,
            "causation_id": str(n - 1),
            "type": "x.y.v1",
            "data": {},
        }
        for n, t in enumerate(at)
    ]
    way = steps(events, at[1])
    assert (way["count"], way["at"], way["before"], way["after"]) == (3, 2, at[0], at[3])
    assert (steps(events, None)["at"], steps(events, None)["after"]) == (3, None)
    line = tell(events)
    assert [event["depth"] for event in line] == [0, 1, 2, 3]
    assert line[3]["since"] == 300
    assert read_instant("2026-03-02T09:01") > at[1], "a minute means all of it"
    assert read_instant("2026-03-02T10:01:00+01:00") == at[1]
