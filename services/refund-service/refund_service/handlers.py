"""What refund-service reacts to. Facts come on three topics in any order, so each is stored and then acted upon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.shop_activity import CancellationRequested, ReturnReported
from refund_service import store, store_market, store_work
from refund_service.advance import SHOP, advance
from refund_service.desk import balance_ledger
from refund_service.domain_returns import merged, rank
from refund_service.market_returns import settle
from refund_service.store_work import OPEN, StoredCancellation, StoredReturn


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep what was bought and what the marketplace shows as refunded; go on with what waited for it."""
    ids = [event.data.order.order_id for event in events]
    await store.lock(tx.conn, ids)
    changed = await store.save_orders(tx.conn, [(event, event.data.order) for event in events])
    await balance_ledger(tx, changed)
    await advance(tx, changed)
    await settle(tx, await store_market.link(tx.conn, changed))


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the status; a refund may have waited for the shipment to show."""
    ids = [event.data.order_id for event in events]
    await store.lock(tx.conn, ids)
    await store.set_statuses(tx.conn, events)
    await advance(tx, ids)


async def on_return(tx: Tx, events: Sequence[Event[ReturnReported]]) -> None:
    """Keep the last word on each return and refund what is due."""
    ids = [event.data.order_id for event in events]
    await store.lock(tx.conn, ids)
    known = await store_work.load_returns(tx.conn, [event.data.return_id for event in events])
    for event in events:
        known[event.data.return_id] = _restated(known.get(event.data.return_id), event)
    await store_work.save_returns(tx.conn, list(known.values()), tx.now)
    await advance(tx, ids)
    await settle(tx, await store_market.of_orders(tx.conn, ids))


def _restated(before: StoredReturn | None, event: Event[ReturnReported]) -> StoredReturn:
    data, meta = event.data, event.meta
    lines = merged(before.lines if before else {}, data.stage, data.lines)
    if before is not None:
        return replace(
            before,
            live=event.live or before.live,
            stage=data.stage if rank(data.stage) >= rank(before.stage) else before.stage,
            lines=lines,
            refund_shipping=before.refund_shipping or data.refund_shipping,
            reported_at=max(before.reported_at, data.reported_at),
            state=OPEN,
            traceparent=meta.traceparent,
            causation_id=str(meta.event_id),
        )
    return StoredReturn(
        return_id=data.return_id,
        order_id=data.order_id,
        connection_id=data.connection_id,
        shop_connection_id=data.shop_connection_id,
        shop_return_reference=data.shop_return_reference,
        tenant=meta.tenant,
        environment=data.environment.value,
        is_test=data.is_test,
        live=event.live,
        stage=data.stage,
        lines=lines,
        refund_shipping=data.refund_shipping,
        reported_at=data.reported_at,
        state=OPEN,
        traceparent=meta.traceparent,
        causation_id=str(meta.event_id),
    )


async def on_cancellation(tx: Tx, events: Sequence[Event[CancellationRequested]]) -> None:
    """Keep the shop's wish and pass it on while the marketplace lets us."""
    ids = [event.data.order_id for event in events]
    await store.lock(tx.conn, ids)
    await store_work.insert_cancellations(tx.conn, [_wish(event) for event in events], tx.now)
    await advance(tx, ids)


def _wish(event: Event[CancellationRequested]) -> StoredCancellation:
    data, meta = event.data, event.meta
    return StoredCancellation(
        cancellation_id=data.cancellation_id,
        order_id=data.order_id,
        connection_id=data.connection_id,
        tenant=meta.tenant,
        environment=data.environment.value,
        is_test=data.is_test,
        live=event.live,
        lines=data.lines,
        reason=data.reason,
        requested_by=SHOP,
        requested_at=data.requested_at,
        state=OPEN,
        traceparent=meta.traceparent,
        causation_id=str(meta.event_id),
    )


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Policy, reasons or capabilities may have changed: what waits there is looked at again by the duty `waiting`."""
    ids = sorted({event.data.connection_id for event in events})
    await store_work.make_due(tx.conn, ids, tx.now)
    await settle(tx, await store_market.requested(tx.conn, ids))


ROUTES: Routes = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    ReturnReported: on_return,
    CancellationRequested: on_cancellation,
    ConnectionChanged: on_connection_changed,
}
