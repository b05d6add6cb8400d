"""Walmart Marketplace in memory: what its documentation promises, with switches for what goes wrong."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from connector_kit.capabilities import SandboxOptions
from connector_kit.simulator import Faults, Record, control_routes
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connector_walmart.manifest import MANIFEST
from connector_walmart.sandbox.gate import ACCOUNT, FAULTS, Gate, refused

OWN_FAULTS = ("page_shift",)  # an order of the page changes while it is read, and rows behind it move up
OPERATIONS = {"acknowledge": "accept", "cancel": "refuse", "shipping": "ship"}
REASONS = {"SELLER_CANCEL_OUT_OF_STOCK", "SELLER_CANCEL_PRICING_ERROR", "CUSTOMER_REQUESTED_SELLER_TO_CANCEL"}
METHODS = {"Standard", "Express", "OneDay", "Freight", "WhiteGlove", "Value"}
CARRIERS = {"UPS", "USPS", "FedEx", "DHL", "OnTrac", "LS", "Sendle", "GLS", "PILOT", "DHL Ecommerce - US", "China Post"}
BAD = "INVALID_REQUEST_CONTENT.GMP_ORDER_API"
NONE = "CONTENT_NOT_FOUND.GMP_ORDER_API"


class Settings(BaseModel):
    """Settings of one simulator."""

    model_config = ConfigDict(extra="forbid")
    client_id: str = ACCOUNT[0]
    client_secret: str = ACCOUNT[1]
    token_seconds: int = 900


class Wishes(BaseModel):
    """Options of `create_orders`; what is not fixed is invented from the seed."""

    model_config = ConfigDict(extra="forbid")
    status: str = "Created"
    created_at: AwareDatetime | None = None
    null_address: bool = False
    skus: list[dict[str, Any]] = Field(default=[])
    """Lines as `{sku, price, quantity?}`."""


def money(amount: Decimal) -> dict[str, Any]:
    """Amounts are JSON numbers."""
    return {"currency": "USD", "amount": float(amount)}


class Sandbox:
    """The simulator."""

    name = MANIFEST.name
    operations = OPERATIONS

    def __init__(self, options: SandboxOptions) -> None:
        self.settings = Settings.model_validate(dict(options.settings))
        self.clock, self._seed = options.clock, options.seed
        self.faults, self.record = Faults(FAULTS + OWN_FAULTS, options.seed), Record(options.clock)
        self.app = FastAPI(title="Walmart Marketplace simulator", openapi_url=None)
        self.app.state.sandbox = self
        self.reset()
        router = APIRouter(prefix="/v3", route_class=Gate)
        router.add_api_route("/token", self._token, methods=["POST"], name="token")
        router.add_api_route("/orders", self._list, name="list_orders")
        router.add_api_route("/orders/{reference}", self._read, name="read_order")
        router.add_api_route("/orders/{reference}/{what}", self._change, methods=["POST"], name="change_order")
        self.app.include_router(router)
        self.app.include_router(control_routes(self))

    def reset(self) -> None:
        """Forget everything, faults included."""
        self.orders: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, datetime] = {}
        self.modified: dict[str, tuple[datetime, int]] = {}
        self.faults.set([])
        self.record.entries.clear()
        self._random, self._count = random.Random(self._seed), 0

    def state(self) -> dict[str, Any]:
        """Orders by reference."""
        return {"orders": self.orders}

    def milliseconds(self, at: datetime | None = None) -> int:
        """An instant as the API writes it."""
        return int((at or self.clock.now()).timestamp() * 1000)

    def knows_token(self, token: str) -> bool:
        """Whether it was given out and has not ended."""
        return token in self.tokens and self.clock.now() < self.tokens[token]

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        """Invent orders. Raises `ValueError` for an unknown option."""
        wishes = Wishes.model_validate(options)
        return [self._invent(wishes) for _ in range(count)]

    def _invent(self, wishes: Wishes) -> str:
        reference, draw = f"17{self._seed:03}{len(self.orders) + 1:08}", self._random
        skus = wishes.skus or [
            {"sku": f"SKU-{at}", "price": f"{draw.randint(1, 400)}.{draw.randint(1, 98):02}"}
            for at in draw.sample(range(20), draw.randint(1, 3))
        ]
        made, lines, total = wishes.created_at or self.clock.now(), [], Decimal(0)
        for at, each in enumerate(skus, 1):
            units, price = each.get("quantity") or draw.randint(1, 3), Decimal(str(each["price"]))
            charges = {"ItemPrice": ("PRODUCT", price), "Shipping": ("SHIPPING", Decimal("1.99"))}
            total += sum(amount for _, amount in charges.values()) * units
            line = {
                "lineNumber": str(at),
                "item": {"productName": f"Article {each['sku']}", "sku": each["sku"], "condition": "New"},
                "charges": {
                    "charge": [
                        {"chargeType": kind, "chargeName": name, "chargeAmount": money(amount), "tax": None}
                        for name, (kind, amount) in charges.items()
                    ]
                },
                "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
                "statusDate": self.milliseconds(made),
                "orderLineStatuses": {"orderLineStatus": [_state(wishes.status, units)]},
                "refund": None,
            }
            lines.append(line)
        address = {"name": "Testa Example", "address1": "1 Trial Street", "address2": None, "city": "Nowhere"}
        address |= {"state": "AR", "postalCode": "72712", "country": "USA", "addressType": "RESIDENTIAL"}
        self.orders[reference] = {
            "purchaseOrderId": reference,
            "customerOrderId": f"20{reference}",
            "customerEmailId": f"{reference}@example.invalid",
            "orderDate": self.milliseconds(made),
            "shippingInfo": {
                "phone": "5550100",
                "estimatedDeliveryDate": self.milliseconds(made + timedelta(days=6)),
                "estimatedShipDate": self.milliseconds(made + timedelta(days=2)),
                "methodCode": "Value",
                "postalAddress": None if wishes.null_address else address,
            },
            "orderLines": {"orderLine": lines},
            "orderSummary": {"totalAmount": money(total)},
            "shipNode": {"type": "SellerFulfilled"},
        }
        self._touch(reference, made)
        return reference

    def _touch(self, reference: str, at: datetime | None = None) -> None:
        """Listed by the last change, so a changed order moves to the end."""
        self._count += 1
        self.modified[reference] = (at or self.clock.now(), self._count)

    async def _token(self, request: Request) -> Response:
        pair = b64encode(f"{self.settings.client_id}:{self.settings.client_secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return refused(401, "UNAUTHORIZED.GMP_GATEWAY_API")
        if await request.body() != b"grant_type=client_credentials":
            return refused(400, "INVALID_REQUEST_PARAM.GMP_GATEWAY_API")
        seconds, token = (
            self.settings.token_seconds,
            f"eyJraWQi-{self._seed}-{len(self.tokens)}-{self._random.random()}",
        )
        self.tokens[token] = self.clock.now() + timedelta(seconds=seconds)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    async def _list(self, request: Request) -> Response:
        query = dict(request.query_params)
        query.pop("nextCursor", None)  # not a parameter: what it held is ignored, and the first page comes
        limit, start = int(query.get("limit", 100)), int(query.get("poIndex", 0))
        if limit > 200:
            return refused(400, "INVALID_REQUEST_PARAM.GMP_ORDER_API")
        rows = sorted(self.modified, key=lambda reference: self.modified[reference][1])
        rows = [reference for reference in rows if self._within(reference, query)]
        page = [self.orders[reference] for reference in rows[start : start + limit]]
        if not page:
            return refused(404, NONE)
        if self.faults.strikes("page_shift", "list_orders"):
            self._touch(rows[start])
        more = {
            "hasMoreElements": "true",
            "soIndex": len(rows),
            "poIndex": start + limit,
            "partnerId": 1,
            "sellerId": 1,
        }
        cursor = f"?{urlencode(query | more, safe=':+')}" if len(rows) > start + limit else None
        meta = {"totalCount": len(rows), "limit": limit, "nextCursor": cursor}
        return JSONResponse({"list": {"meta": meta, "elements": {"order": page}}})

    def _within(self, reference: str, query: Mapping[str, str]) -> bool:
        order, now = self.orders[reference], self.clock.now()
        made = datetime.fromtimestamp(order["orderDate"] / 1000, UTC)
        bounds = {"createdStartDate": (now - timedelta(days=7)).isoformat()} | dict(query)
        for name, at in (("created", made), ("lastModified", self.modified[reference][0])):
            if f"{name}StartDate" in bounds and at <= datetime.fromisoformat(bounds[f"{name}StartDate"]):
                return False
            if f"{name}EndDate" in bounds and at >= datetime.fromisoformat(bounds[f"{name}EndDate"]):
                return False
        words = {state["status"] for line in order["orderLines"]["orderLine"] for state in _states(line)}
        return query.get("status", "") in words | {""}

    async def _read(self, reference: str) -> Response:
        found = self.orders.get(reference)
        return JSONResponse({"order": found}) if found else refused(404, NONE)

    async def _change(self, reference: str, what: str, request: Request) -> Response:
        order, body = self.orders.get(reference), await request.json()
        if order is None:
            return refused(404, NONE)
        lines = {line["lineNumber"]: line for line in order["orderLines"]["orderLine"]}
        words = {state["status"] for line in lines.values() for state in _states(line)}
        if what == "acknowledge":
            if not words <= {"Created", "Acknowledged"}:
                return refused(400, BAD)
            if "Created" in words:
                self.record.add("accept", reference)
            for line in lines.values():
                _states(line)[0]["status"] = "Acknowledged"
        else:
            member = {"cancel": "orderCancellation", "shipping": "orderShipment"}[what]
            rows = [(lines.get(each["lineNumber"]), each) for each in body[member]["orderLines"]["orderLine"]]
            if not rows or not all(line and _takes(what, line, each) for line, each in rows):
                return refused(400, BAD)
            for line, each in rows:
                _move(line or {}, _states(each)[0])
            tracked = _states(rows[0][1])[0].get("trackingInfo", {}).get("trackingNumber")
            self.record.add("ship" if tracked else "cancel", f"{reference}/{tracked}" if tracked else reference)
        for line in lines.values():
            line["statusDate"] = self.milliseconds()
        self._touch(reference)
        return JSONResponse({"order": order})


def _state(word: str, units: int, **more: Any) -> dict[str, Any]:
    return {"status": word, "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)}, **more}


def _states(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = line["orderLineStatuses"]["orderLineStatus"]
    return found


def _takes(what: str, line: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether the API would take this row: only acknowledged units are shipped, only unshipped ones cancelled."""
    [asked] = _states(row)
    before = {"Acknowledged"} if what == "shipping" else {"Created", "Acknowledged"}
    free = sum(int(state["statusQuantity"]["amount"]) for state in _states(line) if state["status"] in before)
    if not 0 < int(asked["statusQuantity"]["amount"]) <= free:
        return False
    if what == "cancel":
        return asked["status"] == "Cancelled" and asked["cancellationReason"] in REASONS
    tracking = asked["trackingInfo"]
    carrier = tracking["carrierName"]
    listed = carrier.get("carrier") in CARRIERS or (bool(carrier.get("otherCarrier")) and "trackingURL" in tracking)
    return listed and bool(row["sellerOrderId"] and tracking["trackingNumber"]) and tracking["methodCode"] in METHODS


def _move(line: dict[str, Any], asked: dict[str, Any]) -> None:
    """So many units of the line leave the state that they are in."""
    states, units = _states(line), int(asked["statusQuantity"]["amount"])
    free = next(state for state in states if state["status"] in ("Created", "Acknowledged"))
    left = int(free["statusQuantity"]["amount"]) - units
    free["statusQuantity"]["amount"] = str(left)
    states[:] = [state for state in states if state is not free or left] + [asked]
