"""Exactly-once handling on top of at-least-once delivery: one transaction per batch, one by one when that fails.

In the transaction: the ids of the batch go into `inbox` (known ones are skipped), handlers run, outbox rows are
written. Offsets are committed afterwards, so a crash repeats a batch and the inbox absorbs it. A key that has
something waiting in the retry table has everything later of its own put behind it; other keys flow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from pydantic import ValidationError

from hub_common.dead_letters import DeadLetter, bury
from hub_common.errors import is_permanent, is_storage_down, words_of
from hub_common.kafka.records import InRecord
from hub_common.logs import get_logger
from hub_common.retries import park_records
from hub_common.routing import Handler, dispatch
from hub_common.trace import parse, use
from hub_common.transactions import Transactions
from hub_common.tx import Tx
from hub_contracts.base import EventData
from hub_contracts.envelope import BadEnvelope, Event, Metadata, decode_headers
from hub_contracts.registry import BY_TYPE

TURN_RECORDS = 50
"""Records decoded at a stretch, some 0.5 ms: the statements of the batch before are sent as soon as they can be."""
UNHEARD_TYPES = 100
"""Unknown types that are logged by name; a topic full of rubbish must not fill the memory."""

CLAIM = """
WITH incoming AS (SELECT * FROM unnest($1::uuid[], $2::text[]) AS t(event_id, key)),
blocked AS (SELECT DISTINCT key FROM inbox_retry WHERE key = ANY($2)),
fresh AS (
    INSERT INTO inbox (event_id)
    SELECT event_id FROM incoming i WHERE NOT EXISTS (SELECT 1 FROM blocked b WHERE b.key = i.key)
    ON CONFLICT DO NOTHING RETURNING event_id
)
SELECT event_id, NULL AS key FROM fresh UNION ALL SELECT NULL, key FROM blocked
"""


class Received(NamedTuple):
    """A consumed record with its decoded event."""

    record: InRecord
    event: Event[EventData]


@dataclass(slots=True)
class Batch:
    """Records of one poll, decoded. Decoding needs no database, so it can be done while another batch is written."""

    records: Sequence[InRecord]
    received: list[Received] = field(default_factory=list)
    undecodable: list[tuple[InRecord, BadEnvelope | ValidationError]] = field(default_factory=list)
    unknown: int = 0
    """Records whose event type this release has never heard of: somebody newer wrote them."""

    def followed_by(self, later: Batch) -> Batch:
        """This batch and a later one as one."""
        return Batch(
            [*self.records, *later.records],
            [*self.received, *later.received],
            [*self.undecodable, *later.undecodable],
            self.unknown + later.unknown,
        )


@dataclass(slots=True)
class BatchResult:
    """What became of a batch, for metrics and logs."""

    handled: int = 0
    known: int = 0
    ignored: int = 0
    unknown: int = 0
    parked: int = 0
    dead: int = 0


def decode(record: InRecord, types: Mapping[str, type[EventData]]) -> Event[EventData] | None:
    """The record's event; None for types nobody here handles and for tombstones.

    Raises `BadEnvelope` or pydantic's `ValidationError`: the record becomes a dead letter with its bytes.
    """
    if record.value is None:
        return None
    meta: Metadata = decode_headers(record.headers)
    model = types.get(meta.type)
    return Event(meta, model.model_validate_json(record.value)) if model else None


class Inbox:
    """Handles batches of records for one service."""

    def __init__(
        self,
        transactions: Transactions,
        routes: Mapping[type[EventData], tuple[Handler, ...]],
        *,
        topic_prefix: str = "",
    ) -> None:
        self._transactions = transactions
        self._routes = routes
        self._types = {model.TYPE: model for model in routes}
        self._prefix = topic_prefix
        self._unheard: set[str] = set()
        self._log = get_logger(transactions.service)

    async def process(self, records: Sequence[InRecord]) -> BatchResult:
        """Decode and handle the records of one poll; see `handle`."""
        return await self.handle(await self.read(records))

    async def read(self, records: Sequence[InRecord]) -> Batch:
        """Decode records. What cannot be decoded is kept beside, to be buried when the batch is handled."""
        batch = Batch(records)
        for number, record in enumerate(records, 1):
            if number % TURN_RECORDS == 0:
                await asyncio.sleep(0)
            try:
                event = decode(record, self._types)
            except (BadEnvelope, ValidationError) as error:
                batch.undecodable.append((record, error))
                continue
            if event is not None:
                batch.received.append(Received(record, event))
            elif record.value is not None and self._is_unknown(record):
                batch.unknown += 1
        return batch

    def _is_unknown(self, record: InRecord) -> bool:
        """Whether the contract lacks the record's type. Each is logged once: after an upgrade it must be replayed."""
        name = next((value.decode() for key, value in record.headers if key == "ce_type"), "")
        if name in BY_TYPE:
            return False
        if name not in self._unheard and len(self._unheard) < UNHEARD_TYPES:
            self._unheard.add(name)
            self._log.error("event_type_unknown", type=name, topic=record.topic, offset=record.offset)
        return True

    async def handle(self, batch: Batch) -> BatchResult:
        """Handle a batch, in order. When this returns, all of its records are safe to commit.

        Raises `StorageDown`-like errors when the database is away; the same batch must then be handled again.
        """
        received = batch.received
        result = BatchResult(
            ignored=len(batch.records) - len(received) - len(batch.undecodable) - batch.unknown,
            unknown=batch.unknown,
            dead=len(batch.undecodable),
        )
        for record, cause in batch.undecodable:
            await self._bury_undecodable(record, cause)
        if not received:
            return result
        try:
            await self._batch(received, result)
        except Exception as error:
            if is_storage_down(error):
                raise
            self._log.warning("batch_failed", error=words_of(error), count=len(received))
            for item in received:
                await self._alone(item, result)
        return result

    async def _batch(self, received: Sequence[Received], result: BatchResult) -> None:
        async with self._transactions.begin() as tx:
            fresh, blocked = await _claim(tx, received)
            waiting = [item for item in received if item.event.key in blocked]
            if waiting:
                await park_records(tx.conn, waiting, error="", delay=None)
            todo = _once(received, fresh)
            if tx.spans is not None:
                tx.spans.batch(len(todo))
            await dispatch(self._routes, tx, todo)
        result.handled += len(todo)
        result.parked += len(waiting)
        result.known += len(received) - len(todo) - len(waiting)

    async def _alone(self, item: Received, result: BatchResult) -> None:
        with use(parse(item.event.meta.traceparent)):
            await self._alone_in_trace(item, result)

    async def _alone_in_trace(self, item: Received, result: BatchResult) -> None:
        try:
            await self._batch([item], result)
        except Exception as error:
            if is_storage_down(error):
                raise
            await self._set_aside(item, error)
            if is_permanent(error):
                result.dead += 1
            else:
                result.parked += 1

    async def _set_aside(self, item: Received, error: Exception) -> None:
        text = words_of(error)
        async with self._transactions.begin() as tx:
            if is_permanent(error):
                await bury(tx, [DeadLetter.of(item.record, item.event, "permanent", text)])
            else:
                await park_records(tx.conn, [item], error=text, delay=0)
        self._log.warning(
            "event_set_aside",
            event_id=str(item.event.meta.event_id),
            topic=item.record.topic,
            offset=item.record.offset,
            error=text,
        )

    async def _bury_undecodable(self, record: InRecord, error: Exception) -> None:
        text = _short(error)
        async with self._transactions.begin() as tx:
            await bury(tx, [DeadLetter.of(record, None, "undecodable", text)])
        self._log.error("record_undecodable", topic=record.topic, offset=record.offset, error=text)


async def _claim(tx: Tx, received: Sequence[Received]) -> tuple[set[UUID], set[str]]:
    rows = await tx.conn.fetch(
        CLAIM, [item.event.meta.event_id for item in received], [item.event.key for item in received]
    )
    fresh = {row["event_id"] for row in rows if row["event_id"] is not None}
    return fresh, {row["key"] for row in rows if row["key"] is not None}


def _once(received: Sequence[Received], fresh: set[UUID]) -> list[Event[EventData]]:
    """The events to handle now. A relay that was not sure sends twice, so one batch can hold an event twice."""
    todo: list[Event[EventData]] = []
    for item in received:
        event_id = item.event.meta.event_id
        if event_id in fresh:
            fresh.remove(event_id)
            todo.append(item.event)
    return todo


def _short(error: Exception) -> str:
    """Names of fields and rules of a validation error, never the values: they may be personal data."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)[:5])
    return str(error)
