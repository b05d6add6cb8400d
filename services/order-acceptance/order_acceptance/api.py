"""What people may ask of order-acceptance: why an order was decided so, and to decide one themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_common.web import Operator, Problem, Role, operator
from hub_contracts.acceptances import DecidedBy, Decision
from hub_contracts.status import OrderStatus
from order_acceptance import store
from order_acceptance.api_what_if import what_if_router
from order_acceptance.decisions import decide_by_hand

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


class DecisionBody(BaseModel):
    """A person's decision on an order that waits for an answer."""

    model_config = ConfigDict(extra="forbid")
    decision: Decision
    reason: str = Field(min_length=3, max_length=500)
    refused_lines: list[str] = Field(default=[], max_length=1000)
    """Lines to refuse while accepting the rest; only where the marketplace decides line by line."""


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/orders` and `/v1/connections`."""
    router = APIRouter(prefix="/v1/orders", tags=["acceptance"])

    @router.get("/{order_id}")
    async def show(order_id: UUID) -> dict[str, Any]:
        row = await runtime.pool.fetchrow("SELECT * FROM orders WHERE order_id = $1", order_id)
        if row is None:
            raise _unknown(order_id)
        clocks = await runtime.pool.fetch("SELECT * FROM deadlines WHERE order_id = $1", order_id)
        return {
            "order_id": order_id,
            "status": row["status"],
            "decision": row["decision"],
            "decided_by": row["decided_by"],
            "decided_at": row["decided_at"],
            "answer": row["answer"],
            "accept_by": row["accept_by"],
            "rules": orjson.loads(row["rules"]) if row["rules"] else [],
            "deadlines": [dict(clock) for clock in clocks],
        }

    @router.post("/{order_id}/decision")
    async def decide(
        order_id: UUID, body: DecisionBody, who: Annotated[Operator, Depends(operator(Role.OPERATOR))]
    ) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            order = await store.lock_order(tx.conn, order_id)
            if order is None:
                raise _unknown(order_id)
            if order.status != OrderStatus.PENDING or order.decision in (Decision.ACCEPT, Decision.REFUSE):
                state = f"it is {order.status}" + (f" and was decided: {order.decision}" if order.decision else "")
                raise Problem("order-not-waiting", "The order does not wait for a decision", 409, f"Order: {state}.")
            try:
                await decide_by_hand(
                    tx, order, body.decision, body.refused_lines, body.reason, DecidedBy.OPERATOR, who.login
                )
            except ValueError as error:
                raise Problem("decision-not-possible", "The decision is not possible", 422, str(error)) from None
        return {"order_id": order_id, "decision": body.decision, "decided_by": who.login}

    return [router, what_if_router(runtime)]


def _unknown(order_id: UUID) -> Problem:
    return Problem("order-unknown", "No such order", 404, f"order-acceptance knows no order {order_id}.")
