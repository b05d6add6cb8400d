"""What people did with the console, newest first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Role
from ops_console.audit import entries
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session

PAGE = 100


def router(console: Console) -> APIRouter:
    """The audit log's page."""
    made = page_router(console)
    admin = console.signed_in(Role.ADMIN)

    @made.get("/audit")
    async def audit(
        request: Request,
        login: Annotated[str, Query(max_length=64)] = "",
        before: AwareDatetime | None = None,
        session: Session = admin,
    ) -> Response:
        async with console.runtime.pool.acquire() as conn:
            found = await entries(
                conn,  # type: ignore[arg-type]
                tenants=session.user.tenant_filter,
                login=login.strip() or None,
                before=before,
                limit=PAGE + 1,
            )
        context = {"entries": found[:PAGE], "more": len(found) > PAGE, "login": login}
        return await console.page(request, session, "audit.html", context)

    return made
