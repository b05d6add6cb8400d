"""Rebuilding: what was decided and answered is in our own events only, and clocks start for live events only.

A rebuilt order is never answered again: it is not live, and its decision is one that was told before.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from hub_common import deadlines
from hub_common.deadlines import NewDeadline
from hub_common.replay_deadlines import DEADLINE_ROUTES
from hub_common.replay_parked import PARKED_ROUTES
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.acceptances import AnswerRejected, DecidedBy, OrderAcceptanceDecided, OrderAccepted, OrderRefused
from hub_contracts.envelope import Event, Metadata, Origin
from hub_contracts.orders import FulfilledBy, OrderChanged, OrderReceived, OrderSnapshot, OrderStatusChanged
from hub_contracts.status import OrderStatus
from hub_contracts.work import DeadlineKind
from order_acceptance import store
from order_acceptance.handlers import STILL_OURS

Clock = tuple[Metadata, OrderSnapshot]

LAST_RESORT = "UPDATE deadlines SET last_resort_done = true WHERE order_id = ANY($1) AND kind = 'accept_by'"


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Start the clock of an order that waited for us."""
    found = [(event.meta, event.data.order) for event in events]
    await _start(tx, [(meta, order) for meta, order in found if order.status is OrderStatus.PENDING])


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Start the clock of an order that came to wait for us, stop it where that is over."""
    pending = {event.data.order_id: event for event in events if event.data.to_status is OrderStatus.PENDING}
    rows = await tx.conn.fetch("SELECT * FROM orders WHERE order_id = ANY($1)", list(pending))
    clocks: list[Clock] = []
    for order in map(store.order_of, rows):
        event = pending[order.order_id]
        due = event.data.accept_by or order.accept_by
        clocks.append((event.meta, order.snapshot.model_copy(update={"accept_by": due})))
    await _start(tx, clocks)
    last = {event.data.order_id: event.data.to_status for event in events}
    over = [order_id for order_id, status in last.items() if status not in STILL_OURS]
    await deadlines.meet(tx, over, DeadlineKind.ACCEPT_BY)


async def _start(tx: Tx, clocks: Sequence[Clock]) -> None:
    """Backfilled and test orders never had a clock."""
    new = {
        order.order_id: NewDeadline(
            order_id=order.order_id,
            kind=DeadlineKind.ACCEPT_BY,
            connection_id=order.connection_id,
            tenant=meta.tenant,
            is_test=order.is_test,
            starts_at=order.created_at,
            due_at=order.accept_by,
        )
        for meta, order in clocks
        if not order.is_test
        and meta.origin is Origin.REPLAY
        and order.fulfilled_by is FulfilledBy.SELLER
        and order.accept_by is not None
    }
    await deadlines.start(tx, list(new.values()))


async def on_decided(tx: Tx, events: Sequence[Event[OrderAcceptanceDecided]]) -> None:
    """The last decision on each order, as it was told."""
    last = {event.data.order_id: event for event in events}
    rows = []
    for order_id, event in last.items():
        rules = orjson.dumps([rule.model_dump() for rule in event.data.rules]).decode()
        rows.append((order_id, event.data.decision, event.data.decided_by.value, event.meta.time, rules))
    await store.record_decisions(tx.conn, rows)
    resorted = [event.data.order_id for event in events if event.data.decided_by is DecidedBy.LAST_RESORT]
    await tx.conn.execute(LAST_RESORT, resorted)


async def on_accepted(tx: Tx, events: Sequence[Event[OrderAccepted]]) -> None:
    """The marketplace took our yes."""
    await _answered(tx, events, "accepted")


async def on_refused(tx: Tx, events: Sequence[Event[OrderRefused]]) -> None:
    """The marketplace took our no."""
    await _answered(tx, events, "refused")


async def _answered(tx: Tx, events: Sequence[Event[OrderAccepted] | Event[OrderRefused]], answer: str) -> None:
    """A test order has no marketplace: its answer was told and never given, and its clock goes by its status."""
    given = [event.data.order_id for event in events if not event.data.is_test]
    await store.record_answers(tx.conn, given, [answer] * len(given))
    await deadlines.meet(tx, given, DeadlineKind.ACCEPT_BY)


async def on_rejected(tx: Tx, events: Sequence[Event[AnswerRejected]]) -> None:
    """The marketplace would not take our answer."""
    await store.record_answers(tx.conn, [event.data.order_id for event in events], ["rejected"] * len(events))


CLOCK_ROUTES: Routes = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
}

OWN_ROUTES: Routes = {
    OrderAcceptanceDecided: on_decided,
    OrderAccepted: on_accepted,
    OrderRefused: on_refused,
    AnswerRejected: on_rejected,
    **DEADLINE_ROUTES,
    **PARKED_ROUTES,
}
