"""What-if in a browser: past orders through changed rules; which would change, and nothing that is stored."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from hub_tools.demo.setting import PRICES
from integration.hub import Hub

from .desk import Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
SKU = next(iter(PRICES))


def result(page: Page) -> str:
    heading = page.locator("#result-title")
    heading.wait_for()
    return heading.inner_text()


def test_orders_that_another_policy_would_hold(desk: Desk, hub: Hub) -> None:
    connection_id = hub.setting.connections["manomano"]
    [reference] = hub.buy("manomano", (SKU, 1))
    row = hub.shows(connection_id, reference, "SHIPPED")
    page = desk.page("viewer")
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.get_by_label("Connection").select_option(connection_id)
    page.get_by_role("button", name="Choose").click()
    desk.check_themes(page, "what-if-form")
    page.get_by_role("button", name="Show what would change").click()
    expect(page.get_by_role("alert")).to_contain_text("Change a setting first")
    page.get_by_label("Auto accept").select_option("false")
    page.get_by_role("button", name="Show what would change").click()
    assert result(page).startswith(tuple("123456789"))
    order = page.get_by_role("link", name=row["order_number"])
    expect(order).to_have_attribute("href", f"/orders/{row['order_id']}")
    desk.forgive(page, "422")
    desk.check_themes(page, "what-if")


def test_routing_and_carrier_rules(desk: Desk, hub: Hub) -> None:
    connection_id = hub.setting.connections["manomano"]
    page = desk.page()
    page.goto(f"/what-if?connection={connection_id}&kind=routing")
    rules = json.loads(page.get_by_label("Rules, the first").input_value())
    assert rules[0]["shop_connection_id"]
    page.get_by_role("button", name="Show what would change").click()
    assert result(page).startswith("0 of")
    page.goto(f"/what-if?connection={connection_id}&kind=carriers")
    page.get_by_label("The shop’s carrier").fill("DPD")
    page.get_by_label("Marketplace’s carrier name").fill("Another")
    page.get_by_label("Priority").fill("1")
    page.get_by_role("button", name="Show what would change").click()
    assert "parcels would change" in result(page)
