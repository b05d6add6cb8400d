"""What notification-service reacts to: facts that people must know, and facts by which they need not know any more.

Each handler writes rows and nothing else; who is told, when and how is decided from the rows afterwards. Only live
events are ever told. A service parks whatever a marketplace or shop rejected, so rejections come as parked work.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.acceptances import OrderAccepted, OrderRefused
from hub_contracts.base import EventData
from hub_contracts.connections import ConnectionChanged, ConnectionState
from hub_contracts.envelope import Event
from hub_contracts.orders import OrderReceived
from hub_contracts.reconciliations import DifferenceFound, DifferenceResolved, Repair
from hub_contracts.shipments import ShipmentNotified
from hub_contracts.work import DeadlineApproaching, DeadlineKind, DeadlineMissed, WorkParked, WorkResumed
from notification_service import store
from notification_service.domain import Kind, Notice, Severity

IN_DOUBT = frozenset({"effect_unknown", "effect_stuck"})
"""Causes for which work about effects is parked: nobody can tell whether a change was made outside."""
NEARLY_USED = 90
"""Per cent of the time allowed; from there on it is no longer a warning."""


async def on_order_received(tx: Tx, events: Sequence[Event[OrderReceived]]) -> None:
    """Remember by which number people know the order."""
    await store.save_orders(tx.conn, events)


async def on_parked(tx: Tx, events: Sequence[Event[WorkParked]]) -> None:
    """Work waits for a person or a fact."""
    notices = []
    for event in events:
        data, doubt = event.data, event.data.cause in IN_DOUBT
        if data.is_test:
            continue
        serious = doubt or data.due_at is not None or data.subject_kind == "connection"
        notices.append(
            Notice(
                notice_id=event.meta.event_id,
                tenant=event.meta.tenant,
                kind=Kind.EFFECT_IN_DOUBT if doubt else Kind.WORK_PARKED,
                severity=Severity.CRITICAL if serious else Severity.WARNING,
                cause=data.cause,
                subject=f"parked:{data.parked_id}",
                owner=data.owner,
                raised_at=event.meta.time,
                order_id=data.order_id,
                connection_id=data.connection_id,
                due_at=data.due_at,
            )
        )
    await _raise(tx, events, notices)


async def on_resumed(tx: Tx, events: Sequence[Event[WorkResumed]]) -> None:
    """It waits no longer."""
    await store.resolve(tx.conn, [(f"parked:{e.data.parked_id}", e.meta.time) for e in events])


async def on_approaching(tx: Tx, events: Sequence[Event[DeadlineApproaching]]) -> None:
    """Time runs out for something that is not done."""
    notices = [
        _deadline(event, Kind.DEADLINE_APPROACHING, event.data.percent_used >= NEARLY_USED)
        for event in events
        if not event.data.is_test
    ]
    await _raise(tx, events, notices)


async def on_missed(tx: Tx, events: Sequence[Event[DeadlineMissed]]) -> None:
    """Time has run out. What was told of it approaching is closed: this says it better."""
    await store.resolve(
        tx.conn, [(_subject(Kind.DEADLINE_APPROACHING, e.data.order_id, e.data.deadline), e.meta.time) for e in events]
    )
    notices = [_deadline(event, Kind.DEADLINE_MISSED, True) for event in events if not event.data.is_test]
    await _raise(tx, events, notices)


async def on_answered(tx: Tx, events: Sequence[Event[OrderAccepted]] | Sequence[Event[OrderRefused]]) -> None:
    """The marketplace has its answer."""
    await store.resolve(tx.conn, [_met(e.data.order_id, DeadlineKind.ACCEPT_BY, e.meta.time) for e in events])


async def on_shipped(tx: Tx, events: Sequence[Event[ShipmentNotified]]) -> None:
    """The marketplace knows that the whole order is on its way."""
    done = [e for e in events if e.data.order_complete]
    await store.resolve(tx.conn, [_met(e.data.order_id, DeadlineKind.SHIP_BY, e.meta.time) for e in done])


async def on_connection(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """A connection that worked is paused: nothing is fetched or sent, and its deadlines run on."""
    before = await store.swap_states(tx.conn, {e.data.connection_id: e.data.state.value for e in events})
    notices, closed = [], []
    for event in {event.data.connection_id: event for event in events}.values():
        data = event.data
        subject = f"connection:{data.connection_id}"
        if data.state is ConnectionState.ACTIVE:
            closed.append((subject, event.meta.time))
        elif data.state is ConnectionState.PAUSED and before.get(data.connection_id) == ConnectionState.ACTIVE.value:
            notices.append(
                Notice(
                    notice_id=event.meta.event_id,
                    tenant=event.meta.tenant,
                    kind=Kind.CONNECTION_PAUSED,
                    severity=Severity.WARNING,
                    cause="connection_paused",
                    subject=subject,
                    owner=event.meta.source,
                    raised_at=event.meta.time,
                    connection_id=data.connection_id,
                )
            )
    await store.resolve(tx.conn, closed)
    await _raise(tx, events, notices)


async def on_difference(tx: Tx, events: Sequence[Event[DifferenceFound]]) -> None:
    """Marketplace and hub disagree. What the hub repairs by itself is for information."""
    notices = [
        Notice(
            notice_id=event.meta.event_id,
            tenant=event.meta.tenant,
            kind=Kind.DIFFERENCE_FOUND,
            severity=Severity.WARNING if event.data.repair is Repair.OPERATOR else Severity.INFO,
            cause=event.data.kind.value,
            subject=f"difference:{event.data.difference_id}",
            owner=event.data.owner,
            raised_at=event.meta.time,
            order_id=event.data.order_id,
            connection_id=event.data.connection_id,
        )
        for event in events
        if not event.data.is_test
    ]
    await _raise(tx, events, notices)


async def on_agreed(tx: Tx, events: Sequence[Event[DifferenceResolved]]) -> None:
    """They agree again."""
    await store.resolve(tx.conn, [(f"difference:{e.data.difference_id}", e.meta.time) for e in events])


async def _raise(tx: Tx, events: Sequence[Event[EventData]], notices: Sequence[Notice]) -> None:
    live = {event.meta.event_id for event in events if event.live}
    await store.save_notices(tx.conn, notices, [notice.notice_id in live for notice in notices])


def _deadline(event: Event[DeadlineApproaching] | Event[DeadlineMissed], kind: Kind, critical: bool) -> Notice:
    data = event.data
    return Notice(
        notice_id=event.meta.event_id,
        tenant=event.meta.tenant,
        kind=kind,
        severity=Severity.CRITICAL if critical else Severity.WARNING,
        cause=data.deadline.value,
        subject=_subject(kind, data.order_id, data.deadline),
        owner=data.owner,
        raised_at=event.meta.time,
        order_id=data.order_id,
        connection_id=data.connection_id,
        due_at=data.due_at,
    )


def _subject(kind: Kind, order_id: object, deadline: DeadlineKind) -> str:
    return f"{kind.value}:{deadline.value}:{order_id}"


def _met(order_id: object, deadline: DeadlineKind, at: datetime) -> tuple[str, datetime]:
    return _subject(Kind.DEADLINE_APPROACHING, order_id, deadline), at


ROUTES: Routes = {
    OrderReceived: on_order_received,
    WorkParked: on_parked,
    WorkResumed: on_resumed,
    DeadlineApproaching: on_approaching,
    DeadlineMissed: on_missed,
    OrderAccepted: on_answered,
    OrderRefused: on_answered,
    ShipmentNotified: on_shipped,
    ConnectionChanged: on_connection,
    DifferenceFound: on_difference,
    DifferenceResolved: on_agreed,
}
"""What this service reacts to."""
