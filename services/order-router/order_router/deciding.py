"""Converging on routes: route what can be routed now, park what waits, stop what was cancelled, each told once.

Facts about one order come on four topics in any order. Every handler stores its fact and calls `advance`, which may be
called at any time, for any orders, as often as one likes. The row of the order is the lock that keeps an order from
being routed twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from connector_kit.discovery import UnknownConnector, connector
from hub_common.connections import Connection, load_connections
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.acceptances import LosingOption
from hub_contracts.orders import OrderSnapshot
from hub_contracts.routes import OrderRouted, RouteCancelled
from hub_contracts.status import OrderStatus
from order_router import domain, lookup, store
from order_router.domain import Facts, Verdict, Wait, decide
from order_router.parking import LINE_CANCELLED, NEXT_STEP, open_items, parked
from order_router.standing import STOPPED, OrderFacts, Standing, left_out, line_status, stand
from order_router.store import StoredOrder, StoredRoute
from order_router.telling import routed

WAIT_CAUSES = tuple(cause for cause in NEXT_STEP if cause != LINE_CANCELLED)


@dataclass(slots=True)
class _Outcome:
    """What one call of `advance` is about to write and tell."""

    decided: list[tuple[StoredOrder, OrderRouted]] = field(default_factory=list)
    waits: list[tuple[StoredOrder, Wait]] = field(default_factory=list)
    settled: dict[UUID, str] = field(default_factory=dict)
    """Order → why its parked items are over."""
    closed: list[tuple[UUID, datetime, str]] = field(default_factory=list)


async def advance(tx: Tx, order_ids: Iterable[UUID], *, actor: str | None = None) -> None:
    """Do everything that is possible now for these orders. `actor` is the operator who routes them by hand."""
    ids = set(order_ids)
    if not ids:
        return
    orders = await store.lock_orders(tx.conn, ids)
    await _stop(tx, [order for order in orders if order.routed_at is not None])
    await _route(tx, [order for order in orders if order.routed_at is None], actor)


async def _route(tx: Tx, orders: Sequence[StoredOrder], actor: str | None) -> None:
    if not orders:
        return
    known = await load_connections(tx.conn, (order.connection_id for order in orders))
    facts = {order.order_id: facts_of(order, known.get(order.connection_id)) for order in orders}
    standing = {order.order_id: stand(facts[order.order_id]) for order in orders}
    may = {Standing.READY, Standing.BY_HAND} if actor else {Standing.READY}
    ready = [order for order in orders if standing[order.order_id] in may]
    inputs = await lookup.load_facts(tx.conn, ready, known) if ready else {}
    outcome = _Outcome()
    for order in orders:
        where = standing[order.order_id]
        if where in may:
            assert order.snapshot is not None, "an order that nobody has seen is not ready"
            mine = facts[order.order_id], inputs.get(order.order_id)
            _take(outcome, order, order.snapshot, judge(order.snapshot, *mine, by_hand=where is Standing.BY_HAND))
        elif where is Standing.BY_HAND:
            why = "a refund was asked for before the order was routed"
            outcome.waits.append((order, Wait(domain.WHOLE_ORDER, domain.REFUND_FIRST, why)))
        elif where in (Standing.STOPPED, Standing.SENT):
            told = order.status if order.status in STOPPED or where is Standing.SENT else OrderStatus.REFUSED
            why = f"the order became {told} before it was routed"
            outcome.closed.append((order.order_id, tx.now, why))
            outcome.settled[order.order_id] = why
    await _write(tx, orders, outcome, actor)


def facts_of(order: StoredOrder, connection: Connection | None) -> OrderFacts:
    """What the standing of an order rests on."""
    return OrderFacts(
        snapshot=order.snapshot,
        live=order.live,
        status=order.status,
        word_means=_meaning(order, connection),
        line_status=order.line_status,
        released=order.released,
        refused=order.refused,
        refused_lines=order.refused_lines,
    )


def _meaning(order: StoredOrder, connection: Connection | None) -> OrderStatus | None:
    if connection is None:
        return None
    try:
        return connector(connection.data.connector).manifest.status_map.get(order.marketplace_status)
    except UnknownConnector:
        return None  # not installed in this process: the status that was told is believed


def judge(snapshot: OrderSnapshot, facts: OrderFacts, inputs: Facts | None, *, by_hand: bool) -> Verdict:
    """The decision as the facts are now; without a known connection everything waits for it."""
    if inputs is None:
        wait = Wait(domain.WHOLE_ORDER, domain.CONNECTION_UNKNOWN, "its marketplace connection is not known")
        return Verdict((), (wait,), (), ())
    reasons = [(line, left_out(facts, line, by_hand=by_hand)) for line in snapshot.lines]
    verdict = decide(snapshot, [line for line, why in reasons if why is None], inputs)
    lost = tuple(LosingOption(option=f"line {line.line_id}", why_not=why) for line, why in reasons if why is not None)
    return Verdict(verdict.served, verdict.waits, verdict.rules, verdict.losing_options + lost)


def _take(outcome: _Outcome, order: StoredOrder, snapshot: OrderSnapshot, verdict: Verdict) -> None:
    if verdict.waits:
        outcome.waits += [(order, wait) for wait in verdict.waits]
    elif verdict.served:
        outcome.decided.append((order, routed(snapshot, verdict, order.ship_by)))
        outcome.settled[order.order_id] = "routed"
    else:
        outcome.settled[order.order_id] = "no line is left to serve"


async def _write(tx: Tx, orders: Sequence[StoredOrder], outcome: _Outcome, actor: str | None) -> None:
    await store.record_routed(tx.conn, [(told, tx.now, actor or store.BY_RULES) for _, told in outcome.decided])
    for order, told in outcome.decided:
        tx.emit(told, key=order.order_id, cause=order.cause)
    await store.close_orders(tx.conn, outcome.closed)
    await store.replace_waits(tx.conn, orders, outcome.waits)
    parks = await _parks(tx, outcome.waits)
    wanted = {item.parked_id(tx.service) for item in parks}
    await park(tx, parks)
    over: dict[str, list[UUID]] = {}
    waiting = await open_items(tx.conn, [order.order_id for order in orders], WAIT_CAUSES)
    for parked_id, order_id in waiting.items():
        if parked_id not in wanted:
            over.setdefault(outcome.settled.get(order_id, "it no longer waits for this"), []).append(parked_id)
    for resolution, parked_ids in over.items():
        await resume(tx, parked_ids, resolution=resolution, actor=actor)


async def _parks(tx: Tx, waits: Sequence[tuple[StoredOrder, Wait]]) -> list[Park]:
    """Parked items of these waits; unlinked SKUs get the shop SKUs that read nearly the same."""
    unlinked = [
        (order.tenant, order.snapshot.environment, wait.sku)
        for order, wait in waits
        if wait.cause == domain.SKU_UNLINKED and order.snapshot is not None
    ]
    near = await lookup.load_near(tx.conn, unlinked)
    return [
        parked(order, wait, near.get((order.tenant, order.snapshot.environment.value, wait.sku), ()))
        if order.snapshot is not None and wait.cause == domain.SKU_UNLINKED
        else parked(order, wait)
        for order, wait in waits
    ]


async def _stop(tx: Tx, orders: Sequence[StoredOrder]) -> None:
    """Tell shops to stop: all of an order's routes when it was cancelled, one route when all its lines were."""
    affected = [order for order in orders if _stopped(order) or _stopped_lines(order)]
    if not affected:
        return
    routes = await store.open_routes(tx.conn, [order.order_id for order in affected])
    gone: list[UUID] = []
    parks: list[Park] = []
    noted: list[tuple[UUID, str]] = []
    closed: list[tuple[UUID, datetime, str]] = []
    for order in affected:
        whole, lines = _stopped(order), _stopped_lines(order)
        mine = routes.get(order.order_id, [])
        ended = [route for route in mine if whole or lines.issuperset(route.line_ids)]
        _tell_cancelled(tx, order, ended, whole)
        gone += [route.route_id for route in ended]
        if whole:
            closed.append((order.order_id, tx.now, "cancelled after it was routed"))
        for route in mine:
            fresh = sorted(lines.intersection(route.line_ids) - route.cancelled_lines) if route not in ended else []
            noted += [(route.route_id, line_id) for line_id in fresh]
            parks += [parked(order, Wait(line_id, LINE_CANCELLED, _LINE_GONE)) for line_id in fresh]
    await store.cancel_routes(tx.conn, gone, [tx.now] * len(gone))
    await store.note_cancelled_lines(tx.conn, noted)
    await store.close_orders(tx.conn, closed)
    await park(tx, parks)
    if closed:
        over = await open_items(tx.conn, [order_id for order_id, _, _ in closed], [LINE_CANCELLED])
        await resume(tx, list(over), resolution="the whole order was cancelled")


_LINE_GONE = "the marketplace cancelled the line after its shop was told to send it"


def _stopped(order: StoredOrder) -> bool:
    return order.refused or order.status in STOPPED


def _stopped_lines(order: StoredOrder) -> frozenset[str]:
    if order.snapshot is None:
        return frozenset(line_id for line_id, status in order.line_status.items() if status in STOPPED)
    facts = facts_of(order, None)
    return frozenset(line.line_id for line in order.snapshot.lines if line_status(facts, line) in STOPPED)


def _tell_cancelled(tx: Tx, order: StoredOrder, routes: Sequence[StoredRoute], whole: bool) -> None:
    if not routes:
        return
    status = order.status if order.status in STOPPED else OrderStatus.REFUSED
    word = f" ({order.marketplace_status})" if order.marketplace_status and order.status in STOPPED else ""
    tx.emit(
        RouteCancelled(
            order_id=order.order_id,
            connection_id=order.connection_id,
            is_test=bool(order.snapshot and order.snapshot.is_test),
            route_ids=tuple(route.route_id for route in routes),
            reason=f"the order is {status} at the marketplace{word}" if whole else "all its lines were cancelled",
        ),
        key=order.order_id,
        cause=order.cause,
    )
