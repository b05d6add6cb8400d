"""What shipment-notifier reacts to: parcels, orders and settings come on three topics, in any order."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.logs import get_logger
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged, ConnectionKind
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.shop_activity import ShopOrderAcknowledged, ShopOrderCreated
from shipment_notifier import store, store_invoices
from shipment_notifier.telling import advance


async def on_parcel(tx: Tx, events: Sequence[Event[ParcelCarrierMapped]]) -> None:
    """Keep the parcel and tell the marketplace, if its order is released for shipping."""
    await store.lock_telling(tx.conn, {event.data.connection_id for event in events})
    await store.save_parcels(tx.conn, events)
    await advance(tx, (event.data.order_id for event in events))


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the order and tell about parcels of it that wait."""
    await store.lock_telling(tx.conn, {event.data.order.connection_id for event in events})
    await store.save_orders(tx.conn, events)
    await advance(tx, (event.data.order.order_id for event in events))


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the status: a released order has its parcels told, a cancelled one has what was not sent taken back."""
    await store.lock_telling(tx.conn, {event.data.connection_id for event in events})
    await store.save_statuses(tx.conn, events)
    for order_id in await store.shipped_elsewhere(tx.conn, events):
        get_logger(tx.service).info("order_shipped_elsewhere", order_id=str(order_id))
    await advance(tx, (event.data.order_id for event in events))


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """What the connection may do has changed, or it is heard of at last: parcels that wait are looked at again."""
    ids = sorted({e.data.connection_id for e in events if e.data.kind is ConnectionKind.MARKETPLACE})
    if ids:
        await store.lock_changing(tx.conn, ids)
        await advance(tx, await store.unsettled_orders(tx.conn, ids))


async def on_shop_order(tx: Tx, events: Sequence[Event[ShopOrderCreated | ShopOrderAcknowledged]]) -> None:
    """Keep the shop's own order number: some shops find an invoice by nothing else."""
    await store_invoices.save_references(tx.conn, events)


ROUTES: Routes = {
    ParcelCarrierMapped: on_parcel,
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    ConnectionChanged: on_connection_changed,
    ShopOrderCreated: on_shop_order,
    ShopOrderAcknowledged: on_shop_order,
}
"""What this service reacts to."""
