"""The order page's "Route again": a shop and its SKU go to the one line that waits, and to no other line by mistake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.examples.world import TENANT
from ops_console.main import SPEC
from ops_console.pages.orders_actions import ONE_LINE

from .test_console import records
from .test_orders_page import ACCOUNTS, STORY
from .test_sign_in import Browser


class Router:
    """Order-router as the console sees it."""

    def __init__(self, *lines: str) -> None:
        self.app, self.lines, self.bodies = FastAPI(), lines, list[dict[str, Any]]()
        self.app.add_api_route("/v1/orders/{order_id}", self.show, methods=["GET"])
        self.app.add_api_route("/v1/orders/{order_id}/reroute", self.reroute, methods=["POST"])

    async def show(self, order_id: UUID) -> dict[str, Any]:
        # A line waits once for each cause.
        return {"waiting": [{"line_id": line} for line in (*self.lines, *self.lines)]}

    async def reroute(self, order_id: UUID, body: dict[str, Any]) -> dict[str, Any]:
        self.bodies.append(body)
        return {"waiting": []}


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    settings: dict[str, Any] = {"console_token": "t", "service_url_template": "http://127.0.0.1:9"}
    async with Harness(SPEC, database, local_accounts=ACCOUNTS, **settings) as running:
        await running.runtime.inbox.process(records())
        yield running


async def test_a_shops_sku_is_that_of_one_line(harness: Harness) -> None:
    # The examples tell of no shop's connection.
    shop = await harness.runtime.pool.fetchval(
        "INSERT INTO connections (connection_id, tenant, version, body)"
        ' SELECT $1, tenant, version, body || \'{"kind": "shop"}\' FROM connections WHERE tenant = $2 LIMIT 1'
        " RETURNING connection_id::text",
        UUID(int=5),
        TENANT,
    )
    browser = Browser(await harness.serve())
    await browser.sign_in("ole")
    form = {"csrf": await browser.csrf(), "reason": "sold under another name", "shop": shop, "shop_sku": " THEIRS "}
    for router, sent in (
        (Router("a"), [{"line_id": "a", "shop_connection_id": shop, "shop_sku": "THEIRS"}]),
        (Router("a", "b"), None),
    ):
        server = WebServer(router.app)
        await server.start()
        harness.settings.service_urls["order-router"] = server.url  # type: ignore[attr-defined]
        await browser.post(f"{STORY}/reroute", form)
        body = (await browser.get(STORY)).body
        await server.stop()
        assert [each["lines"] for each in router.bodies] == ([sent] if sent else [])
        assert ("Routed; the shop gets the order next." in body) is bool(sent)
        assert (ONE_LINE.replace("'", "&#39;") in body) is not bool(sent)
    outcomes = await harness.runtime.pool.fetch(
        "SELECT outcome FROM audit_log WHERE action = 'order_reroute' ORDER BY at"
    )
    assert [row["outcome"] for row in outcomes] == ["done", "refused"]
