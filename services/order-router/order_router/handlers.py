"""What order-router reacts to. Facts come on four topics in any order: each is stored, then routing goes on from there.

Only live events let routing go on; replayed and backfilled ones are stored and tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from hub_common import sku_links
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.acceptances import OrderAccepted, OrderRefused
from hub_contracts.connections import ConnectionChanged, ConnectionKind, SkuLinked
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.routes import OrderRouted, RouteCancelled
from hub_contracts.stock import OfferChanged
from order_router import lookup, store
from order_router.deciding import advance


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the order; it may already be released, or be what an answer was waiting for."""
    await store.save_orders(tx.conn, events)
    await advance(tx, _live((event, event.data.order.order_id) for event in events))


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the status: PREPARATION releases an order, CANCELLED and REFUSED stop it."""
    await store.save_statuses(tx.conn, events)
    await advance(tx, _live((event, event.data.order_id) for event in events))


async def on_answer(tx: Tx, events: Sequence[Event[OrderAccepted | OrderRefused]]) -> None:
    """Keep the confirmed answer; where accepting releases the order, it is routed at once."""
    await store.save_answers(tx.conn, events)
    await advance(tx, _live((event, event.data.order_id) for event in events))


async def on_offer_changed(tx: Tx, events: Sequence[Event[OfferChanged]]) -> None:
    """Keep what shops have; a line for which no shop was known to have enough may have one now."""
    await lookup.save_shelf(tx.conn, events)
    pairs = sorted({(event.meta.tenant, event.data.shop_sku) for event in events if event.live})
    await advance(tx, await lookup.waiting_for_stock(tx.conn, pairs))


async def on_sku_linked(tx: Tx, events: Sequence[Event[SkuLinked]]) -> None:
    """A link arrived or changed: the lines that wait for it go on."""
    pairs = {(e.data.connection_id, e.data.offer_sku) for e in events if e.live and e.data.active}
    await advance(tx, await lookup.waiting_for_links(tx.conn, sorted(pairs, key=str)))


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Rules, modes and shops may have changed: what waits for one of them goes on."""
    await lookup.save_shops(tx.conn, events)
    live = [event for event in events if event.live]
    ids = sorted({event.data.connection_id for event in live})
    tenants = sorted({event.meta.tenant for event in live if event.data.kind is ConnectionKind.SHOP})
    await advance(tx, await lookup.waiting_for_connections(tx.conn, ids, tenants))


def _live(pairs: Iterable[tuple[Event[object], UUID]]) -> list[UUID]:  # type: ignore[type-var]
    return [order_id for event, order_id in pairs if event.live]


async def on_own_routed(tx: Tx, events: Sequence[Event[OrderRouted]]) -> None:
    """Replay of our own decisions: an order that was routed is never routed again."""
    await store.restore_routed(tx.conn, events)


async def on_own_cancelled(tx: Tx, events: Sequence[Event[RouteCancelled]]) -> None:
    """Replay of our own cancellations: they are not told again."""
    pairs = [(route_id, event.meta.time) for event in events for route_id in event.data.route_ids]
    await store.cancel_routes(tx.conn, [route_id for route_id, _ in pairs], [at for _, at in pairs])


REPLAY_ROUTES: Routes = {
    OrderRouted: on_own_routed,
    RouteCancelled: on_own_cancelled,
}

ROUTES: Routes = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    OrderAccepted: on_answer,
    OrderRefused: on_answer,
    OfferChanged: on_offer_changed,
    SkuLinked: (sku_links.on_sku_linked, on_sku_linked),
    ConnectionChanged: on_connection_changed,
}
