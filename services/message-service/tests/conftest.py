"""message-service on a database of its own, against a Mirakl simulator on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.http import Lane
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.testing import Harness, SeenEvent
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.web import WebServer
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    MessageSettings,
)
from hub_contracts.orders import Environment, OrderReceived, OrderSnapshot
from message_service.main import SPEC
from message_service.reading import ThreadReader, Upkeep

CONNECTION = UUID(int=41)
HOURS = 3600


@dataclass
class Stage:
    """Everything a test needs."""

    harness: Harness
    clock: ManualClock
    simulator: Any
    url: str
    client: httpx.AsyncClient

    async def connect(self, **changes: Any) -> None:
        """Tell about the connection; keyword arguments replace its fields."""
        manifest = connector("mirakl").manifest
        values: dict[str, Any] = {
            "connection_id": CONNECTION,
            "connector": "mirakl",
            "kind": ConnectionKind.MARKETPLACE,
            "label": "mirakl",
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.url,
            "settings": HubSettings(messages=MessageSettings(answer_within_hours=24, default_locale="fr_FR")),
            "credentials": self.harness.runtime.keyring.seal(CONNECTION, {"api_key": SecretStr("mirakl-sandbox-key")}),
            "credential_ref": "ref-mirakl",
            "budgets": {budget.operation: 3_600_000 for budget in manifest.budgets},
        }
        await self.harness.feed((CONNECTION, ConnectionChanged(**(values | changes))))

    async def order(self, *, told: bool = True, locale: str = "es_ES", **changes: Any) -> OrderSnapshot:
        """A shipped order of the simulator; `told`: order-ingest has told of it; `locale`: the buyer's."""
        [reference] = self.simulator.create_orders(1, {"status": "SHIPPED", "locale": locale})
        self.clock.advance(1)
        speaker = self.harness.runtime.book.connector(CONNECTION, Lane.LIVE)
        snapshot: OrderSnapshot = speaker.map_order(await speaker.read_order(reference)).snapshot
        snapshot = snapshot.model_copy(update=changes)
        if told:
            await self.tell(snapshot)
        return snapshot

    async def tell(self, snapshot: OrderSnapshot) -> None:
        """order-ingest tells of the order."""
        await self.harness.feed((snapshot.order_id, OrderReceived(order=snapshot, snapshot_id=UUID(int=1))))

    def asks(
        self, order: OrderSnapshot, words: str, *, thread: str | None = None, sender: str = "CUSTOMER_USER"
    ) -> str:
        """The buyer (or the operator) writes at the marketplace; returns the thread."""
        self.clock.advance(1)
        found: str = self.simulator.write_message(order.marketplace_reference, words, sender=sender, thread_id=thread)
        return found

    async def read(self) -> list[SeenEvent]:
        """One reading of what is due; returns what was told since last time."""
        self.clock.advance(600)
        await self.harness.lease()
        await ThreadReader(self.harness.runtime, self.harness.settings).step()  # type: ignore[arg-type]
        return await self.harness.emitted()

    async def upkeep(self) -> list[SeenEvent]:
        """Alarms and forgetting; returns what was told."""
        while await Upkeep(self.harness.runtime).step():
            pass
        return await self.harness.emitted()

    async def send(self) -> list[SeenEvent]:
        """Send what is due; returns what was told."""
        self.clock.advance(60)
        await self.harness.run_effects()
        return await self.harness.emitted()

    async def probe(self) -> list[SeenEvent]:
        """Let settle times pass, until a probe knows."""
        for _ in range(4):
            await self.harness.make_due()
            self.clock.advance(60)
            await self.harness.run_effects()
        return await self.harness.emitted()

    def fault(self, name: str, operation: str) -> None:
        """Switch one fault on, once."""
        self.simulator.faults.set([FaultRule(fault=name, operation=operation, times=1)])

    async def answer(self, thread: str, **body: Any) -> httpx.Response:
        """A person answers."""
        return await self.client.post(f"/v1/threads/{CONNECTION}/{thread}/messages", json=body)

    async def shown(self, thread: str) -> dict[str, Any]:
        """The thread as people see it."""
        found = await self.client.get(f"/v1/threads/{CONNECTION}/{thread}")
        assert found.status_code == 200, found.text
        return dict(found.json())

    def at_marketplace(self, thread: str) -> list[str]:
        """Words that the marketplace holds in a thread, oldest first."""
        return [message.body for message in self.simulator.world.threads[thread].messages]


def of(events: list[SeenEvent], kind: str) -> list[Any]:
    """Bodies of the events of one type."""
    return [event.data for event in events if event.type == kind]


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    """The service beside a Mirakl operator."""
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock, call_timeout_seconds=5) as harness:
        simulator = connector("mirakl").build_sandbox(SandboxOptions(clock=clock))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        url = await harness.serve()
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as client:
            stage = Stage(harness, clock, simulator, server.url, client)
            await stage.connect()
            yield stage
        await server.stop()
