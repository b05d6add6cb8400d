"""Privacy in a browser: a buyer found by name, exported into one file, erased, and found no more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from hub_tools.demo.setting import PRICES
from integration.hub import Hub

from .desk import Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
SKU = next(iter(PRICES))
NAME = "Aurelia Wistlegrove"
BUYER = {"firstname": "Aurelia", "lastname": "Wistlegrove"}


def test_a_buyer_is_found_exported_and_erased(desk: Desk, hub: Hub, tmp_path: Path) -> None:
    [reference] = hub.buy("manomano", (SKU, 1), buyer=BUYER)
    row = hub.shows(hub.setting.connections["manomano"], reference, "SHIPPED")
    page = desk.page("admin")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.get_by_label("E-mail, phone").fill(NAME)
    page.get_by_role("button", name="Find").click()
    order = page.get_by_role("link", name=row["order_number"])
    expect(order).to_be_visible()
    assert "Wistlegrove" not in page.url
    desk.check_themes(page, "privacy")
    with page.expect_download() as told:
        page.get_by_role("button", name="Export as one file").click()
    file = tmp_path / "told.json"
    told.value.save_as(file)
    (one,) = json.loads(file.read_text())["orders"]
    assert one["held"]["shop-gateway"]["customers"][0]["shipping"]["last_name"] == "Wistlegrove"
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("The buyers of 1 orders are erased")).to_be_visible()
    desk.check_themes(page, "privacy-erased")
    page.get_by_label("E-mail, phone").fill(row["order_number"])
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("erased", exact=True)).to_be_visible()
    page.get_by_label("Older than").fill("30")
    page.get_by_label("Why", exact=True).fill("spring cleaning")
    page.get_by_role("button", name="Count first").click()
    expect(page.get_by_text("Nothing was erased yet")).to_be_visible()
    desk.check_themes(page, "privacy-tenant")
