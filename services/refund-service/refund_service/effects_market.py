"""Giving the seller's word on marketplace returns, and what follows when it is known how that ended."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.aftersales import AnswerReturn, AnswersReturns
from connector_kit.outcome import Outcome, ProbeResult
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.refunds import MarketplaceReturnAnswered, MarketplaceReturnAnswerRejected
from refund_service import store_market
from refund_service.market_returns import REJECTED


def request_of(effect: Effect) -> AnswerReturn:
    """What was asked, as it was written down."""
    return AnswerReturn.model_validate(effect.request)


async def execute(connector: AnswersReturns, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Answer returns."""
    return await connector.answer_returns([request_of(effect) for effect in effects])


async def probe(connector: AnswersReturns, effect: Effect) -> ProbeResult:
    """Does the marketplace show the return as answered so?"""
    return await connector.probe_answer_return(request_of(effect))


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Note how it ended and tell it; what the marketplace would not take needs a person."""
    states = [(each.effect.effect_id, "answered" if each.state is EffectState.DONE else "rejected") for each in ended]
    rows = await store_market.ended(tx.conn, states)
    parks: list[Park] = []
    done = []
    for each in ended:
        row = rows.get(each.effect.effect_id)
        if row is None:
            continue  # a later word replaced it
        answer = request_of(each.effect).answer
        common = {
            "return_id": row["return_id"],
            "order_id": row["order_id"],
            "connection_id": row["connection_id"],
            "is_test": row["is_test"],
            "effect_id": each.effect.effect_id,
            "answer": answer,
        }
        event: MarketplaceReturnAnswered | MarketplaceReturnAnswerRejected
        if each.state is EffectState.DONE:
            event = MarketplaceReturnAnswered(**common, confirmed_by=each.confirmed_by)
            done.append(parked_id_for(tx.service, "return", str(row["return_id"]), REJECTED))
        else:
            event = MarketplaceReturnAnswerRejected(**common, reason=each.reason[:500])
            parks.append(_park(each, str(row["return_id"]), answer))
        tx.emit(event, key=row["order_id"], cause=each.effect.cause)
    await resume(tx, done, resolution="answered")
    await park(tx, parks)


def _park(each: Settled, return_id: str, answer: str) -> Park:
    effect = each.effect
    return Park(
        subject_kind="return",
        subject_id=return_id,
        cause=REJECTED,
        detail=f"The marketplace would not take `{answer}` for return {effect.request['return_reference']}: "
        f"{each.reason[:300]}",
        next_step="Look at the return in the marketplace's back office; answer it there or again here, then close.",
        event_key=str(effect.order_id),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
    )


ANSWER = EffectKind("answer_return", "answer_return", execute, probe, settled, probe_operation="read_return")
