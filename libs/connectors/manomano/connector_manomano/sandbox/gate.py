"""What every simulated call passes: key, quota and faults on the way in, faults after the effect on the way out.

The gateway speaks `{"message": …}`, the application `{"error": {"app_code", "message"}}`; both shapes reach clients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector_kit.exact_json import exact_json
from connector_kit.simulator import Faults, hang
from connector_manomano.hours import opens_at
from connector_manomano.sandbox.world import World

FAULTS: Mapping[str, str] = {
    "rate_limit_gateway": '429 of the gateway: header Retry-After, body {"message": …}; nothing is applied',
    "rate_limit_cloudflare": "429 of Cloudflare: retry_after and error_code 1015 in the body, no header",
    "error_500_before_effect": "500 before anything is applied",
    "error_500_after_accept": "500 after an accept or refuse was applied",
    "error_500_after_effect": "500 after any effect was applied",
    "timeout_after_effect": "no answer after the effect was applied (accept, refuse, ship, refund, set_offers, …)",
    "missing_item_207": "the effect is applied to all, and the mixed answer leaves out the first item",
    "item_500": "mixed answer in which the first item says 500 and is not applied",
    "string_amounts": "amounts of orders are texts",
    "null_address": "orders without addresses",
    "unknown_status": "orders in a status that is not in the documentation",
    "sandbox_closed": "the environment is outside of its opening hours: 503 [assumed]",
    "page_shift": "from the second page on: an order of the first page moves to the end of the listing in between",
    "html_answer": "200 with an HTML page of a proxy instead of the answer; nothing is applied",
}
"""Every fault by name. All are scoped by operation: list_orders, read_order, accept, refuse, ship, refund,
set_offers, put_offers, unfreeze, read_offers, upload_invoice."""

QUOTA_WINDOW = 3600
QUOTA_EXTRA_SECONDS = 5
"""The published gateway plug-in adds this to the rest of the window by default."""
FAULT_RETRY_SECONDS = 7


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; 204 has no body at all."""
    if status == 204:
        return Response(status_code=204)
    return Response(exact_json(body), status, dict(headers or {}), "application/json")


def gateway(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal by the edge."""
    return answer(status, {"message": message}, headers)


def refused(status: int, app_code: str, message: str) -> Response:
    """A refusal of the whole request by the application."""
    return answer(status, {"error": {"app_code": app_code, "message": message}})


class Gate:
    """The edge of the simulated API."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults
        self._used: dict[tuple[str, int], int] = {}

    def clear(self) -> None:
        """Forget the counted calls."""
        self._used.clear()

    def enter(self, request: Request, operation: str) -> Response | None:
        """The answer that stops this call, None when it may pass."""
        key = request.headers.get("x-api-key", "")
        if key not in self.world.settings.api_keys:
            return gateway(401, "Unauthorized")
        over = self._over_quota(key)
        if over is not None:
            return over
        if self.faults.strikes("rate_limit_gateway", operation):
            return gateway(429, "Too Many Requests", {"Retry-After": str(FAULT_RETRY_SECONDS)})
        if self.faults.strikes("rate_limit_cloudflare", operation):
            return answer(429, {"error_code": 1015, "retry_after": FAULT_RETRY_SECONDS, "title": "Error 1015"})
        if self._outside_hours() or self.faults.strikes("sandbox_closed", operation):
            return gateway(503, "Sandbox is closed")
        if self.faults.strikes("html_answer", operation):
            return Response("<!doctype html><title>One moment</title>", 200, media_type="text/html")
        if self.faults.strikes("error_500_before_effect", operation):
            return refused(500, "INTERNAL", "internal error")
        return None

    def _outside_hours(self) -> bool:
        return self.world.settings.keeps_hours and opens_at(self.world.clock.now()) is not None

    def _over_quota(self, key: str) -> Response | None:
        limit = self.world.settings.quota_per_hour
        if limit == 0:
            return None
        now = int(self.world.clock.now().timestamp())
        window = now // QUOTA_WINDOW
        used = self._used.get((key, window), 0)
        if used >= limit:
            wait = (window + 1) * QUOTA_WINDOW - now + QUOTA_EXTRA_SECONDS
            return gateway(429, "Too Many Requests", {"Retry-After": str(wait)})
        self._used = {(key, window): used + 1} | {k: v for k, v in self._used.items() if k[1] == window and k[0] != key}
        return None

    async def leave(self, operation: str, good: Response) -> Response:
        """The answer after the effect: `good`, unless a fault takes it away."""
        if self.faults.strikes("timeout_after_effect", operation):
            return await hang()
        if self.faults.strikes("error_500_after_effect", operation):
            return refused(500, "INTERNAL", "internal error")
        if operation in ("accept", "refuse") and self.faults.strikes("error_500_after_accept", operation):
            return refused(500, "INTERNAL", "internal error")
        return good

    def contract(self, request: Request) -> int | Response:
        """The contract of the query string, or the refusal: 403 for one that is not of this key."""
        given = request.query_params.get("seller_contract_id", "")
        if not given.isdecimal():
            return refused(400, "INVALID_PARAMETER", "seller_contract_id is required and must be an integer")
        if int(given) not in self.world.settings.contracts:
            return gateway(403, "You cannot consume this service")
        return int(given)


async def read_json(request: Request) -> Any:
    """The body with exact decimals, None when it is not JSON."""
    try:
        return json.loads(await request.body(), parse_float=Decimal)
    except ValueError:
        return None
