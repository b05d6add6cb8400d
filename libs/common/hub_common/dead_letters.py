"""What could not be processed: a row to work on and a record on `<topic>.dlq` for the world to see, bytes kept.

Redrive copies first and marks after; nothing is moved. It goes back through the same inbox, so redriving what was
handled in the meantime does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
import orjson

from hub_common.kafka.records import InRecord
from hub_common.stored import headers_json, record_of
from hub_common.transactions import Transactions
from hub_common.tx import Tx
from hub_contracts.base import EventData, rfc3339
from hub_contracts.envelope import Event
from hub_contracts.topics import TOPIC_BY_NAME

INSERT = """
INSERT INTO dead_letters
    (dead_letter_id, event_id, key, topic, partition, record_offset, headers, value, cause, error, attempts,
     first_failed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING RETURNING dead_letter_id
"""

REDRIVE = """
INSERT INTO inbox_retry (key, event_id, topic, partition, record_offset, headers, value, next_at)
SELECT key, event_id, topic, partition, record_offset, headers, value, now()
FROM dead_letters WHERE dead_letter_id = ANY($1) AND state = 'open' AND event_id IS NOT NULL
ORDER BY died_at, record_offset
ON CONFLICT (event_id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One event or record that is set aside for a person."""

    record: InRecord
    event_id: UUID | None
    key: str
    headers: str
    cause: str
    error: str
    attempts: int
    first_failed_at: datetime | None

    @classmethod
    def of(cls, record: InRecord, event: Event[EventData] | None, cause: str, error: str) -> DeadLetter:
        """From a consumed record, at its first failure."""
        key = event.key if event else (record.key or b"").decode(errors="backslashreplace")
        event_id = event.meta.event_id if event else _event_id(record)
        return cls(record, event_id, key, headers_json(record.headers), cause, error, 1, None)

    @classmethod
    def of_row(cls, row: asyncpg.Record, cause: str, error: str, attempts: int) -> DeadLetter:
        """From a retry row whose attempts are used up."""
        return cls(
            record_of(row), row["event_id"], row["key"], row["headers"], cause, error, attempts, row["first_failed_at"]
        )


def _event_id(record: InRecord) -> UUID | None:
    """The id of a record whose body cannot be read; needed to redrive it once the reader has been mended."""
    for name, value in record.headers:
        if name == "ce_id":
            try:
                return UUID(value.decode())
            except ValueError:
                return None
    return None


async def bury(tx: Tx, letters: Sequence[DeadLetter]) -> None:
    """Keep the letters as rows and tell them on their dead-letter topics, in the open transaction."""
    for letter in letters:
        letter_id = tx.ids.new()
        first = letter.first_failed_at or tx.now
        record = letter.record
        inserted = await tx.conn.fetchval(
            INSERT,
            letter_id,
            letter.event_id,
            letter.key,
            record.topic,
            record.partition,
            record.offset,
            letter.headers,
            record.value,
            letter.cause,
            letter.error[:4000],
            letter.attempts,
            first,
        )
        if inserted is None:
            continue  # delivered again before its offset was committed: already set aside
        headers = orjson.loads(letter.headers) | {
            "dlq_id": str(letter_id),
            "dlq_cause": letter.cause,
            "dlq_error": letter.error[:1000],
            "dlq_consumer": tx.service,
            "dlq_source": f"{record.topic}/{record.partition}/{record.offset}",
            "dlq_attempts": str(letter.attempts),
            "dlq_first_failed_at": rfc3339(first),
            "dlq_died_at": rfc3339(tx.now),
        }
        topic = record.topic.removeprefix(tx.topic_prefix)
        # Of personal data the row alone keeps the bytes: nothing could erase them from a topic that is not compacted.
        personal = topic in TOPIC_BY_NAME and TOPIC_BY_NAME[topic].personal_data
        tx.emit_raw(f"{topic}.dlq", letter.key, headers, None if personal else record.value)


OPEN = """
SELECT dead_letter_id FROM dead_letters WHERE dead_letter_id = ANY($1) AND state = 'open'
  AND ($2::text[] IS NULL OR headers ->> 'tenant' = ANY($2))
"""
"""Letters that may be worked on: a person bound to tenants reaches no others, nor those whose tenant is unreadable."""


async def redrive(
    transactions: Transactions,
    ids: Sequence[UUID],
    *,
    actor: str,
    dry_run: bool = False,
    tenants: Sequence[str] | None = None,
) -> list[UUID]:
    """Send dead letters back through the inbox; returns those that were (or would be) sent.

    Letters without an event id cannot be redriven: there is nothing to recognise them by. `tenants` None = of all.
    """
    async with transactions.begin() as tx:
        rows = await tx.conn.fetch(f"{OPEN} AND event_id IS NOT NULL FOR UPDATE", list(ids), _listed(tenants))
        found = [row["dead_letter_id"] for row in rows]
        if dry_run or not found:
            return found
        await tx.conn.execute(REDRIVE, found)
        await _settle(tx.conn, found, "redriven", actor, "redrive")
    return found


async def discard(
    transactions: Transactions, ids: Sequence[UUID], *, actor: str, reason: str, tenants: Sequence[str] | None = None
) -> list[UUID]:
    """Close dead letters that nobody will process. The rows stay; a reason is required. `tenants` None = of all."""
    if not reason.strip():
        raise ValueError("reason: must say why these dead letters are discarded")
    async with transactions.begin() as tx:
        rows = await tx.conn.fetch(f"{OPEN} FOR UPDATE", list(ids), _listed(tenants))
        found = [row["dead_letter_id"] for row in rows]
        await _settle(tx.conn, found, "discarded", actor, reason)
    return found


def _listed(tenants: Sequence[str] | None) -> list[str] | None:
    return None if tenants is None else list(tenants)


async def _settle(
    conn: asyncpg.Connection[asyncpg.Record], ids: Sequence[UUID], state: str, actor: str, reason: str
) -> None:
    await conn.execute(
        "UPDATE dead_letters SET state = $2, settled_at = now(), settled_by = $3, settled_reason = $4"
        " WHERE dead_letter_id = ANY($1)",
        list(ids),
        state,
        actor,
        reason,
    )
