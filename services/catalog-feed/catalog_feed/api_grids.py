"""Routes about grid rules: which shipping options articles have by SKU, weight and price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from catalog_feed import store
from catalog_feed.bodies import GridRulesBody
from catalog_feed.desk import conn_of, marketplace
from hub_common.web import FieldError, Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]


def grids_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{id}/shipping/rules`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/shipping/rules", tags=["shipping-templates"])

    @router.get("")
    async def list_rules(connection_id: UUID) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            rules = await store.grid_rules(conn_of(conn), connection_id)
        return {"items": [{name: _text(getattr(rule, name)) for name in rule.__slots__} for rule in rules]}

    @router.put("")
    async def put_rules(connection_id: UUID, body: GridRulesBody, who: CanAct) -> dict[str, Any]:
        """Replace all rules. Every name must be that of a shipping template of this connection."""
        await marketplace(runtime, connection_id)
        async with runtime.transactions.begin() as tx:
            known = {template.name for template in await store.templates(tx.conn, connection_id)}
            errors = [
                FieldError(f"#/rules/{at}/grids/{place}", "is no shipping template of this connection")
                for at, rule in enumerate(body.rules)
                for place, name in enumerate(rule.grids)
                if name not in known
            ]
            if errors:
                detail = f"{len(errors)} rule(s) broken, nothing was changed."
                raise Problem("template-unknown", "No such template", 422, detail, errors=errors[:200])
            await store.set_grid_rules(tx.conn, connection_id, [rule.rule() for rule in body.rules])
            await store.mark_changed(tx.conn, [connection_id], tx.now)
        return {"connection_id": connection_id, "rules": len(body.rules), "changed_by": who.login}

    return router


def _text(value: object) -> object:
    return f"{value:f}" if hasattr(value, "as_tuple") else value
