"""Topics in a browser: an order's events as they happen, the schema beside a record, to its order and back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from integration.hub import Hub

from .desk import Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
SKU = "PERC-18V-01"


def test_the_list_tells_how_far_services_are_behind(desk: Desk) -> None:
    page = desk.page("viewer")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.get_by_role("heading", name="Topics")).to_be_visible()
    row = page.locator("tr", has=page.get_by_role("link", name="hub.orders", exact=True))
    expect(row).to_contain_text("order-ingest")
    # The broker is asked in the background; the page refreshes by itself.
    expect(row).to_contain_text(re.compile(r"\d+ of \d+ up to date"), timeout=60_000)
    expect(page.get_by_text("The broker does not say")).to_have_count(0)
    desk.check_themes(page, "topics")


def test_a_live_tail_shows_an_order_as_it_happens(desk: Desk, hub: Hub) -> None:
    page = desk.page("viewer")
    connection = hub.setting.connections["manomano"]
    page.goto(f"/topics/hub.orders?type=order.received.v1&connection={connection}&text={SKU}")
    state, rows = page.locator("#tail-state"), page.locator("#tail tbody tr")
    expect(state).to_contain_text("live")
    page.get_by_role("button", name="Clear").click()
    first = hub.buy("manomano", (SKU, 1))[0]
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text(first)
    page.get_by_role("button", name="Pause").click()
    second = hub.buy("manomano", (SKU, 1), ("COQUE-NOIR", 1))[0]
    expect(state).to_contain_text("paused · 1 new")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Resume").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(second)
    expect(rows.filter(has_text="order.status_changed")).to_have_count(0)
    desk.check_themes(page, "topic-live")
    page.reload()
    expect(rows.first).to_contain_text(second)


def test_from_a_record_to_its_order_its_effects_and_back(desk: Desk, hub: Hub) -> None:
    reference = hub.buy("manomano", (SKU, 1))[0]
    row = hub.shows(hub.setting.connections["manomano"], reference, "PREPARATION")
    page = desk.page("operator")
    page.goto(f"/topics/hub.orders?key={row['order_id']}&type=order.received.v1")
    page.get_by_role("link", name="order.received.v1").click()
    expect(page.get_by_role("heading", name="Schema")).to_be_visible()
    expect(page.get_by_label("Fields")).to_contain_text("order_number")
    desk.check_themes(page, "topic-record")
    effect = page.get_by_role("link", name="order.acceptance_decided.v1")
    expect(effect).to_be_visible()
    effect.click()
    expect(page.locator("h1")).to_contain_text("order.acceptance_decided.v1")
    page.get_by_role("link", name="order.received.v1").click()
    expect(page.locator("h1")).to_contain_text("order.received.v1")
    page.get_by_role("link", name="In the topic").click()
    expect(page.locator("tr[aria-current=true]")).to_contain_text(reference)
    page.locator("tr[aria-current=true]").get_by_role("link", name=reference).click()
    expect(page).to_have_url(re.compile(f"/orders/{row['order_id']}"))
    expect(page.locator("h1")).to_contain_text(reference)
    back = page.locator("a[href*='/topics/hub.orders/records/']").first
    page.goto(str(back.get_attribute("href")))
    expect(page.get_by_role("heading", name="Schema")).to_be_visible()


def test_the_newest_of_each_key_and_masked_buyers(desk: Desk, hub: Hub) -> None:
    page = desk.page("operator", phone=True)
    page.goto("/topics/hub.connections?latest=1")
    links = page.locator("table.tail tbody tr a[href*='/records/']")
    expect(links.first).to_be_visible()
    keys = page.locator("table.tail tbody td:nth-child(3)").all_text_contents()
    assert len(keys) == len(set(keys))
    desk.check(page, "topic-latest-phone")
    hub.buy("manomano", (SKU, 1))
    page.goto("/topics/hub.order-customers")
    page.locator("table.tail tbody tr a[href*='/records/']").first.click()
    expect(page.get_by_text("Masked, because it is personal data")).to_be_visible()
    desk.check(page, "topic-record-phone")


def test_others_see_none_of_it(desk: Desk, hub: Hub) -> None:
    page = desk.page("elsewhere")
    page.goto("/topics/hub.orders")
    expect(page.locator("#tail tbody tr.empty")).to_be_visible()
    expect(page.locator("#tail-state")).to_contain_text("live")
    story = hub.story(hub.setting.connections["manomano"], hub.buy("manomano", (SKU, 1))[0])
    event = story["timeline"][0]
    answer = page.request.get(f"/topics/{event['topic']}/records/{event['event_id']}")
    assert answer.status == 404
    expect(page.locator("#tail tbody tr")).to_have_count(1)
