"""One database per test, a simulated shop on a real server, and the service's own API on another."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from hub_common.clock import ManualClock
from hub_common.migrate import upgrade
from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.waiting import run_sync
from shop_gateway.main import SPEC

from .world import SECRET, Stage


@pytest.fixture(scope="session")
def database_template(postgres: str) -> Iterator[str]:
    """Migrated once; each test gets a copy."""
    name = f"t_{secrets.token_hex(8)}"
    upgrade(SPEC.package, run_sync(create_database(postgres, name)))
    yield name
    run_sync(drop_database(postgres, name))


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    clock = ManualClock()
    script = {"shop_name": "blue", "webhook_secret": SECRET}
    simulator = connector("generic_shop").build_sandbox(
        SandboxOptions(clock=clock, settings={"shops": [script], "slow_seconds": 0})
    )
    server = WebServer(simulator.app, drain_seconds=0)
    await server.start()
    async with Harness(SPEC, database, clock=clock) as harness:
        found = Stage(harness, simulator, server.url)
        found.hub_url = await harness.serve()
        await found.connect()
        await harness.emitted()
        yield found
        await found.client.aclose()
    await server.stop()
