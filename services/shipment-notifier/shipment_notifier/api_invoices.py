"""What people may do about invoices: have the shop asked again, or say that they put them there by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_common.parked import resume
from hub_common.tx import Cause, Tx
from hub_common.web import Operator, Problem, Role, operator
from hub_contracts.ids import parked_id_for
from shipment_notifier import store_invoices
from shipment_notifier.effects_invoice import REJECTED
from shipment_notifier.invoicing import MISSING

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

INVOICE = ("route_id", "shop_connection_id", "state", "reason", "fetches", "next_fetch_at", "alarm_at", "alarmed_at",
           "file_name", "effect_id", "settled_at")  # fmt: skip
CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]


class ByHand(BaseModel):
    """Body of `POST /v1/orders/{order_id}/invoices/by-hand`."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=3, max_length=500)


def invoice_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/orders/{order_id}/invoices`."""
    router = APIRouter(prefix="/v1/orders", tags=["invoices"])

    @router.post("/{order_id}/invoices/fetch")
    async def fetch(order_id: UUID, who: CanAct) -> dict[str, list[UUID]]:
        async with runtime.transactions.begin() as tx:
            routes = await store_invoices.ask_again(tx.conn, order_id, tx.now)
            _some(routes, order_id)
            await _resume(tx, order_id, routes, REJECTED, "asked for again", who.login)
        return {"routes": routes}

    @router.post("/{order_id}/invoices/by-hand")
    async def by_hand(order_id: UUID, body: ByHand, who: CanAct) -> dict[str, list[UUID]]:
        async with runtime.transactions.begin() as tx:
            routes = await store_invoices.by_hand(tx.conn, order_id, body.reason, tx.now)
            _some(routes, order_id)
            for cause in (MISSING, REJECTED):
                await _resume(tx, order_id, routes, cause, f"by hand: {body.reason}", who.login)
        return {"routes": routes}

    return router


def _some(routes: list[UUID], order_id: UUID) -> None:
    if not routes:
        detail = f"Order {order_id} has no invoice that is waited for or was refused."
        raise Problem("invoice-not-waited-for", "No such invoice", 409, detail)


async def _resume(tx: Tx, order_id: UUID, routes: list[UUID], cause: str, resolution: str, login: str) -> None:
    tenant = await tx.conn.fetchval("SELECT tenant FROM orders WHERE order_id = $1", order_id)
    ids = [parked_id_for(tx.service, "order", f"{order_id}:{route}", cause) for route in routes]
    await resume(tx, ids, resolution=resolution, actor=login, why=Cause(tenant=tenant))
