"""A person at the console, in a real Chromium. Every page is checked for what it must never do."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response

from .visits import Visits

REPO = Path(__file__).resolve().parents[3]
SCREENS = Path(os.environ.get("HUB_SCREENS_DIR", REPO / ".artefacts" / "screens"))
"""Screenshots are kept here; the pipeline keeps the folder."""
PASSWORD = "a-password-of-the-tests"
WIDE, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
SERIOUS = ("serious", "critical")
WAIT_MS = 20_000


@dataclass
class Desk:
    """Opens pages of one console."""

    url: str
    browser: Browser
    visits: Visits
    pages: list[tuple[Page, list[str]]] = field(default_factory=list)
    here: dict[Page, str | None] = field(default_factory=dict)
    """Name of the route whose page each browser shows."""

    def page(
        self,
        login: str = "admin",
        *,
        theme: Literal["light", "dark"] = "light",
        phone: bool = False,
    ) -> Page:
        """A signed-in browser with its own cookies. Errors of scripts and foreign requests are collected."""
        context = self.browser.new_context(
            viewport=PHONE if phone else WIDE,  # type: ignore[arg-type]
            color_scheme=theme,
            base_url=self.url,
            timezone_id="Europe/Paris",
            locale="en-GB",
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        page, complaints = context.new_page(), list[str]()

        def heard(message: ConsoleMessage) -> None:
            if message.type == "error":
                complaints.append(message.text)

        def asked(request: Request) -> None:
            if not request.url.startswith((self.url, "data:")):
                complaints.append(f"request to {request.url}")

        def answered(response: Response) -> None:
            request, html = response.request, "text/html" in response.headers.get("content-type", "")
            goes = request.is_navigation_request() and html
            shown = self.visits.answered(request.method, urlsplit(request.url).path, response.status, page=goes)
            if goes:
                self.here[page] = shown

        page.on("response", answered)
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", asked)
        self.pages.append((page, complaints))
        page.goto("/sign-in")
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Today", level=1).wait_for()
        return page

    def shot(self, page: Page, name: str) -> Path:
        """Keep a screenshot of the whole page."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        path = SCREENS / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    def check(self, page: Page, name: str) -> None:
        """Screenshot, no serious finding of axe, nothing wider than the screen. Fails naming rule and element."""
        self.shot(page, name)
        found: list[dict[str, Any]] = Axe().run(page).response["violations"]
        bad = [
            f"{one['id']} ({one['impact']}): {node['target']} {node.get('failureSummary', '')}"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"][:3]
        ]
        assert not bad, f"{name}: " + "\n".join(bad)
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{name}: the page is {over} px wider than the screen"

    def check_themes(self, page: Page, name: str) -> None:
        """`check` in light and in dark."""
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            self.check(page, f"{name}-{theme}")
        shown = self.here.get(page)
        if shown is not None:
            self.visits.checked.add(shown)

    def forgive(self, page: Page, words: str) -> None:
        """Take out complaints that the test provoked itself, such as an answer with an error status."""
        for each, complaints in self.pages:
            if each is page:
                assert any(words in text for text in complaints), f"nobody complained of {words!r}"
                complaints[:] = [text for text in complaints if words not in text]

    def close(self) -> list[str]:
        """Close all pages; returns what their scripts complained about."""
        found = [text for _, complaints in self.pages for text in complaints]
        for page, _ in self.pages:
            page.context.close()
        self.pages.clear()
        self.here.clear()
        return found
