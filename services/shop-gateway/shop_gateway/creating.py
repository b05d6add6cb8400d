"""Bringing orders into shops and stopping them: whatever the facts allow is done now, the rest waits or is parked.

Route, buyer, connection and cancellation come on three topics in any order. Each handler stores its fact and calls
`advance`, which may be called at any time and as often as one likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.requests import CancelShopOrder
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.effects.model import PlannedEffect
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.shop_activity import ShopOrderCancelled
from shop_gateway import store
from shop_gateway.shop_protocol import sends_personal_data
from shop_gateway.store import StoredOrder

CUSTOMER_MISSING = "customer_missing"
SHOP_UNKNOWN = "shop_unknown"
MISMATCH = "environment_mismatch"
NO_ORDERS = "shop_takes_no_orders"
REJECTED = "shop_order_rejected"
CANCEL_REJECTED = "shop_cancel_rejected"
RESENT = "sent again"
"""Resolution of a refusal that a person answered with another attempt."""
WAIT_CAUSES = (CUSTOMER_MISSING, SHOP_UNKNOWN, MISMATCH, NO_ORDERS)

NEXT_STEP = {
    CUSTOMER_MISSING: "Nothing, when the marketplace shows the address later: it goes on by itself. Else look there.",
    SHOP_UNKNOWN: "Check that the shop's connection exists; it goes on by itself when it is heard of.",
    MISMATCH: "Correct the routing rules: sandbox orders need a sandbox shop, production orders a production shop.",
    NO_ORDERS: "Route to a shop that takes orders, or switch the capability on at its connection.",
}


async def advance(tx: Tx, route_ids: Iterable[UUID], *, stored_before: datetime | None = None) -> None:
    """Create what can be created in shops now; what was stored before an instant and still waits is parked."""
    orders = await store.lock_orders(tx.conn, route_ids, ("waiting", "blocked"))
    if not orders:
        return
    known = await load_connections(tx.conn, (order.shop_connection_id for order in orders))
    changes: list[tuple[StoredOrder, str, bool]] = []
    parks: list[Park] = []
    over: list[UUID] = []
    for order in orders:
        shop = known.get(order.shop_connection_id)
        obstacle = _obstacle(order, shop)
        if order.cancel_reason is not None:
            _tell_cancelled(tx, order)
            changes.append((order, "cancelled", False))
            over += _parked_ids(tx, order)
        elif obstacle is None:
            assert shop is not None, "an unknown shop is an obstacle"
            tx.plan(_creation(order, shop))
            changes.append((order, "planned", True))
            over += _parked_ids(tx, order)
        elif obstacle in (MISMATCH, NO_ORDERS):
            changes.append((order, "blocked", False))
            parks.append(_park(order, obstacle))
        elif stored_before is not None and not order.waited and order.stored_at <= stored_before:
            changes.append((order, "waiting", False))
            parks.append(_park(order, obstacle))
    await store.set_states(tx.conn, changes)
    await park(tx, parks)
    await resume(tx, over, resolution="what was missing is there, or the order was cancelled")


def _obstacle(order: StoredOrder, shop: Connection | None) -> str | None:
    if shop is None:
        return SHOP_UNKNOWN
    if shop.data.environment != order.environment:
        return MISMATCH
    if not _takes_orders(shop):
        return NO_ORDERS
    if not order.has_customer and sends_personal_data(shop.data.connector_settings):
        return CUSTOMER_MISSING
    return None


def _takes_orders(shop: Connection) -> bool:
    try:
        manifest = connector(shop.data.connector).manifest
    except UnknownConnector:
        return True  # not installed in this process: the effect waits for one that has it
    return supports(manifest, shop.data.settings.capabilities_off, Capability.SHOP_ORDERS)


def _creation(order: StoredOrder, shop: Connection) -> PlannedEffect:
    """The request is stored without the buyer, who is read from his own table at the moment of sending."""
    return PlannedEffect(
        kind="create_order",
        natural_key=order.effect_key("create_order"),
        connection_id=order.shop_connection_id,
        credential_ref=shop.data.credential_ref,
        request=order.request,
        cause=order.cause,
        order_key=f"shop_order:{order.route_id}",
        lane=Lane.LIVE,
        order_id=order.order_id,
        deadline=order.request.ship_by,
        context={"needs_customer": sends_personal_data(shop.data.connector_settings)},
    )


def _park(order: StoredOrder, cause: str) -> Park:
    details = {
        CUSTOMER_MISSING: "the buyer's address has not arrived",
        SHOP_UNKNOWN: "the shop's connection is not known",
        MISMATCH: f"it belongs to {order.environment}, the shop does not",
        NO_ORDERS: "the shop's connection cannot take orders",
    }
    return order_park(order, cause, f"Order {order.order_number} is not created: {details[cause]}.", NEXT_STEP[cause])


def order_park(order: StoredOrder, cause: str, detail: str, next_step: str) -> Park:
    """A shop's order that waits."""
    return Park(
        subject_kind="shop_order",
        subject_id=str(order.route_id),
        cause=cause,
        detail=detail,
        next_step=next_step,
        event_key=str(order.order_id),
        why=order.cause,
        order_id=order.order_id,
        connection_id=order.shop_connection_id,
        is_test=order.is_test,
        due_at=order.request.ship_by,
    )


def _parked_ids(tx: Tx, order: StoredOrder, causes: Sequence[str] = WAIT_CAUSES) -> list[UUID]:
    return [parked_id_for(tx.service, "shop_order", str(order.route_id), cause) for cause in causes]


async def stop(tx: Tx, route_ids: Iterable[UUID]) -> None:
    """Stop cancelled routes: what was never sent is taken back, what a shop may hold is cancelled there."""
    states = ("waiting", "blocked", "planned", "created", "rejected")
    orders = await store.lock_orders(tx.conn, route_ids, states)
    orders = [order for order in orders if order.cancel_reason is not None]
    if not orders:
        return
    known = await load_connections(tx.conn, (order.shop_connection_id for order in orders))
    planned = [order.effect_key("create_order") for order in orders if order.state == "planned"]
    withdrawn = await store.withdraw_effects(tx.conn, planned)
    changes: list[tuple[StoredOrder, str, bool]] = []
    over: list[UUID] = []
    for order in orders:
        shop = known.get(order.shop_connection_id)
        over += _parked_ids(tx, order, (*WAIT_CAUSES, REJECTED))
        if shop is None or _never_reached_shop(order, withdrawn):
            _tell_cancelled(tx, order)
            changes.append((order, "cancelled", order.feed_seq is not None))
        else:
            tx.plan(_cancellation(order, shop))
            changes.append((order, "cancelling", order.feed_seq is not None))
        if order.effect_key("create_order") in withdrawn:
            over.append(parked_id_for(tx.service, "effect", str(order.effect_id("create_order")), "effect_stuck"))
    await store.set_states(tx.conn, changes)
    await resume(tx, over, resolution="the order was cancelled")


def _never_reached_shop(order: StoredOrder, withdrawn: dict[str, int]) -> bool:
    """A refused attempt may still have reached the shop (it timed out, say), so only untried ones count as unsent."""
    if order.state in ("waiting", "blocked", "rejected"):
        return True
    return order.state == "planned" and withdrawn.get(order.effect_key("create_order")) == 0


def _cancellation(order: StoredOrder, shop: Connection) -> PlannedEffect:
    return PlannedEffect(
        kind="cancel_order",
        natural_key=order.effect_key("cancel_order"),
        connection_id=order.shop_connection_id,
        credential_ref=shop.data.credential_ref,
        request=CancelShopOrder(
            order_id=order.order_id,
            route_id=order.route_id,
            order_number=order.order_number,
            is_test=order.is_test,
            reason=order.cancel_reason or "",
        ),
        cause=order.cause,
        order_key=f"shop_order:{order.route_id}",
        lane=Lane.LIVE,
        order_id=order.order_id,
    )


def _tell_cancelled(tx: Tx, order: StoredOrder) -> None:
    """The shop never had it, so it has stopped as surely as if it had said so."""
    tx.emit(
        ShopOrderCancelled(
            order_id=order.order_id,
            route_id=order.route_id,
            shop_connection_id=order.shop_connection_id,
            is_test=order.is_test,
        ),
        key=order.order_id,
        cause=order.cause,
    )


async def resend(tx: Tx, order: StoredOrder, shop: Connection, actor: str) -> None:
    """Create an order that was refused once more: a new intention of a person, with a natural key of its own."""
    again = replace(order, resends=order.resends + 1)
    tx.plan(_creation(again, shop))
    await store.set_states(tx.conn, [(again, "planned", False)])
    await resume(tx, _parked_ids(tx, order, (REJECTED,)), resolution=RESENT, actor=actor)
