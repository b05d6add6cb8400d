"""Everything that happens at the operator by itself: debits, deadlines, receipts, settled refunds, worked-off imports.

Called before each request, so the world is always as old as the injected clock says, and never older.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connector_kit.simulator import Record
from connector_mirakl.sandbox.import_products import advance_products
from connector_mirakl.sandbox.import_work import work_off
from connector_mirakl.sandbox.options import SandboxSettings
from connector_mirakl.sandbox.world import SimImport, SimOrder, World

PAID_LATER = frozenset({"PAY_ON_DELIVERY", "PAY_ON_DUE_DATE", "PAY_ON_SHIPMENT"})
"""Payment workflows in which an accepted order is SHIPPING at once (fact sheet 2.3, [assumed])."""


def advance(world: World, settings: SandboxSettings, record: Record, now: datetime) -> None:
    """Bring everything up to `now`."""
    for order in world.orders.values():
        if order.restless:
            _advance_order(order, settings, now)
            order.restless = _may_move(order, settings)
    for running in world.imports.values():
        _advance_import(world, running, settings, record, now)
    advance_products(world, settings.import_step_seconds, record, now)


def _advance_order(order: SimOrder, settings: SandboxSettings, now: datetime) -> None:
    if order.state == "WAITING_ACCEPTANCE":
        if now - order.created >= timedelta(hours=settings.accept_within_hours):
            order.set_state("REFUSED", now)
        return
    if order.state in ("WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"):
        _advance_debit(order, settings, now)
    if order.state == "SHIPPED" and settings.receive_seconds is not None and order.shipped_at is not None:
        received = order.shipped_at + timedelta(seconds=settings.receive_seconds)
        if now >= received:
            for line in order.live_lines():
                line.received_at = received
            order.set_state("RECEIVED", received)
    for line in order.lines:
        for refund in line.refunds:
            if not refund.settled and now - refund.created >= timedelta(seconds=settings.refund_seconds):
                refund.settled = True
                if line.exhausted:
                    line.state = "REFUNDED"
                order.touch(now)


def _may_move(order: SimOrder, settings: SandboxSettings) -> bool:
    if order.state in ("WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT"):
        return True
    if order.state == "SHIPPED" and settings.receive_seconds is not None:
        return True
    return any(not refund.settled for line in order.lines for refund in line.refunds)


def _advance_debit(order: SimOrder, settings: SandboxSettings, now: datetime) -> None:
    if order.accepted_at is None:
        return
    waited = (now - order.accepted_at).total_seconds()
    if order.workflow in PAID_LATER or waited >= settings.debit_seconds:
        if order.debit_refused:
            order.set_state("CANCELED", now)
            return
        order.debited = now
        order.set_state("SHIPPING", now)
    elif waited >= settings.debit_seconds / 2 and order.state == "WAITING_DEBIT":
        order.set_state("WAITING_DEBIT_PAYMENT", now)


def _advance_import(world: World, running: SimImport, settings: SandboxSettings, record: Record, now: datetime) -> None:
    if running.status in ("COMPLETE", "FAILED"):
        return
    steps = (now - running.created).total_seconds() / settings.import_step_seconds
    if steps < 1:
        return
    if steps < 2:
        running.status = "RUNNING"
        return
    if running.fails:
        running.status = "FAILED"
        return
    work_off(world, running, record, settings.profile, now)
    running.status = "COMPLETE"
