"""One transaction of a service: what a handler may do, and nothing else.

A handler reads and writes through `conn`, tells events with `emit` and intends effects with `plan`. It never commits,
never speaks HTTP. Events get their ids and versions when the transaction is about to commit, after every row lock has
been taken: so per key, the order of versions, of outbox ids and of commits is one and the same.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.clock import Clock
from hub_common.ids import Ids
from hub_contracts.base import EventData
from hub_contracts.envelope import Metadata, Origin, encode_headers

if TYPE_CHECKING:
    from hub_common.effects.model import PlannedEffect
    from hub_common.tracing_tx import TxSpans

FLUSH = """
WITH told AS (
    SELECT * FROM ROWS FROM (unnest($1::text[]), unnest($2::text[]), unnest($3::int[]), unnest($4::smallint[]),
                             unnest($5::jsonb[]), unnest($6::bytea[]), generate_series(1, cardinality($1)))
                  AS e(topic, key, behind, shard, headers, value, ord)
), bumped AS (
    INSERT INTO aggregates (topic, key, version)
    SELECT topic, key, count(*) FROM told GROUP BY topic, key ORDER BY topic, key
    ON CONFLICT (topic, key) DO UPDATE SET version = aggregates.version + excluded.version
    RETURNING topic, key, version
)
INSERT INTO outbox (shard, topic, key, headers, version, value)
SELECT e.shard, e.topic, e.key, e.headers, b.version - e.behind, e.value
FROM told e JOIN bumped b ON b.topic = e.topic AND b.key = e.key
ORDER BY e.ord
"""
# Of `unnest` alone a cached plan expects ten rows and joins by nested loops, quadratic in the batch; of
# `generate_series` it expects a thousand and joins by hash.

FLUSH_RAW = """
INSERT INTO outbox (shard, topic, key, headers, version, value)
SELECT e.shard, e.topic, e.key, e.headers, 0, e.value
FROM unnest($1::text[], $2::text[], $3::smallint[], $4::jsonb[], $5::bytea[]) AS e(topic, key, shard, headers, value)
"""

_NO_ID = UUID(int=0)


def shard_of(key: str, shards: int) -> int:
    """The outbox shard of a key: the same in every process and release."""
    return zlib.crc32(key.encode()) % shards


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is emitted or planned: inherited by what follows from it."""

    tenant: str
    origin: Origin = Origin.LIVE
    traceparent: str | None = None
    causation_id: str | None = None

    @classmethod
    def of(cls, meta: Metadata) -> Cause:
        """The cause that an event is for what follows from it."""
        return cls(meta.tenant, meta.origin, meta.traceparent, str(meta.event_id))


@dataclass(slots=True)
class _Emitted:
    topic: str
    key: str
    headers: str
    value: bytes | None


@dataclass(slots=True)
class Tx:
    """The open transaction. `now` is one instant for the whole batch."""

    conn: asyncpg.Connection[asyncpg.Record]
    service: str
    own_topic: str
    topic_prefix: str
    shards: int
    ids: Ids
    clock: Clock
    now: datetime
    _events: list[_Emitted] = field(default_factory=list)
    _raw: list[_Emitted] = field(default_factory=list)
    _shared: dict[tuple[str, str, Origin], dict[str, str]] = field(default_factory=dict)
    effects: list[PlannedEffect] = field(default_factory=list)
    fenced: int = 0
    spans: TxSpans | None = None
    """None when tracing is off."""
    heard: dict[str, Metadata] = field(default_factory=dict)
    """The events that the running handler was given, by key: the cause of what it tells or plans without naming one."""

    def emit(self, data: EventData, *, key: str | UUID, cause: Cause | Metadata, event_id: UUID | None = None) -> UUID:
        """Tell an event to the world when (and only if) this transaction commits. Returns the event's id."""
        told_id, told_key = event_id or self.ids.new(), str(key)
        headers = self._headers(data.TYPE, cause.tenant, cause.origin)
        headers["ce_id"], headers["ce_subject"] = str(told_id), told_key
        heard = self.heard.get(told_key)
        traceparent = cause.traceparent or (heard.traceparent if heard else None)
        if self.spans is not None:
            traceparent = self.spans.after(traceparent)
        if traceparent:
            headers["traceparent"] = traceparent
        # An event (its metadata) is the cause itself; a `Cause` names one.
        named = cause.causation_id if isinstance(cause, Cause) else str(cause.event_id)
        causation_id = named or (str(heard.event_id) if heard else None)
        if causation_id:
            headers["ce_causationid"] = causation_id
        body = data.model_dump_json().encode()
        self._events.append(_Emitted(data.TOPIC or self.own_topic, told_key, orjson.dumps(headers).decode(), body))
        return told_id

    def _headers(self, kind: str, tenant: str, origin: Origin) -> dict[str, str]:
        """The headers that all events of one kind, tenant and origin share in this transaction; a copy to complete."""
        shared = self._shared.get((kind, tenant, origin))
        if shared is None:
            meta = Metadata(_NO_ID, kind, self.service, self.now, "", tenant, 0, origin)
            shared = {name: value.decode() for name, value in encode_headers(meta) if name != "aggregate_version"}
            self._shared[kind, tenant, origin] = shared
        return shared.copy()

    def tombstone(self, topic: str, *, key: str | UUID) -> None:
        """Remove a key from a compacted topic (erasure, an unlinked SKU) when this transaction commits."""
        self._raw.append(_Emitted(topic, str(key), "{}", None))

    def emit_raw(self, topic: str, key: str, headers: dict[str, str], value: bytes | None) -> None:
        """Write a record as it is (dead letters)."""
        self._raw.append(_Emitted(topic, key, orjson.dumps(headers).decode(), value))

    def plan(self, *effects: PlannedEffect) -> int:
        """Intend effects outside; returns how many were planned now.

        The fence: effects whose cause is a replayed or backfilled event are dropped and counted, whatever the
        handler wanted. Planning the same natural key twice is a no-op.
        """
        live = [self._caused(effect) for effect in effects if effect.cause.origin is Origin.LIVE]
        self.fenced += len(effects) - len(live)
        self.effects.extend(live)
        return len(live)

    def _caused(self, effect: PlannedEffect) -> PlannedEffect:
        """The effect with the event that made the handler plan it, unless it names a cause of its own."""
        cause = effect.cause
        if cause.causation_id is None and effect.order_id is not None:
            heard = self.heard.get(str(effect.order_id))
            cause = replace(cause, causation_id=str(heard.event_id) if heard else None)
        if self.spans is not None:
            cause = replace(cause, traceparent=self.spans.after(cause.traceparent))
        return effect if cause is effect.cause else replace(effect, cause=cause)

    @property
    def emitted(self) -> int:
        """Events that will be told on commit."""
        return len(self._events) + len(self._raw)

    async def flush(self) -> None:
        """Write everything that was emitted and planned. Called by the runtime as the last step before commit."""
        if self.effects:
            from hub_common.effects.store import insert_effects  # effects.store needs Tx's types

            await insert_effects(self.conn, self.effects)
        if self._events:
            await self.conn.execute(FLUSH, *self._columns())
        if self._raw:
            await self.conn.execute(
                FLUSH_RAW,
                [self.topic_prefix + e.topic for e in self._raw],
                [e.key for e in self._raw],
                [shard_of(e.key, self.shards) for e in self._raw],
                [e.headers for e in self._raw],
                [e.value for e in self._raw],
            )

    def _columns(self) -> Sequence[list[Any]]:
        behind: Counter[tuple[str, str]] = Counter()
        behinds: list[int] = []
        for event in reversed(self._events):
            behinds.append(behind[event.topic, event.key])
            behind[event.topic, event.key] += 1
        behinds.reverse()
        return (
            [self.topic_prefix + e.topic for e in self._events],
            [e.key for e in self._events],
            behinds,
            [shard_of(e.key, self.shards) for e in self._events],
            [e.headers for e in self._events],
            [e.value for e in self._events],
        )
