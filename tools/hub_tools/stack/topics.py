"""Topics of the local stack: declared, never made by accident, since the broker's auto-creation is off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub_common.kafka import client
from hub_common.kafka.records import BrokerDown

from .errors import StackError


@dataclass(frozen=True)
class Topic:
    """A topic as it should be. `config` holds Kafka's topic settings, as strings (`retention.ms`, …)."""

    name: str
    partitions: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


async def ensure_topics(bootstrap: str, topics: Iterable[Topic]) -> list[str]:
    """Make the topics that do not exist, without dead-letter topics. Returns the new names. Raises `StackError`."""
    try:
        return await client.ensure_topics(bootstrap, topics, dead_letters=False)
    except BrokerDown as error:
        raise StackError(str(error)) from None


async def delete_topics(bootstrap: str, *, prefix: str) -> list[str]:
    """Remove every topic whose name begins with `prefix` (not empty); returns their names. Raises `StackError`."""
    try:
        return await client.delete_topics(bootstrap, prefix=prefix)
    except (BrokerDown, ValueError) as error:
        raise StackError(str(error)) from None
