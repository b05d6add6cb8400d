"""Connections in a browser: add one, see what is missing, change settings, map SKUs and carriers, try, pause."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from integration.hub import Hub

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
        desk.check(page, f"connection-{tab.split()[0].lower()}")


def test_adding_a_connection_and_bad_input(desk: Desk) -> None:
    page = accept_questions(desk.page())
    page.goto("/connections/new?connector=generic_shop")
    page.get_by_label("Tenant").fill("demo")
    page.get_by_label("Name", exact=True).fill("A shop of the browser")
    page.get_by_label("Environment").select_option("sandbox")
    page.get_by_role("button", name="Create it").click()
    if page.get_by_role("alert").count():
        desk.check(page, "connection-new-refused")
        desk.forgive(page, "422")
        page.locator("[name='own.delivery']").select_option("pull")
        page.get_by_role("button", name="Create it").click()
    flash(page, "Created, inactive")
    expect(page.locator("h1")).to_contain_text("inactive")
    page.get_by_role("link", name="Access").click()
    page.get_by_label("New key for").fill("browser")
    page.get_by_role("button", name="Make a key").click()
    expect(page.locator("#new-key")).to_have_text(re.compile(r"\S{20,}"))
    desk.check(page, "connection-key")
    page.get_by_role("link", name="I have it").click()
    expect(page.get_by_role("cell", name="browser", exact=True)).to_be_visible()
    page.get_by_role("button", name="Revoke").click()
    flash(page, "works no more")


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
    page.locator("tr", has_text="OF-THE-BROWSER").get_by_role("button", name="Unlink").click()
    flash(page, "is not linked any more")


def test_a_carrier_rule_is_tried_before_it_counts(desk: Desk, hub: Hub) -> None:
    page = accept_questions(desk.page("operator"))
    page.goto(f"/connections/{hub.setting.connections['mirakl']}/carriers")
    page.get_by_label("The shop’s carrier").fill("TORTOISE")
    page.get_by_label("Marketplace’s carrier name").fill("Tortoise Express")
    page.get_by_role("button", name="Try on past parcels").click()
    expect(page.get_by_role("heading", name="Tried on the last")).to_be_visible()
    desk.check(page, "connection-carriers-tried")
    page.get_by_role("button", name="Save").click()
    flash(page, "The rule counts")
    page.locator("tr", has_text="TORTOISE").get_by_role("button", name="Remove").click()
    flash(page, "The rule is gone")


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


def test_pausing_and_resuming(desk: Desk, hub: Hub) -> None:
    page = accept_questions(desk.page())
    page.goto(f"/connections/{hub.setting.connections['manomano']}")
    page.get_by_role("button", name="Pause").click()
    flash(page, "It is paused now")
    page.get_by_role("button", name="Resume").click()
    flash(page, "It is active now")
    page.goto("/audit")
    expect(page.locator("tbody tr").first).to_contain_text("resume")
