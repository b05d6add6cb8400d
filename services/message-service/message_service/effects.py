"""Sending messages, and what follows when it is known how that ended. The words are read at the moment of sending."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from connector_kit.aftersales import SendMessage, SendsMessages
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from hub_common.connections import load_connections
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park
from hub_common.tx import Tx
from hub_contracts.messages import MessageRejected, MessageSent
from message_service import store_sending
from message_service.taking import key_of, watch

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

REJECTED = "message_rejected"
ERASED = "its words were erased before it was sent"


def _message_id(effect: Effect) -> UUID:
    return UUID(effect.context["message_id"])


def build_effects(runtime: Runtime) -> Sequence[EffectKind]:
    """The kind of this service. No effect row holds words, so that erasing them is one DELETE."""

    async def execute(speaker: SendsMessages, effects: Sequence[Effect]) -> Sequence[Outcome]:
        words = await store_sending.bodies(runtime.pool, map(_message_id, effects))
        there = [effect for effect in effects if _message_id(effect) in words]
        requests = [_request(effect, words[_message_id(effect)]) for effect in there]
        answers = await speaker.send_messages(requests) if requests else []
        by_effect = {effect.effect_id: outcome for effect, outcome in zip(there, answers, strict=True)}
        return [by_effect.get(effect.effect_id, Outcome.rejected(ERASED)) for effect in effects]

    async def probe(speaker: SendsMessages, effect: Effect) -> ProbeResult:
        words = await store_sending.bodies(runtime.pool, [_message_id(effect)])
        body = words.get(_message_id(effect))
        if body is None:
            return ProbeResult(ProbeState.UNDECIDED, "the words were erased, so they cannot be looked for")
        return await speaker.probe_send_message(_request(effect, body))

    return (EffectKind("send_message", "send_message", execute, probe, settled, probe_operation="probe_message"),)


def _request(effect: Effect, body: str) -> SendMessage:
    return SendMessage.model_validate({**effect.request, "body": body})


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Note how it ended, tell it, and stop waiting where the buyer has an answer."""
    rows = await store_sending.ended(
        tx.conn,
        [
            (
                _message_id(each.effect),
                "sent" if each.state is EffectState.DONE else "rejected",
                each.reason[:500],
                _text(each.answer, "thread_reference"),
                _text(each.answer, "message_reference"),
            )
            for each in ended
        ],
        tx.now,
    )
    for each in ended:
        _tell(tx, each, rows[_message_id(each.effect)])
    known = await load_connections(tx.conn, {each.effect.connection_id for each in ended})
    for connection_id, connection in known.items():
        threads = {
            row["thread_reference"]
            for row in rows.values()
            if row["connection_id"] == connection_id and row["thread_reference"] is not None
        }
        await watch(tx, connection, threads)
    await park(tx, [_park(each) for each in ended if each.state is EffectState.REJECTED])


def _text(answer: dict[str, Any], name: str) -> str | None:
    value = answer.get(name)
    return str(value) if value else None


def _tell(tx: Tx, each: Settled, row: Any) -> None:
    event: MessageSent | MessageRejected
    common: dict[str, Any] = {
        "message_id": row["message_id"],
        "connection_id": row["connection_id"],
        "thread_reference": row["thread_reference"],
        "order_id": row["order_id"],
        "is_test": row["is_test"],
        "effect_id": each.effect.effect_id,
    }
    if each.state is EffectState.REJECTED:
        event = MessageRejected(**common, reason=each.reason[:500])
    else:
        event = MessageSent(**common, written_by=row["written_by"] or "", confirmed_by=each.confirmed_by)
    key = key_of(row["connection_id"], row["thread_reference"], row["order_id"])
    tx.emit(event, key=key, cause=each.effect.cause)


def _park(each: Settled) -> Park:
    effect = each.effect
    return Park(
        subject_kind="message",
        subject_id=effect.context["message_id"],
        cause=REJECTED,
        detail=f"The marketplace would not take a message: {each.reason[:300]}",
        next_step="Write it again in another way, or answer in the marketplace's back office; then close this.",
        event_key=str(effect.order_id or effect.order_key),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
        due_at=effect.deadline,
    )
