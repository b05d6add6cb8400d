"""reconciliation on a real PostgreSQL, between a hub that is told by events and marketplaces that are simulated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.http import Lane
from hub_common.clock import ManualClock
from hub_common.crypto import generate_key
from hub_common.testing import Harness, SeenEvent
from hub_common.web import WebServer
from hub_contracts.acceptances import OrderAccepted
from hub_contracts.base import Money
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    ImportSettings,
    ReconciliationSettings,
)
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, OrderChanged, OrderReceived, OrderSnapshot
from hub_contracts.reconciliations import DifferenceFound, DifferenceResolved
from hub_contracts.shipments import ShipmentNotified
from hub_contracts.stock import OfferChanged, OfferPushed
from reconciliation.main import SPEC
from reconciliation.work import Comparer, comparer_of

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
IMPORT_FROM = datetime(2026, 10, 20, tzinfo=UTC)
CONNECTION, SHOP = UUID(int=11), UUID(int=12)
KEYS = SecretStr(generate_key("test"))
OPERATIONS = ("list_orders", "list_orders_page", "read_order", "read_offers")
PLENTY = {f"audit_{name}": 1_000_000 for name in OPERATIONS}
ACCOUNTS: dict[str, tuple[str, dict[str, Any]]] = {
    "manomano": ("manomano-sandbox-key", {"seller_contract_id": 11781522, "country": "FR"}),
    "mirakl": ("mirakl-sandbox-key", {}),
}
SANDBOXES: dict[str, dict[str, Any]] = {
    "manomano": {"accept_within_hours": 10_000},
    "mirakl": {"accept_within_hours": 10_000, "debit_seconds": 10_000_000},
}


@dataclass
class World:
    """One replica (or several), one marketplace, one clock."""

    dsn: str
    connector: str
    clock: ManualClock
    sandbox: Any
    url: str
    stack: AsyncExitStack
    settings: dict[str, Any]
    h: Harness = field(init=False)

    async def replica(self, name: str = "a", **settings: Any) -> Harness:
        """Start a replica on the same database."""
        given = {"instance": name, "credentials_keys": KEYS} | self.settings | settings
        return await self.stack.enter_async_context(Harness(SPEC, self.dsn, clock=self.clock, **given))

    @property
    def comparer(self) -> Comparer:
        """The comparer of the first replica."""
        return comparer_of(self.h.runtime)

    def connection(self, **changes: Any) -> ConnectionChanged:
        """The connection to the simulator; `rules` are its reconciliation settings."""
        key, own = ACCOUNTS[self.connector]
        rules = changes.pop("rules", {})
        values: dict[str, Any] = {
            "connection_id": CONNECTION,
            "connector": self.connector,
            "kind": ConnectionKind.MARKETPLACE,
            "label": "Shop FR",
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.url,
            "settings": HubSettings(
                orders=ImportSettings(import_from=IMPORT_FROM), reconciliation=ReconciliationSettings(**rules)
            ),
            "connector_settings": own,
            "credentials": self.h.runtime.keyring.seal(CONNECTION, {"api_key": SecretStr(key)}),
            "credential_ref": "ref-1",
            "budgets": PLENTY,
            "activated_at": IMPORT_FROM,
        }
        return ConnectionChanged(**(values | changes))

    async def connect(self, **changes: Any) -> None:
        """Make the connection known."""
        made = self.connection(**changes)
        await self.h.feed((made.connection_id, made))
        await self.h.lease()
        await self.comparer.step()  # meets it: its first comparison is due within five minutes

    def buy(self, count: int = 1, **options: Any) -> list[str]:
        """Let buyers order; they did so an hour ago."""
        when = self.clock.now() - timedelta(hours=1)
        found: list[str] = self.sandbox.create_orders(count, {"created_at": when} | options)
        return found

    async def shown(self, reference: str) -> OrderSnapshot:
        """An order as the marketplace shows it, with the hub's own words around it."""
        self.clock.advance(1)  # the call budget refills with time
        speaker = self.h.runtime.book.connector(CONNECTION, Lane.LIVE)
        order: OrderSnapshot = speaker.map_order(await speaker.read_order(reference)).snapshot
        return order

    async def learn(self, reference: str, *, again: bool = False, **changes: Any) -> OrderSnapshot:
        """The hub hears of an order (again) as order-ingest would tell it, or wrongly by `changes`."""
        order = (await self.shown(reference)).model_copy(update=changes)
        event = (
            OrderChanged(order=order, changed_fields=("status",), snapshot_id=uuid4())
            if again
            else OrderReceived(order=order, snapshot_id=uuid4())
        )
        await self.h.feed((order.order_id, event))
        return order

    async def known(self, count: int = 1, **options: Any) -> list[str]:
        """Orders that both sides know and agree on."""
        references = self.buy(count, **options)
        for reference in references:
            await self.learn(reference)
        return references

    async def tell(self, reference: str, event: type[Any], **values: Any) -> None:
        """An event about an order."""
        order_id = order_id_for(CONNECTION, reference)
        data = event(order_id=order_id, connection_id=CONNECTION, **values)
        await self.h.feed((order_id, data))

    async def accepted(self, reference: str) -> None:
        """The hub was told that its acceptance was taken."""
        await self.tell(reference, OrderAccepted, effect_id=uuid4(), lines=(), released=True, confirmed_by="answer")

    async def shipped(self, reference: str) -> None:
        """The hub was told that the parcel with everything was taken."""
        await self.tell(
            reference,
            ShipmentNotified,
            parcel_id=uuid4(),
            effect_id=uuid4(),
            lines=(),
            order_complete=True,
            confirmed_by="answer",
        )

    async def offer(self, sku: str, quantity: int, price: str, *, pushed: bool = True) -> None:
        """The hub wants an offer to be so, and was told that the marketplace took it."""
        money, key = Money(amount=price, currency="EUR"), f"{CONNECTION}:{sku}"
        wanted = OfferChanged(
            connection_id=CONNECTION,
            environment=Environment.SANDBOX,
            offer_sku=sku,
            shop_connection_id=SHOP,
            shop_sku=sku,
            on_hand=quantity,
            reserved=0,
            buffer=0,
            available=quantity,
            price=money,
            changed_at=self.clock.now(),
        )
        await self.h.feed((key, wanted))
        if pushed:
            same = {"connection_id": CONNECTION, "offer_sku": sku, "confirmed_by": "answer"}
            await self.h.feed((key, OfferPushed(effect_id=uuid4(), quantity=quantity, **same)))
            await self.h.feed((key, OfferPushed(effect_id=uuid4(), price=money, **same)))

    def order(self, reference: str) -> Any:
        """The simulator's own order."""
        orders = self.sandbox.world.orders
        return orders[reference] if reference in orders else orders[11781522, reference]

    async def pass_time(self, seconds: float) -> None:
        """Move the clock; leases are held on."""
        self.clock.advance(seconds)
        await self.h.lease()

    async def turns(self, most: int = 50) -> int:
        """Let whatever is due have its turns; returns how many steps worked."""
        for done in range(most):
            if not await self.comparer.step():
                return done
        raise AssertionError("the comparison does not come to an end")

    async def compare(self, rounds: int = 1, *, minutes: float = 61) -> list[SeenEvent]:
        """Let time pass and compare, so often; returns what was told."""
        for _ in range(rounds):
            await self.pass_time(minutes * 60)
            await self.to_the_end()
        return await self.h.emitted()

    async def to_the_end(self, most: int = 100) -> int:
        """Wait for calls as often as the round in hand needs it; returns how often."""
        for waits in range(most):
            await self.turns()
            state = await self.state()
            if state is None or state["phase"] == "idle":
                return waits
            await self.pass_time(max((state["next_at"] - self.clock.now()).total_seconds(), 0) + 0.001)
        raise AssertionError(f"the round does not come to an end: {dict(state)}")

    async def hours(self, count: int) -> dict[str, Any]:
        """Let so many hours pass in small steps, comparing whatever is due; returns the last report."""
        for _ in range(count * 6):
            await self.pass_time(600)
            await self.turns()
        return await self.report()

    async def row(self, sql: str, *args: Any) -> Any:
        """One row."""
        return await self.h.runtime.pool.fetchrow(sql, *args)

    async def state(self) -> Any:
        """How far the comparison is."""
        return await self.row("SELECT * FROM comparisons WHERE connection_id = $1", CONNECTION)

    async def report(self) -> dict[str, Any]:
        """What the last finished round covered."""
        found: dict[str, Any] = orjson.loads((await self.state())["last_report"])
        return found

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows."""
        return [dict(row) for row in await self.h.runtime.pool.fetch(sql)]


def found(events: list[SeenEvent]) -> list[DifferenceFound]:
    """Differences told."""
    return [event.data for event in events if event.type == DifferenceFound.TYPE]


def resolved(events: list[SeenEvent]) -> list[DifferenceResolved]:
    """Ends of differences told."""
    return [event.data for event in events if event.type == DifferenceResolved.TYPE]


def kinds(events: list[SeenEvent]) -> list[tuple[str, str]]:
    """(kind, repair) of differences told."""
    return [(each.kind.value, each.repair.value) for each in found(events)]


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(database: str) -> AsyncIterator[MakeWorld]:
    async with AsyncExitStack() as stack:

        async def make(name: str = "manomano", *, sandbox: dict[str, Any] | None = None, **settings: Any) -> World:
            clock = ManualClock(START)
            options = SandboxOptions(clock, settings=SANDBOXES[name] | (sandbox or {}))
            simulator = connector(name).build_sandbox(options)
            server = WebServer(simulator.app, drain_seconds=0)
            await server.start()
            stack.push_async_callback(server.stop)
            world = World(database, name, clock, simulator, server.url, stack, settings)
            world.h = await world.replica()
            return world

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    made = await make_world()
    await made.connect()
    return made


@pytest.fixture
async def mirakl(make_world: MakeWorld) -> World:
    made = await make_world("mirakl")
    await made.connect()
    return made
