"""Connections in a browser: add one, see what is missing, change settings, map SKUs and carriers, try, pause."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from hub_tools.demo.setting import PRICES, WEBHOOK_SECRET
from integration.hub import Hub, eventually

from .desk import Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


def flash(page: Page, words: str) -> None:
    expect(page.get_by_role("status")).to_contain_text(words)


def accept_questions(page: Page) -> Page:
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def test_the_pages_of_a_connection(desk: Desk, hub: Hub) -> None:
    page = desk.page()
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", name="Connections")).to_be_visible()
    desk.check_themes(page, "connections")
    page.goto(f"/connections/{hub.setting.connections['mirakl']}")
    expect(page.get_by_text("ready", exact=True)).to_be_visible()
    desk.check_themes(page, "connection")
    for tab in ("Settings", "Access", "SKU links", "Carriers", "Test and backfill", "History"):
        page.get_by_label("Parts of this connection").get_by_role("link", name=tab).click()
        expect(page.locator(".tabs [aria-current=page]")).to_have_text(tab)
        desk.check_themes(page, f"connection-{tab.split()[0].lower()}")


def press(page: Page, button: str, words: str) -> None:
    """Press a button and wait for what the console says about it."""
    page.get_by_role("button", name=button, exact=True).click()
    flash(page, words)


def test_a_connection_from_its_first_field_to_its_end(desk: Desk) -> None:
    page = accept_questions(desk.page())
    page.goto("/connections/new?connector=generic_shop")
    desk.check_themes(page, "connection-new")
    page.get_by_label("Tenant").fill("demo")
    page.get_by_label("Name", exact=True).fill("A shop of the browser")
    page.get_by_label("Environment").select_option("sandbox")
    page.locator("[name='own.webhook_url']").fill("over there")
    page.get_by_role("button", name="Create it").click()
    expect(page.get_by_role("alert")).to_contain_text("webhook_url")
    desk.check(page, "connection-new-refused")
    desk.forgive(page, "422")
    page.locator("[name='own.webhook_url']").fill("")
    page.locator("[name='own.delivery']").select_option("pull")
    page.get_by_role("button", name="Create it").click()
    flash(page, "Created, inactive")
    expect(page.locator("h1")).to_contain_text("inactive")
    page.get_by_role("link", name="Access").click()
    page.get_by_label("New key for").fill("browser")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#new-key")).to_have_text(re.compile(r"\S{20,}"))
    desk.check_themes(page, "connection-key")
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_role("cell", name="browser", exact=True)).to_be_visible()
    page.locator("[name='secret.webhook_secret']").fill(WEBHOOK_SECRET)
    press(page, "Replace", "Replaced. Nobody can read them here")
    assert WEBHOOK_SECRET not in page.content()
    page.get_by_label("verify").fill("40")
    press(page, "Change budgets", "Budgets changed: verify")
    expect(page.get_by_label("verify")).to_have_value("40")
    page.get_by_role("link", name="Overview").click()
    press(page, "Verify credentials", "The outside answered: the credentials work.")
    press(page, "Activate", "It is active now")
    press(page, "Pause", "It is paused now")
    press(page, "Resume", "It is active now")
    press(page, "Pause", "It is paused now")
    press(page, "Deactivate", "It is inactive now")
    page.get_by_role("link", name="Access").click()
    press(page, "Revoke", "works no more")


def test_settings_are_checked_by_their_owner(desk: Desk, hub: Hub) -> None:
    page = desk.page()
    page.goto(f"/connections/{hub.setting.connections['mirakl']}/settings")
    page.get_by_label("Max order age hours").fill("-3")
    page.get_by_role("button", name="Save").click()
    flash(page, "max_order_age_hours")
    page.get_by_label("Max order age hours").fill("9999")
    page.get_by_role("button", name="Save").click()
    flash(page, "Saved: acceptance.max_order_age_hours")
    expect(page.get_by_label("Max order age hours")).to_have_value("9999")
    page.get_by_role("link", name="History").click()
    expect(page.locator("tbody tr").first).to_contain_text("admin")


def test_linking_and_unlinking(desk: Desk, hub: Hub) -> None:
    page = accept_questions(desk.page())
    page.goto(f"/connections/{hub.setting.connections['mirakl']}/links")
    page.locator("#l-offer").fill("OF-THE-BROWSER")
    page.locator("#l-sku").fill("SHOP-OF-THE-BROWSER")
    page.get_by_role("button", name="Link", exact=True).click()
    flash(page, "OF-THE-BROWSER is served by SHOP-OF-THE-BROWSER")
    page.get_by_label("Find", exact=True).fill("of-the-browser")
    page.get_by_role("button", name="Find").click()
    file = {"name": "links.csv", "mimeType": "text/csv", "buffer": b"offer_sku,wrong\nA,B\n"}
    page.get_by_label("File").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Check only").click()
    flash(page, "column")
    shop = hub.setting.connections["generic_shop"]
    rows = f"offer_sku,shop_connection_id,shop_sku\nOF-A-FILE,{shop},SHOP-OF-A-FILE\n"
    for button, words in (("Check only", "The file is sound: 1 links"), ("Import", "1 links are set")):
        page.get_by_label("File").set_input_files(file | {"buffer": rows.encode()})  # type: ignore[arg-type]
        press(page, button, words)
    expect(page.get_by_role("cell", name="SHOP-OF-A-FILE")).to_be_visible()
    page.locator("tr", has_text="OF-THE-BROWSER").get_by_role("button", name="Unlink").click()
    flash(page, "is not linked any more")


def test_a_carrier_rule_is_tried_before_it_counts(desk: Desk, hub: Hub) -> None:
    page = accept_questions(desk.page("operator"))
    page.goto(f"/connections/{hub.setting.connections['mirakl']}/carriers")
    page.get_by_label("The shop’s carrier").fill("TORTOISE")
    page.get_by_label("Marketplace’s carrier name").fill("Tortoise Express")
    page.get_by_role("button", name="Try on past parcels").click()
    expect(page.get_by_role("heading", name="Tried on the last")).to_be_visible()
    desk.check_themes(page, "connection-carriers-tried")
    page.get_by_role("button", name="Save").click()
    flash(page, "The rule counts")
    page.locator("tr", has_text="TORTOISE").get_by_role("button", name="Remove").click()
    flash(page, "The rule is gone")
    press(page, "Fetch now", "carriers are fetched within seconds")


def test_a_test_order_and_a_backfill_are_asked_for(desk: Desk, hub: Hub) -> None:
    connection_id, sku = hub.setting.connections["mirakl"], next(iter(PRICES))
    page = desk.page()
    page.goto(f"/connections/{connection_id}/tests")
    page.get_by_label("Offer SKU").fill(sku)
    page.get_by_label("Quantity").fill("2")
    press(page, "Make a test order", "it shows under Orders as a test")
    expect(page.get_by_role("region", name="Test orders").locator("tbody tr").first).to_contain_text(sku)
    # Long before anything was sold: what is fetched there cannot be another test's order.
    page.get_by_label("From (UTC)").fill("2020-01-01")
    page.get_by_label("Until, not included").fill("2020-01-02")
    press(page, "Fetch", "It is stored and never causes effects")
    found = eventually(
        lambda: [row for row in hub.orders(connection_id).values() if row["is_test"]], "the test order is an order"
    )
    page.goto("/orders?tests=only")
    expect(page.get_by_role("link", name=found[0]["order_number"])).to_be_visible()
    page.goto(f"/connections/{connection_id}/tests")
    expect(page.get_by_role("region", name="Backfills").locator("tbody tr").first).to_contain_text("2020")


def test_who_may_not_sees_no_buttons_and_is_refused(desk: Desk, hub: Hub) -> None:
    path = f"/connections/{hub.setting.connections['manomano']}"
    page = desk.page("viewer")
    page.goto(path)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    token = page.locator("meta[name=csrf]").get_attribute("content")
    answer = page.request.post(f"{path}/step/pause", form={"csrf": token or ""})
    assert (answer.status, "role admin" in answer.text()) == (403, True)
    other = desk.page("elsewhere")
    other.goto("/connections")
    expect(other.get_by_text("No connections yet")).to_be_visible()
    assert other.request.get(path).status == 404


def test_polling_pausing_and_resuming(desk: Desk, hub: Hub) -> None:
    page = accept_questions(desk.page())
    page.goto(f"/connections/{hub.setting.connections['manomano']}")
    press(page, "Poll now", "It is polled now")
    press(page, "Pause", "It is paused now")
    press(page, "Resume", "It is active now")
    page.goto("/audit")
    expect(page.locator("tbody tr").first).to_contain_text("resume")
