"""shipment-notifier on a database of its own, against Mirakl and ManoMano simulators on loopback."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest
from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.http import Lane
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.migrate import upgrade_async
from hub_common.testing import Harness, SeenEvent
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.web import WebServer
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState, HubSettings
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment, LineStatus, OrderReceived, OrderSnapshot, OrderStatusChanged
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.shop_activity import LineQuantity
from hub_contracts.status import OrderStatus
from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.waiting import run_sync
from shipment_notifier.main import SPEC

CONNECTION = {"mirakl": UUID(int=31), "manomano": UUID(int=32), "single": UUID(int=33)}
KEYS = {"mirakl": "mirakl-sandbox-key", "manomano": "manomano-sandbox-key", "single": "none"}
SKUS = [
    {"sku": "TEL-PRO-128", "price": "119.90", "quantity": 2},
    {"sku": "COQUE-NOIR", "price": "19.99", "quantity": 1},
]
OPERATIONS = ("ship", "set_tracking", "probe_ship", "probe_shipments", "read_configuration", "read_order")


@pytest.fixture(scope="session")
def database_template(postgres: str) -> Iterator[str]:
    """A migrated database that every test's database is a copy of."""
    name = f"shipments_{secrets.token_hex(6)}"
    dsn = run_sync(create_database(postgres, name))
    run_sync(upgrade_async(SPEC.package, dsn))
    yield name
    run_sync(drop_database(postgres, name))


@dataclass
class Stage:
    """Everything a test needs. `name` is the connector of the connection in use."""

    harness: Harness
    clock: ManualClock
    name: str
    simulator: Any
    url: str
    client: httpx.AsyncClient

    @property
    def connection_id(self) -> UUID:
        """The marketplace connection."""
        return CONNECTION[self.name]

    def connection(self, **changes: Any) -> ConnectionChanged:
        """The marketplace connection."""
        sealed = self.harness.runtime.keyring.seal(self.connection_id, {"api_key": SecretStr(KEYS[self.name])})
        values: dict[str, Any] = {
            "connection_id": self.connection_id,
            "connector": self.name,
            "kind": ConnectionKind.MARKETPLACE,
            "label": self.name,
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.url,
            "settings": HubSettings(),
            "connector_settings": {"seller_contract_id": 11781522} if self.name == "manomano" else {},
            "credentials": sealed,
            "credential_ref": f"ref-{self.name}",
            "budgets": dict.fromkeys(OPERATIONS, 3_600_000),
        }
        return ConnectionChanged(**(values | changes))

    async def connect(self, **changes: Any) -> None:
        """Tell about the connection."""
        await self.harness.feed((self.connection_id, self.connection(**changes)))

    async def order(self, **options: Any) -> OrderSnapshot:
        """An order of the simulator that may be shipped, as order-ingest would tell it; two lines of 2 and 1 units."""
        status = {"mirakl": "SHIPPING", "manomano": "PREPARATION"}[self.name]
        [reference] = self.simulator.create_orders(1, {"status": status, "skus": SKUS} | options)
        await self.harness.runtime.connections.refresh()
        self.clock.advance(1)
        speaker = self.harness.runtime.book.connector(self.connection_id, Lane.LIVE)
        snapshot: OrderSnapshot = speaker.map_order(await speaker.read_order(reference)).snapshot
        return snapshot.model_copy(update={"ship_by": snapshot.created_at + timedelta(days=2)})

    async def receive(self, snapshot: OrderSnapshot, *, origin: Origin = Origin.LIVE, **changes: Any) -> OrderSnapshot:
        """Feed an order."""
        snapshot = snapshot.model_copy(update=changes)
        event = OrderReceived(order=snapshot, snapshot_id=UUID(int=1))
        await self.harness.feed((snapshot.order_id, event), origin=origin)
        return snapshot

    async def show(self, snapshot: OrderSnapshot, status: OrderStatus, **changes: Any) -> None:
        """Feed a status change; `lines` gives statuses per line id."""
        lines: Mapping[str, OrderStatus] = changes.pop("lines", {})
        event = OrderStatusChanged(
            order_id=snapshot.order_id,
            connection_id=snapshot.connection_id,
            environment=snapshot.environment,
            from_status=snapshot.status,
            to_status=status,
            trigger="test",
            marketplace_status=status.value,
            lines=tuple(LineStatus(line_id=i, status=s, marketplace_status=s.value) for i, s in lines.items()),
            marketplace_updated_at=self.clock.now(),
            **changes,
        )
        await self.harness.feed((snapshot.order_id, event))

    def parcel(
        self, snapshot: OrderSnapshot, name: str = "p1", units: tuple[int, ...] | None = None, **changes: Any
    ) -> ParcelCarrierMapped:
        """A parcel with `units` of the lines in order; all of them by default."""
        wanted = units if units is not None else tuple(line.quantity for line in snapshot.lines)
        lines = [
            LineQuantity(line_id=line.line_id, quantity=quantity)
            for line, quantity in zip(snapshot.lines, wanted, strict=True)
            if quantity
        ]
        values: dict[str, Any] = {
            "parcel_id": parcel_id(name),
            "order_id": snapshot.order_id,
            "connection_id": snapshot.connection_id,
            "route_id": UUID(int=5),
            "shop_connection_id": UUID(int=6),
            "environment": Environment.SANDBOX,
            "lines": tuple(lines),
            "carrier_code": "DPD" if self.name == "mirakl" else None,
            "carrier_name": "DPD",
            "tracking_number": f"NUMBER-{name}",
            "tracking_url": f"https://track.example/{name}",
            "mapped_by": "rule",
            "handed_over_at": self.clock.now(),
        }
        return ParcelCarrierMapped(**(values | changes))

    async def ship(
        self, snapshot: OrderSnapshot, name: str = "p1", units: tuple[int, ...] | None = None, **changes: Any
    ) -> None:
        """Feed a parcel; each is handed over a second after the one before."""
        origin = changes.pop("origin", Origin.LIVE)
        self.clock.advance(1)
        await self.harness.feed((snapshot.order_id, self.parcel(snapshot, name, units, **changes)), origin=origin)

    async def send(self) -> list[SeenEvent]:
        """Send and probe what is due, and return what was told since last time."""
        self.clock.advance(60)  # call budgets and closed gates go by this clock
        await self.harness.run_effects()
        return await self.harness.emitted()

    async def probe(self) -> list[SeenEvent]:
        """Let settle times pass, until nothing is in doubt any more that a probe can settle."""
        for _ in range(4):
            await self.harness.make_due()
            self.clock.advance(60)
            await self.harness.run_effects()
        return await self.harness.emitted()

    def fault(self, name: str, operation: str = "*", times: int | None = 1) -> None:
        """Switch one fault on."""
        self.simulator.faults.set([FaultRule(fault=name, operation=operation, times=times)])

    def applied(self) -> list[dict[str, Any]]:
        """Details of the parcels that the marketplace really took."""
        return [entry.detail for entry in self.simulator.record.entries if entry.kind == "ship"]

    async def causes(self) -> list[str]:
        """Causes of what waits now."""
        return [item["cause"] for item in await self.harness.parked()]

    async def shown(self, snapshot: OrderSnapshot) -> dict[str, Any]:
        """The order as the API shows it."""
        answer = await self.client.get(f"/v1/orders/{snapshot.order_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def parcel_id(name: str) -> UUID:
    return uuid5(UUID(int=2), name)


def of(events: list[SeenEvent], kind: str) -> list[Any]:
    """Bodies of the events of one type."""
    return [event.data for event in events if event.type == kind]


async def _stage(name: str, database: str, options: Mapping[str, Any]) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock, call_timeout_seconds=5) as harness:
        simulator = connector(name).build_sandbox(SandboxOptions(clock=clock, settings=options))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        url = await harness.serve()
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            stage = Stage(harness, clock, name, simulator, server.url, client)
            await stage.connect()
            yield stage
        await server.stop()


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    """A Mirakl operator that takes several parcels per order."""
    async for made in _stage("mirakl", database, {}):
        yield made


@pytest.fixture
async def whole(database: str) -> AsyncIterator[Stage]:
    """A Mirakl operator that takes whole orders only."""
    async for made in _stage("mirakl", database, {"multi_shipment": False}):
        yield made


@pytest.fixture
async def manomano(database: str) -> AsyncIterator[Stage]:
    """ManoMano, which demands a tracking link."""
    async for made in _stage("manomano", database, {}):
        yield made
