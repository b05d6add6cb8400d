"""Asking the marketplace for refunds and cancellations, and what follows when it is known how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from connector_kit.capabilities import Cancels, Refunds
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import CancelOrder, RefundOrder
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park
from hub_common.tx import Tx
from hub_contracts.refunds import CancellationConfirmed, CancellationRejected, RefundRejected
from hub_contracts.shop_activity import LineQuantity
from refund_service import store, store_work
from refund_service.advance import advance, cancel_entries, cancelled_money
from refund_service.desk import balance_ledger, confirmed, entries_of, open_desk
from refund_service.effects_market import ANSWER
from refund_service.money import Sums
from refund_service.store import Entry
from refund_service.store_work import StoredRefund, sums_of
from refund_service.words import CANCEL_REJECTED, REFUND_REJECTED


def refund_of(effect: Effect) -> RefundOrder:
    """The refund that was asked for, as it was written down."""
    return RefundOrder.model_validate(effect.request)


def cancellation_of(effect: Effect) -> CancelOrder:
    """The cancellation that was asked for, as it was written down."""
    return CancelOrder.model_validate(effect.request)


async def execute_refund(connector: Refunds, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Give money back."""
    return await connector.refund([refund_of(effect) for effect in effects])


async def probe_refund(connector: Refunds, effect: Effect) -> ProbeResult:
    """Does the marketplace show the refund?"""
    return await connector.probe_refund(refund_of(effect))


async def execute_cancel(connector: Cancels, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Cancel orders or lines."""
    return await connector.cancel([cancellation_of(effect) for effect in effects])


async def probe_cancel(connector: Cancels, effect: Effect) -> ProbeResult:
    """Does the marketplace show the cancellation?"""
    return await connector.probe_cancel(cancellation_of(effect))


def _order_id(each: Settled) -> UUID:
    assert each.effect.order_id is not None, "refunds and cancellations are always about an order"
    return each.effect.order_id


def _references(each: Settled) -> tuple[str, ...]:
    """The marketplace's references of the refund, where it gave any."""
    given = each.answer.get("references")
    return tuple(str(one) for one in given if one) if isinstance(given, list) else ()


async def refund_settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Confirm in the ledger or give the money free again, tell it, and send what waited behind it."""
    order_ids = sorted({_order_id(each) for each in ended})
    await store.lock(tx.conn, order_ids)
    by_id = {refund_of(each.effect).refund_id: each for each in ended}
    rows = [
        (refund_id, _state(each), _references(each), each.confirmed_by, each.reason)
        for refund_id, each in by_id.items()
    ]
    entries: list[Entry] = []
    rejected: list[Park] = []
    for refund in await store_work.settle_refunds(tx.conn, rows, tx.now):
        each = by_id[refund.refund_id]
        if each.state is EffectState.DONE:
            entries += entries_of(refund, store.CONFIRMED, tx.now)
            event = confirmed(refund, each.effect.effect_id, refund.references, each.confirmed_by)
            tx.emit(event, key=refund.order_id, cause=each.effect.cause)
        else:
            entries += entries_of(refund, store.REJECTED, tx.now)
            _tell_rejected(tx, refund, each)
            rejected.append(_park_refund(refund, each))
    await store.append(tx.conn, entries, tx.now)
    await park(tx, rejected)
    await balance_ledger(tx, order_ids)
    await (await open_desk(tx, order_ids)).dispatch()
    await advance(tx, order_ids)


def _state(each: Settled) -> str:
    return store_work.CONFIRMED if each.state is EffectState.DONE else store_work.REJECTED


def _tell_rejected(tx: Tx, refund: StoredRefund, each: Settled) -> None:
    tx.emit(
        RefundRejected(
            refund_id=refund.refund_id,
            order_id=refund.order_id,
            connection_id=refund.connection_id,
            is_test=refund.is_test,
            effect_id=each.effect.effect_id,
            reason=each.reason[:500],
        ),
        key=refund.order_id,
        cause=each.effect.cause,
    )


def _park_refund(refund: StoredRefund, each: Settled) -> Park:
    total = sum((line.amount + line.shipping_amount for line in refund.lines), start=Sums().amount)
    return Park(
        subject_kind="return" if refund.return_id else "refund",
        subject_id=str(refund.return_id or refund.refund_id),
        cause=REFUND_REJECTED,
        detail=f"The marketplace would not refund {total} {refund.currency}: {each.reason[:300]}",
        next_step="Look at the order in the marketplace's back office, then refund by hand with what it takes.",
        event_key=str(refund.order_id),
        why=each.effect.cause,
        order_id=refund.order_id,
        connection_id=refund.connection_id,
        is_test=refund.is_test,
        data={"refund_id": str(refund.refund_id)},
    )


async def cancel_settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Write down what was cancelled and tell it; what the marketplace would not cancel needs a person."""
    order_ids = sorted({_order_id(each) for each in ended})
    desk = await open_desk(tx, order_ids)
    entries: list[Entry] = []
    rejected: list[Park] = []
    rows: list[tuple[UUID, str, UUID | None, str]] = []
    for each in ended:
        request, effect, order_id = cancellation_of(each.effect), each.effect, _order_id(each)
        rows.append((request.cancellation_id, _state(each), effect.effect_id, each.reason))
        lines: dict[str, Sums] = {}
        if each.state is EffectState.DONE:
            book = desk.books.of(order_id)
            lines = {line.line_id: sums_of(line) for line in request.lines}
            lines = lines or {line_id: balance.open for line_id, balance in book.items()}
            entries += cancel_entries(tx, desk.orders[order_id], lines)
        else:
            rejected.append(_park_cancellation(request.cancellation_id, each))
        _tell_cancellation(tx, request, each, lines)
    await store.append(tx.conn, entries, tx.now)
    await store_work.end_cancellations(tx.conn, rows)
    await park(tx, rejected)
    await advance(tx, order_ids)


def _tell_cancellation(tx: Tx, request: CancelOrder, each: Settled, lines: dict[str, Sums]) -> None:
    effect, cancellation_id = each.effect, request.cancellation_id
    event: CancellationConfirmed | CancellationRejected
    if each.state is EffectState.DONE:
        event = CancellationConfirmed(
            cancellation_id=cancellation_id,
            order_id=_order_id(each),
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            lines=tuple(LineQuantity(line_id=line.line_id, quantity=line.quantity) for line in request.lines),
            confirmed_by=each.confirmed_by,
            money=cancelled_money(lines),
        )
    else:
        event = CancellationRejected(
            cancellation_id=cancellation_id,
            order_id=_order_id(each),
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            reason=each.reason[:500],
        )
    tx.emit(event, key=_order_id(each), cause=effect.cause)


def _park_cancellation(cancellation_id: UUID, each: Settled) -> Park:
    effect = each.effect
    return Park(
        subject_kind="cancellation",
        subject_id=str(cancellation_id),
        cause=CANCEL_REJECTED,
        detail=f"The marketplace would not cancel: {each.reason[:300]}",
        next_step="Look at the order in the marketplace's back office; what was sent anyway comes back as a return.",
        event_key=str(effect.order_id),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
    )


EFFECTS: tuple[EffectKind, ...] = (
    EffectKind("refund", "refund", execute_refund, probe_refund, refund_settled),
    EffectKind("cancel", "cancel", execute_cancel, probe_cancel, cancel_settled),
    ANSWER,
)
