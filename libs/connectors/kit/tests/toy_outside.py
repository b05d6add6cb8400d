"""The simulated outside of the toy connector: a plain JSON API with a token header and cursor paging, in memory."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_kit.capabilities import SandboxOptions
from connector_kit.simulator import Faults, Record, control_routes, hang

FAULTS = (
    "slow_down",
    "timeout_after",
    "timeout_before",
    "error_after",
    "missing_item",
    "failed_item",
    "odd_status",
    "texts",
    "no_address",
)
PAGE = 4
NEXT_STATUS = {"accept": "TO_SHIP", "refuse": "REFUSED"}


class ToySimulator:
    """Implements `connector_kit.simulator.Simulator`."""

    name = "toy"

    def __init__(self, options: SandboxOptions) -> None:
        self.clock = options.clock
        self.token = str(options.settings["token"])
        self.faults = Faults(FAULTS, options.seed)
        self.record = Record(options.clock)
        self.orders: dict[str, dict[str, Any]] = {}
        self.stock: dict[str, int] = {}
        self.app = FastAPI(openapi_url=None)
        self.app.include_router(self._routes())
        self.app.include_router(control_routes(self))

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        return [self._invent(options) for _ in range(count)]

    def _invent(self, options: dict[str, Any]) -> str:
        number = len(self.orders) + 1
        made: datetime = options.get("created_at") or self.clock.now()
        lines = [
            {"id": f"{number}-{at}", "sku": f"SKU-{number}-{at}", "units": 3, "price": Decimal("19.99")}
            for at in (1, 2)
        ]
        for line in lines:
            self.stock[str(line["sku"])] = 10
        self.orders[f"T{number}"] = {
            "id": f"T{number}",
            "status": options.get("status", "NEW"),
            "created": made.isoformat(),
            "updated": max(made, self.clock.now()).isoformat(),
            "total": Decimal("125.84"),
            "shipping": Decimal("5.90"),
            "lines": lines,
            "address": {"country": "FR", "city": "Nulleville"},
            "parcels": [],
        }
        return f"T{number}"

    def state(self) -> dict[str, Any]:
        return {"orders": self.orders, "stock": self.stock}

    def reset(self) -> None:
        self.orders.clear()
        self.stock.clear()
        self.record.entries.clear()
        self.faults.set([])

    def _shown(self, order: dict[str, Any]) -> dict[str, Any]:
        shown = json.loads(json.dumps(order, default=str))
        if not self.faults.strikes("texts", "read"):
            shown |= {name: float(order[name]) for name in ("total", "shipping")}
            for line in shown["lines"]:
                line["price"] = float(line["price"])
        if self.faults.strikes("odd_status", "read"):
            shown["status"] = "QUITE_ODD"
        if self.faults.strikes("no_address", "read"):
            shown["address"] = None
        return dict(shown)

    def _gate(self, request: Request, operation: str) -> Response | None:
        if request.headers.get("x-token") != self.token:
            return JSONResponse({"error": "unknown token"}, 401)
        if self.faults.strikes("slow_down", operation):
            return JSONResponse({"error": "slow down"}, 429, {"retry-after": "9"})
        return None

    async def _leave(self, operation: str, answer: Response) -> Response:
        if self.faults.strikes("timeout_after", operation):
            return await hang()
        return JSONResponse({}, 500) if self.faults.strikes("error_after", operation) else answer

    def _listed(self, request: Request) -> Response:
        found = list(self.orders.values())
        for name, field in (("updated_from", "updated"), ("created_from", "created")):
            bound = request.query_params.get(name)
            found = [order for order in found if bound is None or order[field] >= bound]
        after = int(request.query_params.get("after") or 0)
        page = [order for order in found if int(order["id"][1:]) > after][:PAGE]
        more = bool(page) and page[-1] is not found[-1]
        return JSONResponse(
            {"orders": [self._shown(order) for order in page], "next": page[-1]["id"][1:] if more else None}
        )

    def _answer_orders(self, kind: str, wanted: list[dict[str, Any]]) -> Response:
        told: list[dict[str, Any]] = []
        for at, item in enumerate(wanted):
            order = self.orders.get(str(item["id"]))
            failed = at == 0 and self.faults.strikes("failed_item", kind)
            if order is None or failed:
                told.append({"id": item["id"], "code": 500 if failed else 404})
                continue
            if order["status"] != "NEW":
                told.append({"id": item["id"], "code": 409})
                continue
            order["status"] = NEXT_STATUS[kind]
            order["updated"] = self.clock.now().isoformat()
            self.record.add(kind, order["id"])
            told.append({"id": item["id"], "code": 200})
        if self.faults.strikes("missing_item", kind):
            told = told[1:]
        return JSONResponse({"results": told}, 207)

    def _routes(self) -> APIRouter:
        router = APIRouter()

        @router.get("/me")
        async def me(request: Request) -> Response:
            return self._gate(request, "verify") or JSONResponse({"name": "toy"})

        @router.get("/orders")
        async def orders(request: Request) -> Response:
            return self._gate(request, "list_orders") or self._listed(request)

        @router.get("/orders/{reference}")
        async def order(request: Request, reference: str) -> Response:
            found = self.orders.get(reference)
            stop = self._gate(request, "read_order")
            return stop or JSONResponse({} if found is None else self._shown(found), 200 if found else 404)

        @router.post("/orders/{kind}")
        async def answer(request: Request, kind: str) -> Response:
            stop = self._gate(request, kind)
            if stop is not None:
                return stop
            if self.faults.strikes("timeout_before", kind):
                return await hang()
            return await self._leave(kind, self._answer_orders(kind, await request.json()))

        @router.post("/orders/{reference}/parcels")
        async def parcel(request: Request, reference: str) -> Response:
            stop = self._gate(request, "ship")
            if stop is not None:
                return stop
            if self.faults.strikes("timeout_before", "ship"):
                return await hang()
            return await self._leave("ship", self._ship(reference, await request.json()))

        @router.put("/stock")
        async def stock(request: Request) -> Response:
            stop = self._gate(request, "set_stock")
            if stop is not None:
                return stop
            if self.faults.strikes("timeout_before", "set_stock"):
                return await hang()
            return await self._leave("set_stock", self._set_stock(await request.json()))

        @router.get("/stock/{sku}")
        async def shown_stock(request: Request, sku: str) -> Response:
            stop = self._gate(request, "read_stock")
            return stop or JSONResponse({"quantity": self.stock.get(sku)})

        return router

    def _ship(self, reference: str, given: dict[str, Any]) -> Response:
        order = self.orders.get(reference)
        if order is None:
            return JSONResponse({"error": "no such order"}, 404)
        if order["status"] not in ("TO_SHIP", "SENT"):
            return JSONResponse({"error": "not to be shipped"}, 409)
        order["parcels"].append(given["number"])
        order["status"] = "SENT"
        self.record.add("ship", f"{reference}/parcel-{len(order['parcels'])}")
        return JSONResponse({}, 201)

    def _set_stock(self, items: list[dict[str, Any]]) -> Response:
        told = []
        for item in items:
            known = item["sku"] in self.stock
            if known:
                self.stock[item["sku"]] = item["quantity"]
                self.record.add("stock", item["sku"], quantity=item["quantity"])
            told.append({"id": item["sku"], "code": 200 if known else 404})
        return JSONResponse({"results": told}, 207)
