"""Rebuilding: who said what when, who waits and what was sent follow from events; the words are given, or are gone.

Marketplaces keep the conversations and people write the answers, so subjects and words are nowhere else. Hearing of
them again must neither bring erased words back nor send anything to a buyer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from hub_common.connections import load_connections
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, on_parked, on_resumed
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import MessageSettings
from hub_contracts.envelope import Event
from hub_contracts.ids import parked_id_for
from hub_contracts.messages import MessageReceived, MessageRejected, MessageSent
from hub_contracts.work import WorkParked, WorkResumed
from message_service import store
from message_service.domain import waiting_of
from message_service.taking import UNANSWERED

Thread = tuple[UUID, str]

RECEIVED = """
INSERT INTO messages (message_id, connection_id, tenant, thread_reference, order_id, message_reference, sender,
                      attachments, state, sent_at)
SELECT n.message_id, n.connection_id, n.tenant, n.thread, t.order_id, n.reference, n.sender, n.attachments, 'received',
       n.sent_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[])
     AS n(message_id, connection_id, tenant, thread, reference, sender, attachments, sent_at)
LEFT JOIN threads t ON t.connection_id = n.connection_id AND t.thread_reference = n.thread
ON CONFLICT DO NOTHING
"""

SENT = """
UPDATE messages m SET state = 'sent', sent_at = n.at FROM unnest($1::uuid[], $2::timestamptz[]) AS n(message_id, at)
WHERE m.message_id = n.message_id RETURNING m.connection_id, m.thread_reference
"""

REJECTED = """
UPDATE messages m SET state = 'rejected', reason = n.reason FROM unnest($1::uuid[], $2::text[]) AS n(message_id, reason)
WHERE m.message_id = n.message_id RETURNING m.connection_id, m.thread_reference
"""

# An alarm holds until the buyer has his answer; that a person closed it does not answer him.
ALARMED = """
UPDATE threads t SET alarmed_at =
    CASE WHEN p.parked_at > t.waits_since AND (p.resolved_at IS NULL OR p.actor IS NOT NULL) THEN p.parked_at END
FROM parked p
WHERE p.parked_id = ANY($1) AND p.cause = $2 AND t.connection_id = p.connection_id
  AND p.subject_id = t.connection_id::text || ':' || t.thread_reference
"""


async def on_received(tx: Tx, events: Sequence[Event[MessageReceived]]) -> None:
    """Messages that were read."""
    data = [event.data for event in events]
    await tx.conn.execute(
        RECEIVED,
        [d.message_id for d in data],
        [d.connection_id for d in data],
        [event.meta.tenant for event in events],
        [d.thread_reference for d in data],
        [d.message_reference for d in data],
        [d.sender.value for d in data],
        [d.attachments for d in data],
        [d.sent_at for d in data],
    )
    await _watch(tx, {(d.connection_id, d.thread_reference) for d in data})


async def on_sent(tx: Tx, events: Sequence[Event[MessageSent]]) -> None:
    """Messages of ours that the marketplace took."""
    ids, times = [event.data.message_id for event in events], [event.meta.time for event in events]
    rows = await tx.conn.fetch(SENT, ids, times)
    await _watch(tx, {(row["connection_id"], row["thread_reference"]) for row in rows if row["thread_reference"]})


async def on_rejected(tx: Tx, events: Sequence[Event[MessageRejected]]) -> None:
    """Messages of ours that it would not take."""
    ids, reasons = [event.data.message_id for event in events], [event.data.reason for event in events]
    rows = await tx.conn.fetch(REJECTED, ids, reasons)
    await _watch(tx, {(row["connection_id"], row["thread_reference"]) for row in rows if row["thread_reference"]})


async def _watch(tx: Tx, threads: Iterable[Thread]) -> None:
    """Who waits now, with the alarm that was raised for it."""
    wanted = sorted(threads, key=str)
    known = await load_connections(tx.conn, {connection_id for connection_id, _ in wanted})
    for own in dict.fromkeys(connection_id for connection_id, _ in wanted):
        settings = known[own].data.settings.messages if own in known else MessageSettings()
        within = timedelta(hours=max(1, settings.answer_within_hours))
        said = await store.said_in(tx.conn, own, [thread for connection_id, thread in wanted if connection_id == own])
        await store.set_waiting(tx.conn, own, {thread: waiting_of(each, within) for thread, each in said.items()})
    subjects = [f"{connection_id}:{thread}" for connection_id, thread in wanted]
    await _alarmed(tx, [parked_id_for(tx.service, "thread", subject, UNANSWERED) for subject in subjects])


async def _alarmed(tx: Tx, parked_ids: Sequence[UUID]) -> None:
    await tx.conn.execute(ALARMED, list(parked_ids), UNANSWERED)


async def on_work_parked(tx: Tx, events: Sequence[Event[WorkParked]]) -> None:
    """What was parked, alarms among it. It may come before the message that it is about: their keys may differ."""
    await on_parked(tx, events)
    await _alarmed(tx, [event.data.parked_id for event in events])


async def on_work_resumed(tx: Tx, events: Sequence[Event[WorkResumed]]) -> None:
    """What waits no longer."""
    await on_resumed(tx, events)
    await _alarmed(tx, [event.data.parked_id for event in events])


OWN_ROUTES: Routes = {
    MessageReceived: on_received,
    MessageSent: on_sent,
    MessageRejected: on_rejected,
    WorkParked: on_work_parked,
    WorkResumed: on_work_resumed,
}

_BY_SETTINGS = "follows from waits_since by the connection's settings as of the last reading"

REPLAY = ReplayPlan(
    tables=(
        Compared("orders"),
        Compared(
            "threads",
            ignore={
                "answer_by": _BY_SETTINGS,
                "alarm_at": _BY_SETTINGS,
                "locale": "the marketplace's word, else the order's as it was when the thread was read",
            },
        ),
        Compared("messages"),
        Compared("erasures"),
        CONNECTIONS,
        PARKED,
    ),
    own=OWN_ROUTES,
    given=(
        Given("message_bodies", "buyers' and people's words; personal data, kept here alone until they are erased"),
        Given("templates", "people write them, in each language"),
        Given("readings", "up to where each marketplace has answered, and when to ask again"),
        Given(
            "threads",
            "marketplaces open them and say what they are about; subjects may be personal data",
            begins={
                "locale": "locale",
                **dict.fromkeys(("order_id", "waits_since", "answer_by", "alarm_at", "alarmed_at"), "NULL"),
            },
        ),
        Given(
            "messages",
            "people write them; what became of them is told",
            where="written_by IS NOT NULL",
            begins={
                "state": "'planned'",
                "reason": "CASE state WHEN 'rejected' THEN '' ELSE reason END",
                "sent_at": "CASE state WHEN 'sent' THEN 'epoch' ELSE sent_at END",
            },
        ),
    ),
)
