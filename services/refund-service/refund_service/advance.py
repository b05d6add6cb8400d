"""Converging: do everything that is possible now for some orders' returns and cancellations, park what is not.

Facts about one order come on three topics in any order, so every handler stores its fact and then calls `advance`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.requests import CancelOrder
from hub_common.effects.model import PlannedEffect
from hub_common.parked import Park, open_parked, park, resume
from hub_common.tx import Tx
from hub_contracts.ids import effect_id_for
from hub_contracts.orders import FulfilledBy
from hub_contracts.refunds import CancellationConfirmed, CancelledMoney
from hub_contracts.shop_activity import LineQuantity
from refund_service import store, store_work
from refund_service.desk import TEST, Desk, open_desk, order_key, request_lines
from refund_service.domain import Obstacle, Order
from refund_service.domain_cancel import CancelPlan, Over, decide_cancellation
from refund_service.domain_returns import decide
from refund_service.money import Sums
from refund_service.store import Entry
from refund_service.store_work import ASKED, CONFIRMED, DONE, OPEN, RECORDED, StoredCancellation, StoredReturn
from refund_service.words import NEXT_STEPS, OWN_CAUSES

LOOK_AGAIN = timedelta(minutes=10)
"""Open work is looked at so often even when no fact arrives: two facts may have been stored at the same moment."""
SHOP = "shop"
POLICY = "policy"

Verdict = tuple[str, str, dict[str, str]]
"""(state, note, detail by cause of what needs a person)."""


async def advance(tx: Tx, order_ids: Iterable[UUID]) -> None:
    """Ask for every refund and cancellation of these orders that can be asked for now."""
    ids = list(dict.fromkeys(order_ids))
    if not ids:
        return
    await store.lock(tx.conn, ids)
    returns = await store_work.open_returns(tx.conn, ids)
    wishes = await store_work.open_cancellations(tx.conn, ids)
    if not returns and not wishes:
        return
    desk = await open_desk(tx, ids)
    parks: list[Park] = []
    for each in returns:
        parks += _note(desk, each.return_id, "return", each, _judge_return(desk, each))
    for wish in wishes:
        parks += _note(desk, wish.cancellation_id, "cancellation", wish, _judge_cancellation(desk, wish))
    await desk.flush()
    await _write(tx, desk, returns, wishes)
    await _settle_parked(tx, [str(r.return_id) for r in returns] + [str(w.cancellation_id) for w in wishes], parks)


async def _write(tx: Tx, desk: Desk, returns: Sequence[StoredReturn], wishes: Sequence[StoredCancellation]) -> None:
    again = tx.now + LOOK_AGAIN
    states = desk.states
    await store_work.set_states(tx.conn, "returns", [(r.return_id, *states[r.return_id]) for r in returns], again)
    await store_work.set_states(
        tx.conn, "cancellations", [(w.cancellation_id, *states[w.cancellation_id]) for w in wishes], again
    )
    sent = [
        (w.cancellation_id, states[w.cancellation_id][0], effect, "")
        for w in wishes
        if (effect := desk.sent.get(w.cancellation_id)) is not None
    ]
    if sent:
        await store_work.end_cancellations(tx.conn, sent)


def _note(
    desk: Desk, subject: UUID, kind: str, about: StoredReturn | StoredCancellation, verdict: Verdict
) -> list[Park]:
    state, note, problems = verdict
    desk.states[subject] = (state, "; ".join(part for part in (note, *problems.values()) if part))
    order = desk.orders.get(about.order_id)
    name = f"Order {order.order_number}" if order else "An order that is not known"
    return [
        Park(
            subject_kind=kind,
            subject_id=str(subject),
            cause=cause,
            detail=f"{name}, {kind}: {detail}",
            next_step=NEXT_STEPS[cause],
            event_key=str(about.order_id),
            why=about.cause,
            order_id=about.order_id,
            connection_id=about.connection_id,
            is_test=about.is_test,
            data={"subject": kind, "id": str(subject)},
        )
        for cause, detail in problems.items()
    ]


async def _settle_parked(tx: Tx, subjects: Sequence[str], parks: Sequence[Park]) -> None:
    """Park what needs a person now; what was parked for a cause that is gone goes on."""
    await park(tx, parks)
    wanted = {item.parked_id(tx.service) for item in parks}
    waiting = await open_parked(tx.conn, subject_ids=list(subjects))
    over = [r["parked_id"] for r in waiting if r["cause"] in OWN_CAUSES and r["parked_id"] not in wanted]
    await resume(tx, over, resolution="the facts have changed")


def _common(desk: Desk, about: StoredReturn | StoredCancellation) -> Order | Verdict:
    """The order, when there is anything to decide."""
    order = desk.orders.get(about.order_id)
    if not about.live:
        return RECORDED, "told again from the past: recorded only", {}
    if order is None:
        return OPEN, "the order is not known yet", {}
    if order.fulfilled_by is FulfilledBy.MARKETPLACE:
        return RECORDED, "fulfilled by the marketplace: recorded only", {}
    connection = desk.connections.get(order.connection_id)
    if connection is None or desk.manifest(order) is None:
        return OPEN, "the connection is not known yet", {}
    environments = {about.environment, order.environment.value, connection.data.environment.value}
    if len(environments) > 1:
        theirs = connection.data.environment
        text = f"told for {about.environment}, the order is {order.environment}, the connection {theirs}"
        return OPEN, "", {"environment_mismatch": text}
    return order


def _judge_return(desk: Desk, about: StoredReturn) -> Verdict:
    order = _common(desk, about)
    if not isinstance(order, Order):
        return order
    rules = desk.rules(order)
    if rules.settings.refund_on == "never":
        return RECORDED, "the connection refunds no returns by itself", {}
    asked = desk.asked_for(order.order_id, about.return_id)
    books = desk.books.of(order.order_id)
    answered = any(r.return_id == about.return_id and r.requested_by != POLICY for r in desk.refunds[order.order_id])
    outcome = decide(order, books, about.lines, about.refund_shipping, asked, rules, answered=answered)
    if outcome.asks:
        desk.request(
            order,
            outcome.asks,
            refund_id=desk.next_refund_id(order.order_id, about.return_id),
            return_id=about.return_id,
            refund_shipping=about.refund_shipping,
            requested_by=POLICY,
            at=about.reported_at,
            cause=about.cause,
            is_test=order.is_test or about.is_test,
        )
    problems = _by_cause(outcome.obstacles)
    state = OPEN if outcome.waits or problems else DONE
    return state, "; ".join(outcome.waits), problems


def _by_cause(obstacles: Sequence[Obstacle]) -> dict[str, str]:
    texts: dict[str, list[str]] = defaultdict(list)
    for obstacle in obstacles:
        texts[obstacle.cause].append(f"{obstacle.line_id}: {obstacle.text}" if obstacle.line_id else obstacle.text)
    return {cause: "; ".join(found) for cause, found in texts.items()}


def _judge_cancellation(desk: Desk, wish: StoredCancellation) -> Verdict:
    order = _common(desk, wish)
    if not isinstance(order, Order):
        return order
    if not desk.connections[order.connection_id].data.settings.refunds.cancel_sync and wish.requested_by == SHOP:
        return RECORDED, "the connection does not pass cancellations on", {}
    if order.order_id in desk.cancelling:
        return OPEN, "another cancellation of the order is on its way", {}
    plan = plan_cancellation(desk, order, wish)
    if isinstance(plan, Over):
        return DONE, plan.text, {}
    if isinstance(plan, Obstacle):
        return OPEN, "", _by_cause([plan])
    return _send(desk, order, wish, plan), "", {}


def plan_cancellation(desk: Desk, order: Order, wish: StoredCancellation) -> CancelPlan | Over | Obstacle:
    """What becomes of a wish to cancel, by today's facts."""
    return decide_cancellation(
        order,
        desk.books.of(order.order_id),
        wish.lines,
        wish.reason,
        desk.connections[order.connection_id].data.settings.refunds,
        supported=desk.can(order, Capability.CANCEL),
        codes=desk.cancel_codes(order),
    )


def _send(desk: Desk, order: Order, wish: StoredCancellation, plan: CancelPlan) -> str:
    key = f"cancel:{order.connection_id}:{order.reference}:{wish.cancellation_id}"
    if order.is_test or wish.is_test:
        _confirm_test(desk, order, wish, plan, key)
        return CONFIRMED
    effect = PlannedEffect(
        kind="cancel",
        natural_key=key,
        connection_id=order.connection_id,
        credential_ref=desk.connections[order.connection_id].data.credential_ref,
        request=CancelOrder(
            order_reference=order.reference,
            cancellation_id=wish.cancellation_id,
            currency=order.currency,
            tax_mode=order.tax_mode,
            lines=request_lines(plan.asks),
        ),
        cause=wish.cause,
        order_key=order_key(order.order_id),
        lane=Lane.LIVE,
        order_id=order.order_id,
    )
    desk.tx.plan(effect)
    desk.sent[wish.cancellation_id] = effect.effect_id
    desk.cancelling.add(order.order_id)
    return ASKED


def _confirm_test(desk: Desk, order: Order, wish: StoredCancellation, plan: CancelPlan, key: str) -> None:
    lines = {ask.line_id: ask.sums for ask in plan.asks}
    desk.entries += cancel_entries(desk.tx, order, lines)
    desk.sent[wish.cancellation_id] = effect_id_for(key)
    desk.tx.emit(
        CancellationConfirmed(
            cancellation_id=wish.cancellation_id,
            order_id=order.order_id,
            connection_id=order.connection_id,
            is_test=True,
            effect_id=effect_id_for(key),
            lines=tuple(LineQuantity(line_id=ask.line_id, quantity=ask.sums.quantity) for ask in plan.asks),
            confirmed_by=TEST,
            money=cancelled_money(lines),
        ),
        key=order.order_id,
        cause=wish.cause,
    )


def cancelled_money(lines: Mapping[str, Sums]) -> tuple[CancelledMoney, ...]:
    """What was cancelled, in the words of the event."""
    return tuple(
        CancelledMoney(line_id=line_id, quantity=sums.quantity, amount=sums.amount, shipping_amount=sums.shipping)
        for line_id, sums in lines.items()
        if sums
    )


def cancel_entries(tx: Tx, order: Order, lines: Mapping[str, Sums]) -> list[Entry]:
    """Cancelled units can no longer be refunded."""
    return [
        Entry(order.order_id, line_id, store.CANCELLED, sums, order.currency, tx.now)
        for line_id, sums in lines.items()
        if sums
    ]
