"""What operators do about an order: each is asked of the service that owns it, written down, and its outcome said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console import store_orders, story_live
from ops_console.audit import audited
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.pages.orders_story import order_of
from ops_console.sessions import Session

Reason = Annotated[str, Form(min_length=3, max_length=500)]
UNITS = "units."
"""Fields `units.<line>` of a form hold how many units of a line are meant."""
MAX_UNITS = 1_000_000
ONE_LINE = "A shop's SKU names one line: choose a shop for an order of which one line waits, or link the SKUs."
VERDICTS = {
    "applied": "counts as done",
    "not_applied_resend": "is sent again",
    "not_applied_give_up": "is given up",
}

NOT_READ_ALONE = "order-not-read-alone"
"""What order-ingest answers where a connector reads listings only."""


def router(console: Console) -> APIRouter:
    """Actions on one order."""
    made = page_router(console, "/orders/{order_id}")
    operator = console.signed_in(Role.OPERATOR)
    _answer(made, console, operator)
    _settle(made, console, operator)
    _money(made, console, operator)
    _fetch(made, console, operator)
    _raw(made, console, operator)
    return made


async def act(
    console: Console,
    session: Session,
    order: Mapping[str, Any],
    action: str,
    detail: Mapping[str, Any],
    call: Callable[[], Awaitable[str]],
    *,
    target: str = "",
) -> Response:
    """Do it, write it down, and go back to the order with what came of it: `call` returns that in words."""
    order_id, to = order["order_id"], f"/orders/{order['order_id']}"
    try:
        async with audited(
            console.runtime,
            session.user,
            action,
            target or str(order["order_number"]),
            tenant=order["tenant"],
            order_id=order_id,
            detail=detail,
        ):
            words = await call()
    except Problem as problem:
        return await console.back(session, to, refusal(problem), failed=True)
    return await console.back(session, to, words)


def refusal(problem: Problem) -> str:
    """A service's refusal in its own words."""
    rules = "; ".join(error.detail for error in problem.errors if error.detail and error.detail not in problem.detail)
    return f"{problem.title}: {problem.detail}" + (f" ({rules})" if rules else "")


def _answer(made: APIRouter, console: Console, operator: Any) -> None:
    services = console.services

    @made.post("/decision")
    async def decide(
        order_id: UUID,
        decision: Annotated[Literal["accept", "refuse", "hold"], Form()],
        reason: Reason,
        session: Session = operator,
    ) -> Response:
        order = await order_of(console, session, order_id)

        async def call() -> str:
            body = {"decision": decision, "reason": reason}
            await services.post(session.user, "order-acceptance", f"/v1/orders/{order_id}/decision", body)
            told = "It stays open, and its clock runs on." if decision == "hold" else "The marketplace is told next."
            return f"Decided: {decision}. {told}"

        return await act(console, session, order, f"order_{decision}", {"reason": reason}, call)

    @made.post("/reroute")
    async def reroute(
        order_id: UUID,
        reason: Reason,
        shop: Annotated[str, Form(max_length=40)] = "",
        shop_sku: Annotated[str, Form(max_length=200)] = "",
        session: Session = operator,
    ) -> Response:
        order = await order_of(console, session, order_id)
        chosen, sku = await _shop_of(console, session, order, shop), shop_sku.strip()

        async def call() -> str:
            lines = await _lines_of(console, session, order_id) if chosen else []
            if sku and len(lines) != 1:
                raise Problem("sku-of-one-line", "Not routed", 422, ONE_LINE)
            choice = {"shop_connection_id": chosen} | ({"shop_sku": sku} if sku else {})
            body = {"reason": reason, "lines": [{"line_id": line} | choice for line in lines]}
            answer = await services.post(session.user, "order-router", f"/v1/orders/{order_id}/reroute", body)
            waits = len(answer["waiting"])
            return f"{waits} line(s) still wait." if waits else "Routed; the shop gets the order next."

        detail = {"reason": reason, "shop": chosen, "shop_sku": sku}
        return await act(console, session, order, "order_reroute", detail, call)

    @made.post("/shop-orders/{route_id}/resend")
    async def resend(order_id: UUID, route_id: UUID, session: Session = operator) -> Response:
        order = await order_of(console, session, order_id)
        if not await story_live.routes_belong(services, session.user, order_id, route_id):
            raise _elsewhere("shop order")

        async def call() -> str:
            await services.post(session.user, "shop-gateway", f"/v1/shop-orders/{route_id}/resend")
            return "The order is sent to the shop again."

        return await act(console, session, order, "shop_order_resend", {"route_id": route_id}, call)


def _settle(made: APIRouter, console: Console, operator: Any) -> None:
    services = console.services

    @made.post("/parked/{parked_id}/close")
    async def close(order_id: UUID, parked_id: UUID, resolution: Reason, session: Session = operator) -> Response:
        order = await order_of(console, session, order_id)
        item = await _waiting(console, session, order_id, "parked_id", parked_id)

        async def call() -> str:
            path = f"/v1/operations/parked/{parked_id}/close"
            await services.post(session.user, item["owner"], path, {"resolution": resolution})
            return f"Closed: {str(item['cause']).replace('_', ' ')}. Nothing waits for it any more."

        detail = {"cause": item["cause"], "owner": item["owner"], "resolution": resolution}
        return await act(console, session, order, "parked_close", detail, call)

    @made.post("/doubts/{effect_id}/settle")
    async def settle(
        order_id: UUID,
        effect_id: UUID,
        verdict: Annotated[Literal["applied", "not_applied_resend", "not_applied_give_up"], Form()],
        evidence: Annotated[str, Form(min_length=3, max_length=1000)],
        session: Session = operator,
    ) -> Response:
        order = await order_of(console, session, order_id)
        doubt = await _waiting(console, session, order_id, "effect_id", effect_id)

        async def call() -> str:
            path = f"/v1/operations/effects/{effect_id}/settle"
            await services.post(session.user, doubt["owner"], path, {"verdict": verdict, "evidence": evidence})
            return f"No longer in doubt: the {doubt['kind']} {VERDICTS[verdict]}."

        detail = {"kind": doubt["kind"], "owner": doubt["owner"], "verdict": verdict, "evidence": evidence}
        return await act(console, session, order, "doubt_settle", detail, call)


def _money(made: APIRouter, console: Console, operator: Any) -> None:
    services = console.services

    @made.post("/refund")
    async def refund(
        request: Request,
        order_id: UUID,
        reason_code: Annotated[str, Form(min_length=1, max_length=100)],
        request_id: Annotated[UUID, Form()],
        refund_shipping: Annotated[bool, Form()] = False,
        session: Session = operator,
    ) -> Response:
        order, lines = await order_of(console, session, order_id), read_units(await request.form())
        if not lines:
            return await console.back(session, f"/orders/{order_id}", "Say how many units to refund.", failed=True)
        body = {
            "lines": lines,
            "reason_code": reason_code,
            "refund_shipping": refund_shipping,
            "request_id": request_id,
        }

        async def call() -> str:
            answer = await services.post(session.user, "refund-service", f"/v1/orders/{order_id}/refunds", body)
            money = " + ".join(str(line["amount"]) for line in answer["lines"])
            return f"Refund entered: {money} {order['currency']}. The marketplace is asked next."

        return await act(console, session, order, "order_refund", body, call)

    @made.post("/cancel")
    async def cancel(
        request: Request,
        order_id: UUID,
        request_id: Annotated[UUID, Form()],
        reason: Annotated[str, Form(max_length=200)] = "",
        session: Session = operator,
    ) -> Response:
        order, lines = await order_of(console, session, order_id), read_units(await request.form())
        body = {"lines": lines, "reason": reason.strip() or None, "request_id": request_id}

        async def call() -> str:
            answer = await services.post(session.user, "refund-service", f"/v1/orders/{order_id}/cancellation", body)
            what = f"{sum(line['quantity'] for line in lines)} units" if lines else "the whole order"
            return f"Cancellation of {what} entered ({answer['state']}). The marketplace is asked next."

        return await act(console, session, order, "order_cancel", body, call)


def _fetch(made: APIRouter, console: Console, operator: Any) -> None:
    services = console.services

    @made.post("/fetch")
    async def fetch(order_id: UUID, session: Session = operator) -> Response:
        """Read this one order anew; where its connector reads listings only, the whole connection is polled."""
        order = await order_of(console, session, order_id)
        detail = {"connection_id": order["connection_id"]}

        async def call() -> str:
            try:
                answer = await services.post(session.user, "order-ingest", f"/v1/orders/{order_id}/read")
            except Problem as problem:
                if problem.slug != NOT_READ_ALONE:
                    raise
            else:
                return str(answer["then"])
            number, tenant = str(order["order_number"]), order["tenant"]
            async with audited(
                console.runtime, session.user, "poll_now", number, tenant=tenant, order_id=order_id, detail=detail
            ):
                await services.post(session.user, "order-ingest", f"/v1/pollers/{order['connection_id']}/run")
            return "This marketplace gives no single orders: it is asked for all that changed; news appear soon."

        return await act(console, session, order, "order_read", detail, call)


def _raw(made: APIRouter, console: Console, operator: Any) -> None:
    services = console.services

    @made.post("/raw")
    async def raw(request: Request, order_id: UUID, session: Session = operator) -> Response:
        """The marketplace's own bytes hold the buyer's data: shown once, on this page, and kept nowhere."""
        order = await order_of(console, session, order_id)
        async with audited(
            console.runtime,
            session.user,
            "raw_revealed",
            order["order_number"],
            tenant=order["tenant"],
            order_id=order_id,
        ):
            answer = await services.get(session.user, "order-ingest", f"/v1/orders/{order_id}/raw?limit=20")
        return await console.page(request, session, "order_raw.html", {"order": order, "snapshots": answer["items"]})


async def _waiting(
    console: Console, session: Session, order_id: UUID, key: Literal["parked_id", "effect_id"], wanted: UUID
) -> dict[str, Any]:
    """The parked item or doubt of this order. Raises `Problem` 404 for one of another order or tenant."""
    async with console.runtime.pool.acquire() as conn:
        parked, doubts = await store_orders.waiting_of(conn, order_id)  # type: ignore[arg-type]
    for item in parked if key == "parked_id" else doubts:
        if item[key] == wanted:
            return item
    raise _elsewhere("parked item" if key == "parked_id" else "effect in doubt")


async def _shop_of(console: Console, session: Session, order: Mapping[str, Any], shop: str) -> str:
    """The shop that was chosen; it must be one of the order's tenant. Raises `Problem`."""
    if not shop:
        return ""
    found = await console.runtime.pool.fetchval(
        "SELECT true FROM connections WHERE connection_id::text = $1 AND tenant = $2 AND body ->> 'kind' = 'shop'",
        shop,
        order["tenant"],
    )
    if not found:
        raise Problem("connection-unknown", "No such shop", 404, "The order's tenant has no such shop.")
    return shop


async def _lines_of(console: Console, session: Session, order_id: UUID) -> list[str]:
    """Lines of the order that wait to be routed."""
    answer = await console.services.get(session.user, "order-router", f"/v1/orders/{order_id}")
    return list(dict.fromkeys(wait["line_id"] for wait in answer["waiting"] if wait["line_id"]))


def read_units(form: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines × units of a form; fields left empty or at 0 are not meant. Raises `Problem` 422 naming the line."""
    lines = []
    for name, value in form.items():
        if not name.startswith(UNITS) or not isinstance(value, str) or value.strip() in ("", "0"):
            continue
        text = value.strip()
        if not (text.isascii() and text.isdigit()) or int(text) > MAX_UNITS:
            raise Problem("invalid", "That cannot be read", 422, f"{name.removeprefix(UNITS)}: units must be a number.")
        lines.append({"line_id": name.removeprefix(UNITS), "quantity": int(text)})
    return lines


def _elsewhere(what: str) -> Problem:
    return Problem("not-of-this-order", f"No such {what}", 404, f"This order has no such {what} any more.")
