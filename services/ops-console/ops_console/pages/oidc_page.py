"""The two steps of signing in at the identity provider: going there, and coming back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub_common.web import Problem
from ops_console.console import PAGE_HEADERS, Console, own_path
from ops_console.oidc import Attempt, Provider, begin
from ops_console.pages.base import page_router
from ops_console.pages.sign_in import not_yet_known, welcome

ATTEMPT_COOKIE = "hub_sign_in"
ATTEMPT_SECONDS = 600
"""Ten minutes to type a password and a second factor."""
CALLBACK = "/oidc/callback"


def router(console: Console) -> APIRouter:
    """Routes of the sign-in; without `HUB_OIDC_ISSUER` they are not there."""
    made = page_router(console)
    if not console.settings.oidc_issuer:
        return made
    provider = Provider(console.settings, console.services.sender, console.runtime.clock)
    open_to_all = [Depends(not_yet_known)]

    @made.get("/oidc/start", dependencies=open_to_all)
    async def start(request: Request, next: Annotated[str, Query(max_length=2000)] = "/") -> Response:
        attempt = begin(own_path(next))
        answer = RedirectResponse(await provider.address(attempt, console.origin(request) + CALLBACK), 303)
        answer.headers.update(PAGE_HEADERS)
        answer.set_cookie(
            ATTEMPT_COOKIE,
            attempt.cookie(),
            max_age=ATTEMPT_SECONDS,
            path="/oidc",
            secure=console.secure(request),
            httponly=True,
            # The provider sends the browser back from its own site.
            samesite="lax",
        )
        return answer

    @made.get(CALLBACK, dependencies=open_to_all)
    async def callback(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
        attempt = Attempt.read(request.cookies.get(ATTEMPT_COOKIE, ""))
        if attempt is None or error or not code:
            words = "You did not sign in there." if error else "This sign-in took too long, or began elsewhere."
            raise Problem("sign-in-refused", "Sign-in refused", 403, f"{words} Begin again.")
        user = await provider.user(attempt, state, code, console.origin(request) + CALLBACK)
        answer = await welcome(console, request, user, attempt.to)
        answer.delete_cookie(ATTEMPT_COOKIE, path="/oidc")
        return answer

    return made
