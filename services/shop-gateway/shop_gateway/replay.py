"""Rebuilding: orders in shops come back from what was told of them; no shop is asked or told anything a second time.

A rebuilt order is not live, so nothing creates it again. Whether a call to its shop is on its way is known to the
effects alone, which are not rebuilt: "planned" and "waiting" compare as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES, on_parked, on_resumed
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event, Origin
from hub_contracts.ids import effect_id_for
from hub_contracts.routes import OrderRouted, RouteCancelled
from hub_contracts.shop_activity import (
    CancellationRequested,
    ParcelHandedOver,
    PriceReported,
    ReturnReported,
    ShopOrderAcknowledged,
    ShopOrderCancelled,
    ShopOrderCreated,
    ShopOrderRejected,
    StockReported,
)
from hub_contracts.work import WorkParked, WorkResumed
from shop_gateway import replay_posts
from shop_gateway.creating import CANCEL_REJECTED, MISMATCH, NO_ORDERS, REJECTED, RESENT, WAIT_CAUSES
from shop_gateway.store import effect_key

MOST_RESENDS = 100
"""A person presses the button; nobody does so more often."""

ROUTED = """
UPDATE shop_orders o SET state = CASE WHEN EXISTS (SELECT 1 FROM route_cancellations x WHERE x.route_id = o.route_id)
                                      THEN 'cancelling' ELSE 'waiting' END
WHERE o.route_id = ANY($1) AND o.state = 'recorded'
"""

MOVE = "UPDATE shop_orders SET state = $2 WHERE route_id = ANY($1) AND ($3::text[] IS NULL OR state = ANY($3))"

CREATED = """
UPDATE shop_orders o SET
    state = CASE WHEN o.state IN ('waiting', 'blocked', 'rejected') THEN 'created' ELSE o.state END,
    shop_order_reference = coalesce(o.shop_order_reference, t.reference), resends = greatest(o.resends, t.resends)
FROM unnest($1::uuid[], $2::text[], $3::int[]) AS t(route_id, reference, resends) WHERE o.route_id = t.route_id
"""

ACKNOWLEDGED = """
UPDATE shop_orders o SET acknowledged_at = coalesce(o.acknowledged_at, t.at),
    shop_order_reference = coalesce(o.shop_order_reference, t.reference),
    state = CASE o.state WHEN 'rejected' THEN 'created' ELSE o.state END
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t(route_id, reference, at) WHERE o.route_id = t.route_id
"""

UNBLOCKED = """
UPDATE shop_orders o SET state = 'waiting' FROM parked p
WHERE p.parked_id = ANY($1) AND p.cause = ANY($2) AND p.subject_kind = 'shop_order' AND o.route_id::text = p.subject_id
  AND o.state = 'blocked'
"""

SENT_AGAIN = """
UPDATE shop_orders o SET state = CASE o.state WHEN 'rejected' THEN 'waiting' ELSE o.state END, resends = o.resends + 1
FROM parked p
WHERE p.parked_id = ANY($1) AND p.cause = $2 AND p.subject_kind = 'shop_order' AND o.route_id::text = p.subject_id
"""


async def on_routed(tx: Tx, events: Sequence[Event[OrderRouted]]) -> None:
    """What came live waited for its shop; what was backfilled never did."""
    routes = [route.route_id for event in events if _was_live(event) for route in event.data.routes]
    await tx.conn.execute(ROUTED, routes)


async def on_route_cancelled(tx: Tx, events: Sequence[Event[RouteCancelled]]) -> None:
    """The shop was asked to stop; how that ended is in our own events."""
    routes = [route_id for event in events if _was_live(event) for route_id in event.data.route_ids]
    await tx.conn.execute(MOVE, routes, "cancelling", ["waiting"])


def _was_live(event: Event[OrderRouted] | Event[RouteCancelled]) -> bool:
    return event.meta.origin is Origin.REPLAY


async def on_created(tx: Tx, events: Sequence[Event[ShopOrderCreated]]) -> None:
    """The shop holds it."""
    data = [event.data for event in events]
    await tx.conn.execute(
        CREATED, [d.route_id for d in data], [d.shop_order_reference for d in data], [resends_of(d) for d in data]
    )


def resends_of(data: ShopOrderCreated) -> int:
    """How many resends went before, read from the effect: its id is derived from them."""
    keys = (effect_key("create_order", data.shop_connection_id, data.route_id, n) for n in range(MOST_RESENDS))
    return next((n for n, key in enumerate(keys) if effect_id_for(key) == data.effect_id), 0)


async def on_rejected(tx: Tx, events: Sequence[Event[ShopOrderRejected]]) -> None:
    """The shop would not take it."""
    await tx.conn.execute(MOVE, [event.data.route_id for event in events], "rejected", ["waiting", "blocked"])


async def on_cancelled(tx: Tx, events: Sequence[Event[ShopOrderCancelled]]) -> None:
    """It has stopped."""
    await tx.conn.execute(MOVE, [event.data.route_id for event in events], "cancelled", None)


async def on_acknowledged(tx: Tx, events: Sequence[Event[ShopOrderAcknowledged]]) -> None:
    """The shop works on it, also when it refused it before."""
    await tx.conn.execute(
        ACKNOWLEDGED,
        [event.data.route_id for event in events],
        [event.data.shop_order_reference for event in events],
        [event.data.acknowledged_at or event.meta.time for event in events],
    )


async def on_work_parked(tx: Tx, events: Sequence[Event[WorkParked]]) -> None:
    """What was parked, and the orders that it held up."""
    await on_parked(tx, events)
    about = [event.data for event in events if event.data.subject_kind == "shop_order"]
    blocked = [UUID(data.subject_id) for data in about if data.cause in (MISMATCH, NO_ORDERS)]
    await tx.conn.execute(MOVE, blocked, "blocked", ["waiting"])
    refused = [UUID(data.subject_id) for data in about if data.cause == CANCEL_REJECTED]
    await tx.conn.execute(MOVE, refused, "cancel_rejected", None)


async def on_work_resumed(tx: Tx, events: Sequence[Event[WorkResumed]]) -> None:
    """What went on, and the orders with it. An item that a person merely closed moves no order."""
    await on_resumed(tx, events)
    by_itself = [event.data.parked_id for event in events if event.data.actor is None]
    await tx.conn.execute(UNBLOCKED, by_itself, list(WAIT_CAUSES))
    resent = [event.data.parked_id for event in events if event.data.resolution == RESENT]
    await tx.conn.execute(SENT_AGAIN, resent, REJECTED)


OWN_ROUTES: Routes = {
    **PARKED_ROUTES,
    ShopOrderCreated: on_created,
    ShopOrderRejected: on_rejected,
    ShopOrderCancelled: on_cancelled,
    ShopOrderAcknowledged: on_acknowledged,
    ParcelHandedOver: replay_posts.on_handed_over,
    ReturnReported: replay_posts.on_return,
    CancellationRequested: replay_posts.on_cancellation,
    StockReported: replay_posts.on_stock,
    PriceReported: replay_posts.on_price,
    WorkParked: on_work_parked,
    WorkResumed: on_work_resumed,
}

REPLAY = ReplayPlan(
    tables=(
        Compared(
            "shop_orders",
            ignore={
                "live": "a rebuilt order counts as not live, so that nothing creates it again",
                "stored_at": "when this database was written to",
                "waited": "says only that somebody has looked at it while it waited",
                "version": "counts writes, so that a parked post is looked at again; one look too many is harmless",
                "feed_seq": "its place in the list that a pulling shop reads on from is told to that shop only",
            },
            instead={"state": "CASE state WHEN 'planned' THEN 'waiting' ELSE state END"},
        ),
        Compared("route_cancellations"),
        Compared("customers", where="NOT (erased_at IS NOT NULL)"),
        Compared("parcels"),
        Compared("returns"),
        Compared("shop_cancellations"),
        Compared("stock_levels"),
        Compared("price_levels"),
        CONNECTIONS,
        PARKED,
    ),
    own=OWN_ROUTES,
    also={OrderRouted: on_routed, RouteCancelled: on_route_cancelled},
    given=(
        Given("shop_posts", "shops' posts as they came, and what became of each"),
        Given("customer_corrections", "people put addresses right; events name the fields, never what was written"),
        Given("feeds", "the last place in each list; shops keep theirs and read on from it"),
        Given(
            "customers",
            "people and retention had them erased: hearing of a buyer again must not bring the data back",
            where="erased_at IS NOT NULL",
        ),
    ),
)
