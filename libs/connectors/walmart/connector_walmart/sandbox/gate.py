"""What every simulated call passes: the token and faults on the way in, faults on the way out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from connector_kit.simulator import hang
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute

ACCOUNT = ("walmart-sandbox-id", "walmart-sandbox-secret")
FAULTS = (
    "rate_limited",  # 429 with Retry-After; nothing is applied
    "error_before",  # 500; nothing is applied
    "error_after",  # 500; it was applied
    "timeout_before",  # no answer; nothing is applied
    "timeout_after",  # no answer; it was applied
    "html",  # 200 with a proxy's page; nothing is applied
)


def refused(status: int, code: str, wait_until: int = 0) -> JSONResponse:
    """An error as the API shows it. A 429 says when the next call is free, in milliseconds since 1970."""
    told = {"code": code, "field": "data", "description": "refused", "severity": "ERROR", "category": "DATA"}
    headers = {"x-current-token-count": "0", "x-next-replenish-time": str(wait_until)} if wait_until else None
    return JSONResponse({"errors": [told]}, status, headers)


class Gate(APIRoute):
    """The edge of the simulated API. Faults name operations as the manifest does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`. A route's operation is its name, or what the simulator calls its `{what}`."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            sandbox: Any = request.app.state.sandbox
            operation = sandbox.operations.get(request.path_params.get("what"), self.name)
            strikes = sandbox.faults.strikes
            if not {"wm_qos.correlation_id", "wm_svc.name"} <= set(request.headers.keys()):
                return refused(400, "MISSING_REQUEST_HEADER.GMP_GATEWAY_API")
            if operation != "token" and not sandbox.knows_token(request.headers.get("wm_sec.access_token", "")):
                return refused(401, "UNAUTHORIZED.GMP_GATEWAY_API")
            if strikes("timeout_before", operation):
                return await hang()
            if strikes("rate_limited", operation):
                return refused(429, "REQUEST_THRESHOLD_VIOLATED.GMP_GATEWAY_API", sandbox.milliseconds() + 7_000)
            if strikes("error_before", operation):
                return refused(500, "SYSTEM_ERROR.GMP_GATEWAY_API")
            if strikes("html", operation):
                return HTMLResponse("<title>One moment</title>")
            answer = await handle(request)
            if strikes("timeout_after", operation):
                return await hang()
            return refused(500, "SYSTEM_ERROR.GMP_GATEWAY_API") if strikes("error_after", operation) else answer

        return guarded
