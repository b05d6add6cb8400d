"""Erasing buyers and giving out what is held of them: for admins, written down, by order or by tenant and age."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from hub_common.web import Operator, Problem, Role, operator
from order_ingest import erasure_store
from order_ingest.erasure import OWING, erase
from order_ingest.erasure_store import ERASED

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanErase = Annotated[Operator, Depends(operator(Role.ADMIN))]
Reason = Annotated[str, Field(min_length=3, max_length=500)]
"""Why a person wants it; kept beside the erasure. It should not name the buyer."""


class EraseCustomer(BaseModel):
    """Forget the buyer of one order for good."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason
    even_if_open: bool = False
    """Erase although a shop may still need the address."""


class EraseCustomers(BaseModel):
    """Forget the buyers of a tenant's finished orders of an age."""

    model_config = ConfigDict(extra="forbid")
    older_than_days: int = Field(ge=1, le=3650)
    reason: Reason
    dry_run: bool = True
    """Count only."""


def privacy_routers(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/orders` and `/v1/tenants`."""
    router = APIRouter(prefix="/v1", tags=["privacy"])
    _of_order(router, runtime)
    _of_tenant(router, runtime)
    return router


def _of_order(router: APIRouter, runtime: Runtime) -> None:
    @router.post("/orders/{order_id}/erase-customer")
    async def erase_customer(order_id: UUID, body: EraseCustomer, who: CanErase) -> dict[str, Any]:
        """Erase the buyer everywhere: here, from the topic, and through an event at every other service."""
        async with runtime.transactions.begin() as tx:
            orders = await erasure_store.known(tx.conn, [order_id])
            if not orders:
                raise _unknown(order_id)
            await erasure_store.lock_connections(tx.conn, [orders[0].connection_id])
            orders = await erasure_store.known(tx.conn, [order_id])
            done = order_id in await erasure_store.erased_of(tx.conn, [order_id])
            if orders[0].status in OWING and not body.even_if_open and not done:
                detail = f"It is {orders[0].status}: a shop may still need the address. Send even_if_open to erase it."
                raise Problem("order-open", "The order is still open", 409, detail)
            new = await erase(tx, orders, "request", who.login, body.reason)
            row = await tx.conn.fetchrow("SELECT * FROM erasures WHERE order_id = $1", order_id)
        assert row is not None, "it was just written"
        runtime.log.info("customer_erased", order_id=str(order_id), login=who.login, count=new)
        shown = ("order_id", "why", "requested_by", "erased_at")
        return {"erased": bool(new)} | {name: row[name] for name in shown}

    @router.get("/orders/{order_id}/personal-data")
    async def personal_data(order_id: UUID, who: CanErase, counts_only: bool = False) -> dict[str, Any]:
        """What order-ingest holds about the buyer of an order; `counts_only` tells how much without showing it."""
        orders = await erasure_store.known(runtime.pool, [order_id])
        if not orders:
            raise _unknown(order_id)
        raw = await runtime.pool.fetch(
            "SELECT fetched_at, body FROM raw_orders WHERE order_id = $1 AND body <> $2 ORDER BY fetched_at",
            order_id,
            ERASED,
        )
        told = await runtime.pool.fetch(
            "SELECT received_at AS fetched_at, body FROM notices WHERE connection_id = $1 AND $2 <> ''"
            " AND position(convert_to($2, 'UTF8') IN body) > 0 ORDER BY received_at",
            orders[0].connection_id,
            orders[0].reference,
        )
        erased = await runtime.pool.fetchrow(
            "SELECT why, requested_by, erased_at FROM erasures WHERE order_id = $1", order_id
        )
        if not counts_only:
            runtime.log.info("personal_data_read", order_id=str(order_id), login=who.login)
        return {
            "order_id": order_id,
            "reference": orders[0].reference,
            "tenant": orders[0].tenant,
            "status": orders[0].status,
            "erased": dict(erased) if erased else None,
            "holds": {"raw_orders": len(raw), "notices": len(told)},
            "data": None if counts_only else {"raw_orders": _texts(raw), "notices": _texts(told)},
        }


def _of_tenant(router: APIRouter, runtime: Runtime) -> None:
    @router.post("/tenants/{tenant}/erase-customers", status_code=202)
    async def erase_customers(tenant: str, body: EraseCustomers, who: CanErase) -> dict[str, Any]:
        """Erase the buyers of finished orders of an age. A dry run counts; else it is done in batches from now on."""
        now = runtime.clock.now()
        before = now - timedelta(days=body.older_than_days)
        closed, still_open = await erasure_store.count_of_tenant(runtime.pool, tenant, before, OWING)
        counted = {"tenant": tenant, "placed_before": before, "orders": closed, "still_open": still_open}
        if body.dry_run:
            return counted | {"dry_run": True, "wish_id": None}
        wish_id = runtime.ids.new()
        await runtime.pool.execute(
            "INSERT INTO erasure_wishes (wish_id, tenant, placed_before, requested_by, reason, requested_at)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            wish_id,
            tenant,
            before,
            who.login,
            body.reason,
            now,
        )
        runtime.log.info("customers_erase_wished", login=who.login, count=closed)
        return counted | {"dry_run": False, "wish_id": wish_id}

    @router.get("/tenants/{tenant}/erase-customers")
    async def wishes(tenant: str, who: CanErase) -> dict[str, Any]:
        """What was asked for, newest first, and how many buyers were erased for it so far."""
        rows = await runtime.pool.fetch(
            "SELECT * FROM erasure_wishes WHERE tenant = $1 ORDER BY requested_at DESC LIMIT 100", tenant
        )
        return {"items": [dict(row) for row in rows]}


def _unknown(order_id: UUID) -> Problem:
    return Problem("order-unknown", "No such order", 404, f"order-ingest knows no order {order_id}.")


def _texts(rows: list[asyncpg.Record]) -> list[dict[str, Any]]:
    return [{"at": row["fetched_at"], "body": row["body"].decode("utf-8", errors="backslashreplace")} for row in rows]
