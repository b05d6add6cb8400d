"""A ManoMano simulator on loopback, and order-acceptance on a database of its own with a connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
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
from hub_common.web import WebServer
from hub_contracts.connections import (
    AcceptancePolicy,
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    SkuSettings,
)
from hub_contracts.orders import Environment, OrderReceived
from order_acceptance.main import SPEC

CONNECTION = UUID(int=11)
SHOP = UUID(int=12)


@dataclass
class Stage:
    """Everything a test needs."""

    harness: Harness
    clock: ManualClock
    simulator: Any
    url: str

    def connection(self, policy: AcceptancePolicy | None = None, link_mode: str = "pass_through") -> ConnectionChanged:
        """The ManoMano connection, with this policy."""
        sealed = self.harness.runtime.keyring.seal(CONNECTION, {"api_key": SecretStr("manomano-sandbox-key")})
        return ConnectionChanged(
            connection_id=CONNECTION,
            connector="manomano",
            kind=ConnectionKind.MARKETPLACE,
            label="test",
            environment=Environment.SANDBOX,
            state=ConnectionState.ACTIVE,
            verified=True,
            base_url=self.url,
            settings=HubSettings(
                acceptance=policy or AcceptancePolicy(),
                sku=SkuSettings(link_mode=link_mode),  # type: ignore[arg-type]
            ),
            connector_settings={"seller_contract_id": 11781522, "country": "FR"},
            credentials=sealed,
            credential_ref="manomano-1",
            budgets={"accept": 100_000, "probe_accept": 100_000, "read_order": 100_000},
        )

    async def received(self, reference: str) -> OrderReceived:
        """The event that order-ingest would tell about an order of the simulator."""
        book = self.harness.runtime.book
        await self.harness.runtime.connections.refresh()
        self.clock.advance(1)  # the call budget refills with time
        speaker = book.connector(CONNECTION, Lane.LIVE)
        raw = await speaker.read_order(reference)
        return OrderReceived(order=speaker.map_order(raw).snapshot, snapshot_id=UUID(int=1))

    def faults(self, *rules: FaultRule) -> None:
        """Switch faults of the simulator."""
        self.simulator.faults.set(rules)

    def applied(self, kind: str) -> list[str]:
        """References of effects that really took place at the marketplace."""
        return [entry.reference for entry in self.simulator.record.entries if entry.kind == kind]


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    clock = ManualClock()
    async with Harness(SPEC, database, clock=clock, call_timeout_seconds=5) as harness:
        simulator = connector("manomano").build_sandbox(SandboxOptions(clock=harness.clock))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        yield Stage(harness, clock, simulator, server.url)
        await server.stop()
