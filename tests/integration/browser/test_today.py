"""Today: what needs a person is seen at once and led to, in both themes, on a phone, and without losing one's place."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from hub_tools.demo.setting import UNLINKED
from integration.hub import Hub

from .desk import WAIT_MS, Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
expect.set_options(timeout=WAIT_MS)


def test_what_needs_a_person_is_led_to(hub: Hub, desk: Desk) -> None:
    mirakl = hub.setting.connections["mirakl"]
    reference = hub.buy("mirakl", (UNLINKED, 1))[0]
    order_id = hub.shows(mirakl, reference, "PENDING")["order_id"]
    hub.parked("order-acceptance", "acceptance_held", order_id)
    page = desk.page("operator")
    # The page renews itself: nothing is clicked until the parked order is there.
    expect(page.locator("#live-parked").get_by_role("link", name="acceptance held")).to_be_visible()
    figures = page.get_by_role("region", name="What needs a person now")
    expect(figures.get_by_role("link", name="Parked")).not_to_contain_text("Parked0")
    expect(page.locator("#live-lag")).to_contain_text("order-router")
    expect(page.locator("#live-pollers").get_by_role("link", name="Pixmania on Mirakl (simulated)")).to_be_visible()
    expect(page.locator("#live-budgets")).to_contain_text("the next hour needs")
    expect(page.locator("#live-charts svg[role=img]")).to_have_count(6)
    expect(page.get_by_text("Not known of")).to_have_count(0)
    desk.check_themes(page, "today-busy")
    page.locator("#live-parked").get_by_role("link", name="acceptance held").click()
    expect(page.get_by_role("heading", name="Orders", level=1)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("section.waiting").first).to_contain_text("Parked: acceptance held")


def test_a_refresh_leaves_focus_and_what_is_open_alone(desk: Desk) -> None:
    page = desk.page("viewer")
    table = page.locator("#live-charts details").first
    table.locator("summary").click()
    link = page.locator("#live-orders a").first
    link.focus()
    for _ in range(2):
        page.evaluate("hub.refresh()")
    expect(link).to_be_focused()
    expect(table).to_have_attribute("open", "")


def test_today_on_a_phone(desk: Desk) -> None:
    desk.check(desk.page("viewer", phone=True), "today-busy-phone")
