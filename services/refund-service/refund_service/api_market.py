"""What people may ask about returns that buyers opened at the marketplace, and how they answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import asyncpg
import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from connector_kit.aftersales import ReturnStage
from hub_common.web import Operator, Problem, Role, operator
from refund_service import store_market
from refund_service.domain_market import POSSIBLE, Answer
from refund_service.market_returns import Word, settle

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
SELECT = """
SELECT m.*, o.order_number FROM marketplace_returns m LEFT JOIN orders o USING (order_id)
WHERE ($1::uuid IS NULL OR m.return_id = $1) AND ($2::uuid IS NULL OR m.order_id = $2)
  AND ($3::text IS NULL OR m.stage = $3) AND ($4::uuid IS NULL OR m.connection_id = $4)
ORDER BY m.updated_at DESC LIMIT $5
"""


class AnswerBody(BaseModel):
    """A person's word on a return."""

    model_config = ConfigDict(extra="forbid")
    answer: Answer
    reason_code: str | None = Field(default=None, min_length=1, max_length=100)
    """The marketplace's own code; see `GET /v1/connections/{connection_id}/reasons`."""


def market_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/marketplace-returns`."""
    router = APIRouter(prefix="/v1/marketplace-returns", tags=["marketplace returns"])

    @router.get("")
    async def listed(
        order_id: UUID | None = None,
        stage: ReturnStage | None = None,
        connection_id: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(SELECT, None, order_id, stage, connection_id, limit)
        return {"items": [_shown(row) for row in rows]}

    @router.get("/{return_id}")
    async def one(return_id: UUID) -> dict[str, Any]:
        rows = await runtime.pool.fetch(SELECT, return_id, None, None, None, 1)
        if not rows:
            raise _unknown(return_id)
        return _shown(rows[0])

    @router.post("/{return_id}/answer", status_code=202)
    async def answer(return_id: UUID, body: AnswerBody, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            rows = await store_market.load(tx.conn, [return_id])
            if not rows:
                raise _unknown(return_id)
            _check(rows[0], body.answer)
            await settle(tx, [return_id], {return_id: Word(body.answer, who.login, body.reason_code)})
        return {"return_id": return_id, "answer": body.answer, "answered_by": who.login}

    return router


def _check(row: asyncpg.Record, answer: Answer) -> None:
    possible = POSSIBLE.get(ReturnStage(row["stage"]), ())
    if row["order_id"] is None:
        raise Problem("return-not-ready", "Its order is not known", 409, "The return's order was not heard of yet.")
    if answer not in possible:
        can = " or ".join(possible) or "nothing"
        detail = f"The return is {row['stage']}: it takes {can}, not {answer}."
        raise Problem("answer-not-possible", "The return does not wait for that", 409, detail)
    if row["answer"] == answer and row["answer_state"] == "planned":
        raise Problem("answer-on-its-way", "Already answered", 409, f"{answer} is on its way to the marketplace.")


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    hidden = ("tenant", "told", "revision")
    values = {name: value for name, value in row.items() if name not in hidden}
    return values | {"lines": orjson.loads(row["lines"]), "possible": POSSIBLE.get(ReturnStage(row["stage"]), ())}


def _unknown(return_id: UUID) -> Problem:
    return Problem("return-unknown", "No such return", 404, f"refund-service knows no marketplace return {return_id}.")
