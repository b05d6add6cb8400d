"""`POST /v1/connections/{connection_id}/what-if`: past orders under another acceptance policy. Reads only."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connector_kit.discovery import connector
from hub_common.connections import Connection, load_connections
from hub_common.database import Conn
from hub_common.sku_links import load_links
from hub_common.web import FieldError, Problem
from hub_contracts.acceptances import Decision
from hub_contracts.connections import AcceptancePolicy
from hub_contracts.orders import OrderSnapshot
from order_acceptance import store
from order_acceptance.domain import Facts
from order_acceptance.what_if import Past, WhatIf, compare

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

MOST_ORDERS = 5_000
SHOWN = 500
"""Changed orders that are listed; the counts are over all of them."""

PAST = """
SELECT order_id, snapshot, decision, decided_by, decided_at, rules FROM orders
WHERE connection_id = $1 AND live AND created_at >= $2 ORDER BY created_at DESC LIMIT $3
"""


class WhatIfBody(BaseModel):
    """The policy's members that would be different, and how many days back it is tried."""

    model_config = ConfigDict(extra="forbid")
    acceptance: dict[str, Any] = Field(min_length=1)
    days: int = Field(default=7, ge=1, le=90)


def what_if_router(runtime: Runtime) -> APIRouter:
    """The route, for viewers: it changes nothing."""
    router = APIRouter(prefix="/v1/connections", tags=["acceptance"])

    @router.post("/{connection_id}/what-if")
    async def what_if(connection_id: UUID, body: WhatIfBody) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            connection = (await load_connections(conn, [connection_id])).get(connection_id)  # type: ignore[arg-type]
            if connection is None or not connection.is_marketplace:
                detail = f"order-acceptance knows no marketplace connection {connection_id}."
                raise Problem("connection-unknown", "No such connection", 404, detail)
            proposed = _proposed(connection, body.acceptance)
            since = runtime.clock.now() - timedelta(days=body.days)
            rows = await conn.fetch(PAST, connection_id, since, MOST_ORDERS + 1)
            past = [_past(row) for row in rows[:MOST_ORDERS]]
            today = await _today(conn, connection, past, runtime)  # type: ignore[arg-type]
        present = connection.data.settings.acceptance
        found = await asyncio.to_thread(compare, past, present, proposed, today)
        return {"days": body.days, "cut": len(rows) > MOST_ORDERS, **_view(found)}

    return router


def _proposed(connection: Connection, changes: dict[str, Any]) -> AcceptancePolicy:
    present = connection.data.settings.acceptance.model_dump(mode="json")
    unknown = sorted(set(changes) - set(present))
    if unknown:
        errors = [FieldError(f"#/acceptance/{name}", "is no member of the policy") for name in unknown]
        raise Problem("policy-invalid", "The policy is not valid", 422, "Nothing was tried.", errors=errors)
    try:
        return AcceptancePolicy.model_validate_json(orjson.dumps(present | changes))
    except ValidationError as error:
        errors = [
            FieldError("#/acceptance/" + "/".join(map(str, item["loc"])), str(item["msg"])) for item in error.errors()
        ]
        raise Problem("policy-invalid", "The policy is not valid", 422, "Nothing was tried.", errors=errors) from None


def _past(row: Any) -> Past:
    return Past(
        order_id=row["order_id"],
        snapshot=OrderSnapshot.model_validate_json(row["snapshot"]),
        decided=Decision(row["decision"]) if row["decision"] else None,
        decided_by=row["decided_by"] or "",
        decided_at=row["decided_at"],
        rules=orjson.loads(row["rules"]) if row["rules"] else (),
    )


async def _today(conn: Conn, connection: Connection, past: list[Past], runtime: Runtime) -> Facts:
    pairs = {(connection.connection_id, line.offer_sku) for one in past for line in one.snapshot.lines}
    manifest = connector(connection.data.connector).manifest
    shelf = await store.load_shelf(conn, pairs)
    return Facts(
        now=runtime.clock.now(),
        offers=shelf.view(connection.connection_id),
        linked_skus=frozenset(sku for _, sku in await load_links(conn, pairs)),
        pass_through=connection.data.settings.sku.link_mode == "pass_through",
        line_acceptance=manifest.orders.line_acceptance,
        address_shown=manifest.orders.address_before_acceptance,
    )


def _view(found: WhatIf) -> dict[str, Any]:
    return {
        "orders": found.orders,
        "changed": len(found.changes),
        "transitions": [{"from": a, "to": b, "orders": n} for (a, b), n in sorted(found.transitions.items())],
        "changes": [
            {
                "order_id": one.past.order_id,
                "order_number": one.past.snapshot.order_number,
                "created_at": one.past.snapshot.created_at,
                "decided": one.past.decided,
                "decided_by": one.past.decided_by,
                "before": one.before.decision,
                "before_reason": one.before.reason,
                "after": one.after.decision,
                "after_reason": one.after.reason,
                "refused_lines": [line.line_id for line in one.after.lines if not line.accepted],
                "as_of_today": one.as_of_today,
            }
            for one in found.changes[:SHOWN]
        ],
    }
