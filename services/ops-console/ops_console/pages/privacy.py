"""Privacy: find a buyer's orders, see who holds what, give it out, erase it: by person, order, tenant and age.

Names are typed into a form and sent by POST, so that they stand in no address, no history and no log.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Problem, Role
from ops_console import privacy
from ops_console.audit import audited
from ops_console.buyer_terms import TermKeys
from ops_console.console import PAGE_HEADERS, Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session

Ids = Annotated[list[UUID], Form(min_length=1, max_length=privacy.MOST)]
Reason = Annotated[str, Form(min_length=3, max_length=500)]
ERASURE = "/v1/tenants/{}/erase-customers"


def router(console: Console) -> APIRouter:
    """Pages for admins only."""
    made = page_router(console, "/privacy")
    admin = console.signed_in(Role.ADMIN)
    _finding(made, console, admin)
    _orders(made, console, admin)
    _tenant(made, console, admin)
    return made


def _finding(made: APIRouter, console: Console, admin: Any) -> None:
    keys = TermKeys.parse(console.settings.credentials_keys)

    @made.get("")
    async def start(request: Request, session: Session = admin) -> Response:
        return await console.page(request, session, "privacy.html", await _context(console, session))

    @made.post("/find")
    async def find(
        request: Request, text: Annotated[str, Form(min_length=2, max_length=120)], session: Session = admin
    ) -> Response:
        user, asked = session.user, text.replace("\x00", "").strip()
        async with audited(console.runtime, user, "buyer_searched", "privacy"):
            async with console.runtime.pool.acquire() as conn:
                now = console.runtime.clock.now()
                orders = await privacy.find(conn, keys, asked, user.tenant_filter, now)  # type: ignore[arg-type]
                digests = await privacy.digests_of(conn, [o["order_id"] for o in orders])  # type: ignore[arg-type]
            held = await privacy.look(console.services, user, orders)
        context = await _context(console, session)
        return console.render(
            request, session, "privacy.html", context | {"asked": asked, "held": held, "digests": digests}
        )


def _orders(made: APIRouter, console: Console, admin: Any) -> None:
    @made.post("/export")
    async def export(order_id: Ids, session: Session = admin) -> Response:
        orders = await _picked(console, session, order_id)
        async with AsyncExitStack() as stack:
            for order in orders:
                await stack.enter_async_context(_audit(console, session, "buyer_exported", order, {}))
            found = await privacy.export(console.services, session.user, orders)
        told = {"exported_at": console.runtime.clock.now(), "exported_by": session.user.login, "orders": found}
        headers = {**PAGE_HEADERS, "content-disposition": 'attachment; filename="personal-data.json"'}
        return Response(orjson.dumps(told, option=orjson.OPT_INDENT_2, default=str), 200, headers, "application/json")

    @made.post("/erase")
    async def erase(
        order_id: Ids, reason: Reason, even_if_open: Annotated[bool, Form()] = False, session: Session = admin
    ) -> Response:
        body = {"reason": reason.strip(), "even_if_open": even_if_open}
        done, refused = 0, []
        for order in await _picked(console, session, order_id):
            path = f"/v1/orders/{order['order_id']}/erase-customer"
            try:
                async with _audit(console, session, "buyer_erased", order, body):
                    await console.services.post(session.user, "order-ingest", path, body)
                done += 1
            except Problem as problem:
                refused.append(f"{order['order_number']}: {problem.detail or problem.title}")
        words = f"The buyers of {done} orders are erased; every service forgets them within seconds."
        return await console.back(session, "/privacy", " ".join([words, *refused]), failed=bool(refused))


def _tenant(made: APIRouter, console: Console, admin: Any) -> None:
    @made.post("/tenant")
    async def of_tenant(
        request: Request,
        tenant: Annotated[str, Form(max_length=200)],
        older_than_days: Annotated[int, Form(ge=1, le=3650)],
        reason: Reason,
        sure: Annotated[bool, Form()] = False,
        session: Session = admin,
    ) -> Response:
        context = await _context(console, session)
        if tenant not in context["tenants"]:
            raise Problem("tenant-unknown", "No such tenant", 404, "Choose one that is shown.")
        body = {"older_than_days": older_than_days, "reason": reason.strip(), "dry_run": not sure}
        action, path = "buyers_erased" if sure else "buyers_counted", ERASURE.format(tenant)
        try:
            async with audited(console.runtime, session.user, action, tenant, tenant=tenant, detail=body):
                plan = await console.services.post(session.user, "order-ingest", path, body)
        except Problem as problem:
            return await console.back(session, "/privacy", problem.detail or problem.title, failed=True)
        if sure:
            words = f"The buyers of {plan['orders']} orders are being erased, in batches. Open orders keep theirs."
            return await console.back(session, "/privacy", words)
        return console.render(request, session, "privacy.html", context | {"plan": plan | body})


async def _context(console: Console, session: Session) -> dict[str, Any]:
    rows = await console.runtime.pool.fetch("SELECT DISTINCT tenant FROM connections ORDER BY tenant")
    tenants = [row["tenant"] for row in rows if session.user.sees(row["tenant"])]
    return {"tenants": tenants, "asked": "", "held": None, "digests": {}, "plan": None, "owners": privacy.OWNERS}


async def _picked(console: Console, session: Session, order_ids: list[UUID]) -> list[dict[str, Any]]:
    async with console.runtime.pool.acquire() as conn:
        return await privacy.picked(conn, order_ids, session.user.tenant_filter)  # type: ignore[arg-type]


def _audit(console: Console, session: Session, action: str, order: dict[str, Any], detail: dict[str, Any]) -> Any:
    return audited(
        console.runtime,
        session.user,
        action,
        order["order_number"],
        tenant=order["tenant"],
        order_id=order["order_id"],
        detail=detail,
    )
