"""The wire: builds calls with key and integrator name, reads answers. Decides nothing.

Three path families exist and must not be confused: `/orders/v1/…` (orders), `/api/v1|v2/…` (offers, documents) and
`/product-catalog/…`, which is not used here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from connector_kit.capabilities import ConnectionContext
from connector_kit.http import Answer, BadAnswer, Call, FilePart, NotSent
from connector_manomano.hours import keeps_hours, opens_at
from connector_manomano.settings import Settings

ORDERS = "/orders/v1/orders"
ACCEPT = "/orders/v1/accept-orders"
REFUSE = "/orders/v1/refuse-orders"
SHIPPINGS = "/orders/v1/shippings"
OFFERS_PATCH = "/api/v2/offer-information/offers"
OFFERS_READ = "/api/v1/offer-information/offers"
OFFERS_PUT = "/api/v1/offers"
OFFERS_UNFREEZE = "/api/v1/offer-information/offers-unfreeze"

KEY_REFUSED = frozenset({401, 403})
"""The gateway refuses key or contract: the connection needs attention, the order is not to blame."""
ATTENTION_SECONDS = 900.0
"""Wait before the next try where a person has to repair the connection first."""
QUOTA_SECONDS = 60.0
"""Wait after a 429 that does not say how long (the gateway normally does)."""
MAX_REASON = 500


class Headers(dict[str, str]):
    """Headers whose values never show in a repr: a `Call` may end up in a log or an assertion message."""

    def __repr__(self) -> str:
        return f"Headers({', '.join(sorted(self))})"

    __str__ = __repr__


class Client:
    """Calls of one connection. Errors of the HTTP caller pass through."""

    def __init__(self, context: ConnectionContext, settings: Settings) -> None:
        self._http = context.http
        self._lane = context.lane
        self._key = context.credentials["api_key"]
        self._clock = context.clock
        self._keeps_hours = keeps_hours(context, settings)
        self.settings = settings

    def hide(self, words: str) -> str:
        """Text from outside made fit for outcomes: without the key, without NUL, cut."""
        key = self._key.get_secret_value().strip()
        return words.replace(key, "***").replace("\x00", "")[:MAX_REASON] if key else words[:MAX_REASON]

    async def call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        body: Any = None,
        parts: Sequence[FilePart] = (),
        idempotent: bool = False,
    ) -> Answer:
        """Make one call. The content type of a multipart body is left to the caller, or its boundary would be lost.

        Raises `NotSent` with the wait until it opens when the sandbox is closed.
        """
        self._check_hours()
        headers = Headers(
            {
                "x-api-key": self._key.get_secret_value().strip(),
                "x-thirdparty-name": self.settings.thirdparty_name,
                "accept": "application/json",
            }
        )
        return await self._http.call(
            Call(operation, method, path, tuple(params), headers, body, None, tuple(parts), idempotent, self._lane)
        )

    def _check_hours(self) -> None:
        now = self._clock.now()
        opening = opens_at(now) if self._keeps_hours else None
        if opening is not None:
            wait = (opening - now).total_seconds()
            raise NotSent(f"the sandbox is closed until {opening:%Y-%m-%dT%H:%M:%SZ}; nothing was sent", wait)

    async def read(self, operation: str, path: str, params: Sequence[tuple[str, str]]) -> Answer:
        """A GET that must give 200 or an application's 404. Raises `CallError` for everything else.

        A 429 raises `NotSent` with the wait it asks for, so that the caller of a read learns when to come back.
        """
        answer = await self.call(operation, "GET", path, params=params, idempotent=True)
        if answer.status == 200 or (answer.status == 404 and says_not_found(answer)):
            return answer
        if answer.status == 429:
            raise NotSent(f"HTTP 429: {self.explain(answer)}", answer.retry_after or QUOTA_SECONDS)
        hint = "; key or contract refused, the connection needs attention" if answer.status in KEY_REFUSED else ""
        raise BadAnswer(f"HTTP {answer.status}: {self.explain(answer)}{hint}")

    async def list_orders(self, operation: str, params: Sequence[tuple[str, str]]) -> Answer:
        """One page of orders of the connection's contract."""
        return await self.read(operation, ORDERS, [self._contract(), *params])

    async def one_order(self, operation: str, reference: str) -> Answer:
        """One order: 200, or 404 when the contract does not hold it."""
        return await self.read(operation, f"{ORDERS}/{quote(reference, safe='')}", [self._contract()])

    async def read_offers(self, operation: str, skus: Sequence[str], *, online: bool, page: int, limit: int) -> Answer:
        """One page of offers that are online, or that are not: without `offer_online` the list may be incomplete."""
        params = [self._contract(), ("offer_online", str(online).lower()), ("page", str(page)), ("limit", str(limit))]
        return await self.read(operation, OFFERS_READ, [*params, *([("skus", ",".join(skus))] if skus else [])])

    async def put_offers(self, bodies: Sequence[Any]) -> Answer:
        """Create or replace offers."""
        return await self.call(
            "publish_offers", "PUT", OFFERS_PUT, params=[self._contract()], body=list(bodies), idempotent=True
        )

    async def upload(self, reference: str, parts: Sequence[FilePart]) -> Answer:
        """Upload one document of an order."""
        path = f"/api/v1/orders/{quote(reference, safe='')}/documents"
        return await self.call("upload_invoice", "POST", path, params=[self._contract()], parts=parts)

    def _contract(self) -> tuple[str, str]:
        return "seller_contract_id", str(self.settings.contract)

    def explain(self, answer: Answer) -> str:
        """What an error answer says, in any of its shapes; for people only, never to decide from."""
        if not answer.body.strip():
            return "no body"
        try:
            body = answer.json()
        except (BadAnswer, RecursionError):
            kind = answer.headers.get("content-type", "unknown type")
            return self.hide(f"not JSON ({kind})")
        return self.hide(error_text(body))


def error_text(body: Any) -> str:
    """Text of `{"message"}` (gateway), `{"error": {"app_code", "message"}}` (application) or of anything else."""
    if isinstance(body, dict):
        error = body.get("error", body.get("Error"))
        if isinstance(error, dict):
            return " ".join(str(error[name]) for name in ("app_code", "message") if error.get(name))
        if isinstance(body.get("message"), str):
            return str(body["message"])
    return json.dumps(body, default=str, ensure_ascii=False)


def says_not_found(answer: Answer) -> bool:
    """Whether a 404 comes from the application (`error` member) and not from the gateway or a wrong path."""
    try:
        body = answer.json()
    except (BadAnswer, RecursionError):
        return False
    return isinstance(body, dict) and ("error" in body or "Error" in body)
