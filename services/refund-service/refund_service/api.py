"""What people may ask of refund-service: an order's ledger, returns, and to refund or cancel by hand.

A refund by hand goes through the same ledger rules as one by policy; what stands against it is told, never forced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from hub_common.parked import resume
from hub_common.tx import Cause, Tx
from hub_common.web import Operator, Problem, Role, operator
from hub_common.web.problems import FieldError
from hub_contracts.base import Amount
from hub_contracts.ids import cancellation_id_for, parked_id_for, refund_id_for
from hub_contracts.orders import FulfilledBy
from hub_contracts.shop_activity import LineQuantity
from refund_service import store, store_reasons, store_work
from refund_service.advance import advance, plan_cancellation
from refund_service.api_market import market_router
from refund_service.desk import Desk, open_desk
from refund_service.domain import Ask, Balance, Obstacle, Order, Want, fit_level, price
from refund_service.domain_cancel import Over
from refund_service.domain_returns import known_code, with_code
from refund_service.money import Sums, shown
from refund_service.store_work import OPEN, StoredCancellation, StoredRefund
from refund_service.words import OWN_CAUSES, REFUND_REJECTED

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]

WRONG_INPUT = frozenset(
    {
        "line_unknown",
        "quantity_invalid",
        "amount_unsupported",
        "partial_refund_unsupported",
        "reason_unknown",
        "reason_unmapped",
        "nothing_to_refund",
    }
)
"""Obstacles that another input would not meet; the others lie in the state of the order and are conflicts."""


class LineBody(BaseModel):
    """Units of a line to refund. Without `amount` they are worth what the buyer paid for them."""

    model_config = ConfigDict(extra="forbid")
    line_id: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=0, le=1_000_000)
    amount: Amount | None = None


class RefundBody(BaseModel):
    """A refund by hand. The same `request_id` twice is one refund."""

    model_config = ConfigDict(extra="forbid")
    lines: list[LineBody] = Field(min_length=1, max_length=1000)
    reason_code: str = Field(min_length=1, max_length=100)
    """The marketplace's own code."""
    refund_shipping: bool = False
    request_id: UUID | None = None
    return_id: UUID | None = None
    """The return that this refund answers: it is then not refunded again by policy."""


class CancelLineBody(BaseModel):
    """Units of a line to cancel."""

    model_config = ConfigDict(extra="forbid")
    line_id: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=1, le=1_000_000)


class CancellationBody(BaseModel):
    """A cancellation by hand; no lines means the whole order."""

    model_config = ConfigDict(extra="forbid")
    lines: list[CancelLineBody] = Field(default=[], max_length=1000)
    reason: str | None = Field(default=None, max_length=200)
    """A reason of the connection's map; without one its default for cancelling is used."""
    request_id: UUID | None = None


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/orders`, `/v1/returns` and `/v1/connections`."""
    router = APIRouter(prefix="/v1", tags=["refunds"])
    _reading(router, runtime)
    _acting(router, runtime)
    return [router, market_router(runtime)]


def _reading(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/orders/{order_id}/ledger")
    async def ledger(order_id: UUID) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            return await _ledger(conn, order_id)

    @router.get("/returns")
    async def returns(
        order_id: UUID | None = None,
        state: Literal["open", "done", "recorded"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM returns WHERE ($1::uuid IS NULL OR order_id = $1) AND ($2::text IS NULL OR state = $2)"
            " ORDER BY reported_at DESC LIMIT $3",
            order_id,
            state,
            limit,
        )
        hidden = ("traceparent", "causation_id", "live", "check_at")
        return {"items": [_plain(row, hidden, parse=("lines",)) for row in rows]}

    @router.get("/connections/{connection_id}/reasons")
    async def reasons(connection_id: UUID) -> dict[str, Any]:
        async with runtime.pool.acquire() as conn:
            row = await store_reasons.state(conn, connection_id)  # type: ignore[arg-type]
        if row is None:
            text = f"No reasons of connection {connection_id} were fetched; not every marketplace lists them."
            raise Problem("reasons-unknown", "No reason list", 404, text)
        return _plain(row, (), parse=("reasons",))


async def _ledger(conn: Any, order_id: UUID) -> dict[str, Any]:
    order = (await store.load_orders(conn, [order_id])).get(order_id)
    if order is None:
        raise _unknown(order_id)
    book = (await store.load_books(conn, [order_id])).of(order_id)
    entries = await conn.fetch("SELECT * FROM ledger_entries WHERE order_id = $1 ORDER BY entry_id", order_id)
    refunds = await conn.fetch("SELECT * FROM refunds WHERE order_id = $1 ORDER BY seq", order_id)
    wishes = await conn.fetch("SELECT * FROM cancellations WHERE order_id = $1 ORDER BY requested_at", order_id)
    hidden = ("traceparent", "causation_id", "seq", "live", "check_at", "tenant")
    return {
        "order_id": order_id,
        "status": order.status,
        "currency": order.currency,
        "lines": [_line(order, line_id, book.get(line_id, Balance())) for line_id in order.lines],
        "entries": [_plain(row, ()) for row in entries],
        "refunds": [_plain(row, hidden, parse=("lines",)) for row in refunds],
        "cancellations": [_plain(row, hidden, parse=("lines",)) for row in wishes],
    }


def _line(order: Order, line_id: str, balance: Balance) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "offer_sku": order.lines[line_id].offer_sku,
        "status": order.lines[line_id].status,
        "refundable": order.lines[line_id].refundable,
        "paid": _sums(balance.paid, order.currency),
        "refunded": _sums(balance.requested, order.currency),
        "confirmed": _sums(balance.confirmed, order.currency),
        "refunded_elsewhere": _sums(sum(balance.observed, Sums()), order.currency),
        "cancelled": _sums(balance.cancelled, order.currency),
        "open": _sums(balance.open, order.currency),
    }


def _sums(sums: Sums, currency: str) -> dict[str, Any]:
    return {
        "quantity": sums.quantity,
        "amount": shown(sums.amount, currency),
        "shipping_amount": shown(sums.shipping, currency),
    }


def _plain(row: Any, hidden: Sequence[str], *, parse: Sequence[str] = ()) -> dict[str, Any]:
    values = {name: value for name, value in row.items() if name not in hidden}
    values |= {name: orjson.loads(values[name]) for name in parse if values[name] is not None}
    money = ("amount", "shipping_amount")
    return values | {name: shown(values[name], row["currency"]) for name in money if name in values}


def _acting(router: APIRouter, runtime: Runtime) -> None:
    @router.post("/orders/{order_id}/refunds")
    async def refund(order_id: UUID, body: RefundBody, who: CanAct) -> dict[str, Any]:
        request_id = body.request_id or runtime.ids.new()
        async with runtime.transactions.begin() as tx:
            made = await _refund(tx, order_id, body, request_id, who.login)
        return {
            "refund_id": made.refund_id,
            "order_id": order_id,
            "state": made.state,
            "lines": [line.model_dump(mode="json") for line in made.lines],
        }

    @router.post("/orders/{order_id}/cancellation")
    async def cancel(order_id: UUID, body: CancellationBody, who: CanAct) -> dict[str, Any]:
        request_id = body.request_id or runtime.ids.new()
        async with runtime.transactions.begin() as tx:
            return await _cancel(tx, order_id, body, request_id, who.login)


async def _open(tx: Tx, order_id: UUID) -> tuple[Desk, Order]:
    desk = await open_desk(tx, [order_id])
    order = desk.orders.get(order_id)
    if order is None:
        raise _unknown(order_id)
    if order.fulfilled_by is FulfilledBy.MARKETPLACE:
        text = "The marketplace fulfils this order and gives money back itself."
        raise Problem("order-not-ours", "Fulfilled by the marketplace", 409, text)
    if desk.manifest(order) is None:
        raise Problem("connection-unknown", "Connection not known", 409, "The order's connection is not known yet.")
    return desk, order


async def _refund(tx: Tx, order_id: UUID, body: RefundBody, request_id: UUID, login: str) -> StoredRefund:
    desk, order = await _open(tx, order_id)
    refund_id = refund_id_for(order_id, request_id)
    known = next((each for each in desk.refunds[order_id] if each.refund_id == refund_id), None)
    if known is not None:
        return known
    await _check_return(tx, order_id, body.return_id)
    asks = _asks(desk, order, body)
    cause = Cause(tenant=order.tenant, traceparent=order.traceparent)
    desk.request(
        order,
        asks,
        refund_id=refund_id,
        return_id=body.return_id,
        refund_shipping=body.refund_shipping,
        requested_by=login,
        at=tx.now,
        cause=cause,
        is_test=order.is_test,
    )
    await desk.flush()
    if body.return_id is not None:
        causes = [*OWN_CAUSES, REFUND_REJECTED]
        parked = [parked_id_for(tx.service, "return", str(body.return_id), each) for each in causes]
        await resume(tx, parked, resolution="refunded by hand", actor=login, why=cause)
    await advance(tx, [order_id])
    return next(each for each in await store_work.refunds_of_orders(tx.conn, [order_id]) if each.refund_id == refund_id)


async def _check_return(tx: Tx, order_id: UUID, return_id: UUID | None) -> None:
    if return_id is None:
        return
    found = (await store_work.load_returns(tx.conn, [return_id])).get(return_id)
    if found is None or found.order_id != order_id:
        errors = [FieldError("#/return_id", "must be a return of this order")]
        raise Problem("return-unknown", "No such return", 422, "The order has no such return.", errors=errors)


def _asks(desk: Desk, order: Order, body: RefundBody) -> list[Ask]:
    rules, book = desk.rules(order), desk.books.of(order.order_id)
    names = [line.line_id for line in body.lines]
    repeated = [at for at, name in enumerate(names) if name in names[:at]]
    if repeated:
        errors = [FieldError(f"#/lines/{at}/line_id", "must not be repeated") for at in repeated]
        raise Problem("refund-invalid", "The refund is not possible", 422, "A line is given twice.", errors=errors)
    unknown = known_code(rules.refund_codes, "", body.reason_code)
    if unknown is not None:
        errors = [FieldError("#/reason_code", unknown.text)]
        raise Problem("refund-invalid", "The refund is not possible", 422, unknown.text, errors=errors)
    obstacles: list[Obstacle] = []
    asks: list[Ask] = []
    for line in body.lines:
        want = Want(line.line_id, line.quantity, line.amount, body.refund_shipping)
        result = price(order, book.get(line.line_id, Balance()), want, by_person=True)
        if isinstance(result, Ask):
            asks.append(with_code(result, body.reason_code))
        else:
            obstacles.append(result)
    obstacles = obstacles or fit_level(rules.level, order, book, asks)
    if obstacles:
        raise _impossible(obstacles, names, "refund")
    return asks


def _impossible(obstacles: Sequence[Obstacle], names: Sequence[str], what: str) -> Problem:
    """Wrong input is 422; what lies in the state of the order is 409. Every line's rule is named."""
    status = 422 if all(obstacle.cause in WRONG_INPUT for obstacle in obstacles) else 409
    errors = []
    for obstacle in obstacles:
        where = f"#/lines/{names.index(obstacle.line_id)}" if obstacle.line_id in names else "#"
        pointer = f"{where}/{obstacle.field}" if obstacle.field else where
        errors.append(FieldError(pointer, f"{obstacle.cause}: {obstacle.text}"))
    slug = f"{what}-{obstacles[0].cause.replace('_', '-')}"
    return Problem(slug, f"The {what} is not possible", status, obstacles[0].text, errors=errors)


async def _cancel(tx: Tx, order_id: UUID, body: CancellationBody, request_id: UUID, login: str) -> dict[str, Any]:
    desk, order = await _open(tx, order_id)
    cancellation_id = cancellation_id_for(order_id, order.connection_id, str(request_id))
    state = await _state(tx, cancellation_id)
    if state is None:
        wish = StoredCancellation(
            cancellation_id=cancellation_id,
            order_id=order_id,
            connection_id=order.connection_id,
            tenant=order.tenant,
            environment=order.environment.value,
            is_test=order.is_test,
            live=True,
            lines=tuple(LineQuantity(line_id=line.line_id, quantity=line.quantity) for line in body.lines),
            reason=body.reason,
            requested_by=login,
            requested_at=tx.now,
            state=OPEN,
            traceparent=order.traceparent,
            causation_id=None,
        )
        _check_cancellation(desk, order, wish)
        await store_work.insert_cancellations(tx.conn, [wish], tx.now)
        await advance(tx, [order_id])
        state = await _state(tx, cancellation_id)
    return {"cancellation_id": cancellation_id, "order_id": order_id, "state": state}


async def _state(tx: Tx, cancellation_id: UUID) -> str | None:
    state: str | None = await tx.conn.fetchval(
        "SELECT state FROM cancellations WHERE cancellation_id = $1", cancellation_id
    )
    return state


def _check_cancellation(desk: Desk, order: Order, wish: StoredCancellation) -> None:
    plan = plan_cancellation(desk, order, wish)
    if isinstance(plan, Over):
        raise Problem("cancellation-over", "Nothing to cancel", 409, plan.text)
    if isinstance(plan, Obstacle):
        raise _impossible([plan], [line.line_id for line in wish.lines], "cancellation")


def _unknown(order_id: UUID) -> Problem:
    return Problem("order-unknown", "No such order", 404, f"refund-service knows no order {order_id}.")
