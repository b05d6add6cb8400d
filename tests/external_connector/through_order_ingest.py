"""Run by the test in a process of its own, with the external package on its path: polls through order-ingest.

Prints one JSON document. Nothing here imports the package: the hub finds it by the name in the connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from uuid import uuid4

from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector, load_connectors
from hub_common.clock import ManualClock
from hub_common.crypto import generate_key
from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState, HubSettings, ImportSettings
from hub_contracts.orders import Environment
from order_ingest.main import SPEC
from order_ingest.pollers import pollers_of

NAME = "lantern_bay"
CREDENTIALS = {
    "client_id": "lantern-bay-sandbox-id",
    "client_secret": "lantern-bay-sandbox-secret",
    "notice_secret": "notice-secret-0123",
}


async def main() -> None:
    """Invent three orders at the simulator, poll, print what order-ingest told."""
    clock = ManualClock()
    factory = connector(NAME)
    simulator = factory.build_sandbox(SandboxOptions(clock))
    server = WebServer(simulator.app, drain_seconds=0)
    await server.start()
    keys = SecretStr(generate_key("test"))
    async with Harness(SPEC, os.environ["HUB_TEST_DSN"], clock=clock, instance="a", credentials_keys=keys) as hub:
        connection_id = uuid4()
        created = simulator.create_orders(3, {})
        connection = ConnectionChanged(
            connection_id=connection_id,
            connector=NAME,
            kind=ConnectionKind.MARKETPLACE,
            label="Somebody else's marketplace",
            environment=Environment.SANDBOX,
            state=ConnectionState.ACTIVE,
            base_url=server.url,
            settings=HubSettings(orders=ImportSettings(import_from=clock.now() - timedelta(hours=1))),
            connector_settings={"page_size": "2"},
            credentials=hub.runtime.keyring.seal(connection_id, CREDENTIALS),
            credential_ref="ref",
            budgets={},
            activated_at=clock.now() - timedelta(hours=1),
        )
        await hub.feed((connection_id, connection))
        await hub.lease()
        clock.advance(200)
        await hub.lease()
        await pollers_of(hub.runtime).run_due()
        told = [
            {"type": event.type, "reference": event.data.order.marketplace_reference, "status": event.data.order.status}
            for event in await hub.emitted()
            if event.type == "order.received.v1"
        ]
        parked = await hub.parked()
    await server.stop()
    said = {"installed": sorted(load_connectors()), "created": created, "told": told, "parked": len(parked)}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
