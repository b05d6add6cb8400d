"""Reading topics from where one likes, for people: as no group's member, so nobody's offsets and partitions move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

from hub_common.kafka.client import bounds, committed, lone_consumer
from hub_common.kafka.records import InRecord, TopicPartition
from hub_common.kafka.security import Address

WAIT_MS = 300
"""How late a record may be shown, and how soon a reader that has enough notices."""


async def follow(
    bootstrap: Address, starts: Mapping[TopicPartition, int], *, most: int = 500
) -> AsyncGenerator[list[InRecord], None]:
    """Records from these offsets on, for ever, oldest first within a list; an empty list when nothing came for a while.

    Close it (`contextlib.aclosing`) when leaving. Raises `BrokerDown`.
    """
    async with lone_consumer(bootstrap) as consumer:
        consumer.assign(list(starts))
        for partition, offset in starts.items():
            consumer.seek(partition, offset)
        while True:
            fetched = await consumer.getmany(timeout_ms=WAIT_MS, max_records=most)
            yield sorted(
                (
                    InRecord(r.topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
                    for found in fetched.values()
                    for r in found
                ),
                key=lambda record: (record.timestamp_ms, record.topic, record.partition, record.offset),
            )


async def bounds_of_present(bootstrap: Address, topics: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
    """`bounds` of those of these topics that exist: who looks must also see a hub of which a part is missing."""
    async with lone_consumer(bootstrap) as consumer:
        present = await consumer.topics()
    return await bounds(bootstrap, sorted(present & set(topics)))


async def lag_of(
    bootstrap: Address, listens: Mapping[str, Sequence[str]]
) -> tuple[dict[TopicPartition, tuple[int, int]], dict[str, dict[TopicPartition, int]]]:
    """Bounds of every partition of every topic listened to, and per group the records that it has yet to handle.

    `listens` is group → topics; those that do not exist are left out. A group that never committed has everything
    before it. Raises `BrokerDown`.
    """
    edges = await bounds_of_present(bootstrap, {topic for names in listens.values() for topic in names})
    done = await asyncio.gather(*(committed(bootstrap, group) for group in listens))
    lag: dict[str, dict[TopicPartition, int]] = {}
    for (group, names), offsets in zip(listens.items(), done, strict=True):
        lag[group] = {
            tp: max(0, end - max(first, offsets.get(tp, first)))
            for tp, (first, end) in edges.items()
            if tp.topic in names
        }
    return edges, lag
