"""ops-console hears everything: each event becomes part of the story, some also change what lists show."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.personal_records import forget_records
from hub_common.routing import Handler, Routes
from hub_common.tx import Tx
from hub_contracts.base import EventData
from hub_contracts.envelope import Event
from hub_contracts.orders import (
    OrderChanged,
    OrderCustomerErased,
    OrderCustomerRecorded,
    OrderReceived,
    OrderStatusChanged,
)
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.shop_activity import ParcelHandedOver
from hub_contracts.topics import TOPICS
from hub_contracts.work import EffectInDoubt, EffectSettled, WorkParked, WorkResumed
from ops_console import store
from ops_console.buyer_terms import forget_customer, save_terms

OWN_TOPICS = {topic.writer: topic.name for topic in TOPICS if not topic.personal_data}


async def on_any(tx: Tx, events: Sequence[Event[EventData]]) -> None:
    """Keep the event."""
    await store.save_story(tx.conn, events, OWN_TOPICS)


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the order's row."""
    await store.save_orders(tx.conn, events)


async def on_status(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the order's status."""
    await store.save_statuses(tx.conn, events)


async def on_parcel(tx: Tx, events: Sequence[Event[ParcelHandedOver]]) -> None:
    """Make the order findable by its tracking number."""
    pairs = [(e.data.tracking_number, e.data.order_id) for e in events if e.data.tracking_number]
    if pairs:
        await store.save_tracking(tx.conn, pairs)


async def on_customer(tx: Tx, events: Sequence[Event[OrderCustomerRecorded]]) -> None:
    """Make the order findable by its buyer; nothing of him is kept in clear."""
    await save_terms(tx.conn, events)


async def on_erased(tx: Tx, events: Sequence[Event[OrderCustomerErased]]) -> None:
    """The order is found by its buyer no longer."""
    ids = {event.data.order_id for event in events}
    await forget_customer(tx.conn, ids)
    await forget_records(tx.conn, ids)


async def on_parked(tx: Tx, events: Sequence[Event[WorkParked | WorkResumed]]) -> None:
    """Keep what waits."""
    await store.save_parked(tx.conn, events)


async def on_doubt(tx: Tx, events: Sequence[Event[EffectInDoubt | EffectSettled]]) -> None:
    """Keep what is in doubt."""
    await store.save_doubts(tx.conn, events)


PROJECTIONS: dict[type[EventData], Handler] = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status,
    OrderCustomerRecorded: on_customer,
    OrderCustomerErased: on_erased,
    ParcelHandedOver: on_parcel,
    WorkParked: on_parked,
    WorkResumed: on_parked,
    EffectInDoubt: on_doubt,
    EffectSettled: on_doubt,
}

ROUTES: Routes = {kind: (on_any, PROJECTIONS[kind]) if kind in PROJECTIONS else (on_any,) for kind in EVENT_TYPES}
