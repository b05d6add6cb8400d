"""Rebuilding from our own events: refunds that were asked for and how they ended are in no other topic.

A rebuilt refund is never sent: it counts as asked for until its end is replayed too, so the money stays taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.requests import RefundLineRequest
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.refunds import RefundConfirmed, RefundRejected, RefundRequested
from refund_service import store, store_work
from refund_service.desk import balance_ledger, entries_of
from refund_service.store_work import QUEUED, StoredRefund


async def on_requested(tx: Tx, events: Sequence[Event[RefundRequested]]) -> None:
    """Take the money out of what is open, again."""
    await store.lock(tx.conn, [event.data.order_id for event in events])
    refunds = [_refund(event) for event in events]
    await store_work.insert_refunds(tx.conn, refunds)
    await store_work.mark_asked(tx.conn, [(refund.refund_id, None) for refund in refunds])
    entries = [entry for each in refunds for entry in entries_of(each, store.REQUESTED, each.requested_at)]
    await store.append(tx.conn, entries, tx.now)


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
        requested_at=event.meta.time,
        traceparent=event.meta.traceparent,
        causation_id=event.meta.causation_id,
    )


async def on_ended(tx: Tx, events: Sequence[Event[RefundConfirmed] | Event[RefundRejected]]) -> None:
    """Confirm, or give the money free, again."""
    await store.lock(tx.conn, [event.data.order_id for event in events])
    rows: list[store_work.Ended] = []
    for event in events:
        data = event.data
        if isinstance(data, RefundConfirmed):
            rows.append((data.refund_id, store_work.CONFIRMED, data.refund_references, data.confirmed_by, ""))
        else:
            rows.append((data.refund_id, store_work.REJECTED, (), "", data.reason))
    kinds = {store_work.CONFIRMED: store.CONFIRMED, store_work.REJECTED: store.REJECTED}
    ended = await store_work.settle_refunds(tx.conn, rows, tx.now)
    entries = [entry for refund in ended for entry in entries_of(refund, kinds[refund.state], tx.now)]
    await store.append(tx.conn, entries, tx.now)
    await balance_ledger(tx, sorted({event.data.order_id for event in events}))


REPLAY_ROUTES: Routes = {
    RefundRequested: on_requested,
    RefundConfirmed: on_ended,
    RefundRejected: on_ended,
}
