"""Lantern Bay in memory: what the API promises, with switches for what goes wrong (`gate.FAULTS` and `OWN_FAULTS`)."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import SandboxOptions
from connector_kit.simulator import Faults, Record, control_routes
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connector_lantern_bay.manifest import MANIFEST
from connector_lantern_bay.sandbox.gate import ACCOUNT, FAULTS, Gate, refused

OWN_FAULTS = (
    "page_shift",  # an order of the first page changes while the page is read
)
OPERATIONS = {"accept": "accept", "refuse": "accept", "parcels": "ship", "refunds": "refund"}
ANSWERS = {"accept": "accepted", "refuse": "refused"}
PARTS = {
    "parcels": ("ship", ("accepted", "shipped"), "shipped"),
    "refunds": ("refund", ("shipped", "delivered"), "refunded"),
}
"""Member of an order → kind in the record, statuses it is possible in, status when every unit is in one."""


class Settings(BaseModel):
    """Settings of one simulator."""

    model_config = ConfigDict(extra="forbid")
    client_id: str = ACCOUNT[0]
    client_secret: str = ACCOUNT[1]
    token_seconds: int = 900
    feed_seconds: int = 20
    """How long a feed is worked on."""


class Wishes(BaseModel):
    """Options of `create_orders`; what is not fixed is invented from the seed."""

    model_config = ConfigDict(extra="forbid")
    status: str = "new"
    created_at: AwareDatetime | None = None
    country: str = "FR"
    null_address: bool = False
    skus: list[dict[str, Any]] = Field(default=[])
    """Lines as `{sku, price, quantity?}`."""


@dataclass
class Feed:
    """Quantities that were handed over; results are empty until they have been worked on."""

    offers: list[dict[str, Any]]
    due: datetime
    results: list[dict[str, Any]] = field(default_factory=list)


class Sandbox:
    """The simulator."""

    name = MANIFEST.name
    operations = OPERATIONS

    def __init__(self, options: SandboxOptions) -> None:
        self.settings = Settings.model_validate(dict(options.settings))
        self.clock, self._seed = options.clock, options.seed
        self.faults, self.record = Faults(FAULTS + OWN_FAULTS, options.seed), Record(options.clock)
        self.app = FastAPI(title="Lantern Bay simulator", openapi_url=None)
        self.app.state.sandbox = self
        self.reset()
        self.app.include_router(self._routes())
        self.app.include_router(control_routes(self))

    def reset(self) -> None:
        """Forget everything, faults included."""
        self.orders: dict[str, dict[str, Any]] = {}
        self.stock = {f"SKU-{at}": 10 for at in range(20)}
        self.faults.set([])
        self.record.entries.clear()
        self.feeds: dict[str, Feed] = {}
        self._tokens: dict[str, datetime] = {}
        self._random, self._changes = random.Random(self._seed), dict[str, int]()

    def state(self) -> dict[str, Any]:
        """Orders by reference, quantities by SKU. Feeds whose time has come are worked on first."""
        self._work()
        return {"orders": self.orders, "stock": self.stock}

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        """Invent orders; `options` as in `Wishes`. Raises `ValueError` naming what is wrong."""
        wishes = Wishes.model_validate(options)
        return [self._invent(wishes) for _ in range(count)]

    def _invent(self, wishes: Wishes) -> str:
        reference = f"ORD-{len(self.orders) + 1:06}"
        skus = wishes.skus or [{"sku": sku, "price": "19.90"} for sku in self._random.sample([*self.stock], 2)]
        lines = [
            {
                "id": f"{reference}-{at}",
                "sku": each["sku"],
                "title": f"Article {each['sku']}",
                "quantity": each.get("quantity") or self._random.randint(1, 3),
                "price": str(each["price"]),
            }
            for at, each in enumerate(skus, 1)
        ]
        self.stock |= {line["sku"]: 10 for line in lines if line["sku"] not in self.stock}
        products = sum((Decimal(line["price"]) * line["quantity"] for line in lines), Decimal(0))
        address = {
            "name": "Testa Exemple",
            "street": "1 rue de l'Essai",
            "zip": "69000",
            "city": "Lyon",
            "country": wishes.country,
            "phone": "+33100000000",
            "email": f"{reference.lower()}@example.invalid",
        }
        self.orders[reference] = {
            "id": reference,
            "status": wishes.status,
            "currency": "EUR",
            "shipping": "4.90",
            "total": str(products + Decimal("4.90")),
            "created_at": (wishes.created_at or self.clock.now()).isoformat(),
            "lines": lines,
            "ship_to": None if wishes.null_address else address,
            "parcels": [],
            "refunds": [],
        }
        self._changed(reference)
        return reference

    def _changed(self, reference: str) -> dict[str, Any]:
        """The order moves to the end of the listing, so a reader meets it again."""
        self._changes[reference] = max(self._changes.values(), default=0) + 1
        self.orders[reference]["updated_at"] = self.clock.now().isoformat()
        return self.orders[reference]

    def _routes(self) -> APIRouter:
        router = APIRouter(prefix="/v1", route_class=Gate)
        add = router.add_api_route
        add("/account", self._account, name="verify")
        add("/orders", self._list, name="list_orders")
        add("/orders/{reference}", self._read, name="read_order")
        add("/orders/{reference}/{what}", self._act, methods=["POST"], name="change_order")
        add("/token", self._token, methods=["POST"], name="token")
        add("/stock-feeds", self._take_feed, methods=["POST"], name="set_stock")
        add("/stock-feeds/{feed_id}", self._read_feed, name="read_stock")
        add("/stock", self._read_stock, name="read_stock")
        return router

    def knows_token(self, authorization: str) -> bool:
        """Whether a token was handed out here and has not ended."""
        return self.clock.now() < self._tokens.get(authorization, datetime.min.replace(tzinfo=UTC))

    def forget_tokens(self) -> None:
        """Take every token back, as an operator may."""
        self._tokens.clear()

    async def _token(self, request: Request) -> Response:
        pair = f"{self.settings.client_id}:{self.settings.client_secret}"
        if request.headers.get("authorization") != f"Basic {b64encode(pair.encode()).decode()}":
            return refused(401, "account_refused")
        token = f"token-{self._random.getrandbits(128):032x}"
        self._tokens[f"Bearer {token}"] = self.clock.now() + timedelta(seconds=self.settings.token_seconds)
        return JSONResponse({"access_token": token, "expires_in": self.settings.token_seconds})

    async def _account(self) -> Response:
        return JSONResponse({"seller": "Test"})

    async def _list(self, request: Request) -> Response:
        query = request.query_params
        limit, after = int(query.get("limit", 50)), int(query.get("cursor") or 0)
        rows = sorted((at, self.orders[reference]) for reference, at in self._changes.items() if at > after)
        page = rows[:limit]
        if page and self.faults.strikes("page_shift", "list_orders"):
            self._changed(page[0][1]["id"])
        shown = [order for _, order in page if _within(order, query)]
        return JSONResponse({"orders": shown, "next_cursor": str(page[-1][0]) if len(rows) > limit else None})

    async def _read(self, reference: str) -> Response:
        found = self.orders.get(reference)
        return JSONResponse(found) if found else refused(404, "no_such_order")

    async def _act(self, reference: str, what: str, request: Request) -> Response:
        order, body = self.orders.get(reference), await request.json()
        if order is None:
            return refused(404, "no_such_order")
        if what in ANSWERS and order["status"] == "new":
            order["status"] = ANSWERS[what]
            self.record.add(what, reference)
        elif what in PARTS and order["status"] in PARTS[what][1] and not _holds(order[what], body):
            order[what].append(body)
            self.record.add(PARTS[what][0], f"{reference}/{body['id']}")
            units = sum(line["quantity"] for part in order[what] for line in part["lines"])
            if units >= sum(line["quantity"] for line in order["lines"]):
                order["status"] = PARTS[what][2]
        else:
            return refused(409, "not_possible_or_done_before")
        return JSONResponse(self._changed(reference))

    async def _take_feed(self, request: Request) -> Response:
        due = self.clock.now() + timedelta(seconds=self.settings.feed_seconds)
        feed = Feed((await request.json())["offers"], due)
        self.feeds[f"feed-{len(self.feeds) + 1}"] = feed
        return JSONResponse({"feed_id": f"feed-{len(self.feeds)}"}, 202)

    def _work(self) -> None:
        for feed in self.feeds.values():
            if feed.results or self.clock.now() < feed.due:
                continue
            for each in feed.offers:
                known = each["sku"] in self.stock
                if known:
                    self.stock[each["sku"]] = each["quantity"]
                    self.record.add("stock", each["sku"], quantity=each["quantity"])
                feed.results.append({"sku": each["sku"], "ok": known})

    async def _read_feed(self, feed_id: str) -> Response:
        self._work()
        feed = self.feeds.get(feed_id)
        if feed is None:
            return refused(404, "no_such_feed")
        return JSONResponse({"status": "done" if feed.results else "processing", "results": feed.results})

    async def _read_stock(self, sku: str) -> Response:
        self._work()
        return JSONResponse({"quantity": self.stock[sku]}) if sku in self.stock else refused(404, "no_such_offer")


def _within(order: dict[str, Any], query: Mapping[str, str]) -> bool:
    """Whether an order lies within the bounds of a listing, both ends included."""
    for bound in ("updated_from", "updated_until", "created_from", "created_until"):
        if bound in query:
            at, limit = datetime.fromisoformat(order[f"{bound[:7]}_at"]), datetime.fromisoformat(query[bound])
            if at < limit if bound.endswith("from") else at > limit:
                return False
    return True


def _holds(parts: list[dict[str, Any]], body: dict[str, Any]) -> bool:
    return body["id"] in [part["id"] for part in parts]
