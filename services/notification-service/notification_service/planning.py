"""From notices to messages: who is told is written down once, then what is due goes into one message per subscription.

A note (one notice for one subscription) belongs to one sending for ever, so nothing is told twice by intention.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hub_common.database import Conn
from hub_common.runtime import Runtime
from notification_service import store
from notification_service.config import settings_of
from notification_service.domain import Delivery, Told, deliveries

BATCH = 500
KEEP = timedelta(days=30)
"""What was told is looked up for some weeks at most."""

UNMATCHED = """
SELECT n.*, coalesce(o.is_test, false) AS of_test FROM notices n LEFT JOIN orders o USING (order_id)
WHERE n.live AND n.matched_at IS NULL ORDER BY n.raised_at LIMIT $1 FOR UPDATE OF n SKIP LOCKED
"""

ADD_NOTES = """
INSERT INTO notes (subscription_id, notice_id, group_key, urgent, send_at, state)
SELECT *, 'PENDING' FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bool[], $5::timestamptz[])
ON CONFLICT DO NOTHING
"""

DROP_CLOSED = """
UPDATE notes s SET state = 'DROPPED' FROM notices n
WHERE s.state = 'PENDING' AND n.notice_id = s.notice_id AND n.resolved_at IS NOT NULL AND s.send_at <= $1
"""
"""What is over by the time it would be told is no news. A missed deadline is never over: nothing closes it."""

DUE = """
SELECT subscription_id, bool_or(urgent) AS urgent FROM notes
WHERE state = 'PENDING' AND send_at <= $1 GROUP BY subscription_id
"""

GATHER = """
WITH due AS (
    SELECT DISTINCT group_key FROM notes WHERE subscription_id = $2 AND state = 'PENDING' AND send_at <= $3
)
UPDATE notes SET state = 'SENDING', sending_id = $1
WHERE subscription_id = $2 AND state = 'PENDING' AND group_key IN (SELECT group_key FROM due)
"""
"""With what is due goes all that waits of the same cause: that is what it waited for."""

ADD_SENDING = """
INSERT INTO sendings (sending_id, subscription_id, tenant, state, urgent, is_trial, next_at, created_at)
SELECT $1, subscription_id, tenant, 'PLANNED', $3, $4, $5, $5 FROM subscriptions WHERE subscription_id = $2
"""

TOLD_GROUPS = """
INSERT INTO told_groups (subscription_id, group_key, last_told_at)
SELECT subscription_id, group_key, $2 FROM notes WHERE sending_id = $1 GROUP BY subscription_id, group_key
ON CONFLICT (subscription_id, group_key) DO UPDATE SET last_told_at = excluded.last_told_at
"""

FORGET = """
WITH old AS (DELETE FROM sendings WHERE created_at < $1 AND settled_at IS NOT NULL RETURNING sending_id),
     groups AS (DELETE FROM told_groups WHERE last_told_at < $1)
DELETE FROM notes WHERE sending_id IN (SELECT sending_id FROM old)
"""


class Planner:
    """The duty that decides who is told and makes messages of what is due."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._critical = timedelta(minutes=settings_of(runtime).notify_critical_minutes)

    async def step(self) -> bool:
        """Match new notices, then gather what is due; True when there was anything."""
        now = self._runtime.clock.now()
        async with self._runtime.transactions.begin() as tx:
            matched = await self._match(tx.conn, now)
            # One planner at a time: two would put the halves of one message into two.
            await tx.conn.execute("SELECT pg_advisory_xact_lock(hashtext('notification-service:planner'))")
            gathered = await self._gather(tx.conn, now)
        return bool(matched or gathered)

    async def _match(self, conn: Conn, now: datetime) -> int:
        rows = await conn.fetch(UNMATCHED, BATCH)
        if not rows:
            return 0
        wanted = [store.notice_of(row) for row in rows if not row["of_test"] and row["resolved_at"] is None]
        subscriptions = [
            store.subscription_of(row)
            for row in await store.active_subscriptions(conn, {notice.tenant for notice in wanted})
        ]
        ids = [each.subscription_id for each in subscriptions]
        told = await conn.fetch("SELECT * FROM told_groups WHERE subscription_id = ANY($1)", ids)
        last = Told({(row["subscription_id"], row["group_key"]): row["last_told_at"] for row in told})
        await add_notes(conn, deliveries(wanted, subscriptions, last, self._critical))
        await conn.execute(
            "UPDATE notices SET matched_at = $2 WHERE notice_id = ANY($1)", [row["notice_id"] for row in rows], now
        )
        return len(rows)

    async def _gather(self, conn: Conn, now: datetime) -> int:
        await conn.execute(DROP_CLOSED, now)
        rows = await conn.fetch(DUE, now)
        for row in rows:
            sending_id = self._runtime.ids.new()
            await conn.execute(GATHER, sending_id, row["subscription_id"], now)
            await conn.execute(ADD_SENDING, sending_id, row["subscription_id"], row["urgent"], False, now)
            await conn.execute(TOLD_GROUPS, sending_id, now)
        return len(rows)

    async def forget(self) -> bool:
        """Delete what was told long ago."""
        await self._runtime.pool.execute(FORGET, self._runtime.clock.now() - KEEP)
        return False


async def add_notes(conn: Conn, wanted: list[Delivery]) -> None:
    """Write down who is going to be told; who was is not told again."""
    await conn.execute(
        ADD_NOTES,
        [each.subscription_id for each in wanted],
        [each.notice.notice_id for each in wanted],
        [each.notice.group for each in wanted],
        [each.urgent for each in wanted],
        [each.send_at for each in wanted],
    )
