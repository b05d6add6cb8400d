"""carrier-mapper on a database of its own, with connections to a Mirakl and a ManoMano simulator on loopback."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
from pydantic import SecretStr

from carrier_mapper.carrier_lists import CarrierLists
from carrier_mapper.main import SPEC
from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.migrate import upgrade_async
from hub_common.testing import Harness, SeenEvent
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.web import WebServer
from hub_contracts.connections import (
    CarrierSettings,
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    DefaultCarrier,
    HubSettings,
)
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment, OrderReceived, OrderSnapshot
from hub_contracts.shop_activity import LineQuantity, ParcelHandedOver
from hub_contracts.status import OrderStatus
from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.waiting import run_sync

MIRAKL, MANOMANO, SHOP = UUID(int=21), UUID(int=22), UUID(int=23)
NUMBER = "6A00000000062"


@pytest.fixture(scope="session")
def database_template(postgres: str) -> Iterator[str]:
    """A migrated database that every test's database is a copy of."""
    name = f"carriers_{secrets.token_hex(6)}"
    dsn = run_sync(create_database(postgres, name))
    run_sync(upgrade_async(SPEC.package, dsn))
    yield name
    run_sync(drop_database(postgres, name))


@dataclass
class Stage:
    """Everything a test needs."""

    harness: Harness
    clock: ManualClock
    simulator: Any
    url: str
    client: httpx.AsyncClient
    orders: dict[UUID, OrderSnapshot] = field(default_factory=dict)

    def connection(self, connection_id: UUID = MIRAKL, **changes: Any) -> ConnectionChanged:
        """A connection; `carriers` are its carrier settings."""
        name = "mirakl" if connection_id == MIRAKL else "manomano"
        carriers = changes.pop("carriers", CarrierSettings())
        key = "mirakl-sandbox-key" if name == "mirakl" else "manomano-sandbox-key"
        values: dict[str, Any] = {
            "connection_id": connection_id,
            "connector": name,
            "kind": ConnectionKind.MARKETPLACE,
            "label": name,
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.url,
            "settings": HubSettings(carriers=carriers),
            "connector_settings": {} if name == "mirakl" else {"seller_contract_id": 11781522},
            "credentials": self.harness.runtime.keyring.seal(connection_id, {"api_key": SecretStr(key)}),
            "credential_ref": f"ref-{name}",
            "budgets": {"list_carriers": 100_000},
        }
        return ConnectionChanged(**(values | changes))

    async def connect(self, connection_id: UUID = MIRAKL, **changes: Any) -> None:
        """Tell about a connection."""
        await self.harness.feed((connection_id, self.connection(connection_id, **changes)))

    def order(self, name: str, connection_id: UUID = MIRAKL, **changes: Any) -> OrderReceived:
        """An order; its id follows from the name."""
        now = self.clock.now()
        values: dict[str, Any] = {
            "order_id": order_id(name),
            "connection_id": connection_id,
            "connector": "mirakl",
            "environment": Environment.SANDBOX,
            "marketplace_reference": f"{name}-A",
            "order_number": f"NO-{name}-0001",
            "status": OrderStatus.PREPARATION,
            "marketplace_status": "SHIPPING",
            "currency": "EUR",
            "products_price": "10",
            "shipping_price": "0",
            "total_price": "10",
            "lines": (),
            "destination_country": "FR",
            "created_at": now,
            "marketplace_updated_at": now,
            "ship_by": now + timedelta(days=2),
        }
        return OrderReceived(order=OrderSnapshot(**(values | changes)), snapshot_id=UUID(int=1))

    def parcel(self, name: str, order: str = "o1", connection_id: UUID = MIRAKL, **changes: Any) -> ParcelHandedOver:
        """A parcel; its id follows from the name."""
        values: dict[str, Any] = {
            "parcel_id": parcel_id(name),
            "order_id": order_id(order),
            "connection_id": connection_id,
            "route_id": UUID(int=5),
            "shop_connection_id": SHOP,
            "environment": Environment.SANDBOX,
            "shop_parcel_reference": name,
            "lines": (LineQuantity(line_id="L1", quantity=1),),
            "tracking_number": NUMBER,
            "handed_over_at": self.clock.now(),
        }
        return ParcelHandedOver(**(values | changes))

    async def hand_over(self, name: str, order: str = "o1", **changes: Any) -> list[SeenEvent]:
        """Feed a parcel and return what was told."""
        origin = changes.pop("origin", Origin.LIVE)
        await self.harness.feed((order_id(order), self.parcel(name, order, **changes)), origin=origin)
        return await self.harness.emitted()

    async def know(self, *names: str, **changes: Any) -> None:
        """Feed orders."""
        await self.harness.feed(*[(order_id(name), self.order(name, **changes)) for name in names])

    async def fetch_lists(self) -> None:
        """Let every list that is due be fetched."""
        await self.harness.lease()
        self.clock.advance(1)  # the call budget refills with time
        lists = CarrierLists(self.harness.runtime)
        while await lists.step():
            continue

    def fault(self, name: str, operation: str = "*", times: int | None = None) -> None:
        """Switch a fault of the simulator on."""
        self.simulator.faults.set([FaultRule(fault=name, operation=operation, times=times)])

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **more: Any) -> Any:
        """Call the API as an admin; the test fails unless the status is `expect`."""
        answer = await self.client.request(method, f"/v1{path}", json=body, **more)
        assert answer.status_code == expect, answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer

    async def shown(self, name: str) -> dict[str, Any]:
        """A parcel as the API shows it."""
        return dict(await self.call("GET", f"/parcels/{parcel_id(name)}"))


def order_id(name: str) -> UUID:
    return uuid5(UUID(int=1), name)


def parcel_id(name: str) -> UUID:
    return uuid5(UUID(int=2), name)


def types(events: list[SeenEvent]) -> list[str]:
    return [event.type for event in events]


def default(name: str, **more: Any) -> CarrierSettings:
    return CarrierSettings(default_carriers=(DefaultCarrier(carrier_name=name, **more),))


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock, call_timeout_seconds=10) as harness:
        simulator = connector("mirakl").build_sandbox(SandboxOptions(clock=clock))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        url = await harness.serve()
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            yield Stage(harness, clock, simulator, server.url, client)
        await server.stop()
