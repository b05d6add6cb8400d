"""The whole way: order-ingest finds the connector by name, polls the simulator over HTTP, and tells of each order."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from hub_common.clock import ManualClock
from hub_common.crypto import generate_key
from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState, HubSettings, ImportSettings
from hub_contracts.orders import Environment
from order_ingest.main import SPEC
from order_ingest.pollers import pollers_of
from pydantic import SecretStr

CREDENTIALS = {
    "client_id": "walmart-sandbox-id",
    "client_secret": "walmart-sandbox-secret",
    "notice_secret": "notice-secret-0123",
}


async def test_orders_of_two_pages_are_told(database: str) -> None:
    clock = ManualClock()
    simulator = connector("walmart").build_sandbox(SandboxOptions(clock))
    server = WebServer(simulator.app, drain_seconds=0)
    await server.start()
    keys = SecretStr(generate_key("test"))
    try:
        async with Harness(SPEC, database, clock=clock, instance="a", credentials_keys=keys) as hub:
            connection_id, start = uuid4(), clock.now() - timedelta(hours=1)
            created = simulator.create_orders(3, {})
            connection = ConnectionChanged(
                connection_id=connection_id,
                connector="walmart",
                kind=ConnectionKind.MARKETPLACE,
                label="Walmart",
                environment=Environment.SANDBOX,
                state=ConnectionState.ACTIVE,
                base_url=server.url,
                settings=HubSettings(orders=ImportSettings(import_from=start)),
                connector_settings={"page_size": "2"},
                credentials=hub.runtime.keyring.seal(connection_id, CREDENTIALS),
                credential_ref="ref",
                budgets={},
                activated_at=start,
            )
            await hub.feed((connection_id, connection))
            await hub.lease()
            clock.advance(200)
            await hub.lease()
            await pollers_of(hub.runtime).run_due()
            told = [event.data.order for event in await hub.emitted() if event.type == "order.received.v1"]
            assert not await hub.parked()
    finally:
        await server.stop()
    assert sorted(order.marketplace_reference for order in told) == sorted(created)
    assert {order.status for order in told} == {"PENDING"}
    assert {order.accept_by - order.created_at for order in told if order.accept_by} == {timedelta(hours=4)}
    assert all(order.accept_by for order in told)
