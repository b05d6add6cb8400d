"""A real Chromium before the console of the running hub. Without one the tests are skipped, and CI prints that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from hub_tools.run.cluster import CONSOLE
from integration.hub import Hub

from .desk import Desk
from .visits import Visits

LAST = "test_completeness.py"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Tests run as root in a container, and a browser must not look for its maker's hosts."""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium lies."""
    path = os.environ.get("HUB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: install it, or name one in HUB_CHROMIUM")
    return path


@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Browser]:
    """One browser per file: while it is driven, no asynchronous test can run in this process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def visits() -> Visits:
    """Where browsers have been in this run."""
    return Visits()


@pytest.fixture(autouse=True)
def _noted(request: pytest.FixtureRequest, visits: Visits) -> None:
    visits.ran.add((request.path.name, request.function.__name__))


@pytest.fixture
def desk(hub: Hub, chromium: Browser, visits: Visits) -> Iterator[Desk]:
    """A person's desk; a page's script that complained, or a request to elsewhere, fails the test.

    Answers with an error status are complaints to the browser; a test that provokes one takes it out by `desk.forgive`.
    """
    made = Desk(hub.cluster.url(CONSOLE), chromium, visits)
    yield made
    assert made.close() == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The comparison comes after all that it compares."""
    items.sort(key=lambda item: item.path.name == LAST and item.path.parent.name == "browser")
