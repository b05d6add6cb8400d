"""The privacy page: for admins of the tenant only, by POST only, written down, and gone once it is erased."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from fastapi import FastAPI, Request

from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.examples import EXAMPLE_BY_TYPE
from hub_contracts.examples.world import ORDER, TENANT
from hub_contracts.orders import OrderCustomerErased
from ops_console.accounts import hash_password
from ops_console.main import SPEC
from ops_console.privacy import OWNERS

from .test_console import records
from .test_sign_in import PASSWORD, Browser

HASH = hash_password(PASSWORD)
ACCOUNTS = f"ada:admin:{TENANT}:{HASH} ole:operator:{TENANT}:{HASH} eve:admin:elsewhere:{HASH}"
KEYS = "k1:" + "A" * 43 + "="
NAME = "Camille Exemple"


class Owners:
    """Stands in for the services that hold personal data."""

    def __init__(self) -> None:
        self.app, self.posted, self.away = FastAPI(), list[tuple[str, Any]](), False

        @self.app.get("/{service}/v1/orders/{order_id}/personal-data")
        async def personal_data(service: str, counts_only: bool = False) -> Any:
            data = None if counts_only else {"things": [f"canary of {service}"]}
            return {"erased": None, "holds": {"things": 1}, "data": data}

        @self.app.post("/{service}/v1/{rest:path}")
        async def act(service: str, rest: str, request: Request) -> Any:
            self.posted.append((f"{service}/{rest}", await request.json()))
            return {"orders": 3, "still_open": 1, "tenant": TENANT}


@pytest.fixture
def owners() -> Owners:
    return Owners()


@pytest.fixture
async def harness(database: str, owners: Owners) -> AsyncIterator[Harness]:
    server = WebServer(owners.app)
    await server.start()
    settings: dict[str, Any] = {
        "console_token": "t",
        "service_url_template": f"{server.url}/{{service}}",
        "credentials_keys": KEYS,
    }
    async with Harness(SPEC, database, local_accounts=ACCOUNTS, **settings) as running:
        erased = OrderCustomerErased.TYPE.encode()
        await running.runtime.inbox.process([r for r in records() if ("ce_type", erased) not in r.headers])
        yield running
    await server.stop()


@pytest.fixture
async def browser(harness: Harness) -> Browser:
    return Browser(await harness.serve())


async def post(browser: Browser, path: str, **form: str) -> Any:
    return await browser.post(f"/privacy/{path}", form | {"csrf": await browser.csrf()})


async def test_a_buyers_orders_are_found_exported_and_erased(
    browser: Browser, harness: Harness, owners: Owners
) -> None:
    await browser.sign_in("ada")
    assert 'href="/privacy"' in (await browser.get("/")).body
    page = await post(browser, "find", text=NAME)
    assert (page.status, str(ORDER) in page.body, "1 things" in page.body) == (200, True, True)
    assert "canary" not in page.body, "counted, not shown"
    told = orjson.loads((await post(browser, "export", order_id=str(ORDER))).body)
    assert told["orders"][0]["held"] == {o: {"erased": None, "things": [f"canary of {o}"]} for o in OWNERS}
    assert (await post(browser, "erase", order_id=str(ORDER), reason="he asked for it")).status == 303
    body = {"reason": "he asked for it", "even_if_open": False}
    assert owners.posted == [(f"order-ingest/orders/{ORDER}/erase-customer", body)]
    audit = await harness.runtime.pool.fetch("SELECT action, order_id, detail, outcome FROM audit_log ORDER BY at")
    assert [row["action"] for row in audit][-3:] == ["buyer_searched", "buyer_exported", "buyer_erased"]
    assert not any("Camille" in str(dict(row)) for row in audit)
    # order-ingest tells of it: the digests go, and a late word of the buyer does not bring them back.
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM customer_terms") > 0
    event = EXAMPLE_BY_TYPE[OrderCustomerErased.TYPE].data
    customer = EXAMPLE_BY_TYPE["order.customer_recorded.v1"].data
    await harness.feed((ORDER, event))
    await harness.feed((ORDER, customer))
    assert await harness.runtime.pool.fetchval("SELECT count(*) FROM customer_terms") == 0
    assert str(ORDER) not in (await post(browser, "find", text=NAME)).body


async def test_a_tenants_buyers_are_counted_before_they_are_erased(browser: Browser, owners: Owners) -> None:
    await browser.sign_in("ada")
    form = {"tenant": TENANT, "older_than_days": "40", "reason": "spring cleaning"}
    page = await post(browser, "tenant", **form)
    assert ("3 finished orders" in page.body, "1 open orders" in page.body) == (True, True)
    assert [body["dry_run"] for _, body in owners.posted] == [True]
    assert (await post(browser, "tenant", sure="true", **form)).status == 303
    assert [body["dry_run"] for _, body in owners.posted] == [True, False]
    assert (await post(browser, "tenant", **(form | {"tenant": "elsewhere"}))).status == 404


async def test_it_is_nobody_elses_business(browser: Browser, owners: Owners) -> None:
    await browser.sign_in("ole")
    assert 'href="/privacy"' not in (await browser.get("/")).body
    assert (await browser.get("/privacy")).status == 403
    assert (await post(browser, "erase", order_id=str(ORDER), reason="because")).status == 403
    await browser.sign_in("eve")
    assert str(ORDER) not in (await post(browser, "find", text=NAME)).body
    for path in ("export", "erase"):
        assert (await post(browser, path, order_id=str(ORDER), reason="because")).status == 404
    assert owners.posted == []
