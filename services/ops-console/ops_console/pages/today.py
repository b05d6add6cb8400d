"""Today: what needs a person now, what will need one soon, and whether the hub itself keeps up."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import Role
from ops_console import store_today, today_view
from ops_console.console import Console
from ops_console.pages.base import page_router
from ops_console.sessions import Session
from ops_console.watch import Watch

REFRESH_SECONDS = 5


def router(console: Console) -> APIRouter:
    """The first page."""
    made = page_router(console)
    viewer = console.signed_in()
    watch = Watch(console.services)

    @made.get("/")
    async def today(request: Request, session: Session = viewer) -> Response:
        context = await _context(console, watch, session)
        return await console.page(request, session, "today.html", context)

    return made


async def _context(console: Console, watch: Watch, session: Session) -> dict[str, Any]:
    user, now = session.user, console.runtime.clock.now()
    async with console.runtime.pool.acquire() as conn:
        figures = await store_today.today(conn, user.tenant_filter, now)  # type: ignore[arg-type]
        known = await store_today.connections_of(conn, user.tenant_filter)  # type: ignore[arg-type]
    seen = await watch.look(user)
    clocks = today_view.clocks(figures["deadlines"], figures["tightest"], now)
    to_deadline = today_view.tightest(clocks)
    dead = today_view.letters(seen, words=user.tenants is None and user.may(Role.OPERATOR))
    budgets = today_view.budgets(seen, known)
    every = {key: float(one["poll_seconds"] or 300) for key, one in known.items()}
    open_now = sum(row["items"] for row in figures["parked"])
    return {
        "alarms": today_view.alarms(
            figures["parked"], figures["doubt_counts"], dead, clocks, len(figures["unexplained"]), now
        ),
        "matrix": today_view.matrix(figures["counts"]),
        "clocks": clocks,
        "to_deadline": to_deadline,
        "lags": today_view.lags(seen, to_deadline),
        "pollers": today_view.pollers(seen, known, every),
        "budgets": budgets[: today_view.BUDGETS_SHOWN],
        "more_budgets": max(0, len(budgets) - today_view.BUDGETS_SHOWN),
        "letters": dead,
        "charts": today_view.charts(figures["hours"], open_now, now),
        "seen": seen,
        "refresh_seconds": REFRESH_SECONDS,
        **{name: figures[name] for name in ("parked", "doubts", "unexplained", "heard_seconds")},
    }
