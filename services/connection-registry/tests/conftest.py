"""A registry on a real database with its API on loopback, and the simulators that it verifies against."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from connection_registry.main import SPEC
from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.simulator import Simulator
from hub_common.clock import ManualClock
from hub_common.ids import SystemIds
from hub_common.migrate import upgrade_async
from hub_common.testing import Harness, SeenEvent
from hub_common.testing.harness import OPERATOR_TOKEN, TENANT
from hub_common.web import WebServer, hash_token
from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.waiting import run_sync

KEY, NEW_KEY = "canary-key-one-5f1d", "canary-key-two-9c3e"
CONTRACT, OTHER_CONTRACT = 11781522, 22893311
WEBHOOK_SECRET = "whsec_" + "Y2FuYXJ5LXNlY3JldC1vZi10aGUtc2hvcC0wMQ=="
VIEWER_TOKEN = "hub_test_viewer"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="session")
def database_template(postgres: str) -> Iterator[str]:
    """A migrated database that every test's database is a copy of."""
    name = f"registry_{secrets.token_hex(6)}"
    dsn = run_sync(create_database(postgres, name))
    run_sync(upgrade_async(SPEC.package, dsn))
    yield name
    run_sync(drop_database(postgres, name))


@dataclass
class Desk:
    """The API of a registry under test, as an admin sees it."""

    KEY, NEW_KEY, WEBHOOK_SECRET = KEY, NEW_KEY, WEBHOOK_SECRET
    CONTRACT, OTHER_CONTRACT = CONTRACT, OTHER_CONTRACT
    TENANT, VIEWER_TOKEN, NOBODY = TENANT, VIEWER_TOKEN, NOBODY
    harness: Harness
    client: httpx.AsyncClient

    @staticmethod
    def complete_settings(shop: str) -> dict[str, Any]:
        """Hub settings that meet the gate."""
        return {
            "carriers": {"default_carriers": [{"carrier_name": "Colissimo"}]},
            "sku": {"link_mode": "pass_through"},
            "orders": {"import_from": "2026-11-01T00:00:00Z"},
            "routing": [{"name": "everything", "shop_connection_id": shop}],
        }

    async def __call__(self, method: str, path: str, body: Any = None, *, expect: int = 200, **more: Any) -> Any:
        """Call and return the JSON answer; the test fails unless the status is `expect`."""
        answer = await self.client.request(method, f"/v1{path}", json=body, **more)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, body: Any = None, *, status: int, **more: Any) -> dict[str, str]:
        """Call and return the rules that were broken by pointer."""
        problem = await self(method, path, body, expect=status, **more)
        return {each["pointer"]: each["detail"] for each in problem.get("errors", [])}

    async def marketplace(self, *, base_url: str | None = None, key: str | None = KEY, **changes: Any) -> str:
        """Create a ManoMano connection; returns its id."""
        body: dict[str, Any] = {
            "tenant": TENANT,
            "connector": "manomano",
            "label": "ManoMano FR",
            "environment": "sandbox",
            "connector_settings": {"seller_contract_id": CONTRACT},
        }
        if base_url is not None:
            body["base_url"] = base_url
        if key is not None:
            body["credentials"] = {"api_key": key}
        return str((await self("POST", "/connections", body | changes, expect=201))["connection_id"])

    async def shop(self, *, active: bool = False, **changes: Any) -> str:
        """Create a shop that pulls, optionally brought to life; returns its id."""
        body: dict[str, Any] = {
            "tenant": TENANT,
            "connector": "generic_shop",
            "label": "Lamp shop",
            "environment": "sandbox",
            "connector_settings": {"delivery": "pull"},
            "credentials": {"webhook_secret": WEBHOOK_SECRET},
        }
        shop = str((await self("POST", "/connections", body | changes, expect=201))["connection_id"])
        if active:
            assert (await self("POST", f"/connections/{shop}/verify"))["ok"]
            await self("POST", f"/connections/{shop}/api-keys", {"label": "the shop"}, expect=201)
            await self("POST", f"/connections/{shop}/activate")
        return shop

    async def live_marketplace(self, base_url: str, **changes: Any) -> str:
        """A ManoMano connection that is active and passes SKUs through to one shop."""
        connection = await self.marketplace(base_url=base_url, **changes)
        await self("PATCH", f"/connections/{connection}", {"settings": self.complete_settings(await self.shop())})
        assert (await self("POST", f"/connections/{connection}/verify"))["ok"]
        await self("POST", f"/connections/{connection}/activate")
        return connection

    async def told(self) -> list[SeenEvent]:
        """What was told since last time."""
        return await self.harness.emitted()

    async def changed(self, connection: str) -> list[SeenEvent]:
        """The `connection.changed` events of one connection since last time."""
        return [each for each in await self.told() if each.type == "connection.changed.v1" and each.key == connection]


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database, clock=ManualClock(), ids=SystemIds(), auto_migrate=False) as made:
        tokens = made.settings.operator_tokens.get_secret_value()
        made.settings.operator_tokens = type(made.settings.operator_tokens)(
            f"{tokens},looker:viewer:{hash_token(VIEWER_TOKEN)}"
        )
        yield made


@pytest.fixture
async def desk(harness: Harness) -> AsyncIterator[Desk]:
    url = await harness.serve()
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
        yield Desk(harness, client)


@dataclass
class Outside:
    """A simulator on loopback."""

    simulator: Simulator
    url: str


@pytest.fixture
async def manomano(harness: Harness) -> AsyncIterator[Outside]:
    settings = {"api_keys": [KEY, NEW_KEY], "contracts": {CONTRACT: "FR", OTHER_CONTRACT: "BE"}}
    simulator = connector("manomano").build_sandbox(SandboxOptions(harness.clock, 1, settings))
    server = WebServer(simulator.app, drain_seconds=0)
    await server.start()
    yield Outside(simulator, server.url)
    await server.stop()
