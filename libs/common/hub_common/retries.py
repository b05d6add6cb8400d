"""Events that failed for a passing reason wait here, and everything later with their key waits behind them.

Retry topics would unblock the partition too, but give up the order per key that order statuses need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from hub_common.dead_letters import DeadLetter, bury
from hub_common.errors import is_permanent, is_storage_down, words_of
from hub_common.logs import get_logger
from hub_common.routing import Handler, dispatch
from hub_common.stored import headers_json, record_of
from hub_common.transactions import Transactions
from hub_common.tx import Tx
from hub_contracts.base import EventData
from hub_contracts.envelope import Event, decode_headers

if TYPE_CHECKING:
    from hub_common.inbox import Received

FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 300.0
"""After some ten attempts the wait stops growing: a cause that lasts longer needs a person anyway."""

PARK = """
INSERT INTO inbox_retry (key, event_id, topic, partition, record_offset, headers, value, next_at, error, attempts)
SELECT t.key, t.event_id, t.topic, t.partition, t.record_offset, t.headers, t.value, now() + $8::float * interval '1 s',
       $9, CASE WHEN $9 = '' THEN 0 ELSE 1 END
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::jsonb[], $7::bytea[])
     WITH ORDINALITY AS t(key, event_id, topic, partition, record_offset, headers, value, ord)
ORDER BY t.ord
ON CONFLICT (event_id) DO NOTHING
"""

DUE = """
SELECT r.* FROM inbox_retry r
WHERE r.next_at <= now()
  AND NOT EXISTS (SELECT 1 FROM inbox_retry e WHERE e.key = r.key AND e.seq < r.seq)
ORDER BY r.seq LIMIT 1 FOR UPDATE OF r SKIP LOCKED
"""


async def park_records(
    conn: asyncpg.Connection[asyncpg.Record], items: Sequence[Received], *, error: str, delay: float | None
) -> None:
    """Put events into the retry table, in order. `delay` None: they only wait for the one before them."""
    wait = FIRST_DELAY_SECONDS if delay is not None else 0.0
    await conn.execute(
        PARK,
        [i.event.key for i in items],
        [i.event.meta.event_id for i in items],
        [i.record.topic for i in items],
        [i.record.partition for i in items],
        [i.record.offset for i in items],
        [headers_json(i.record.headers) for i in items],
        [i.record.value for i in items],
        wait,
        error[:2000],
    )


class Retrier:
    """Works off the retry table: the head of each key, when its time has come."""

    def __init__(
        self,
        transactions: Transactions,
        routes: Mapping[type[EventData], tuple[Handler, ...]],
        *,
        max_attempts: int,
        max_age_hours: float,
    ) -> None:
        self._transactions = transactions
        self._routes = routes
        self._types = {model.TYPE: model for model in routes}
        self._max_attempts = max_attempts
        self._max_age = timedelta(hours=max_age_hours)
        self._log = get_logger(transactions.service)

    async def step(self) -> bool:
        """Try one event that is due; False when there is none."""
        try:
            async with self._transactions.begin() as tx:
                row = await tx.conn.fetchrow(DUE)
                if row is None:
                    return False
                await self._handle(tx, row)
        except _Failed as failed:
            await self._reschedule(failed)
        return True

    async def _handle(self, tx: Tx, row: asyncpg.Record) -> None:
        try:
            record = record_of(row)
            meta = decode_headers(record.headers)
            model = self._types.get(meta.type)
            inserted = await tx.conn.fetchval(
                "INSERT INTO inbox (event_id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING event_id", meta.event_id
            )
            if model is not None and inserted is not None and record.value is not None:
                event: Event[EventData] = Event(meta, model.model_validate_json(record.value))
                await dispatch(self._routes, tx, [event])
            await tx.conn.execute("DELETE FROM inbox_retry WHERE seq = $1", row["seq"])
        except Exception as error:
            if is_storage_down(error):
                raise
            raise _Failed(row, error) from error

    async def _reschedule(self, failed: _Failed) -> None:
        row, text = failed.row, words_of(failed.error)
        attempts = row["attempts"] + 1
        age = self._transactions.clock.now() - row["first_failed_at"]
        async with self._transactions.begin() as tx:
            if is_permanent(failed.error) or attempts >= self._max_attempts or age > self._max_age:
                cause = "permanent" if is_permanent(failed.error) else "retries_exhausted"
                await bury(tx, [DeadLetter.of_row(row, cause, text, attempts)])
                await tx.conn.execute("DELETE FROM inbox_retry WHERE seq = $1", row["seq"])
            else:
                await tx.conn.execute(
                    "UPDATE inbox_retry SET attempts = $2, error = $3, next_at = now() + $4::float * interval '1 s'"
                    " WHERE seq = $1",
                    row["seq"],
                    attempts,
                    text[:2000],
                    self._delay(attempts),
                )
        self._log.warning("retry_failed", event_id=str(row["event_id"]), attempt=attempts, error=text)

    def _delay(self, attempts: int) -> float:
        ceiling = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0**attempts)
        return ceiling / 2 + self._transactions.ids.jitter(ceiling / 2)


class _Failed(Exception):
    def __init__(self, row: asyncpg.Record, error: Exception) -> None:
        super().__init__(str(error))
        self.row = row
        self.error = error


async def oldest_retry(conn: asyncpg.Connection[asyncpg.Record]) -> tuple[int, datetime | None]:
    """How many events wait, and since when the oldest does."""
    row = await conn.fetchrow("SELECT count(*) AS n, min(first_failed_at) AS oldest FROM inbox_retry")
    assert row is not None
    return row["n"], row["oldest"]
