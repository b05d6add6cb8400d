"""`POST /v1/connections/{connection_id}/what-if`: past orders under other routing rules. Reads only."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hub_common.connections import load_connections
from hub_common.web import FieldError, Problem
from hub_contracts.connections import RoutingRule, SkuSettings
from order_router import lookup, store
from order_router.what_if import WhatIf, compare, outcome

if TYPE_CHECKING:
    from hub_common.runtime import Runtime
    from order_router.domain import Facts

MOST_ORDERS = 2_000
SHOWN = 500
RULES = TypeAdapter(tuple[RoutingRule, ...])

PAST = """
SELECT * FROM orders WHERE connection_id = $1 AND snapshot IS NOT NULL AND routed_at >= $2
ORDER BY routed_at DESC LIMIT $3
"""


class WhatIfBody(BaseModel):
    """The rules as they would be, whole, or the SKU settings that would be different."""

    model_config = ConfigDict(extra="forbid")
    routing: list[dict[str, Any]] | None = Field(default=None, max_length=500)
    sku: dict[str, Any] | None = None
    days: int = Field(default=7, ge=1, le=90)


def what_if_router(runtime: Runtime) -> APIRouter:
    """The route, for viewers: it changes nothing."""
    router = APIRouter(prefix="/v1/connections", tags=["routing"])

    @router.post("/{connection_id}/what-if")
    async def what_if(connection_id: UUID, body: WhatIfBody) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            known = await load_connections(conn, [connection_id])  # type: ignore[arg-type]
            if connection_id not in known or not known[connection_id].is_marketplace:
                detail = f"order-router knows no marketplace connection {connection_id}."
                raise Problem("connection-unknown", "No such connection", 404, detail)
            rules, sku = _proposed(body, known[connection_id].data.settings.sku)
            since = runtime.clock.now() - timedelta(days=body.days)
            rows = await conn.fetch(PAST, connection_id, since, MOST_ORDERS + 1)
            orders = [store.order_of(row) for row in rows[:MOST_ORDERS]]
            facts = await lookup.load_facts(conn, orders, known)  # type: ignore[arg-type]
        past = [(order, facts[order.order_id]) for order in orders if order.order_id in facts]
        found = await asyncio.to_thread(compare, past, rules, sku)
        return {"days": body.days, "cut": len(rows) > MOST_ORDERS, **_view(found, facts)}

    return router


def _proposed(body: WhatIfBody, present: SkuSettings) -> tuple[tuple[RoutingRule, ...] | None, SkuSettings | None]:
    try:
        rules = None if body.routing is None else RULES.validate_json(orjson.dumps(body.routing))
    except ValidationError as error:
        raise _invalid("#/routing/", error) from None
    try:
        sku = SkuSettings.model_validate(present.model_dump() | body.sku) if body.sku is not None else None
    except ValidationError as error:
        raise _invalid("#/sku/", error) from None
    if rules is None and sku is None:
        errors = [FieldError("#/routing", "give rules, or sku settings, or both")]
        raise Problem("rules-invalid", "Nothing to try", 422, "Nothing was tried.", errors=errors)
    return rules, sku


def _invalid(prefix: str, error: ValidationError) -> Problem:
    errors = [FieldError(prefix + "/".join(map(str, item["loc"])), str(item["msg"])) for item in error.errors()]
    return Problem("rules-invalid", "The rules are not valid", 422, "Nothing was tried.", errors=errors)


def _view(found: WhatIf, facts: dict[UUID, Facts]) -> dict[str, Any]:
    return {
        "orders": found.orders,
        "changed": len(found.changes),
        "transitions": [{"from": a, "to": b, "orders": n} for (a, b), n in sorted(found.transitions.items())],
        "changes": [
            {
                "order_id": one.order.order_id,
                "order_number": one.order.snapshot.order_number if one.order.snapshot else "",
                "created_at": one.order.snapshot.created_at if one.order.snapshot else None,
                "before": outcome(one.before, facts[one.order.order_id]),
                "after": outcome(one.after, facts[one.order.order_id]),
            }
            for one in found.changes[:SHOWN]
        ],
    }
