"""The local Apache Kafka keeps what it acknowledged, over a restart and over a kill, on the same address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from hub_tools.stack.errors import StackError
from hub_tools.stack.kafka import JvmKafka, jvm_possible, new_cluster_id
from hub_tools.stack.topics import Topic, delete_topics, ensure_topics

from .support import gone, processes_of, receive, send

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JvmKafka]:
    why_not = jvm_possible()
    if why_not:
        pytest.skip(f"Apache Kafka cannot run here: {why_not}")
    folder = tmp_path_factory.mktemp("kafka")
    kafka = JvmKafka(folder)
    kafka.start()
    yield kafka
    kafka.remove()
    assert processes_of(folder) == []


async def test_acknowledged_messages_survive_restart_and_kill(broker: JvmKafka) -> None:
    address, first_pid = broker.bootstrap_servers, broker.pid
    assert await ensure_topics(address, [Topic("survivors", partitions=2)]) == ["survivors"]
    await send(address, "survivors", [b"before restart"], partition=1)

    broker.restart()
    await send(address, "survivors", [b"before kill"], partition=1)
    second_pid = broker.pid
    broker.kill()
    assert not broker.alive()
    assert second_pid is not None
    assert gone(second_pid)
    broker.start()

    assert broker.bootstrap_servers == address
    assert broker.pid not in (None, first_pid, second_pid)
    assert await receive(address, "survivors", 2, partition=1) == [b"before restart", b"before kill"]


async def test_another_process_finds_it_by_its_state(broker: JvmKafka, tmp_path: Path) -> None:
    same = JvmKafka(tmp_path, state=broker.state())
    assert same.alive()
    assert same.bootstrap_servers == broker.bootstrap_servers
    # The process id alone is not enough: it may belong to somebody else by now.
    stranger = JvmKafka(tmp_path, state=broker.state() | {"created": 1.0})
    assert not stranger.alive()
    stranger.kill()
    assert broker.alive()


async def test_topics_are_made_once_and_only_grow(broker: JvmKafka) -> None:
    address = broker.bootstrap_servers
    await ensure_topics(address, [Topic("grow", partitions=1, config={"retention.ms": "60000"})])
    assert await ensure_topics(address, [Topic("grow", partitions=3)]) == []
    await send(address, "grow", [b"x"], partition=2)
    with pytest.raises(StackError, match="grow has 3 partitions, declared are 2"):
        await ensure_topics(address, [Topic("grow", partitions=2)])
    assert await delete_topics(address, prefix="grow") == ["grow"]


async def test_a_wrong_topic_is_refused_by_name(broker: JvmKafka) -> None:
    with pytest.raises(StackError, match="the broker refuses topic odd"):
        await ensure_topics(broker.bootstrap_servers, [Topic("odd", config={"no.such.setting": "1"})])
    with pytest.raises(StackError, match="empty one"):
        await delete_topics(broker.bootstrap_servers, prefix="")


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    """Kafka's storage tool refuses one that begins with a dash, so one start in 64 failed."""
    drawn = iter([UUID(bytes=b"\xf8" + bytes(15)), UUID(bytes=b"\xf9" * 16), UUID(int=1)])
    assert new_cluster_id(lambda: next(drawn)) == "AAAAAAAAAAAAAAAAAAAAAQ"
