"""Answering the marketplace: accept and refuse, and what follows when it is known how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from connector_kit.capabilities import AnswersOrders
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import AnswerOrder
from hub_common import deadlines
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park
from hub_common.tx import Tx
from hub_contracts.acceptances import AnswerRejected, Decision, LineDecision, OrderAccepted, OrderRefused
from hub_contracts.work import DeadlineKind
from order_acceptance import store
from order_acceptance.decisions import REFUSED_ANSWER


def request_of(effect: Effect) -> AnswerOrder:
    """What was asked, as it was written down."""
    return AnswerOrder.model_validate(effect.request)


async def execute_accept(connector: AnswersOrders, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Accept orders."""
    return await connector.accept([request_of(effect) for effect in effects])


async def execute_refuse(connector: AnswersOrders, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Refuse orders."""
    return await connector.refuse([request_of(effect) for effect in effects])


async def probe_accept(connector: AnswersOrders, effect: Effect) -> ProbeResult:
    """Was it accepted?"""
    return await connector.probe_accept(request_of(effect))


async def probe_refuse(connector: AnswersOrders, effect: Effect) -> ProbeResult:
    """Was it refused?"""
    return await connector.probe_refuse(request_of(effect))


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Tell how our answers ended; one that was refused needs a person while its clock runs on."""
    done = [each for each in ended if each.state is EffectState.DONE and each.effect.order_id]
    for each in ended:
        _tell(tx, each)
    answers = [_answer(each) for each in ended]
    await store.record_answers(tx.conn, [_order_id(each) for each in ended], answers)
    await deadlines.meet(tx, [_order_id(each) for each in done], DeadlineKind.ACCEPT_BY)
    await park(tx, [_rejected(each) for each in ended if each.state is EffectState.REJECTED])


def _order_id(each: Settled) -> UUID:
    assert each.effect.order_id is not None, "answers are always about an order"
    return each.effect.order_id


def _answer(each: Settled) -> str:
    if each.state is EffectState.REJECTED:
        return "rejected"
    return "accepted" if each.effect.kind == "accept" else "refused"


def _tell(tx: Tx, each: Settled) -> None:
    effect = each.effect
    request = request_of(effect)
    order_id = _order_id(each)
    event: OrderAccepted | OrderRefused | AnswerRejected
    if each.state is EffectState.REJECTED:
        event = AnswerRejected(
            order_id=order_id,
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            decision=Decision(effect.kind),
            reason=each.reason,
        )
    elif effect.kind == "accept":
        event = OrderAccepted(
            order_id=order_id,
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            lines=tuple(LineDecision(line_id=line.line_id, accepted=line.accepted) for line in request.lines),
            released=bool(effect.context.get("releases")),
            confirmed_by=each.confirmed_by,
        )
    else:
        event = OrderRefused(
            order_id=order_id,
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            reason=str(effect.context.get("reason", "")),
            confirmed_by=each.confirmed_by,
        )
    tx.emit(event, key=order_id, cause=effect.cause)


def _rejected(each: Settled) -> Park:
    effect = each.effect
    return Park(
        subject_kind="order",
        subject_id=str(effect.order_id),
        cause=REFUSED_ANSWER,
        detail=f"The marketplace would not take our answer ({effect.kind}): {each.reason[:300]}",
        next_step="Look at the order in the marketplace's back office; the next poll shows what it became.",
        event_key=str(effect.order_id),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
        due_at=effect.deadline,
    )


EFFECTS: tuple[EffectKind, ...] = (
    EffectKind("accept", "accept", execute_accept, probe_accept, settled),
    EffectKind("refuse", "refuse", execute_refuse, probe_refuse, settled),
)
