"""Routes of pages: whatever goes wrong, a person gets a page in plain words and a script gets problem details."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hub_common.web import FieldError, Problem
from ops_console.console import Console

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def page_router(console: Console, prefix: str = "") -> APIRouter:
    """A router whose errors are pages. Its routes are no part of the API's description."""

    class PageRoute(APIRoute):
        """Turns problems into pages for browsers."""

        def get_route_handler(self) -> Handler:
            """The handler with errors caught."""
            inner = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await inner(request)
                except Problem as problem:
                    return await _shown(console, request, problem)
                except RequestValidationError as error:
                    return await _shown(console, request, _as_problem(error))
                except HTTPException as error:
                    words = HTTPStatus(error.status_code).phrase
                    return await _shown(console, request, Problem("http", words, error.status_code))

            return handle

    return APIRouter(prefix=prefix, route_class=PageRoute, include_in_schema=False)


def wants_page(request: Request) -> bool:
    """A browser going somewhere, not a script asking for data."""
    return "text/html" in request.headers.get("accept", "") and "x-csrf-token" not in request.headers


async def _shown(console: Console, request: Request, problem: Problem) -> Response:
    if problem.status in (301, 302, 303, 307) or not wants_page(request):
        return problem.response(request.url.path)
    session = await console.session(request)
    return console.render(request, session, "error.html", {"problem": problem}, status=problem.status)


def _as_problem(error: RequestValidationError) -> Problem:
    errors = [
        FieldError("/".join(map(str, item["loc"][1:])) or "form", str(item["msg"]).removeprefix("Value error, "))
        for item in error.errors()
    ]
    return Problem("invalid", "That cannot be read", 422, "Some of what was entered breaks a rule.", errors=errors)
