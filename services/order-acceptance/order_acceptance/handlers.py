"""What order-acceptance reacts to. Facts come on three topics in any order, so each is stored and then decided upon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from hub_common import deadlines, sku_links
from hub_common.connections import load_connections
from hub_common.deadlines import NewDeadline
from hub_common.parked import resume
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged, SkuLinked
from hub_contracts.envelope import Event
from hub_contracts.ids import parked_id_for
from hub_contracts.orders import FulfilledBy, OrderChanged, OrderReceived, OrderSnapshot, OrderStatusChanged
from hub_contracts.status import OrderStatus
from hub_contracts.stock import OfferChanged
from hub_contracts.work import DeadlineKind
from order_acceptance import store
from order_acceptance.decisions import HELD, advance

STILL_OURS = frozenset({OrderStatus.WAITING_PAYMENT, OrderStatus.REMORSE_PERIOD, OrderStatus.PENDING})
"""Statuses in which the marketplace still waits, or will wait, for our answer."""


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the order, start its clock, decide it."""
    await store.save_orders(tx.conn, [(event, event.data.order) for event in events])
    waiting = [
        (event, event.data.order)
        for event in events
        if event.live and event.data.order.status is OrderStatus.PENDING and _mine(event.data.order)
    ]
    await _start_clocks(
        tx, [(e, o.order_id, o.connection_id, o.is_test, o.created_at, o.accept_by) for e, o in waiting]
    )
    await advance(tx, (order.order_id for _, order in waiting))


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the status; an order that comes to wait for us gets its clock, one that no longer does loses it."""
    await store.set_statuses(tx.conn, events)
    last = {event.data.order_id: event for event in events}
    pending = [e for e in last.values() if e.live and e.data.to_status is OrderStatus.PENDING]
    clocks = []
    for event in pending:
        order = await store.lock_order(tx.conn, event.data.order_id)
        if order is not None and _mine(order.snapshot):
            accept_by = event.data.accept_by or order.accept_by
            snapshot = order.snapshot
            clocks.append(
                (event, order.order_id, snapshot.connection_id, snapshot.is_test, snapshot.created_at, accept_by)
            )
    await _start_clocks(tx, clocks)
    await advance(tx, (event.data.order_id for event in pending))
    over = [order_id for order_id, event in last.items() if event.data.to_status not in STILL_OURS]
    if over:
        await deadlines.meet(tx, over, DeadlineKind.ACCEPT_BY)
        parked = [parked_id_for(tx.service, "order", str(order_id), HELD) for order_id in over]
        await resume(tx, parked, resolution="the order no longer waits for an answer")


async def on_offer_changed(tx: Tx, events: Sequence[Event[OfferChanged]]) -> None:
    """Keep stock and price; orders held for lack of them are decided again."""
    await store.save_offers(tx.conn, events)
    pairs = sorted({(e.data.connection_id, e.data.offer_sku) for e in events}, key=str)
    await advance(tx, await store.held_by_sku(tx.conn, pairs))


async def on_sku_linked(tx: Tx, events: Sequence[Event[SkuLinked]]) -> None:
    """A link arrived: orders held for want of it are decided again."""
    pairs = sorted({(e.data.connection_id, e.data.offer_sku) for e in events if e.data.active}, key=str)
    await advance(tx, await store.held_by_sku(tx.conn, pairs))


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """The policy may have changed: what it held, and what waited for the connection to be known, is decided again."""
    ids = list({event.data.connection_id for event in events})
    rows = await tx.conn.fetch(
        "SELECT order_id FROM orders WHERE connection_id = ANY($1) AND live AND status = 'PENDING'"
        " AND decision IS NULL",
        ids,
    )
    fresh = [row["order_id"] for row in rows]
    await advance(tx, [*fresh, *await store.held_by_connection(tx.conn, ids)])


def _mine(order: OrderSnapshot) -> bool:
    return order.fulfilled_by is FulfilledBy.SELLER


Clock = tuple[
    Event[OrderReceived | OrderChanged] | Event[OrderStatusChanged], UUID, UUID, bool, datetime, datetime | None
]


async def _start_clocks(tx: Tx, clocks: Sequence[Clock]) -> None:
    known = await load_connections(tx.conn, {connection_id for _, _, connection_id, _, _, _ in clocks})
    started: list[NewDeadline] = []
    for event, order_id, connection_id, is_test, created_at, accept_by in clocks:
        if accept_by is None or is_test:
            continue  # a test order has no marketplace that waits
        connection = known.get(connection_id)
        policy = connection.data.settings.acceptance if connection else None
        resort = policy.last_resort_percent if policy and policy.last_resort != "alarm" else None
        started.append(
            NewDeadline(
                order_id=order_id,
                kind=DeadlineKind.ACCEPT_BY,
                connection_id=connection_id,
                tenant=event.meta.tenant,
                is_test=is_test,
                starts_at=created_at,
                due_at=accept_by,
                last_resort_percent=resort,
            )
        )
    await deadlines.start(tx, started)


ROUTES: Routes = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    OfferChanged: on_offer_changed,
    SkuLinked: (sku_links.on_sku_linked, on_sku_linked),
    ConnectionChanged: on_connection_changed,
}
