"""What shop-gateway reacts to: routes, buyers' data and connections, stored as they come and then acted upon."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.requests import CreateShopOrder
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionChanged
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderCustomerErased, OrderCustomerRecorded
from hub_contracts.routes import OrderRouted, Route, RouteCancelled
from shop_gateway import store
from shop_gateway.creating import advance, stop
from shop_gateway.erasing import forget_buyers
from shop_gateway.store import NewOrder


async def on_order_routed(tx: Tx, events: Sequence[Event[OrderRouted]]) -> None:
    """Keep the order of each route, then create it in its shop."""
    orders = [_new_order(tx, event, route) for event in events for route in event.data.routes]
    await store.insert_orders(tx.conn, orders)
    await advance(tx, (order.request.route_id for order in orders if order.live))


async def on_route_cancelled(tx: Tx, events: Sequence[Event[RouteCancelled]]) -> None:
    """Keep the cancellation, then stop what can be stopped. A replayed one only makes sure that nothing starts."""
    await store.insert_cancellations(tx.conn, events)
    await stop(tx, (route_id for event in events if event.live for route_id in event.data.route_ids))


async def on_customer_recorded(tx: Tx, events: Sequence[Event[OrderCustomerRecorded]]) -> None:
    """Keep where orders go, then create those that waited for it."""
    await store.save_customers(tx.conn, events)
    await advance(tx, await store.open_routes(tx.conn, "order_id", [event.data.order_id for event in events]))


async def on_customer_erased(tx: Tx, events: Sequence[Event[OrderCustomerErased]]) -> None:
    """Forget the buyers for good, whether they were heard of yet or not."""
    await forget_buyers(tx.conn, {event.data.order_id: event.data.erased_at for event in events})


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Orders that waited for their shop to be known, or were blocked by its settings, go on."""
    ids = [event.data.connection_id for event in events]
    await advance(tx, await store.open_routes(tx.conn, "shop_connection_id", ids))


def _new_order(tx: Tx, event: Event[OrderRouted], route: Route) -> NewOrder:
    data = event.data
    request = CreateShopOrder(
        order_id=data.order_id,
        route_id=route.route_id,
        order_number=data.order_number,
        marketplace=data.connector,
        marketplace_reference=data.marketplace_reference,
        channel=data.channel,
        is_test=data.is_test,
        currency=data.currency,
        tax_mode=data.tax_mode,
        products_price=data.products_price,
        shipping_price=data.shipping_price,
        total_price=data.total_price,
        shipping_method=data.shipping_method,
        carrier_wish=data.carrier_wish,
        ship_by=data.ship_by,
        warehouse=route.warehouse,
        lines=route.lines,
    )
    return NewOrder(
        request=request,
        connection_id=data.connection_id,
        shop_connection_id=route.shop_connection_id,
        tenant=event.meta.tenant,
        live=event.live,
        environment=data.environment,
        sole_route=len(data.routes) == 1,
        traceparent=event.meta.traceparent,
        stored_at=tx.now,
    )


ROUTES: Routes = {
    OrderRouted: on_order_routed,
    RouteCancelled: on_route_cancelled,
    OrderCustomerRecorded: on_customer_recorded,
    OrderCustomerErased: on_customer_erased,
    ConnectionChanged: on_connection_changed,
}
