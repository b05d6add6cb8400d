"""Rebuilding from our own events: refunds that were asked for and how they ended are in no other topic.

A rebuilt refund is never sent: it counts as asked for until its end is replayed too, so the money stays taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from connector_kit.requests import RefundLineRequest
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.refunds import (
    CancellationConfirmed,
    CancellationRejected,
    MarketplaceReturnAnswered,
    MarketplaceReturnAnswerRejected,
    MarketplaceReturnReported,
    RefundConfirmed,
    RefundRejected,
    RefundRequested,
)
from refund_service import store, store_work
from refund_service.desk import balance_ledger, entries_of
from refund_service.money import Sums
from refund_service.store import Entry
from refund_service.store_work import QUEUED, StoredRefund

REPORTED = """
INSERT INTO marketplace_returns AS m (return_id, connection_id, tenant, return_reference, order_reference, order_id,
                                      stage, marketplace_state, lines, tracking_number, updated_at, told)
SELECT DISTINCT ON (t.return_id) t.return_id, t.connection_id, t.tenant, t.reference, o.reference, t.order_id, t.stage,
       t.state, t.lines, t.tracking, t.at, t.stage
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::jsonb[], $9::text[],
            $10::timestamptz[]) WITH ORDINALITY
     AS t(return_id, connection_id, tenant, reference, order_id, stage, state, lines, tracking, at, ord)
JOIN orders o USING (order_id) ORDER BY t.return_id, t.ord DESC
ON CONFLICT (return_id) DO UPDATE SET stage = excluded.stage, marketplace_state = excluded.marketplace_state,
    lines = excluded.lines, tracking_number = excluded.tracking_number, updated_at = excluded.updated_at,
    told = excluded.told
"""

ANSWERED = """
UPDATE marketplace_returns m SET answer = t.answer, answer_state = t.state, effect_id = t.effect_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) AS t(return_id, answer, state, effect_id)
WHERE m.return_id = t.return_id
"""


async def on_requested(tx: Tx, events: Sequence[Event[RefundRequested]]) -> None:
    """Take the money out of what is open, again."""
    order_ids = [event.data.order_id for event in events]
    await store.lock(tx.conn, order_ids)
    refunds = [_refund(event) for event in events]
    await store_work.insert_refunds(tx.conn, refunds)
    await store_work.mark_asked(tx.conn, [(refund.refund_id, None) for refund in refunds])
    entries = [entry for each in refunds for entry in entries_of(each, store.REQUESTED, each.requested_at)]
    await store.append(tx.conn, entries, tx.now)
    await balance_ledger(tx, sorted(set(order_ids)))


def _refund(event: Event[RefundRequested]) -> StoredRefund:
    data = event.data
    lines = tuple(
        RefundLineRequest(
            line_id=line.line_id,
            offer_sku="",  # only needed to send it, which a rebuilt refund never is
            quantity=line.quantity,
            amount=line.amount,
            shipping_amount=line.shipping_amount,
            reason_code=line.reason_code,
        )
        for line in data.lines
    )
    return StoredRefund(
        refund_id=data.refund_id,
        order_id=data.order_id,
        connection_id=data.connection_id,
        return_id=data.return_id,
        tenant=event.meta.tenant,
        is_test=data.is_test,
        state=QUEUED,
        currency=data.currency,
        lines=lines,
        refund_shipping=data.refund_shipping,
        requested_by=data.requested_by,
        requested_at=data.requested_at or event.meta.time,
        traceparent=event.meta.traceparent,
        causation_id=event.meta.causation_id,
    )


async def on_ended(tx: Tx, events: Sequence[Event[RefundConfirmed] | Event[RefundRejected]]) -> None:
    """Confirm, or give the money free, again."""
    order_ids = [event.data.order_id for event in events]
    await store.lock(tx.conn, order_ids)
    rows: list[store_work.Ended] = []
    for event in events:
        data = event.data
        if isinstance(data, RefundConfirmed):
            rows.append((data.refund_id, store_work.CONFIRMED, data.refund_references, data.confirmed_by, ""))
        else:
            rows.append((data.refund_id, store_work.REJECTED, (), "", data.reason))
    times = {event.data.refund_id: event.meta.time for event in events}
    kinds = {store_work.CONFIRMED: store.CONFIRMED, store_work.REJECTED: store.REJECTED}
    ended = await store_work.settle_refunds(tx.conn, rows, [event.meta.time for event in events])
    entries = [entry for each in ended for entry in entries_of(each, kinds[each.state], times[each.refund_id])]
    await store.append(tx.conn, entries, tx.now)
    await balance_ledger(tx, sorted(set(order_ids)))


async def on_cancelled(tx: Tx, events: Sequence[Event[CancellationConfirmed]]) -> None:
    """What was cancelled can no longer be refunded, again."""
    order_ids = [event.data.order_id for event in events]
    await store.lock(tx.conn, order_ids)
    orders = await store.load_orders(tx.conn, order_ids)
    entries = [
        Entry(
            event.data.order_id,
            line.line_id,
            store.CANCELLED,
            Sums(line.quantity, line.amount, line.shipping_amount),
            orders[event.data.order_id].currency,
            event.meta.time,
        )
        for event in events
        for line in event.data.money
    ]
    await store.append(tx.conn, entries, tx.now)
    ended = [(event.data.cancellation_id, store_work.CONFIRMED, event.data.effect_id, "") for event in events]
    await store_work.end_cancellations(tx.conn, ended)


async def on_not_cancelled(tx: Tx, events: Sequence[Event[CancellationRejected]]) -> None:
    """The marketplace would not cancel."""
    ended = [(e.data.cancellation_id, store_work.REJECTED, e.data.effect_id, e.data.reason) for e in events]
    await store_work.end_cancellations(tx.conn, ended)


async def on_reported(tx: Tx, events: Sequence[Event[MarketplaceReturnReported]]) -> None:
    """A return that the marketplace showed, in the stage it was told in last."""
    data = [event.data for event in events]
    await tx.conn.execute(
        REPORTED,
        [each.return_id for each in data],
        [each.connection_id for each in data],
        [event.meta.tenant for event in events],
        [each.return_reference for each in data],
        [each.order_id for each in data],
        [each.stage for each in data],
        [each.marketplace_state for each in data],
        [orjson.dumps([line.model_dump() for line in each.lines]).decode() for each in data],
        [each.tracking_number for each in data],
        [each.marketplace_updated_at for each in data],
    )


async def on_answered(
    tx: Tx, events: Sequence[Event[MarketplaceReturnAnswered] | Event[MarketplaceReturnAnswerRejected]]
) -> None:
    """How the seller's last word ended."""
    last = {event.data.return_id: event.data for event in events}
    await tx.conn.execute(
        ANSWERED,
        list(last),
        [each.answer for each in last.values()],
        ["answered" if isinstance(each, MarketplaceReturnAnswered) else "rejected" for each in last.values()],
        [each.effect_id for each in last.values()],
    )


# What was believed in between (what the marketplace showed as ours or not) depends on which fact came first and is the
# evidence of that; the sums do not.
_SUMS = """
SELECT order_id, line_id, kind, currency, refund_id, reference, sum(quantity) AS quantity,
       trim_scale(sum(amount)) AS amount, trim_scale(sum(shipping_amount)) AS shipping_amount,
       CASE WHEN kind NOT IN ('paid', 'observed') THEN max(at) END AS at
FROM ledger_entries GROUP BY order_id, line_id, kind, currency, refund_id, reference
HAVING sum(quantity) <> 0 OR sum(amount) <> 0 OR sum(shipping_amount) <> 0
"""

_LINES = """(SELECT jsonb_agg(jsonb_build_object('line_id', l->>'line_id', 'quantity', l->'quantity',
    'amount', trim_scale((l->>'amount')::numeric), 'shipping_amount', trim_scale((l->>'shipping_amount')::numeric),
    'reason_code', l->>'reason_code') ORDER BY l->>'line_id') FROM jsonb_array_elements(t.lines) l)"""

_ENDED = "CASE WHEN t.state IN ('confirmed', 'rejected') THEN t.{column} END"

# While another word is on its way, the last one that ended is in the ledger of effects.
_ANSWER = """CASE t.answer_state WHEN 'planned' THEN (
    SELECT {sent} FROM effects e WHERE e.kind = 'answer_return' AND e.connection_id = t.connection_id
    AND e.request->>'return_reference' = t.return_reference
    AND e.state IN ('DONE', 'REJECTED') ORDER BY e.seq DESC LIMIT 1
) ELSE {noted} END"""

_LIVE = "a replayed one counts as not live, so that nobody decides it again"
_RULES = "what is still to be done about it, by rules and settings as they were; what was done is in refunds and ledger"
_READ = "as it was read last; only another stage is told"
_WORD = "who gave which word, and how often, until it ended; how the last one ended is compared"

REPLAY = ReplayPlan(
    tables=(
        Compared("orders"),
        Compared("lines"),
        Compared("ledger_entries", rows=_SUMS, key=("order_id", "line_id", "kind", "refund_id")),
        Compared(
            "returns", ignore={"live": _LIVE, "state": _RULES, "note": _RULES, "check_at": "when to look at it again"}
        ),
        Compared(
            "refunds",
            ignore={
                "seq": "in which order they were written down here",
                "effect_id": "what it went out by; a rebuilt refund is never sent",
            },
            instead={
                "state": "CASE WHEN t.state IN ('confirmed', 'rejected') THEN t.state ELSE 'requested' END",
                "lines": _LINES,
                "reason": "CASE WHEN t.state = 'rejected' THEN left(t.reason, 500) END",
                "confirmed_by": "CASE WHEN t.state = 'confirmed' THEN t.confirmed_by END",
            },
        ),
        Compared(
            "cancellations",
            ignore={"live": _LIVE, "note": _RULES, "check_at": "when to look at it again"},
            instead={"state": _ENDED.format(column="state"), "effect_id": _ENDED.format(column="effect_id")},
        ),
        Compared(
            "marketplace_returns",
            ignore={
                "marketplace_state": _READ,
                "lines": _READ,
                "tracking_number": _READ,
                "updated_at": _READ,
                "answered_by": _WORD,
                "reason_code": _WORD,
                "revision": _WORD,
                "effect_id": _WORD,
            },
            instead={
                "answer": _ANSWER.format(sent="e.request->>'answer'", noted="t.answer"),
                "answer_state": _ANSWER.format(
                    sent="CASE e.state WHEN 'DONE' THEN 'answered' ELSE 'rejected' END", noted="t.answer_state"
                ),
            },
            # A return whose order was not heard of yet is told to nobody.
            where="order_id IS NOT NULL",
        ),
        CONNECTIONS,
        PARKED,
    ),
    own={
        RefundRequested: on_requested,
        RefundConfirmed: on_ended,
        RefundRejected: on_ended,
        CancellationConfirmed: on_cancelled,
        CancellationRejected: on_not_cancelled,
        MarketplaceReturnReported: on_reported,
        MarketplaceReturnAnswered: on_answered,
        MarketplaceReturnAnswerRejected: on_answered,
        **PARKED_ROUTES,
    },
    given=(
        Given("reason_lists", "the marketplaces' own lists of reasons, fetched once a day"),
        Given(
            "cancellations",
            "people asked for these; the shops' own wishes are events",
            where="requested_by <> 'shop'",
            # Not live, as a replayed wish: nobody passes it on again.
            begins={
                "live": "false",
                "state": "'recorded'",
                "note": "''",
                "check_at": "NULL",
                "effect_id": "NULL",
            },
        ),
    ),
    left_out={"return_readings": "how far the reading of marketplaces is; it begins again"},
)
