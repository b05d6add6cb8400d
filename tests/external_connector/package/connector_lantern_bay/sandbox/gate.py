"""What every simulated call passes: the token and faults on the way in, faults on the way out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from connector_kit.simulator import hang
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute

ACCOUNT = ("lantern-bay-sandbox-id", "lantern-bay-sandbox-secret")
FAULTS = (
    "rate_limited",  # 429 with Retry-After; nothing is applied
    "error_before",  # 500; nothing is applied
    "error_after",  # 500; it was applied
    "timeout_before",  # no answer; nothing is applied
    "timeout_after",  # no answer; it was applied
    "html",  # 200 with a proxy's page; nothing is applied
)


def refused(status: int, code: str) -> JSONResponse:
    """An error of the API."""
    return JSONResponse({"error": {"code": code}}, status, {"retry-after": "7"} if status == 429 else None)


class Gate(APIRoute):
    """The edge of the simulated API. Faults name operations as the manifest does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`. A route's operation is its name, or what the simulator calls its `{what}`."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            sandbox: Any = request.app.state.sandbox
            operation = sandbox.operations.get(request.path_params.get("what"), self.name)
            strikes = sandbox.faults.strikes
            if operation != "token" and not sandbox.knows_token(request.headers.get("authorization", "")):
                return refused(401, "token_refused")
            if strikes("timeout_before", operation):
                return await hang()
            if strikes("rate_limited", operation):
                return refused(429, "too_many_requests")
            if strikes("error_before", operation):
                return refused(500, "internal")
            if strikes("html", operation):
                return HTMLResponse("<title>One moment</title>")
            answer = await handle(request)
            if strikes("timeout_after", operation):
                return await hang()
            return refused(500, "internal") if strikes("error_after", operation) else answer

        return guarded
