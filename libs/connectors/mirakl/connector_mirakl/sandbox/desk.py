"""The door of the simulated operator: key, shop, faults and error bodies, the same for every call.

Faults (operation names are those of the connector's manifest, `*` for all):

- `rate_limit`: 429 with `Retry-After`, nothing applied.
- `timeout_after_effect`: the effect takes place, the answer never comes.
- `error_500_after_effect`, `error_500_before_effect`: HTTP 500 with and without the effect.
- `html_answer`: a proxy's maintenance page with HTTP 200, nothing applied.
- `unknown_status`: OR11 shows a state that no document knows.
- `null_required`, `null_address`, `string_amounts`: OR11 shows orders with such values.
- `page_shift`: OR11, rows leave the list between two pages and come back in the next listing.
- `partial_acceptance_disabled`: OR21 refuses mixed decisions (ORDER_PARTIAL_ACCEPTANCE_DISABLED).
- `automatic_acceptance`: new orders are accepted by the platform; OR21 answers ORDER_INVALID_STATE.
- `debit_refused`: the buyer's payment fails after the acceptance, the order ends CANCELED.
- `st01_mixed`: the item ends in `shipment_errors`, not applied; `st01_missing_item`: applied, but in neither list.
- `multi_shipment_off`: ST calls answer 404 and PC01 says so.
- `shipment_left_open`: ST01 creates the shipment and leaves it SHIPPING, so that ST24 is needed.
- `export_failed`: the order export ends FAILED.
- `item_refused`, `item_missing`: the same in every answer that lists successes and errors (ST01, ST23, ST24, RT21,
  RT25, RT26): an item error without the effect; the effect, and the item is in neither list.
- `import_failed`: the import ends FAILED.
- `stale_import_id`: OF24 and OF01 answer a repeated request with the id of the earlier, finished import.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_kit.capabilities import Now
from connector_kit.simulator import Faults, Record, hang
from connector_mirakl.sandbox.clockwork import advance
from connector_mirakl.sandbox.options import SandboxSettings
from connector_mirakl.sandbox.world import SimOrder, World

FAULTS = (
    "rate_limit",
    "timeout_after_effect",
    "error_500_after_effect",
    "error_500_before_effect",
    "html_answer",
    "unknown_status",
    "null_required",
    "null_address",
    "string_amounts",
    "page_shift",
    "partial_acceptance_disabled",
    "automatic_acceptance",
    "debit_refused",
    "st01_mixed",
    "st01_missing_item",
    "multi_shipment_off",
    "shipment_left_open",
    "item_refused",
    "item_missing",
    "export_failed",
    "import_failed",
    "stale_import_id",
)
RETRY_AFTER = 60
SECONDS_BETWEEN = {"list_orders": 60, "set_stock": 60, "set_price": 60, "start_export": 300, "list_returns": 300}
"""Published frequencies (fact sheet 1.3), enforced with the setting `enforce_frequencies`."""
INTEGRATOR_SECONDS = {"list_orders": 900}
"""Where the integrators' contract differs (OR11, external partner)."""


class Problem(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Desk:
    """What all routes share."""

    world: World
    settings: SandboxSettings
    faults: Faults
    record: Record
    clock: Now
    hang: Callable[[], Awaitable[Response]] = field(default=hang)

    def now(self) -> datetime:
        """The injected present."""
        return self.clock.now()

    def advance(self) -> None:
        """Let time pass up to now."""
        advance(self.world, self.settings, self.record, self.now())

    def is_on(self, fault: str) -> bool:
        """Whether a fault that is a standing property is switched on; uses nothing up."""
        return any(rule.fault == fault for rule in self.faults.rules)

    def order(self, reference: str) -> SimOrder:
        """The order. Raises `Problem` 404."""
        order = self.world.orders.get(reference)
        if order is None:
            raise Problem(404, "ORDER_NOT_FOUND", f"The order '{reference}' does not exist")
        return order

    async def serve(self, request: Request, operation: str, work: Callable[[], Response]) -> Response:
        """Check the caller, let faults happen, do the work."""
        try:
            self._admit(request, operation)
            early = self._before(operation)
            answer = work() if early is None else early
        except Problem as problem:
            return self.problem(problem)
        if early is not None:
            return early
        if self.faults.strikes("timeout_after_effect", operation):
            return await self.hang()
        if self.faults.strikes("error_500_after_effect", operation):
            return self.problem(Problem(500, "INTERNAL_ERROR", "An unexpected error occurred"))
        return answer

    def _admit(self, request: Request, operation: str) -> None:
        if request.headers.get("authorization") != self.settings.api_key:
            raise Problem(401, "UNAUTHORIZED", "Unauthorized")
        shop = request.query_params.get("shop_id")
        if shop is not None and not shop.isdigit():
            raise Problem(400, "VALIDATION_ERROR", "shop_id must be an integer")
        if shop is not None and int(shop) != self.settings.shop_id:
            raise Problem(403, "FORBIDDEN", "The user has no access to this shop")
        if self.settings.enforce_frequencies and operation in SECONDS_BETWEEN:
            last = self.world.last_calls.get(operation)
            if last is not None and (self.now() - last).total_seconds() < self._seconds_between(operation):
                raise Problem(429, "TOO_MANY_REQUESTS", "Too many calls in the last hour")
            self.world.last_calls[operation] = self.now()

    def _seconds_between(self, operation: str) -> int:
        own = SECONDS_BETWEEN[operation]
        return INTEGRATOR_SECONDS.get(operation, own) if self.settings.call_contract == "integrator" else own

    def _before(self, operation: str) -> Response | None:
        if self.faults.strikes("rate_limit", operation):
            raise Problem(429, "TOO_MANY_REQUESTS", "Too many calls in the last hour")
        if self.faults.strikes("error_500_before_effect", operation):
            raise Problem(500, "INTERNAL_ERROR", "An unexpected error occurred")
        if self.faults.strikes("html_answer", operation):
            page = b"<!doctype html><html><body><h1>Maintenance</h1></body></html>"
            return Response(page, status_code=200, media_type="text/html")
        return None

    def problem(self, problem: Problem) -> Response:
        """An error body in the configured one of the known shapes (fact sheet 1.4)."""
        headers = {"Retry-After": str(RETRY_AFTER)} if problem.status == 429 else {}
        shape = self.settings.error_shape
        if shape == "empty":
            return Response(status_code=problem.status, headers=headers)
        body: dict[str, Any] = {"status": problem.status, "message": problem.message}
        if shape == "errors":
            body = {"errors": [{"field": "body", "message": problem.message}]}
        elif shape == "coded":
            body = {"code": problem.code, **body}
        return JSONResponse(body, status_code=problem.status, headers=headers)


async def read_body(request: Request) -> Any:
    """The JSON body with exact decimals; None when it is no JSON."""
    try:
        return json.loads(await request.body(), parse_float=Decimal)
    except ValueError:
        return None


def require(condition: bool, message: str, code: str = "VALIDATION_ERROR") -> None:
    """Answer 400 unless the condition holds."""
    if not condition:
        raise Problem(400, code, message)


def as_list(body: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects in the body. Raises `Problem` 400."""
    found = body.get(name) if isinstance(body, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(item, dict) for item in found):
        raise Problem(400, "VALIDATION_ERROR", f"'{name}' must be a non-empty list of objects")
    return found


def number(value: Any, name: str) -> Decimal:
    """A JSON number, 0 or more; text is refused as the real API does. Raises `Problem` 400."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
        raise Problem(400, "VALIDATION_ERROR", f"'{name}' must be a number that is not negative")
    return Decimal(value)
