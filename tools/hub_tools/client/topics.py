"""Records of topics as people want to see them: opened, filtered, personal data masked."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from hub_common.kafka.client import bounds
from hub_common.kafka.records import InRecord, TopicPartition
from hub_common.kafka.security import Broker
from hub_common.kafka.watch import follow
from hub_contracts.topics import TOPIC_BY_NAME
from hub_tools.client.errors import usage
from hub_tools.client.masking import readable

WARNING = (
    "WARNING: personal data of buyers is shown unmasked; keep it out of tickets, chats and screenshots, "
    "and clear this screen when done"
)

QUIET = 20
"""Reads without a record, some 6 s, after which the present end counts as reached: compaction may have removed the last
record before it."""


@dataclass(frozen=True)
class Filters:
    """What a record must have to be shown; empty = anything."""

    types: tuple[str, ...] = ()
    """Event types; `*` stands for anything."""
    keys: tuple[str, ...] = ()
    orders: tuple[str, ...] = ()
    """Order ids: in the key, or anywhere in the body as `order_id`."""
    text: str = ""
    """In the body as it is shown: what is masked cannot be searched for."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def fits(self, record: Mapping[str, Any]) -> bool:
        """Whether to show it."""
        if self.types and not any(fnmatchcase(record["type"], pattern) for pattern in self.types):
            return False
        if self.keys and record["key"] not in self.keys:
            return False
        if any(record["headers"].get(name) != value for name, value in self.headers.items()):
            return False
        if self.orders and not any(_is_about(record, order) for order in self.orders):
            return False
        return not self.text or self.text.lower() in json.dumps(record["data"], ensure_ascii=False, default=str).lower()


def _is_about(record: Mapping[str, Any], order_id: str) -> bool:
    if record["key"] == order_id:
        return True
    data = record["data"]
    if not isinstance(data, dict):
        return False
    inner = data.get("order")
    return data.get("order_id") == order_id or (isinstance(inner, dict) and inner.get("order_id") == order_id)


def header_filters(given: Iterable[str]) -> dict[str, str]:
    """`NAME=VALUE` options. Raises `CommandError` (usage)."""
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise usage(f"--header: must be NAME=VALUE, got {text!r}")
        found[name] = value
    return found


def chosen_topics(names: Sequence[str], *, dead_letters: bool = False) -> list[str]:
    """Topics by name, with or without the leading `hub.`; all without any. Raises `CommandError` (usage)."""
    chosen = []
    for name in names:
        full = name if name.startswith("hub.") else f"hub.{name}"
        if full.removesuffix(".dlq") not in TOPIC_BY_NAME:
            raise usage(f"TOPIC: {name} is no topic of the hub; there are {', '.join(TOPIC_BY_NAME)}")
        chosen.append(full)
    chosen = chosen or list(TOPIC_BY_NAME)
    return [name if name.endswith(".dlq") else f"{name}.dlq" for name in chosen] if dead_letters else chosen


def opened(record: InRecord, *, show: bool, prefix: str = "") -> dict[str, Any]:
    """A record as it is shown; keys are stable."""
    headers = {name: value.decode(errors="backslashreplace") for name, value in record.headers}
    kind = headers.get("ce_type", "")
    return {
        "topic": record.topic.removeprefix(prefix),
        "partition": record.partition,
        "offset": record.offset,
        "at": datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(),
        "key": (record.key or b"").decode(errors="backslashreplace"),
        "type": kind,
        "source": headers.get("ce_source", ""),
        "tombstone": record.value is None,
        "headers": headers,
        "data": readable(record.topic, kind, record.value, show=show, prefix=prefix),
    }


@dataclass(frozen=True)
class Tail:
    """How to read."""

    broker: Broker
    topics: Sequence[str]
    prefix: str = ""
    from_beginning: bool = False
    until_now: bool = False
    """End at what is there now instead of waiting for more."""
    limit: int | None = None
    show: bool = False


async def tail(how: Tail, filters: Filters) -> AsyncGenerator[dict[str, Any], None]:
    """Records that fit, as they come. Raises `BrokerDown`."""
    edges = await bounds(how.broker, [how.prefix + topic for topic in how.topics])
    starts = {tp: first if how.from_beginning else end for tp, (first, end) in edges.items()}
    left = {tp: end for tp, (_, end) in edges.items() if starts[tp] < end}
    shown = quiet = 0
    if how.until_now and not left:
        return
    async with aclosing(follow(how.broker, starts)) as batches:
        async for batch in batches:
            for record in batch:
                tp = TopicPartition(record.topic, record.partition)
                if how.until_now and record.offset >= edges[tp][1]:
                    continue
                seen = opened(record, show=how.show, prefix=how.prefix)
                if filters.fits(seen):
                    yield seen
                    shown += 1
                    if how.limit is not None and shown >= how.limit:
                        return
            _strike(left, batch)
            quiet = 0 if batch else quiet + 1
            if how.until_now and (not left or quiet >= QUIET):
                return


def _strike(left: dict[TopicPartition, int], batch: Sequence[InRecord]) -> None:
    """Take out the partitions that have been read to where they ended at the start."""
    for record in batch:
        tp = TopicPartition(record.topic, record.partition)
        if tp in left and record.offset + 1 >= left[tp]:
            del left[tp]
