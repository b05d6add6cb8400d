"""Orders: found by whatever somebody has in their hands, narrowed down, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub_common.web import Problem, Role
from hub_contracts.status import OrderStatus
from ops_console.buyer_terms import TermKeys
from ops_console.console import PAGE_HEADERS, Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session
from ops_console.store_orders import Wish, search
from ops_console.store_today import BUCKETS, connections_of

PAGE = 50
Deadline = Literal["", "missed", "below_1_h", "below_4_h", "below_1_day", "later"]
Optional = Annotated[str, Query(max_length=40)]


def router(console: Console) -> APIRouter:
    """The list."""
    made = page_router(console)
    viewer = console.signed_in()
    keys = TermKeys.parse(console.settings.credentials_keys)

    @made.get("/orders")
    async def orders(
        request: Request,
        q: Annotated[str, Query(max_length=120)] = "",
        status: Annotated[str, Query(max_length=20)] = "",
        connection_id: Optional = "",
        parked: bool = False,
        cause: Annotated[str, Query(max_length=100)] = "",
        doubt: bool = False,
        deadline: Deadline = "",
        since: Optional = "",
        until: Optional = "",
        tests: Literal["", "only", "with"] = "",
        cursor: Annotated[str, Query(max_length=100)] = "",
        session: Session = viewer,
    ) -> Response:
        user, text = session.user, q.replace("\x00", "").strip()
        wish = Wish(
            tenants=user.tenant_filter,
            text=text,
            # A hit tells that somebody of this name bought this: no more is shown to viewers than references tell.
            buyer=keys.of_question(text) if text and user.may(Role.OPERATOR) else (),
            status=status if status in OrderStatus.__members__ else "",
            connection_id=_uuid(connection_id),
            parked=parked,
            cause=cause,
            doubt=doubt,
            deadline=deadline,
            since=_day(since, "since"),
            until=_day(until, "until"),
            tests=tests,
            before=_cursor(cursor),
            limit=PAGE,
        )
        async with console.runtime.pool.acquire() as conn:
            found = await search(conn, wish, console.runtime.clock.now())  # type: ignore[arg-type]
            known = await connections_of(conn, user.tenant_filter)  # type: ignore[arg-type]
        if (
            text
            and len(found) == 1
            and wish == replace(Wish(user.tenant_filter), text=text, buyer=wish.buyer, limit=PAGE)
        ):
            return RedirectResponse(f"/orders/{found[0]['order_id']}", 303, PAGE_HEADERS)
        context = {
            "orders": found[:PAGE],
            "next": _next(request.query_params, found),
            "wish": wish,
            "connections": [one for one in known.values() if one["kind"] == "marketplace"],
            "statuses": list(OrderStatus.__members__),
            "deadlines": BUCKETS,
            "by_buyer": user.may(Role.OPERATOR),
        }
        return await console.page(request, session, "orders.html", context)

    return made


def _next(params: Mapping[str, Any], found: list[dict[str, Any]]) -> str:
    """Address of the page of older orders; empty when there are none."""
    if len(found) <= PAGE:
        return ""
    last = found[PAGE - 1]
    cursor = f"{last['created_at'].isoformat()}|{last['order_id']}"
    return "/orders?" + urlencode({**{k: v for k, v in params.items() if v and k != "cursor"}, "cursor": cursor})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise _invalid("connection_id", "must be the id of a connection") from None


def _day(text: str, name: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise _invalid(name, "must be a day, as 2026-03-02") from None


def _cursor(text: str) -> tuple[datetime, UUID] | None:
    if not text:
        return None
    at, _, order_id = text.partition("|")
    try:
        found = datetime.fromisoformat(at.replace(" ", "+"))
        if found.tzinfo is None:
            raise _invalid("cursor", "must be the one of the page before")
        return found, UUID(order_id)
    except ValueError:
        raise _invalid("cursor", "must be the one of the page before") from None


def _invalid(name: str, rule: str) -> Problem:
    return Problem("invalid", "That cannot be read", 422, f"{name}: {rule}")
