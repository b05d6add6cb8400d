"""Signing in with a local account, signing out, and choosing light or dark."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub_common.web import Problem, Role, authenticates
from ops_console.accounts import NOBODY, User, password_fits
from ops_console.audit import audited
from ops_console.console import PAGE_HEADERS, SIGN_IN, THEME_COOKIE, THEMES, Console, own_path
from ops_console.pages.base import page_router
from ops_console.sessions import Session, close_session, guessing, note_failure, open_session

YEAR_SECONDS = 365 * 86_400


@authenticates
def not_yet_known() -> None:
    """Who signs in cannot have signed in."""


def router(console: Console) -> APIRouter:
    """Routes around the session."""
    made = page_router(console)
    viewer = console.signed_in()
    open_to_all = [Depends(not_yet_known)]

    @made.get(SIGN_IN, dependencies=open_to_all)
    async def form(request: Request, next: str = "/") -> Response:
        if await console.session(request) is not None:
            return RedirectResponse(own_path(next), 303, PAGE_HEADERS)
        return _form(console, request, next, "")

    @made.post(SIGN_IN, dependencies=open_to_all)
    async def sign_in(
        request: Request,
        login: Annotated[str, Form(max_length=64)],
        password: Annotated[str, Form(max_length=256)],
        next: Annotated[str, Form(max_length=2000)] = "/",
    ) -> Response:
        if request.headers.get("origin", console.origin(request)) != console.origin(request):
            raise Problem("foreign-page", "Refused", 403, "The request came from another site's page.")
        now = console.runtime.clock.now()
        account = console.accounts.get(login)
        async with console.runtime.pool.acquire() as conn:
            if await guessing(conn, login, now):  # type: ignore[arg-type]
                return _form(console, request, next, "Too many wrong passwords. Wait a quarter of an hour.", 429)
            fits = await asyncio.to_thread(password_fits, password, account.password_hash if account else NOBODY)
            if account is None or not fits:
                await note_failure(conn, login, now)  # type: ignore[arg-type]
                return _form(console, request, next, "Login or password is wrong.", 401)
        return await welcome(console, request, account.user, next)

    @made.post("/sign-out")
    async def sign_out(request: Request, session: Session = viewer) -> Response:
        async with console.runtime.pool.acquire() as conn:
            await close_session(conn, session.key)  # type: ignore[arg-type]
        answer = RedirectResponse(SIGN_IN, 303, PAGE_HEADERS)
        answer.delete_cookie(console.cookie(request), path="/", secure=console.secure(request), httponly=True)
        return answer

    @made.post("/theme")
    async def theme(
        request: Request,
        choice: Annotated[str, Form()],
        back: Annotated[str, Form(max_length=2000)] = "/",
        session: Session = viewer,
    ) -> Response:
        answer = RedirectResponse(own_path(back), 303, PAGE_HEADERS)
        if choice in THEMES:
            answer.set_cookie(
                THEME_COOKIE, choice, max_age=YEAR_SECONDS, path="/", secure=console.secure(request), samesite="lax"
            )
        else:
            answer.delete_cookie(THEME_COOKIE, path="/")
        return answer

    return made


async def welcome(console: Console, request: Request, user: User, to: str) -> Response:
    """Open a session for somebody who proved who they are, and go on to where they wanted to."""
    async with audited(console.runtime, user, "sign_in", user.login), console.runtime.pool.acquire() as conn:
        token = await open_session(
            conn,  # type: ignore[arg-type]
            user,
            console.runtime.clock.now(),
            console.settings.session_hours,
        )
    answer = RedirectResponse(own_path(to), 303, PAGE_HEADERS)
    answer.set_cookie(
        console.cookie(request),
        token,
        max_age=console.settings.session_hours * 3600,
        path="/",
        secure=console.secure(request),
        httponly=True,
        # Not strict: a link in an alert's e-mail must open the order, not the sign-in page.
        samesite="lax",
    )
    return answer


def _form(console: Console, request: Request, to: str, error: str, status: int = 200) -> Response:
    context = {
        "next": own_path(to),
        "error": error,
        "local": bool(console.accounts),
        "oidc": bool(console.settings.oidc_issuer),
        "roles": [role.name.lower() for role in Role],
    }
    return console.render(request, None, "sign_in.html", context, status=status)
