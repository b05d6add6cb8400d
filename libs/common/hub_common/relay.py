"""From outbox to broker: what was committed is told, in order per key, at least once.

Each shard is read by the holder of its lease only: two relays on one shard would swap events of a key. Rows are
deleted after the broker confirmed them. When one record of a key fails, everything later of that key stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import asyncpg
import orjson

from hub_common.kafka.records import BrokerDown, OutRecord
from hub_common.logs import get_logger
from hub_common.tracing import Tracing
from hub_common.tracing_work import sending

SELECT = """
SELECT id, topic, key, headers, version, value FROM outbox WHERE shard = ANY($1) ORDER BY id LIMIT $2
"""


Observe = Callable[[str, str, bool], None]
"""Told topic, event type and whether the broker confirmed, once per record that was sent."""


def _observe_nothing(_topic: str, _type: str, _confirmed: bool) -> None:
    return None


class Sends(Protocol):
    """The part of a producer that the relay needs."""

    async def send(self, records: Sequence[OutRecord]) -> list[bool]:
        """Send and say which records were confirmed."""
        ...


class Relay:
    """Empties the outbox shards that this process holds."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        producer: Sends,
        batch: int,
        service: str,
        observe: Observe = _observe_nothing,
        tracing: Tracing | None = None,
    ) -> None:
        self._pool = pool
        self._producer = producer
        self._batch = batch
        self._tracing = tracing
        self._observe = observe
        self._log = get_logger(service)
        self.sent_total = 0

    async def step(self, shards: Sequence[int]) -> int:
        """Send one batch; returns how many rows left the outbox.

        Raises `BrokerDown` when nothing could be sent: the rows wait, nothing is lost.
        """
        if not shards:
            return 0
        rows = await self._pool.fetch(SELECT, list(shards), self._batch)
        if not rows:
            return 0
        confirmed = await self._send(rows)
        if confirmed:
            await self._pool.execute("DELETE FROM outbox WHERE id = ANY($1)", confirmed)
        self.sent_total += len(confirmed)
        if not confirmed:
            raise BrokerDown("the broker confirmed none of the records")
        return len(confirmed)

    async def _send(self, rows: Sequence[asyncpg.Record]) -> list[int]:
        """Send in waves with one record per key each, so that a failure can never let a later one overtake."""
        confirmed: list[int] = []
        failed: set[tuple[str, str]] = set()
        for wave in _waves(rows):
            todo = [row for row in wave if (row["topic"], row["key"]) not in failed]
            if not todo:
                break
            records = [_record(row) for row in todo]
            results = await self._publish(records)
            for row, record, ok in zip(todo, records, results, strict=True):
                self._observe(record.topic, type_of(record), ok)
                if ok:
                    confirmed.append(row["id"])
                else:
                    failed.add((row["topic"], row["key"]))
        if failed:
            self._log.warning("relay_unconfirmed", count=len(rows) - len(confirmed))
        return confirmed

    async def _publish(self, records: list[OutRecord]) -> list[bool]:
        if self._tracing is None:
            return await self._producer.send(records)
        begun = [sending(self._tracing, record) for record in records]
        results = [False] * len(begun)
        try:
            results = await self._producer.send([record for record, _ in begun])
        finally:
            for (_, step), ok in zip(begun, results, strict=True):
                if step is not None:
                    step.end("" if ok else "unconfirmed")
        return results


def type_of(record: OutRecord) -> str:
    """The event's type; empty for a record that is none (tombstones, copies for the dead-letter topic)."""
    return next((value.decode() for name, value in record.headers if name == "ce_type"), "")


def _waves(rows: Sequence[asyncpg.Record]) -> list[list[asyncpg.Record]]:
    waves: list[list[asyncpg.Record]] = []
    depth: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row["topic"], row["key"])
        level = depth.get(key, 0)
        depth[key] = level + 1
        if level == len(waves):
            waves.append([])
        waves[level].append(row)
    return waves


def _record(row: asyncpg.Record) -> OutRecord:
    headers = [(name, value.encode()) for name, value in orjson.loads(row["headers"]).items()]
    if row["version"]:
        headers.append(("aggregate_version", str(row["version"]).encode()))
    return OutRecord(row["topic"], row["key"].encode(), row["value"], headers)
