"""What follows from threads as the marketplace shows them: stored, told, and watched while a buyer waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from connector_kit.aftersales import MessageThread
from hub_common.connections import Connection
from hub_common.parked import Park, park, resume
from hub_common.tx import Cause, Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.messages import MessageReceived
from message_service import store
from message_service.domain import Waiting, waiting_of
from message_service.store import NewMessage

UNANSWERED = "message_unanswered"
NEXT_STEP = (
    "Answer with POST /v1/threads/{connection_id}/{thread_reference}/messages or in the marketplace's back office; "
    "it closes by itself once an answer of yours is shown."
)


async def take(tx: Tx, connection: Connection, threads: Sequence[MessageThread], keep: timedelta) -> int:
    """Store a page of threads and tell of what is new; returns how many messages were. Repeats are harmless."""
    cid = connection.connection_id
    new = await store.take_threads(tx.conn, cid, connection.tenant, threads, tx.now + keep)
    references = {thread.thread_reference for thread in threads}
    waiting = await watch(tx, connection, references)
    rows = await store.threads_by_reference(tx.conn, cid, references)
    for each in new:
        _tell(tx, connection, rows[each.thread.thread_reference], each, waiting[each.thread.thread_reference])
    return len(new)


async def watch(tx: Tx, connection: Connection, threads: Iterable[str]) -> dict[str, Waiting | None]:
    """Note for these threads whether a buyer waits, and close alarms of those that wait no longer."""
    cid = connection.connection_id
    within = timedelta(hours=max(1, connection.data.settings.messages.answer_within_hours))
    said = await store.said_in(tx.conn, cid, threads)
    before = await store.waiting_since(tx.conn, cid, said)
    waiting = {thread: waiting_of(messages, within) for thread, messages in said.items()}
    await store.set_waiting(tx.conn, cid, waiting)
    # Who asks again after our answer waits anew: another alarm, with another instant, when it comes to that.
    answered = [thread for thread, now in waiting.items() if now is None or before.get(thread, now.since) != now.since]
    await resume(tx, [_parked(tx, cid, thread) for thread in answered], resolution="the buyer was answered")
    return waiting


def _parked(tx: Tx, connection_id: UUID, thread: str) -> UUID:
    return parked_id_for(tx.service, "thread", f"{connection_id}:{thread}", UNANSWERED)


def key_of(connection_id: UUID, thread: str | None, order_id: UUID | None) -> str:
    """Key of events about a thread: its order where it has one."""
    return str(order_id) if order_id else f"{connection_id}:{thread}"


def _tell(tx: Tx, connection: Connection, row: asyncpg.Record, new: NewMessage, waiting: Waiting | None) -> None:
    message = new.message
    awaits = waiting is not None and message.sent_at >= waiting.since and message.sender == "buyer"
    event = MessageReceived(
        message_id=new.message_id,
        connection_id=connection.connection_id,
        thread_reference=new.thread.thread_reference,
        message_reference=message.message_reference,
        order_id=row["order_id"],
        is_test=bool(row["is_test"]),
        sender=message.sender,
        attachments=message.attachments,
        locale=row["locale"] or connection.data.settings.messages.default_locale,
        awaits_answer=awaits,
        answer_by=waiting.answer_by if waiting is not None and awaits else None,
        sent_at=message.sent_at,
    )
    key = key_of(connection.connection_id, event.thread_reference, event.order_id)
    tx.emit(event, key=key, cause=Cause(tenant=connection.tenant))


async def alarm(tx: Tx, limit: int = 100) -> int:
    """Tell a person about buyers who have waited for three quarters of the time; returns how many."""
    rows = await store.late(tx.conn, tx.now, limit)
    await park(tx, [_park(row) for row in rows])
    return len(rows)


def _park(row: asyncpg.Record) -> Park:
    about = f"about order {row['order_reference']}" if row["order_reference"] else "without an order"
    return Park(
        subject_kind="thread",
        subject_id=f"{row['connection_id']}:{row['thread_reference']}",
        cause=UNANSWERED,
        detail=f"A buyer waits for an answer {about} since {row['waits_since']:%Y-%m-%d %H:%M} UTC.",
        next_step=NEXT_STEP,
        event_key=key_of(row["connection_id"], row["thread_reference"], row["order_id"]),
        why=Cause(tenant=row["tenant"]),
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        due_at=row["answer_by"],
    )
