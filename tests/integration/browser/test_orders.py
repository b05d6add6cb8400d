"""Orders as an operator works on them, against the running hub: found, understood, answered, paid back, called off."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from hub_tools.demo.setting import UNLINKED, UNLINKED_SHOP_SKU
from integration.hub import Hub, eventually, of_type

from .desk import WAIT_MS, Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
expect.set_options(timeout=WAIT_MS)


@dataclass
class Shop:
    """Orders that the tests act on."""

    held: dict[str, Any]
    shipped: dict[str, Any]
    waiting: dict[str, Any]


def waits(hub: Hub, row: dict[str, Any], service: str, cause: str) -> None:
    """Wait until a service has parked the order and the console has heard of it."""
    hub.parked(service, cause, row["order_id"])
    story = partial(hub.story, row["connection_id"], row["reference"])
    eventually(lambda: cause in str(story()["parked"]), f"the console shows {cause}")


@pytest.fixture(scope="module")
def orders(hub: Hub) -> Shop:
    """One that is held, one that was shipped, one that waits for its debit."""
    mirakl, manomano = (hub.setting.connections[name] for name in ("mirakl", "manomano"))
    held, shipped = hub.buy("mirakl", (UNLINKED, 1))[0], hub.buy("manomano", ("COQUE-NOIR", 3))[0]
    later = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    (waiting,) = hub.buy("mirakl", ("COQUE-NOIR", 1), status="WAITING_DEBIT", created_at=later)
    row = hub.shows(mirakl, held, "PENDING")
    waits(hub, row, "order-acceptance", "acceptance_held")
    return Shop(row, hub.shows(manomano, shipped, "SHIPPED"), hub.shows(mirakl, waiting, "ACCEPTED"))


@pytest.fixture
def page(desk: Desk) -> Page:
    """An operator who says yes to every question."""
    page = desk.page("operator")
    page.on("dialog", Dialog.accept)
    return page


def open_order(page: Page, row: dict[str, Any]) -> None:
    page.goto(f"/orders/{row['order_id']}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(row["order_number"])


def told(page: Page, words: str) -> None:
    expect(page.locator("p.flash[role=status]")).to_contain_text(words)


def test_an_order_is_found_and_its_story_explains_it(desk: Desk, page: Page, orders: Shop) -> None:
    page.keyboard.press("/")
    page.keyboard.type(orders.shipped["reference"])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("SHIPPED")
    expect(page.locator("ol.story > li").first).to_contain_text("Received")
    expect(page.locator("ol.story")).to_contain_text("because of")
    expect(page.get_by_role("img", name=re.compile("^COQUE-NOIR"))).to_have_attribute(
        "aria-label", re.compile("3 in parcel 1, told|in parcel 2, told")
    )
    expect(page.get_by_role("heading", name="Money").locator("..")).to_contain_text("59.97 3 units")
    effect = page.locator("details", has=page.get_by_text("create order")).last
    effect.locator("summary").click()
    expect(effect).to_contain_text("Asked")
    desk.check_themes(page, "order")
    page.goto("/orders?q=COQUE-NOIR")
    expect(page.get_by_role("link", name=orders.shipped["order_number"])).to_be_visible()
    desk.check_themes(page, "orders")


def test_time_travel_shows_what_had_been_told_by_then(desk: Desk, page: Page, orders: Shop) -> None:
    open_order(page, orders.shipped)
    accepted = page.locator("ol.story > li", has=page.locator(".tag", has_text="took our answer"))
    accepted.get_by_role("link", name="look from here").click()
    expect(page.get_by_text("This is what was known")).to_be_visible()
    expect(page.get_by_role("heading", name="What you can do")).to_have_count(0)
    expect(page.locator("ol.story")).not_to_contain_text("Parcel left")
    expect(page.get_by_role("heading", name="What was told").locator("..")).to_contain_text("the marketplace")
    desk.check(page, "order-as-of")
    page.get_by_label("Step through the story").press("Home")
    expect(page.locator("ol.story > li")).not_to_have_count(0)
    expect(page.locator("ol.story")).not_to_contain_text("took our answer")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator("ol.story")).to_contain_text("Parcel told")


def test_a_held_order_is_held_accepted_and_routed_by_a_person(hub: Hub, page: Page, orders: Shop) -> None:
    open_order(page, orders.held)
    expect(page.locator("section.waiting")).to_contain_text("Parked: acceptance held")
    page.get_by_label("Answer the marketplace").fill("asking the shop")
    page.get_by_role("button", name="Hold").click()
    told(page, "Decided: hold. It stays open")
    page.get_by_label("Answer the marketplace").fill("the shop promised it by phone")
    page.get_by_role("button", name="Accept").click()
    told(page, "Decided: accept")
    connection = orders.held["connection_id"]
    hub.shows(connection, orders.held["reference"], "PREPARATION")
    waits(hub, orders.held, "order-router", "sku_unlinked")
    open_order(page, orders.held)
    route(page)
    told(page, "1 line(s) still wait.")
    route(page, shop="Demo shop (simulated)")
    told(page, "the line has no SKU of a shop yet")
    route(page, shop="Demo shop (simulated)", sku=UNLINKED_SHOP_SKU)
    told(page, "Routed; the shop gets the order next.")
    hub.shows(connection, orders.held["reference"], "SHIPPED")
    open_order(page, orders.held)
    expect(page.locator("section.waiting")).to_have_count(0)
    audit = page.get_by_role("heading", name="What people did").locator("..")
    expect(audit).to_contain_text("order reroute")
    expect(audit).to_contain_text(UNLINKED_SHOP_SKU)


def route(page: Page, shop: str = "by the rules", sku: str = "") -> None:
    """Route an order that waits."""
    page.locator("summary", has_text="Route again").click()
    page.get_by_label("Shop for the lines that wait").select_option(label=shop)
    page.get_by_label("Its SKU at that shop").fill(sku)
    page.get_by_label("Why", exact=True).fill("the shop sells it under another name")
    page.get_by_role("button", name="Route", exact=True).click()


def test_a_held_order_is_refused_and_no_longer_waits(hub: Hub, page: Page) -> None:
    reference = hub.buy("mirakl", (UNLINKED, 1))[0]
    row = hub.shows(hub.setting.connections["mirakl"], reference, "PENDING")
    waits(hub, row, "order-acceptance", "acceptance_held")
    open_order(page, row)
    page.get_by_label("What was done").fill("the buyer was called")
    page.get_by_role("button", name="Close").click()
    told(page, "Nothing waits for it any more")
    expect(page.get_by_role("heading", name="What people did").locator("..")).to_contain_text("parked close")
    page.get_by_label("Answer the marketplace").fill("no longer made")
    page.get_by_role("button", name="Refuse").click()
    told(page, "Decided: refuse")
    hub.shows(row["connection_id"], reference, "REFUSED")


def test_one_unit_of_a_shipped_order_is_refunded_once(hub: Hub, page: Page, orders: Shop) -> None:
    open_order(page, orders.shipped)
    page.locator("summary", has_text="Refund").first.click()
    page.get_by_label("Units of COQUE-NOIR to refund").fill("1")
    once = page.locator("form[action$='/refund'] input[name=request_id]").input_value()
    page.get_by_label("Reason (the marketplace's code)").fill("CUSTOMER_WITHDRAWAL")
    page.get_by_role("button", name="Refund").click()
    told(page, "Refund entered: 19.99 EUR")
    token = page.locator('meta[name="csrf"]').get_attribute("content") or ""
    line = hub.story(orders.shipped["connection_id"], orders.shipped["reference"])["order"]["lines"][0]["line_id"]
    form = {"csrf": token, "request_id": once, f"units.{line}": "1", "reason_code": "CUSTOMER_WITHDRAWAL"}
    assert page.request.post(f"/orders/{orders.shipped['order_id']}/refund", form=form, max_redirects=0).status == 303
    refunds = hub.cluster.api("refund-service").get(f"/v1/orders/{orders.shipped['order_id']}/ledger")["refunds"]
    assert len(refunds) == 1, "the same form sent twice is one refund"
    eventually(lambda: hub.outside().refunds_by_order.get(orders.shipped["reference"]) == 1, "the marketplace refunds")


def test_an_order_is_cancelled_before_its_debit(hub: Hub, page: Page, orders: Shop) -> None:
    open_order(page, orders.waiting)
    page.locator("summary", has_text="Cancel").first.click()
    page.get_by_role("button", name="Cancel the order").click()
    told(page, "Cancellation of the whole order entered")
    hub.shows(orders.waiting["connection_id"], orders.waiting["reference"], "CANCELLED")


def test_an_address_is_put_right_and_the_buyer_found_by_name(desk: Desk, page: Page, orders: Shop) -> None:
    open_order(page, orders.shipped)
    page.get_by_role("button", name="Show and correct the address").click()
    name = page.get_by_label("Last name").input_value()
    assert name
    page.get_by_label("Street", exact=True).fill("8 Rue Corrigée")
    page.get_by_label("Why").fill("the buyer wrote us")
    desk.check_themes(page, "order-address")
    page.get_by_role("button", name="Correct the address").click()
    told(page, "the former address")
    audit = page.get_by_role("heading", name="What people did").locator("..")
    expect(audit).to_contain_text("address correct")
    expect(audit).not_to_contain_text("Corrigée")
    page.get_by_role("button", name="Show the raw payload").click()
    expect(page.locator("pre").first).to_contain_text(name)
    desk.check_themes(page, "order-raw")
    page.goto(f"/orders?q={name}&tests=with")
    expect(page.get_by_role("link", name=orders.shipped["order_number"])).to_be_visible()
    page.goto(f"/orders/{orders.shipped['order_id']}")
    assert name not in page.content()
    eventually(lambda: page.reload() and "Address corrected" in page.locator("#story").inner_text(), "it is told")


def test_what_a_shop_would_not_take_is_sent_to_it_again(hub: Hub, page: Page) -> None:
    connection = hub.setting.connections["manomano"]
    fault = {"fault": "reject_4xx", "operation": "create_order", "times": 1}
    hub.sandbox.put("/generic_shop/_sandbox/faults", [fault])
    try:
        reference = hub.buy("manomano", ("COQUE-NOIR", 1))[0]
        refused = eventually(
            lambda: of_type(hub.story(connection, reference), "shop_order.rejected.v1"), "the shop would not take it"
        )
    finally:
        hub.sandbox.put("/generic_shop/_sandbox/faults", [])
    page.goto(f"/orders/{refused[0]['data']['order_id']}")
    page.get_by_role("button", name="Ask the marketplace now").click()
    expect(page.locator("p.flash.done[role=status]")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    told(page, "The order is sent to the shop again.")
    hub.shows(connection, reference, "SHIPPED")
    assert hub.outside().applied("create_order")[refused[0]["data"]["route_id"]] == 1
    page.reload()
    expect(page.get_by_role("button", name="Send again")).to_have_count(0)


def test_a_person_settles_what_nobody_could_tell(hub: Hub, page: Page) -> None:
    faults = [
        {"fault": "error_500_after_accept", "times": 1},
        {"fault": "error_500_before_effect", "operation": "read_order"},
    ]
    hub.sandbox.put("/manomano/_sandbox/faults", faults)
    try:
        connection = hub.setting.connections["manomano"]
        reference = hub.buy("manomano", ("COQUE-NOIR", 1))[0]
        doubt = eventually(lambda: hub.story(connection, reference)["doubts"], "the acceptance is in doubt")
        page.goto(f"/orders/{doubt[0]['order_id']}#doubts")
        page.get_by_label("What is so").select_option("it was done")
        page.get_by_label("Where you saw it").fill("the marketplace's back office shows it accepted")
        page.get_by_role("button", name="Settle").click()
        told(page, "No longer in doubt: the accept counts as done")
    finally:
        hub.sandbox.put("/manomano/_sandbox/faults", [])
    hub.shows(connection, reference, "SHIPPED")
    kinds = [entry["kind"] for entry in hub.record("manomano") if entry["reference"].split("/")[0] == reference]
    assert kinds.count("accept") == 1


def test_others_do_not_see_or_may_not_act(desk: Desk, orders: Shop) -> None:
    path = f"/orders/{orders.shipped['order_id']}"
    viewer = desk.page("viewer")
    viewer.goto(path)
    expect(viewer.get_by_role("heading", name="Story")).to_be_visible()
    assert viewer.locator("main form[method=post]").count() == 0
    token = viewer.locator('meta[name="csrf"]').get_attribute("content") or ""
    for action in ("decision", "refund", "cancel", "raw", "address"):
        assert viewer.request.post(f"{path}/{action}", form={"csrf": token}).status == 403, action
    stranger = desk.page("elsewhere")
    token = stranger.locator('meta[name="csrf"]').get_attribute("content") or ""
    assert stranger.request.get(path).status == 404
    assert stranger.request.post(f"{path}/fetch", form={"csrf": token}).status == 404
    stranger.goto(f"/orders?q={orders.shipped['reference']}")
    expect(stranger.get_by_text("No order is found by")).to_be_visible()


def test_an_order_on_a_phone(desk: Desk, orders: Shop) -> None:
    page = desk.page("operator", phone=True)
    open_order(page, orders.shipped)
    desk.check(page, "order-phone")
