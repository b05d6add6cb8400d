"""catalog-feed against simulated marketplaces on loopback: what is stated here arrives there, or is told why not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr

from catalog_feed.main import SPEC
from catalog_feed.publishing import Boundaries
from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.web import WebServer
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState, HubSettings, StockSettings
from hub_contracts.orders import Environment
from hub_contracts.stock import OfferChanged

MARKET, SHOP = UUID(int=51), UUID(int=52)
CONTRACT = 11781522
KEYS = {"mirakl": "mirakl-sandbox-key", "manomano": "manomano-sandbox-key"}
OPERATIONS = {
    budget.operation: 3_600_000
    for name in KEYS
    for budget in connector(name).manifest.budgets
    if budget.owner == "catalog-feed"
}


@dataclass
class Markets:
    """Everything a test needs."""

    h: Harness
    clock: ManualClock
    name: str
    simulator: Any
    url: str
    client: httpx.AsyncClient

    async def connect(self, **changes: Any) -> None:
        """Tell about the marketplace connection."""
        sealed = self.h.runtime.keyring.seal(MARKET, {"api_key": SecretStr(KEYS[self.name])})
        own = {"manomano": {"seller_contract_id": CONTRACT}, "mirakl": {"operator_profile": "pixmania"}}
        values: dict[str, Any] = {
            "connection_id": MARKET,
            "connector": self.name,
            "kind": ConnectionKind.MARKETPLACE,
            "label": self.name,
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.url,
            "connector_settings": own[self.name],
            "credentials": sealed,
            "credential_ref": f"ref-{self.name}",
            "budgets": OPERATIONS,
        }
        await self.h.feed((MARKET, ConnectionChanged(**(values | changes))))

    async def stop_pushing(self) -> None:
        """The hub sends neither stock nor price of this connection by itself."""
        await self.connect(settings=HubSettings(stock=StockSettings(push_stock=False, push_price=False)))

    async def counted(self, sku: str, available: int, price: str | None = None, **changes: Any) -> None:
        """Let stock-sync say what of an offer may be sold."""
        values: dict[str, Any] = {
            "connection_id": MARKET,
            "environment": Environment.SANDBOX,
            "offer_sku": sku,
            "shop_connection_id": SHOP,
            "shop_sku": sku,
            "on_hand": available,
            "reserved": 0,
            "buffer": 0,
            "available": available,
            "price": Money(amount=price, currency="EUR") if price else None,
            "changed_at": self.clock.now(),
        }
        await self.h.feed((f"{MARKET}:{sku}", OfferChanged(**(values | changes))))

    async def put(self, sku: str, body: Mapping[str, Any], status: int = 202, **params: Any) -> Any:
        """State one offer."""
        answer = await self.client.put(f"/v1/connections/{MARKET}/offers/{sku}", json=body, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str, **params: Any) -> Any:
        """Something below the connection."""
        answer = await self.client.get(f"/v1/connections/{MARKET}{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 202, params: Any = None, **more: Any) -> Any:
        """Something below the connection."""
        answer = await self.client.post(f"/v1/connections/{MARKET}{path}", params=params or {}, **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def send(self, rounds: int = 4) -> None:
        """Send and probe until nothing is under way that time alone can end."""
        for _ in range(rounds):
            self.clock.advance(61)
            await self.h.make_due()
            await self.h.run_effects()

    async def boundary(self) -> bool:
        """Let the duty look for discounts that begin or end."""
        return await Boundaries(self.h.runtime.transactions).step()

    async def told(self, kind: type[Any]) -> list[Any]:
        """Events of one type so far."""
        return [event.data for event in await self.h.emitted(clear=False) if isinstance(event.data, kind)]

    def recorded(self, kind: str, subject: str | None = None) -> list[dict[str, Any]]:
        """What the marketplace really did."""
        entries = self.simulator.record.entries
        return [e.detail for e in entries if e.kind == kind and subject in (None, e.reference)]

    def fault(self, name: str, operation: str = "*", times: int | None = 1) -> None:
        """Switch one fault on."""
        self.simulator.faults.set([FaultRule(fault=name, operation=operation, times=times)])

    async def causes(self) -> list[str]:
        """Causes of what waits now."""
        return [item["cause"] for item in await self.h.parked()]


@asynccontextmanager
async def markets(name: str, database: str, options: Mapping[str, Any]) -> AsyncIterator[Markets]:
    """One simulated marketplace with an active connection."""
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock, call_timeout_seconds=5) as harness:
        simulator = connector(name).build_sandbox(SandboxOptions(clock=clock, settings=options))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        url = await harness.serve()
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            made = Markets(harness, clock, name, simulator, server.url, client)
            await made.connect()
            yield made
        await server.stop()
