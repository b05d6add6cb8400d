"""Order-ingest against a real PostgreSQL, the real guarded HTTP client and a real simulator on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from connector_kit.capabilities import (
    ConnectionContext,
    MappedOrder,
    MappingError,
    OrderWindow,
    RawOrder,
    SandboxOptions,
)
from connector_kit.discovery import connector, load_connectors
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.crypto import generate_key
from hub_common.testing import Harness, SeenEvent
from hub_common.web import WebServer
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    ImportSettings,
)
from hub_contracts.orders import Environment
from order_ingest.main import SPEC
from order_ingest.pollers import Pollers, pollers_of

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
IMPORT_FROM = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = SecretStr(generate_key("test"))
PLENTY = {"list_orders": 1_000_000, "read_order": 1_000_000}


@dataclass
class World:
    """One or several replicas of the service, one simulator, one clock."""

    dsn: str
    clock: ManualClock
    sandbox: Any
    url: str
    stack: AsyncExitStack
    h: Harness = field(init=False)

    async def replica(self, name: str = "a", **settings: Any) -> Harness:
        """Start a replica on the same database."""
        given = {"instance": name, "credentials_keys": KEYS, "poll_concurrency": 16, "reread_every_hours": 0}
        return await self.stack.enter_async_context(Harness(SPEC, self.dsn, clock=self.clock, **(given | settings)))

    @property
    def pollers(self) -> Pollers:
        """Pollers of the first replica."""
        return pollers_of(self.h.runtime)

    def connection(self, **changes: Any) -> ConnectionChanged:
        """An active ManoMano connection to the simulator."""
        connection_id: UUID = changes.pop("connection_id", None) or uuid4()
        orders = {"import_from": IMPORT_FROM} | changes.pop("orders", {})
        api_key = changes.pop("api_key", "manomano-sandbox-key")
        contract = {"seller_contract_id": 11781522}
        values: dict[str, Any] = {
            "connection_id": connection_id,
            "connector": "manomano",
            "kind": ConnectionKind.MARKETPLACE,
            "label": "Shop FR",
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.url,
            "settings": HubSettings(orders=ImportSettings(**orders)),
            "connector_settings": contract | changes.pop("connector_settings", {}),
            "credentials": self.h.runtime.keyring.seal(connection_id, {"api_key": api_key}),
            "credential_ref": f"ref-{connection_id}",
            "budgets": PLENTY,
            "activated_at": IMPORT_FROM,
        }
        return ConnectionChanged(**(values | changes))

    async def connect(self, **changes: Any) -> ConnectionChanged:
        """Make a connection known and hold its lease."""
        made = self.connection(**changes)
        await self.tell(made)
        return made

    async def tell(self, connection: ConnectionChanged) -> None:
        """A new version of a connection."""
        await self.h.feed((connection.connection_id, connection))
        await self.h.lease()

    async def poll(self, seconds: float = 200) -> list[SeenEvent]:
        """Let time pass, poll what is due, return what was told."""
        self.clock.advance(seconds)
        await self.h.lease()
        await self.pollers.run_due()
        return await self.h.emitted()

    async def row(self, sql: str, *args: Any) -> Any:
        """One row."""
        return await self.h.runtime.pool.fetchrow(sql, *args)

    async def value(self, sql: str, *args: Any) -> Any:
        """One value."""
        return await self.h.runtime.pool.fetchval(sql, *args)

    def orders(self, count: int = 1, **options: Any) -> list[str]:
        """Let buyers order."""
        found: list[str] = self.sandbox.create_orders(count, {"created_at": self.clock.now()} | options)
        return found

    def fault(self, name: str, **rule: Any) -> None:
        """Switch a fault of the simulator on."""
        self.sandbox.faults.set([FaultRule(fault=name, **rule)])

    def no_faults(self) -> None:
        """Switch all faults off."""
        self.sandbox.faults.set([])


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(database: str) -> AsyncIterator[MakeWorld]:
    async with AsyncExitStack() as stack:

        async def make(
            *,
            start: datetime = START,
            sandbox: dict[str, Any] | None = None,
            market: str = "manomano",
            **settings: Any,
        ) -> World:
            clock = ManualClock(start)
            options = SandboxOptions(clock, settings={"accept_within_hours": 1000} | (sandbox or {}))
            simulator = connector(market).build_sandbox(options)
            server = WebServer(simulator.app, drain_seconds=0)
            await server.start()
            stack.push_async_callback(server.stop)
            world = World(database, clock, simulator, server.url, stack)
            world.h = await world.replica(**settings)
            return world

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    return await make_world()


class Quiet:
    """A connection of the fake marketplace: lists nothing and counts how often and how many at once it was asked."""

    def __init__(self, market: QuietMarket) -> None:
        self._market = market

    async def list_orders(self, window: OrderWindow) -> AsyncIterator[list[RawOrder]]:
        market = self._market
        market.listings += 1
        market.now += 1
        market.most = max(market.most, market.now)
        try:
            await market.open.wait()
            for page in market.pages:
                yield page
        finally:
            market.now -= 1

    def map_order(self, raw: RawOrder) -> MappedOrder:
        raise MappingError("order", "is never understood here")


class QuietMarket:
    """A marketplace without orders and without HTTP, for what is about many connections."""

    def __init__(self) -> None:
        self.manifest = connector("manomano").manifest.model_copy(update={"name": "quiet"})
        self.listings = self.now = self.most = 0
        self.pages: list[list[RawOrder]] = []
        self.open = asyncio.Event()
        """Listings do not end before it is set."""
        self.open.set()

    def connect(self, context: ConnectionContext) -> Quiet:
        """See `ConnectorFactory`."""
        return Quiet(self)

    def build_sandbox(self, options: SandboxOptions) -> Any:
        """It has none."""
        raise LookupError("no simulator")


@pytest.fixture
def quiet() -> Iterator[QuietMarket]:
    market = QuietMarket()
    load_connectors()["quiet"] = market
    yield market
    del load_connectors()["quiet"]
