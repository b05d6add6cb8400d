"""The order page's "Ask the marketplace now": this order alone where its connector can, else a poll, and said so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from hub_common.testing import Harness
from hub_common.web import Problem, WebServer
from hub_common.web.auth import ACTOR_HEADER, ROLE_HEADER
from hub_common.web.problems import install_handlers
from hub_contracts.examples.world import ORDER, TENANT
from ops_console.main import SPEC
from ops_console.pages.orders_actions import NOT_READ_ALONE

from .test_console import records
from .test_orders_page import ACCOUNTS, STORY
from .test_sign_in import Browser

THEN = "The order is read from its marketplace within seconds."


class Ingest:
    """Order-ingest as the console sees it: what it is asked, and what it refuses."""

    def __init__(self) -> None:
        self.app, self.asked = FastAPI(), list[str]()
        self.read_refused: Problem | None = None
        self.run_refused: Problem | None = None
        install_handlers(self.app)
        self.app.add_api_route("/v1/orders/{order_id}/read", self.read, methods=["POST"], status_code=202)
        self.app.add_api_route("/v1/pollers/{connection_id}/run", self.run, methods=["POST"], status_code=202)

    async def read(self, order_id: UUID, request: Request) -> dict[str, str]:
        self.asked.append(f"read {order_id} {request.headers[ACTOR_HEADER]} {request.headers[ROLE_HEADER]}")
        if self.read_refused:
            raise self.read_refused
        return {"then": THEN}

    async def run(self, connection_id: UUID) -> dict[str, str]:
        self.asked.append(f"run {connection_id}")
        if self.run_refused:
            raise self.run_refused
        return {}


@pytest.fixture
async def ingest() -> AsyncIterator[Ingest]:
    made = Ingest()
    server = WebServer(made.app, drain_seconds=0)
    await server.start()
    made.app.state.url = server.url
    yield made
    await server.stop()


@pytest.fixture
async def harness(database: str, ingest: Ingest) -> AsyncIterator[Harness]:
    urls = {"order-ingest": ingest.app.state.url}
    settings = {"console_token": "t", "service_url_template": "http://127.0.0.1:9", "service_urls": urls}
    async with Harness(SPEC, database, local_accounts=ACCOUNTS, **settings) as running:
        await running.runtime.inbox.process(records())
        yield running


async def test_one_order_is_asked_for_and_where_that_is_impossible_all_of_them(
    harness: Harness, ingest: Ingest
) -> None:
    connection = await harness.runtime.pool.fetchval("SELECT connection_id FROM orders WHERE order_id = $1", ORDER)
    browser = Browser(await harness.serve())
    await browser.sign_in("ole")

    async def press() -> tuple[list[str], str]:
        """What the service is asked, and the page after it."""
        ingest.asked.clear()
        answer = await browser.post(f"{STORY}/fetch", {"csrf": await browser.csrf()})
        assert (answer.status, answer.headers["location"]) == (303, STORY)
        return list(ingest.asked), (await browser.get(STORY)).body

    asked, page = await press()
    assert asked == [f"read {ORDER} ole operator"]
    assert f'role="status">{THEN}<' in page
    ingest.read_refused = Problem(NOT_READ_ALONE, "One order cannot be read alone", 409, "Poll it.")
    asked, page = await press()
    assert asked[1:] == [f"run {connection}"]
    assert "This marketplace gives no single orders" in page
    ingest.run_refused = Problem(
        "connection-not-active", "The connection is not active", 409, "It was paused just now."
    )
    asked, page = await press()
    assert len(asked) == 2
    assert "It was paused just now." in page
    ingest.read_refused = Problem(
        "connection-not-active", "The connection is not active", 409, "Resume the connection."
    )
    asked, page = await press()
    assert len(asked) == 1, "a poll would be refused as well"
    assert "The connection is not active: Resume the connection." in page
    rows = await harness.runtime.pool.fetch(
        "SELECT action, outcome, tenant, order_id, login FROM audit_log WHERE action <> 'sign_in' ORDER BY at, audit_id"
    )
    done = [("order_read", "done"), ("order_read", "done"), ("poll_now", "done")]
    refused = [("order_read", "refused"), ("poll_now", "refused"), ("order_read", "refused")]
    assert [(row["action"], row["outcome"]) for row in rows] == done + refused
    assert {tuple(row)[2:] for row in rows} == {(TENANT, ORDER, "ole")}
