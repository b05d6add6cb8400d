"""Topics are declared, never made by accident: the broker's auto-creation is off, this makes what is missing.

Existing topics are left as they are, except that partitions are added; a topic with more partitions than declared is
an error, since partitions cannot be taken away and the key-to-partition mapping is what keeps the order of events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import for_code

from .errors import StackError

_TIMEOUT_S = 30.0
_POLL_S = 0.1
_NO_ERROR, _TOPIC_EXISTS, _UNKNOWN_TOPIC = 0, 36, 3


@dataclass(frozen=True)
class Topic:
    """A topic as it should be. `config` holds Kafka's topic settings, as strings (`retention.ms`, …)."""

    name: str
    partitions: int = 1
    config: Mapping[str, str] = field(default_factory=dict)
    replication: int = 1


async def ensure_topics(bootstrap: str, topics: Iterable[Topic]) -> list[str]:
    """Make the topics that do not exist, and wait until every one has leaders. Returns the names of the new ones.

    Raises `StackError` when the broker refuses one, or one has more partitions than declared.
    """
    wanted = {topic.name: topic for topic in topics}
    async with _admin(bootstrap) as admin:
        present = set(await admin.list_topics())
        missing = [topic for topic in wanted.values() if topic.name not in present]
        if missing:
            await _create(admin, missing)
        await _ensure_partitions(admin, [topic for topic in wanted.values() if topic.name in present])
        await _wait_for_leaders(admin, list(wanted))
    return [topic.name for topic in missing]


async def delete_topics(bootstrap: str, *, prefix: str) -> list[str]:
    """Remove every topic whose name begins with `prefix` (not empty); returns their names."""
    if not prefix:
        raise StackError("delete_topics: an empty prefix would remove every topic")
    async with _admin(bootstrap) as admin:
        names = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if names:
            await admin.delete_topics(names)
    return names


async def _create(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    answer = await admin.create_topics(
        [NewTopic(one.name, one.partitions, one.replication, topic_configs=dict(one.config)) for one in topics]
    )
    for name, code, *rest in answer.topic_errors:
        # Somebody else may have made it in the meantime.
        if code not in (_NO_ERROR, _TOPIC_EXISTS):
            reason = rest[0] if rest and rest[0] else for_code(code).__name__
            raise StackError(f"the broker refuses topic {name}: {reason}")


async def _ensure_partitions(admin: AIOKafkaAdminClient, topics: list[Topic]) -> None:
    if not topics:
        return
    described = await admin.describe_topics([topic.name for topic in topics])
    counts = {one["topic"]: len(one["partitions"]) for one in described}
    for topic in topics:
        count = counts.get(topic.name, 0)
        if count > topic.partitions:
            raise StackError(
                f"topic {topic.name} has {count} partitions, declared are {topic.partitions}; they cannot be removed: "
                "declare more, or start from nothing with: make clean"
            )
        if count < topic.partitions:
            await admin.create_partitions({topic.name: NewPartitions(total_count=topic.partitions)})


async def _wait_for_leaders(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while names:
        described = await admin.describe_topics(names)
        # Leader -1: the election has not happened yet, and a producer would fail.
        if all(
            one["error_code"] == _NO_ERROR
            and one["partitions"]
            and all(part["leader"] >= 0 for part in one["partitions"])
            for one in described
        ):
            return
        if time.monotonic() > deadline:
            raise StackError(f"topics without leader after {_TIMEOUT_S:.0f} s: {', '.join(names)}")
        await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(_TIMEOUT_S * 1000))
    async with asyncio.timeout(_TIMEOUT_S):
        await admin.start()
    try:
        async with asyncio.timeout(2 * _TIMEOUT_S):
            yield admin
    finally:
        await admin.close()
