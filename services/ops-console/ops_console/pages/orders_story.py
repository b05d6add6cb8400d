"""An order's story: what happened and why, as of now or as of any instant, and what can be done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from hub_contracts.status import OrderStatus
from ops_console import store, store_orders, story_live, story_view
from ops_console.audit import entries
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session
from ops_console.store_today import connections_of

CANCELLABLE = (OrderStatus.PENDING, OrderStatus.ACCEPTED, OrderStatus.PREPARATION)
REFUNDABLE = (OrderStatus.PREPARATION, OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.REFUNDING)


def router(console: Console) -> APIRouter:
    """The page of one order."""
    made = page_router(console)
    viewer = console.signed_in()

    @made.get("/orders/{order_id}")
    async def story(
        request: Request,
        order_id: UUID,
        as_of: Annotated[str, Query(max_length=40)] = "",
        step: Annotated[int | None, Query(ge=0, le=100_000)] = None,
        session: Session = viewer,
    ) -> Response:
        context = await _context(console, session, order_id, as_of, step)
        return await console.page(request, session, "order.html", context)

    return made


async def order_of(console: Console, session: Session, order_id: UUID) -> dict[str, Any]:
    """The order, when there is one and the person may see it. Raises `Problem` 404: which of the two is not told."""
    async with console.runtime.pool.acquire() as conn:
        order = await store_orders.order_for(conn, session.user, order_id)  # type: ignore[arg-type]
    if order is None:
        raise Problem("order-unknown", "No such order", 404, f"Nothing is known of order {order_id}.")
    return order


async def _context(console: Console, session: Session, order_id: UUID, as_of: str, step: int | None) -> dict[str, Any]:
    user = session.user
    order = await order_of(console, session, order_id)
    async with console.runtime.pool.acquire() as conn:
        events = await store.story_of(conn, order_id, None)  # type: ignore[arg-type]
        parked, doubts = await store_orders.waiting_of(conn, order_id)  # type: ignore[arg-type]
        known = await connections_of(conn, user.tenant_filter)  # type: ignore[arg-type]
        audit = await entries(conn, tenants=user.tenant_filter, order_id=order_id)  # type: ignore[arg-type]
    then = _instant(as_of, step, events)
    now = then or console.runtime.clock.now()
    line = story_view.tell([e for e in events if then is None or e["at"] <= then], _first(events))
    facts = story_view.facts(line, now)
    status, word = story_view.status_of(line) if then else (order["status"], order["marketplace_status"])
    live = None
    if then is None:
        live = await story_live.look(
            console.services, user, order, [each["offer_sku"] for each in facts["order"].get("lines", ())]
        )
    return {
        "order": order,
        "status": status,
        "word": word,
        "line": line,
        "picture": story_view.draw(line),
        "facts": facts,
        "told": story_view.told(line),
        "steps": story_view.steps(events, then),
        "as_of": then,
        "then": now,
        "later": len(events) - len(line),
        "live": live,
        "parked": parked if then is None else [],
        "doubts": doubts if then is None else [],
        "names": {key: one["label"] for key, one in known.items()},
        "shops": [one for one in known.values() if one["kind"] == "shop"],
        "audit": audit if then is None else [],
        "acts": user.may(Role.OPERATOR) and then is None,
        "may": _possible(status, facts, live) if then is None else {},
        "request_id": console.runtime.ids.new(),
    }


def _possible(status: str, facts: dict[str, Any], live: story_live.Live | None) -> dict[str, bool]:
    """Which actions make sense in this state; the owning service has the last word."""
    ledger = (live.ledger if live else None) or {"lines": []}
    refundable = any(line["open"]["quantity"] > 0 for line in ledger["lines"])
    return {
        "decide": status == OrderStatus.PENDING,
        "cancel": status in CANCELLABLE,
        "refund": status in REFUNDABLE and refundable,
        "reroute": status == OrderStatus.PREPARATION and not facts["routes"],
    }


def _first(events: list[dict[str, Any]]) -> datetime | None:
    return min((event["at"] for event in events), default=None)


def _instant(as_of: str, step: int | None, events: list[dict[str, Any]]) -> datetime | None:
    """The instant to look from; None = now."""
    if step is not None:
        instants = sorted({event["at"] for event in events})
        return instants[max(step, 1) - 1] if step < len(instants) and instants else None
    if not as_of:
        return None
    try:
        return story_view.read_instant(as_of)
    except ValueError:
        raise Problem("invalid", "That cannot be read", 422, "as_of: must be a date and time") from None
