"""Records as the runtime sees them, free of any client library, so that the client can be swapped in one module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = list[tuple[str, bytes]]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class InRecord(NamedTuple):
    """A consumed record. `timestamp_ms` is the broker's, milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to produce. `value` None is a tombstone."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = field(default_factory=list)


class TopicLike(Protocol):
    """What is needed of a topic's description."""

    @property
    def name(self) -> str:
        """Topic name."""
        ...

    @property
    def partitions(self) -> int:
        """Partition count."""
        ...

    @property
    def config(self) -> Mapping[str, str]:
        """Broker-side settings."""
        ...


class BrokerDown(Exception):
    """The broker did not answer in time; the client that was used is gone and a new one will be built."""
