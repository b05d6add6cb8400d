"""Today: what needs a person now, and what will."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ops_console import store
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session


def router(console: Console) -> APIRouter:
    """The first page."""
    made = page_router(console)
    viewer = console.signed_in()

    @made.get("/")
    async def today(request: Request, session: Session = viewer) -> Response:
        now = console.runtime.clock.now()
        async with console.runtime.pool.acquire() as conn:
            figures = await store.today(conn, now)  # type: ignore[arg-type]
        return await console.page(request, session, "today.html", {"figures": figures})

    return made
