"""What carrier-mapper reacts to: parcel, order and settings come on three topics, in any order."""

from __future__ import annotations

from collections.abc import Sequence

from carrier_mapper import store
from carrier_mapper.mapping import advance, decide_again
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged, ConnectionKind
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.shop_activity import ParcelHandedOver


async def on_parcel(tx: Tx, events: Sequence[Event[ParcelHandedOver]]) -> None:
    """Keep the parcel and decide it; a correction is decided and told again."""
    await store.lock_deciding(tx.conn, {event.data.connection_id for event in events})
    await store.expect_orders(tx.conn, {event.data.order_id for event in events})
    await store.save_parcels(tx.conn, events)
    await advance(tx, (event.data.parcel_id for event in events))


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the order's references, and decide parcels of it that wait."""
    await store.lock_deciding(tx.conn, {event.data.order.connection_id for event in events})
    await store.save_orders(tx.conn, [(event.meta.aggregate_version, event.data.order) for event in events])
    await advance(tx, await store.reopen_of_orders(tx.conn, {event.data.order.order_id for event in events}))


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the ship-by instant: it tells how urgent a parked parcel is."""
    await store.save_ship_by(tx.conn, events)


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """The default carrier or another choice may have changed: parcels parked there are decided again."""
    ids = sorted({e.data.connection_id for e in events if e.data.kind is ConnectionKind.MARKETPLACE})
    if ids:
        await store.lock_changing(tx.conn, ids)
        await decide_again(tx, ids)


ROUTES: Routes = {
    ParcelHandedOver: on_parcel,
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    ConnectionChanged: on_connection_changed,
}
"""What this service reacts to."""
