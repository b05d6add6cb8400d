"""All SQL of message-service about orders, threads and messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from connector_kit.aftersales import MessageThread, ThreadMessage
from hub_common.database import Conn
from hub_contracts.envelope import Event
from hub_contracts.ids import message_id_for
from hub_contracts.messages import Sender
from hub_contracts.orders import OrderChanged, OrderReceived
from message_service.domain import Said, Waiting, body_hash

UPSERT_ORDERS = """
INSERT INTO orders AS o (order_id, connection_id, tenant, marketplace_reference, order_number, locale, is_test, version)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bool[], $8::bigint[])
ON CONFLICT (order_id) DO UPDATE SET order_number = excluded.order_number,
    locale = coalesce(excluded.locale, o.locale), version = excluded.version
WHERE o.version < excluded.version
"""

LINK = """
UPDATE threads t SET order_id = o.order_id, locale = coalesce(t.locale, o.locale)
FROM orders o WHERE o.order_id = ANY($1) AND t.connection_id = o.connection_id
  AND t.order_reference = o.marketplace_reference AND t.order_id IS NULL
"""

UPSERT_THREADS = """
INSERT INTO threads AS t (connection_id, thread_reference, tenant, order_reference, order_id, topic, locale, updated_at)
SELECT $1, n.thread_reference, $2, n.order_reference, o.order_id,
       CASE WHEN EXISTS (SELECT 1 FROM erasures e WHERE e.order_id = o.order_id) THEN '' ELSE n.topic END,
       coalesce(n.locale, o.locale), n.updated_at
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
     AS n(thread_reference, order_reference, topic, locale, updated_at)
LEFT JOIN orders o ON o.connection_id = $1 AND o.marketplace_reference = n.order_reference
ON CONFLICT (connection_id, thread_reference) DO UPDATE SET
    order_reference = coalesce(excluded.order_reference, t.order_reference),
    order_id = coalesce(excluded.order_id, t.order_id),
    topic = CASE WHEN EXISTS (SELECT 1 FROM erasures e WHERE e.order_id = t.order_id) THEN '' ELSE excluded.topic END,
    locale = coalesce(excluded.locale, t.locale), updated_at = greatest(excluded.updated_at, t.updated_at)
"""

# Our own message, shown by the marketplace at last: the same words in the same thread, not yet recognised.
RECOGNISE = """
UPDATE messages m SET message_reference = n.reference, thread_reference = n.thread
FROM (SELECT DISTINCT ON (m2.message_id) m2.message_id, n.thread, n.reference
      FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS n(thread, reference, hash, sent_at)
      JOIN messages m2 ON m2.connection_id = $1 AND m2.sender = 'seller' AND m2.message_reference IS NULL
       AND m2.state IN ('planned', 'sent') AND m2.body_hash = n.hash
       AND (m2.thread_reference IS NULL OR m2.thread_reference = n.thread)
       AND n.sent_at >= m2.sent_at - interval '5 minutes'
      WHERE NOT EXISTS (SELECT 1 FROM messages k WHERE k.connection_id = $1 AND k.message_reference = n.reference)
      ORDER BY m2.message_id, n.sent_at) n
WHERE m.message_id = n.message_id
"""

ADD_MESSAGES = """
INSERT INTO messages (message_id, connection_id, tenant, thread_reference, order_id, message_reference, sender,
                      attachments, state, sent_at)
SELECT n.message_id, $1, $2, n.thread, t.order_id, n.reference, n.sender, n.attachments, 'received', n.sent_at
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[])
     AS n(message_id, thread, reference, sender, attachments, sent_at)
JOIN threads t ON t.connection_id = $1 AND t.thread_reference = n.thread
ON CONFLICT DO NOTHING
RETURNING message_id
"""

# An erased buyer's conversation is shown by its marketplace for ever; what was said since is a new matter.
ADD_BODIES = """
INSERT INTO message_bodies (message_id, body, kept_until)
SELECT t.* FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(message_id, body, kept_until)
WHERE NOT EXISTS (SELECT 1 FROM messages m JOIN erasures e ON e.order_id = m.order_id
                  WHERE m.message_id = t.message_id AND m.sent_at <= e.erased_at)
ON CONFLICT (message_id) DO NOTHING
"""

SET_WAITING = """
UPDATE threads t SET waits_since = n.since, answer_by = n.answer_by, alarm_at = n.alarm_at,
       alarmed_at = CASE WHEN t.waits_since IS NOT DISTINCT FROM n.since THEN t.alarmed_at END
FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
     AS n(thread, since, answer_by, alarm_at)
WHERE t.connection_id = $1 AND t.thread_reference = n.thread
"""

LATE = """
SELECT * FROM threads WHERE waits_since IS NOT NULL AND alarmed_at IS NULL AND alarm_at <= $1
ORDER BY alarm_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that was not known before this reading."""

    message_id: UUID
    thread: MessageThread
    message: ThreadMessage


async def save_orders(conn: Conn, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep what is needed of orders, and link threads about them that were read before."""
    newest = {event.data.order.order_id: event for event in sorted(events, key=lambda e: e.meta.aggregate_version)}
    orders = [(event.meta, event.data.order) for event in newest.values()]
    # A language that was told once stays, whether the events come in one batch or in several.
    told = {e.data.order.order_id: e.data.order.locale for e in events if e.data.order.locale is not None}
    await conn.execute(
        UPSERT_ORDERS,
        [o.order_id for _, o in orders],
        [o.connection_id for _, o in orders],
        [m.tenant for m, _ in orders],
        [o.marketplace_reference for _, o in orders],
        [o.order_number for _, o in orders],
        [o.locale or told.get(o.order_id) for _, o in orders],
        [o.is_test for _, o in orders],
        [m.aggregate_version for m, _ in orders],
    )
    ids = [o.order_id for _, o in orders]
    await conn.execute(LINK, ids)
    await conn.execute(
        "UPDATE messages m SET order_id = t.order_id FROM threads t WHERE t.order_id = ANY($1) AND m.order_id IS NULL"
        " AND m.connection_id = t.connection_id AND m.thread_reference = t.thread_reference",
        ids,
    )


async def take_threads(
    conn: Conn, connection_id: UUID, tenant: str, threads: Sequence[MessageThread], kept_until: datetime
) -> list[NewMessage]:
    """Store threads and their messages; returns the messages that are new, in the order in which they were sent."""
    latest = {thread.thread_reference: thread for thread in sorted(threads, key=lambda t: t.updated_at)}
    rows = list(latest.values())
    await conn.execute(
        UPSERT_THREADS,
        connection_id,
        tenant,
        [t.thread_reference for t in rows],
        [t.order_reference for t in rows],
        [t.topic for t in rows],
        [t.locale for t in rows],
        [t.updated_at for t in rows],
    )
    said = [(thread, message) for thread in rows for message in thread.messages]
    ours = [(t, m) for t, m in said if m.sender is Sender.SELLER]
    await conn.execute(
        RECOGNISE,
        connection_id,
        [t.thread_reference for t, _ in ours],
        [m.message_reference for _, m in ours],
        [body_hash(m.body) for _, m in ours],
        [m.sent_at for _, m in ours],
    )
    by_id = {message_id_for(connection_id, m.message_reference): (t, m) for t, m in said}
    added = await conn.fetch(
        ADD_MESSAGES,
        connection_id,
        tenant,
        list(by_id),
        [t.thread_reference for t, _ in by_id.values()],
        [m.message_reference for _, m in by_id.values()],
        [m.sender.value for _, m in by_id.values()],
        [m.attachments for _, m in by_id.values()],
        [m.sent_at for _, m in by_id.values()],
    )
    new = [NewMessage(row["message_id"], *by_id[row["message_id"]]) for row in added]
    await add_bodies(conn, {each.message_id: each.message.body for each in new}, kept_until)
    return sorted(new, key=lambda each: each.message.sent_at)


async def add_bodies(conn: Conn, bodies: Mapping[UUID, str], kept_until: datetime) -> None:
    """Keep words until an instant."""
    await conn.execute(ADD_BODIES, list(bodies), list(bodies.values()), [kept_until] * len(bodies))


async def said_in(conn: Conn, connection_id: UUID, threads: Iterable[str]) -> dict[str, list[Said]]:
    """Who wrote when in these threads; refused messages were never said."""
    found: dict[str, list[Said]] = {thread: [] for thread in threads}
    rows = await conn.fetch(
        "SELECT thread_reference, sender, sent_at FROM messages WHERE connection_id = $1 AND state <> 'rejected'"
        " AND state <> 'planned' AND thread_reference = ANY($2)",
        connection_id,
        list(found),
    )
    for row in rows:
        found[row["thread_reference"]].append(Said(Sender(row["sender"]), row["sent_at"]))
    return found


async def waiting_since(conn: Conn, connection_id: UUID, threads: Iterable[str]) -> dict[str, datetime]:
    """Since when a buyer waits in these threads, as it was noted last; threads in which nobody waits are left out."""
    rows = await conn.fetch(
        "SELECT thread_reference, waits_since FROM threads WHERE connection_id = $1 AND thread_reference = ANY($2)"
        " AND waits_since IS NOT NULL",
        connection_id,
        list(threads),
    )
    return {row["thread_reference"]: row["waits_since"] for row in rows}


async def set_waiting(conn: Conn, connection_id: UUID, waiting: Mapping[str, Waiting | None]) -> None:
    """Note in which threads a buyer waits."""
    await conn.execute(
        SET_WAITING,
        connection_id,
        list(waiting),
        [w.since if w else None for w in waiting.values()],
        [w.answer_by if w else None for w in waiting.values()],
        [w.alarm_at if w else None for w in waiting.values()],
    )


async def threads_by_reference(conn: Conn, connection_id: UUID, threads: Iterable[str]) -> dict[str, asyncpg.Record]:
    """Rows of these threads, with number and test flag of their orders."""
    rows = await conn.fetch(
        "SELECT t.*, o.order_number, o.is_test FROM threads t LEFT JOIN orders o USING (order_id)"
        " WHERE t.connection_id = $1 AND t.thread_reference = ANY($2)",
        connection_id,
        list(threads),
    )
    return {row["thread_reference"]: row for row in rows}


async def late(conn: Conn, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Threads whose alarm is due, marked as alarmed."""
    rows = await conn.fetch(LATE, now, limit)
    await conn.execute(
        "UPDATE threads t SET alarmed_at = $3 FROM unnest($1::uuid[], $2::text[]) AS n(connection_id, thread)"
        " WHERE t.connection_id = n.connection_id AND t.thread_reference = n.thread",
        [row["connection_id"] for row in rows],
        [row["thread_reference"] for row in rows],
        now,
    )
    return rows


async def forget_bodies(conn: Conn, now: datetime, limit: int) -> int:
    """Delete words whose time is over; returns how many."""
    done = await conn.fetchval(
        "WITH gone AS (DELETE FROM message_bodies WHERE message_id IN (SELECT message_id FROM message_bodies"
        " WHERE kept_until <= $1 ORDER BY kept_until LIMIT $2) RETURNING 1) SELECT count(*) FROM gone",
        now,
        limit,
    )
    return int(done or 0)


async def erase_order(conn: Conn, order_id: UUID) -> int:
    """Delete the words of every message about an order; returns how many there were."""
    done = await conn.fetchval(
        "WITH gone AS (DELETE FROM message_bodies b USING messages m WHERE m.message_id = b.message_id"
        " AND m.order_id = $1 RETURNING 1) SELECT count(*) FROM gone",
        order_id,
    )
    return int(done or 0)
