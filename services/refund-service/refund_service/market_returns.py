"""Converging on marketplace returns: tell each stage once, answer what is due, park what needs a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from connector_kit.aftersales import AnswerReturn, ReturnStage
from connector_kit.http import Lane
from hub_common.connections import Connection, load_connections
from hub_common.effects.model import PlannedEffect
from hub_common.parked import Park, park, resume
from hub_common.tx import Cause, Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.refunds import MarketplaceReturnLine, MarketplaceReturnReported
from refund_service import store_market
from refund_service.domain_market import (
    CAUSES,
    ORDER_UNKNOWN,
    RESULT,
    STATE_UNKNOWN,
    UNANSWERED,
    Answer,
    Seen,
    due,
)
from refund_service.store_market import Written

REJECTED = "return_answer_rejected"
NEXT_STEPS = {
    ORDER_UNKNOWN: "Read the order (a backfill of its day); the return goes on by itself once it is known.",
    STATE_UNKNOWN: "Look at the return in the marketplace's back office; the connector does not know its state.",
    UNANSWERED: "Accept or refuse it with POST /v1/marketplace-returns/{return_id}/answer before the marketplace does.",
}
POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Word:
    """The seller's answer to one return, and who gave it."""

    answer: Answer
    by: str
    reason_code: str | None = None


async def settle(tx: Tx, return_ids: Iterable[UUID], words: dict[UUID, Word] | None = None) -> None:
    """Do everything that is due about these returns now. `words`: answers of people, already checked."""
    rows = await store_market.load(tx.conn, return_ids)
    if not rows:
        return
    connections = await load_connections(tx.conn, {row["connection_id"] for row in rows})
    back = await store_market.back(tx.conn, {row["order_id"] for row in rows if row["order_id"]})
    written: list[Written] = []
    parks: list[Park] = []
    over: list[UUID] = []
    for row in rows:
        connection = connections.get(row["connection_id"])
        cause, record = _one(tx, row, connection, back.get(row["order_id"], {}), (words or {}).get(row["return_id"]))
        written.append(record)
        over += [_parked(tx, row["return_id"], each) for each in CAUSES if each != cause]
        if cause is not None:
            parks.append(_park(row, cause))
    await store_market.record(tx.conn, written)
    await resume(tx, over, resolution="the facts have changed")
    await park(tx, parks)


def _parked(tx: Tx, return_id: UUID, cause: str) -> UUID:
    return parked_id_for(tx.service, "return", str(return_id), cause)


def _one(
    tx: Tx, row: asyncpg.Record, connection: Connection | None, back: dict[str, int], word: Word | None
) -> tuple[str | None, Written]:
    stage = ReturnStage(row["stage"])
    told = row["told"]
    if row["order_id"] is not None and told != row["stage"]:
        _tell(tx, row)
        told = row["stage"]
    answering = _standing(row, stage)
    seen = Seen(
        stage=stage,
        order_known=row["order_id"] is not None,
        lines={line["line_id"]: line["quantity"] for line in orjson.loads(row["lines"])},
        answering=answering,
        refused_answer=row["answer_state"] == "rejected" and word is None,
        back=back,
    )
    policy = connection is not None and connection.data.settings.returns.answer == "accept"
    decided = due(seen, accept_by_itself=policy)
    if word is None and decided.answer is not None:
        word = Word(decided.answer, POLICY)
    mine = connection is not None and row["environment"] == connection.data.environment.value
    if word is None or connection is None or not mine or row["is_test"]:
        kept = (row["answer"], row["answer_state"], row["answered_by"], row["reason_code"])
        return decided.cause, (row["return_id"], told, *kept, row["revision"], row["effect_id"])
    effect = _effect(row, connection, word, row["revision"] + 1)
    tx.plan(effect)
    planned = (word.answer, "planned", word.by, word.reason_code)
    return None, (row["return_id"], told, *planned, row["revision"] + 1, effect.effect_id)


def _standing(row: asyncpg.Record, stage: ReturnStage) -> Answer | None:
    """The answer that stands, unless the marketplace shows that it is behind us."""
    answer: Answer | None = row["answer"]
    if answer is None or row["answer_state"] == "rejected" or stage in RESULT[answer]:
        return None
    return answer


def _effect(row: asyncpg.Record, connection: Connection, word: Word, revision: int) -> PlannedEffect:
    key = f"answer_return:{row['connection_id']}:{row['return_reference']}:{word.answer}"
    return PlannedEffect(
        kind="answer_return",
        natural_key=key if revision == 1 else f"{key}:v{revision}",
        connection_id=row["connection_id"],
        credential_ref=connection.data.credential_ref,
        request=AnswerReturn(
            return_reference=row["return_reference"],
            order_reference=row["order_reference"],
            answer=word.answer,
            reason_code=word.reason_code,
        ),
        cause=Cause(tenant=row["tenant"]),
        order_key=f"return:{row['connection_id']}:{row['return_reference']}",
        lane=Lane.LIVE,
        order_id=row["order_id"],
    )


def _tell(tx: Tx, row: asyncpg.Record) -> None:
    lines: list[dict[str, Any]] = orjson.loads(row["lines"])
    event = MarketplaceReturnReported(
        return_id=row["return_id"],
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        is_test=bool(row["is_test"]),
        return_reference=row["return_reference"],
        stage=row["stage"],
        marketplace_state=row["marketplace_state"],
        lines=tuple(MarketplaceReturnLine(**line) for line in lines),
        tracking_number=row["tracking_number"],
        marketplace_updated_at=row["updated_at"],
    )
    tx.emit(event, key=row["order_id"], cause=Cause(tenant=row["tenant"]))


def _park(row: asyncpg.Record, cause: str) -> Park:
    name = f"order {row['order_number']}" if row["order_number"] else f"an unknown order {row['order_reference']}"
    return Park(
        subject_kind="return",
        subject_id=str(row["return_id"]),
        cause=cause,
        detail=f"Return {row['return_reference']} of {name} is {row['marketplace_state']} at the marketplace.",
        next_step=NEXT_STEPS[cause],
        event_key=str(row["order_id"] or f"{row['connection_id']}:{row['order_reference']}"),
        why=Cause(tenant=row["tenant"]),
        order_id=row["order_id"],
        connection_id=row["connection_id"],
        is_test=bool(row["is_test"]),
    )
