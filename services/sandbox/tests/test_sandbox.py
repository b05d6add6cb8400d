"""The sandbox as a process and as an application: every simulator served, its life cycle run, production refused."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from connector_kit.discovery import load_connectors
from connector_kit.simulator import Faults, Record, control_routes
from hub_common.clock import ManualClock
from hub_common.run import EXIT_NOT_READY, EXIT_USAGE
from hub_common.web import WebServer
from sandbox.app import build_app
from sandbox.config import SandboxSettings
from sandbox.main import ForbiddenHere, build_server, main
from sandbox.simulators import Simulators, build_simulators


class FakeSimulator:
    """A connector's simulator reduced to its life cycle."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.life: list[str] = []
        self.faults = Faults(["late_answer"], 1)
        self.record = Record(ManualClock())
        self.app = FastAPI(lifespan=self._lifespan)
        self.app.include_router(control_routes(self))

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self.life.append("started")
        yield
        self.life.append("stopped")

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        return [f"{self.name}-{number}" for number in range(count)]

    def state(self) -> dict[str, Any]:
        return {"orders": []}

    def reset(self) -> None:
        self.life.append("reset")


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    server = WebServer(app)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            yield client
    finally:
        await server.stop()


async def test_runs_the_lifespan_of_every_mounted_simulator() -> None:
    one, two = FakeSimulator("one"), FakeSimulator("two")
    async with serving(build_app(Simulators({"one": one, "two": two}))) as client:
        assert (one.life, two.life) == (["started"], ["started"])
        answer = await client.post("/two/_sandbox/orders", json={"count": 2})
        assert answer.json() == {"references": ["two-0", "two-1"]}
    assert (one.life, two.life) == (["started", "stopped"], ["started", "stopped"])


async def test_index_lists_faults_and_control_routes() -> None:
    async with serving(build_app(Simulators({"one": FakeSimulator("one")}, {"one": "One"}))) as client:
        index = (await client.get("/")).json()
        health = (await client.get("/healthz")).json()
        unknown = await client.get("/nobody/orders")
    assert index["simulators"]["one"]["faults"] == ["late_answer"]
    assert index["simulators"]["one"]["base_path"] == "/one"
    assert "PUT /one/_sandbox/faults" in index["simulators"]["one"]["control"]
    assert health["status"] == "ok"
    assert health["details"]["simulators"] == ["one"]
    assert unknown.status_code == 404
    assert unknown.headers["content-type"] == "application/problem+json"


def test_one_simulator_that_cannot_be_built_does_not_take_the_others_down() -> None:
    def explode(_options: object) -> Any:
        raise RuntimeError("no such profile")

    good = SimpleNamespace(build_sandbox=lambda _options: FakeSimulator("good"), manifest=SimpleNamespace(title="Good"))
    bad = SimpleNamespace(build_sandbox=explode, manifest=SimpleNamespace(title="Bad"))
    connectors: Any = {"bad": bad, "good": good}
    built = build_simulators(clock=ManualClock(), seed=1, settings={}, connectors=connectors)
    assert list(built.running) == ["good"]
    assert built.failed == {"bad": "RuntimeError: no such profile"}


def test_settings_of_an_unknown_connector_are_refused() -> None:
    with pytest.raises(ValueError, match="no connector 'manomanoo'; installed:"):
        build_simulators(clock=ManualClock(), seed=1, settings={"manomanoo": {}})


async def test_serves_the_installed_connectors() -> None:
    simulators = build_simulators(clock=ManualClock(), seed=7, settings={})
    assert simulators.failed == {}
    assert set(simulators.running) == set(load_connectors())
    async with serving(build_app(simulators)) as client:
        for name in simulators.running:
            faults = (await client.get(f"/{name}/_sandbox/faults")).json()
            assert faults["known"], name
            assert (await client.get(f"/{name}/_sandbox/state")).json()["orders"] in ({}, [])
        made = await client.post("/manomano/_sandbox/orders", json={"count": 1})
        assert len(made.json()["references"]) == 1


@pytest.mark.parametrize("value", ["production", " Production "])
def test_production_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: Any, value: str) -> None:
    monkeypatch.setenv("HUB_ENVIRONMENT", value)
    with pytest.raises(ForbiddenHere):
        build_server(SandboxSettings())
    assert main([]) == EXIT_NOT_READY
    assert "HUB_ENVIRONMENT is production" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("HUB_SANDBOX_PORT", "70000", "HUB_SANDBOX_PORT: Input should be less than or equal to 65535"),
        ("HUB_SANDBOX_SETTINGS", "{", "HUB_SANDBOX_SETTINGS must be a JSON object"),
        ("HUB_SANDBOX_SETTINGS", '{"nobody": {}}', "HUB_SANDBOX_SETTINGS: settings: no connector 'nobody'"),
    ],
)
def test_bad_settings_name_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main([]) == EXIT_USAGE
    assert message in capsys.readouterr().err


def test_arguments_are_refused(capsys: Any) -> None:
    assert main(["--port", "1"]) == EXIT_USAGE
    assert "'--port'" in capsys.readouterr().err


def test_a_taken_port_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("HUB_SANDBOX_PORT", str(taken.getsockname()[1]))
        assert main([]) == EXIT_NOT_READY
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


async def test_runs_as_a_process_and_ends_on_sigterm() -> None:
    environment = os.environ | {"HUB_SANDBOX_PORT": "0", "HUB_ENVIRONMENT": "development"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            while b"sandbox_started" not in (line := await process.stdout.readline()):
                assert line, "ended before it was ready"
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
