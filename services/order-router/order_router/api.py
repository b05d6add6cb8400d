"""What people may ask of order-router: where an order goes and why, what would happen now, and to choose themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from hub_common.connections import load_connections
from hub_common.tx import Tx
from hub_common.web import FieldError, Operator, Problem, Role, operator
from order_router import lookup, store, views
from order_router.api_what_if import what_if_router
from order_router.choosing import broken_rules
from order_router.deciding import advance, facts_of
from order_router.domain import Choice
from order_router.standing import Standing, stand
from order_router.store import StoredOrder

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Sku = Annotated[str, Field(min_length=1, max_length=200)]


class LineChoice(BaseModel):
    """The shop that shall serve one line. Without `shop_sku` the SKU follows the connection's setting."""

    model_config = ConfigDict(extra="forbid")
    line_id: str = Field(min_length=1, max_length=200)
    shop_connection_id: UUID
    warehouse: str | None = Field(default=None, min_length=1, max_length=200)
    shop_sku: Sku | None = None


class Reroute(BaseModel):
    """A person's way out for an order that waits. Lines that are not named follow the rules."""

    model_config = ConfigDict(extra="forbid")
    lines: list[LineChoice] = Field(default=[], max_length=1000)
    reason: str = Field(min_length=3, max_length=500)


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1`."""
    router = APIRouter(prefix="/v1", tags=["routing"])

    @router.get("/orders/{order_id}")
    async def show(order_id: UUID) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            found = await views.order_view(conn, order_id)  # type: ignore[arg-type]
        if found is None:
            raise _unknown(order_id)
        return found

    @router.get("/preview")
    async def preview(
        order_id: UUID,
        country: Annotated[str | None, Query(pattern="^[A-Za-z]{2}$")] = None,
        channel: Annotated[str | None, Query(min_length=1, max_length=200)] = None,
    ) -> dict[str, Any]:
        given = {"destination_country": country.upper() if country else None, "channel": channel}
        changes = {name: value for name, value in given.items() if value is not None}
        async with runtime.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            found = await views.preview(conn, order_id, changes)  # type: ignore[arg-type]
        if found is None:
            raise _unknown(order_id)
        return found

    @router.post("/orders/{order_id}/reroute")
    async def reroute(order_id: UUID, body: Reroute, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            await _reroute(tx, order_id, body, who.login)
            found = await views.order_view(tx.conn, order_id)
        assert found is not None, "it was locked a moment ago"
        return found

    return [router, what_if_router(runtime)]


async def _reroute(tx: Tx, order_id: UUID, body: Reroute, actor: str) -> None:
    orders = await store.lock_orders(tx.conn, [order_id])
    if not orders:
        known = await tx.conn.fetchval("SELECT closed_reason FROM orders WHERE order_id = $1", order_id)
        if known is None:
            raise _unknown(order_id)
        raise _not_waiting(f"{known}.")
    order = orders[0]
    if order.routed_at is not None:
        raise _not_waiting("it is already routed; an order is never routed twice.")
    choices = [
        (line.line_id, Choice(line.shop_connection_id, actor, body.reason, line.warehouse, line.shop_sku))
        for line in body.lines
    ]
    await _check(tx, order, choices)
    await lookup.save_choices(tx.conn, order_id, choices, actor, body.reason, tx.now)
    await advance(tx, [order_id], actor=actor)


async def _check(tx: Tx, order: StoredOrder, choices: list[tuple[str, Choice]]) -> None:
    known = await load_connections(tx.conn, [order.connection_id])
    standing = stand(facts_of(order, known.get(order.connection_id)))
    if standing not in (Standing.READY, Standing.BY_HAND) or order.snapshot is None:
        status = order.status or "not seen yet"
        raise _not_waiting(f"it is {status} and not released for routing ({standing}).")
    facts = (await lookup.load_facts(tx.conn, [order], known)).get(order.order_id)
    if facts is None:
        raise _not_waiting("its marketplace connection is not known.")
    errors = [
        FieldError(f"#/lines/{position}/{field}", rule)
        for position, field, rule in broken_rules(order.snapshot, choices, facts)
    ]
    if errors:
        detail = f"{len(errors)} rule(s) broken; see errors."
        raise Problem("choice-not-possible", "The choice is not possible", 422, detail, errors=errors)


def _not_waiting(why: str) -> Problem:
    return Problem("order-not-waiting", "The order does not wait to be routed", 409, f"Order: {why}")


def _unknown(order_id: UUID) -> Problem:
    return Problem("order-unknown", "No such order", 404, f"order-router knows no order {order_id}.")
