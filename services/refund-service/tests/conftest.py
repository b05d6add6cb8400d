"""Marketplace simulators on loopback, and refund-service on a database of its own with a connection to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.http import Lane
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.web import WebServer
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    RefundSettings,
)
from hub_contracts.envelope import Origin
from hub_contracts.ids import cancellation_id_for, return_id_for
from hub_contracts.orders import Environment, OrderChanged, OrderReceived, OrderSnapshot
from hub_contracts.shop_activity import CancellationRequested, LineQuantity, ReturnLine, ReturnReported
from hub_contracts.work import WorkParked, WorkResumed
from hub_tools.run.api import Api
from refund_service.main import SPEC
from refund_service.reasons import ReasonLists, Waiting

CONNECTION = UUID(int=21)
SHOP = UUID(int=22)
REASONS = {"manomano": "PRODUCT_DAMAGED", "mirakl": "17"}
SETTINGS: dict[str, dict[str, Any]] = {
    "manomano": {"seller_contract_id": 11781522, "country": "FR"},
    "mirakl": {},
}
BUDGETS = {"manomano": dict.fromkeys(("refund", "probe_refund", "read_order"), 100_000), "mirakl": {}}


@dataclass
class Stage:
    """Everything a test needs about one marketplace."""

    name: str
    harness: Harness
    clock: ManualClock
    simulator: Any
    url: str
    orders: dict[UUID, OrderSnapshot] = field(default_factory=dict)

    def connection(self, policy: RefundSettings | None = None, **changes: Any) -> ConnectionChanged:
        """The connection, with this refund policy."""
        secret = {"api_key": SecretStr(f"{self.name}-sandbox-key")}
        return ConnectionChanged(
            connection_id=CONNECTION,
            connector=self.name,
            kind=ConnectionKind.MARKETPLACE,
            label="test",
            environment=Environment.SANDBOX,
            state=ConnectionState.ACTIVE,
            verified=True,
            base_url=self.url,
            settings=HubSettings(
                refunds=policy or RefundSettings(default_reason=REASONS[self.name]),
                capabilities_off=changes.pop("off", ()),
            ),
            connector_settings=SETTINGS[self.name],
            credentials=self.harness.runtime.keyring.seal(CONNECTION, secret),
            credential_ref=f"{self.name}-1",
            budgets=BUDGETS[self.name],
            **changes,
        )

    async def ready(self, policy: RefundSettings | None = None, **changes: Any) -> None:
        """Tell the service about the connection, and let it look again at what waits."""
        await self.harness.feed((CONNECTION, self.connection(policy, **changes)))
        await self.wait_over()

    async def wait_over(self) -> None:
        """Let the duty that looks again do all it has to."""
        duty = Waiting(self.harness.runtime)
        for _ in range(5):
            if not await duty.step():
                return

    async def fetch_reasons(self) -> bool:
        """Let the duty that fetches reasons do one step."""
        await self.harness.lease()
        return await ReasonLists(self.harness.runtime).step()

    def sold(self, *skus: tuple[str, str, int], status: str = "SHIPPED", **options: Any) -> str:
        """An order at the simulator: (SKU, price, quantity) per line."""
        wishes = [
            {"sku": sku, "price": price, "quantity": quantity} for sku, price, quantity in skus or [("A", "10.00", 3)]
        ]
        references: list[str] = self.simulator.create_orders(1, {"skus": wishes, "status": status, **options})
        return references[0]

    async def snapshot(self, reference: str) -> OrderSnapshot:
        """The order as the marketplace shows it now, read and mapped by the connector."""
        await self.harness.runtime.connections.refresh()
        self.clock.advance(1)
        speaker = self.harness.runtime.book.connector(CONNECTION, Lane.LIVE)
        order: OrderSnapshot = speaker.map_order(await speaker.read_order(reference)).snapshot
        return order

    async def arrive(self, reference: str, **changes: Any) -> OrderSnapshot:
        """What order-ingest tells after reading the order for the first time."""
        order = (await self.snapshot(reference)).model_copy(update=changes)
        await self.harness.feed((order.order_id, OrderReceived(order=order, snapshot_id=UUID(int=1))))
        return order

    async def polled(self, reference: str, **changes: Any) -> OrderSnapshot:
        """What order-ingest tells after reading the order again."""
        order = (await self.snapshot(reference)).model_copy(update=changes)
        data = OrderChanged(order=order, changed_fields=("lines",), snapshot_id=UUID(int=2))
        await self.harness.feed((order.order_id, data))
        return order

    @staticmethod
    def part(order: OrderSnapshot, quantity: int, at: int = 0, **more: Any) -> ReturnLine:
        """Some units of a line coming back."""
        amount = more.pop("amount", None)
        money = Decimal(amount) if amount is not None else None
        return ReturnLine(line_id=order.lines[at].line_id, quantity=quantity, amount=money, **more)

    def returned(
        self, order: OrderSnapshot, *lines: ReturnLine, stage: str = "received", **more: Any
    ) -> ReturnReported:
        """What shop-gateway tells about a return; one unit of the first line by default."""
        reference = more.pop("reference", "RET-1")
        given: dict[str, Any] = {"environment": order.environment, "is_test": order.is_test} | more
        return ReturnReported(
            return_id=return_id_for(order.order_id, SHOP, reference),
            order_id=order.order_id,
            connection_id=order.connection_id,
            shop_connection_id=SHOP,
            shop_return_reference=reference,
            stage=stage,
            lines=lines or (ReturnLine(line_id=order.lines[0].line_id, quantity=1),),
            reported_at=self.clock.now(),
            **given,
        )

    async def take_back(self, order: OrderSnapshot, *lines: ReturnLine, **more: Any) -> ReturnReported:
        """Feed a return."""
        origin = more.pop("origin", Origin.LIVE)
        event = self.returned(order, *lines, **more)
        await self.harness.feed((order.order_id, event), origin=origin)
        return event

    async def cancel_wish(self, order: OrderSnapshot, *lines: LineQuantity, **more: Any) -> CancellationRequested:
        """Feed a shop's wish to cancel."""
        reference = more.pop("reference", "CAN-1")
        given: dict[str, Any] = {"environment": order.environment, "is_test": order.is_test} | more
        event = CancellationRequested(
            cancellation_id=cancellation_id_for(order.order_id, SHOP, reference),
            order_id=order.order_id,
            connection_id=order.connection_id,
            shop_connection_id=SHOP,
            lines=lines,
            requested_at=self.clock.now(),
            **given,
        )
        await self.harness.feed((order.order_id, event))
        return event

    async def told(self, kind: type[Any]) -> list[Any]:
        """Events of this type that were emitted so far."""
        return [event.data for event in await self.harness.emitted(clear=False) if isinstance(event.data, kind)]

    async def parked(self) -> list[str]:
        """Causes of what waits for a person now."""
        return [item["cause"] for item in await self.harness.parked()]

    async def park_story(self) -> tuple[int, int]:
        """How often work was parked and resumed."""
        return len(await self.told(WorkParked)), len(await self.told(WorkResumed))

    def faults(self, *rules: FaultRule) -> None:
        """Switch faults of the simulator."""
        self.simulator.faults.set(rules)

    def applied(self, kind: str) -> list[Any]:
        """Effects that really took place at the marketplace."""
        return [entry for entry in self.simulator.record.entries if entry.kind == kind]

    async def settle(self, rounds: int = 3) -> None:
        """Send what is planned and look up what is in doubt, several times."""
        for _ in range(rounds):
            await self.harness.run_effects()
            await self.harness.make_due()
        await self.harness.run_effects()

    async def ledger(self, order: OrderSnapshot) -> dict[str, dict[str, Any]]:
        """Lines of the ledger as the API shows them."""
        shown = await self.get(f"/v1/orders/{order.order_id}/ledger")
        return {line["line_id"]: line for line in shown["lines"]}

    async def get(self, path: str) -> Any:
        """Ask the service's API."""
        return await asyncio.to_thread(Api(await self.api(), OPERATOR_TOKEN).get, path)

    async def post(self, path: str, body: Any, token: str = OPERATOR_TOKEN) -> Any:
        """Post to the service's API."""
        return await asyncio.to_thread(Api(await self.api(), token).post, path, body)

    async def api(self) -> str:
        """Address of the service's API."""
        if self.harness._server is None:
            return await self.harness.serve()
        return self.harness._server.url


async def _stage(name: str, database: str) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock, call_timeout_seconds=5) as harness:
        simulator = connector(name).build_sandbox(SandboxOptions(clock=clock))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        yield Stage(name, harness, clock, simulator, server.url)
        await server.stop()


@pytest.fixture
async def manomano(database: str) -> AsyncIterator[Stage]:
    async for stage in _stage("manomano", database):
        yield stage


@pytest.fixture
async def mirakl(database: str) -> AsyncIterator[Stage]:
    async for stage in _stage("mirakl", database):
        yield stage
