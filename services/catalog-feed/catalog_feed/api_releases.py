"""Routes about releasing values: what the hub has set is frozen at some marketplaces, and their own feed may not change
it any more. A seller who goes back to the feed would otherwise sell at the hub's last price for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from catalog_feed.bodies_offers import ReleaseBody
from catalog_feed.desk import market
from catalog_feed.publishing import release_offers
from connector_kit.manifest import Capability
from hub_common.web import Operator, Role, operator
from hub_contracts.connections import StockSettings

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]


def releases_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{id}/offer-releases`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/offer-releases", tags=["offers"])

    @router.get("")
    async def list_releases(
        connection_id: UUID,
        state: Annotated[str | None, Query(max_length=20)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM releases WHERE connection_id = $1 AND ($2::text IS NULL OR state = $2)"
            " ORDER BY requested_at DESC, offer_sku LIMIT $3",
            connection_id,
            state,
            limit,
        )
        return {"items": [dict(row) for row in rows]}

    @router.post("", status_code=202)
    async def release(connection_id: UUID, body: ReleaseBody, who: CanAct) -> dict[str, Any]:
        """Let the marketplace's feed overwrite these values again."""
        known = (await market(runtime, connection_id, Capability.RELEASE_OFFERS)).connection
        fields: list[str] = sorted(set(body.fields))
        async with runtime.transactions.begin() as tx:
            planned = await release_offers(tx, known, body.offer_skus, fields, who.login)
        return {
            "connection_id": connection_id,
            "offers": len(planned),
            "warnings": _warnings(known.data.settings.stock, fields),
        }

    return router


def _warnings(stock: StockSettings, fields: list[str]) -> list[str]:
    pushed = {"price": stock.push_price, "stock": stock.push_stock}
    return [
        f"The hub sends the {name} of this connection itself: the next one freezes it again; "
        f"switch stock.push_{name} off first."
        for name in fields
        if pushed[name]
    ]
