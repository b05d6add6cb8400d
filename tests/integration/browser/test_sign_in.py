"""Signing in and finding one's way, by mouse, by keys, on a phone, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .desk import Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


def test_signing_in_and_out(desk: Desk) -> None:
    page = desk.page()
    desk.check_themes(page, "today")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    desk.check_themes(page, "audit")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    desk.check_themes(page, "sign-in")


def test_the_chosen_theme_stays(desk: Desk) -> None:
    page = desk.page("viewer")
    page.locator("details.menu summary").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_it_is_readable_on_a_phone(desk: Desk) -> None:
    page = desk.page("operator", phone=True)
    desk.check(page, "today-phone")
