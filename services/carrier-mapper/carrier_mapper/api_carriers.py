"""Routes for the marketplace's own carriers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends

from carrier_mapper import store_rules
from carrier_mapper.carrier_lists import lists_carriers
from carrier_mapper.rule_changes import marketplace_connection
from hub_common.web import Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


def carriers_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{connection_id}/carriers`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/carriers", tags=["carriers"])

    @router.get("")
    async def show(connection_id: UUID) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            connection = await marketplace_connection(tx.conn, connection_id)
            row = await store_rules.list_state(tx.conn, connection_id)
        return {
            "connection_id": connection_id,
            "can_be_fetched": lists_carriers(connection),
            "carriers": orjson.loads(row["carriers"]) if row and row["carriers"] else None,
            "fetched_at": row["fetched_at"] if row else None,
            "next_at": row["next_at"] if row else None,
            "error": row["error"] if row else "",
        }

    @router.post("/refresh", status_code=202)
    async def refresh(connection_id: UUID, _: Annotated[Operator, Depends(operator(Role.OPERATOR))]) -> dict[str, Any]:
        """Fetch the list within seconds, by the replica that holds the credential's lease; budgets still hold."""
        async with runtime.transactions.begin() as tx:
            connection = await marketplace_connection(tx.conn, connection_id)
            if not lists_carriers(connection):
                detail = "The connection is not active, or its connector lists no carriers."
                raise Problem("list-not-possible", "The list cannot be fetched", 409, detail)
            await store_rules.fetch_soon(tx.conn, connection_id, tx.now)
        return {"connection_id": connection_id, "requested": True}

    return router
