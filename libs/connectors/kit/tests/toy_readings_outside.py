"""What the toy's outside holds beside orders, and the subject that tells the suite how it comes there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_kit.aftersales import FetchInvoice
from connector_kit.capabilities import SandboxOptions
from connector_kit.conformance import Held, PushedNotices, Subject
from connector_kit.conformance.world import World
from connector_kit.simulator import Faults

from .toy import TOKEN, Toy, ToyFactory
from .toy_outside import FAULTS, PAGE, ToySimulator
from .toy_readings import READING_MANIFEST, ReadingToy, proof
from .toy_subject import toy_subject

EXPORT_TIME = timedelta(seconds=90)


class ReadingOutside(ToySimulator):
    """The toy's simulator with more routes."""

    def __init__(self, options: SandboxOptions) -> None:
        self.held: dict[str, list[dict[str, Any]]] = {}
        self.exports: dict[str, tuple[datetime, bool]] = {}
        self.invoices: set[str] = set()
        super().__init__(options)
        self.faults = Faults((*FAULTS, "export_breaks"), options.seed)
        self.app.include_router(self._more_routes())

    def add(self, what: str, **item: Any) -> str:
        """Hold one more thing; its name."""
        rows = self.held.setdefault(what, [])
        name = f"{what}-{len(rows) + 1}"
        rows.append({"id": name, "updated": self.clock.now().isoformat(), **item})
        return name

    def _page(self, rows: Sequence[Any], request: Request) -> Response:
        start = int(request.query_params.get("after") or 0)
        after = start + PAGE if start + PAGE < len(rows) else None
        return JSONResponse({"items": json.loads(json.dumps(rows[start : start + PAGE], default=str)), "next": after})

    def _rows(self, what: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
        rows = self.held.get(what, [])
        skus = [sku for sku in query.get("skus", "").split(",") if sku]
        rows = [row for row in rows if not skus or row["id"] in skus]
        rows = [row for row in rows if "order" not in query or row["order"] == query["order"]]
        return [row for row in rows if row["updated"] >= query.get("updated_from", "")]

    def _more_routes(self) -> APIRouter:
        router = APIRouter()

        @router.get("/r/{what}")
        async def things(request: Request, what: str) -> Response:
            return self._gate(request, what) or self._page(self._rows(what, request.query_params), request)

        @router.delete("/r/documents/{name}")
        async def remove(request: Request, name: str) -> Response:
            rows = self.held.get("documents", [])
            left = [row for row in rows if row["id"] != name]
            self.held["documents"] = left
            return self._gate(request, "remove") or Response(status_code=204 if len(left) < len(rows) else 404)

        @router.post("/exports")
        async def export(request: Request) -> Response:
            ticket = f"E{len(self.exports) + 1}"
            self.exports[ticket] = (self.clock.now() + EXPORT_TIME, self.faults.strikes("export_breaks", "export"))
            return self._gate(request, "export") or JSONResponse({"ticket": ticket})

        @router.get("/exports/{ticket}")
        async def state(request: Request, ticket: str) -> Response:
            known = ticket in self.exports
            return self._gate(request, "export") or JSONResponse({"state": self._state(ticket)}, 200 if known else 404)

        @router.get("/exports/{ticket}/orders")
        async def orders(request: Request, ticket: str) -> Response:
            if self._state(ticket) != "there":
                return JSONResponse({"items": [], "next": None, "error": "not there"}, 409)
            return self._gate(request, "export") or self._page(list(self.orders.values()), request)

        @router.get("/invoices/{number}")
        async def invoice(request: Request, number: str) -> Response:
            stop = self._gate(request, "invoice")
            if stop is not None or number not in self.invoices:
                return stop or JSONResponse({}, 404)
            return Response(f"%PDF-1.4 {number} %%EOF".encode(), 200, {"content-type": "application/pdf"})

        return router

    def _state(self, ticket: str) -> str:
        due, breaks = self.exports.get(ticket, (self.clock.now(), True))
        return "working" if self.clock.now() < due else "broken" if breaks else "there"


class ReadingFactory(ToyFactory):
    """The reading toy, or a wrong variant of it."""

    def build_sandbox(self, options: SandboxOptions) -> ReadingOutside:
        return ReadingOutside(options)


async def returns(world: World, count: int) -> list[Held]:
    lines = [{"id": "1", "units": 2}, {"id": "2", "units": 1}]
    orders = [f"T{at}" for at in range(count)]
    add = world.simulator.add  # type: ignore[attr-defined]
    return [Held(add("returns", order=order, state="OPEN", lines=lines), order, parts=2) for order in orders]


async def threads(world: World, count: int) -> list[Held]:
    found = []
    for _ in range(count):
        number, now = world.next_number(), world.clock.now()
        messages = [
            {"id": f"M{number}-2", "from": "us", "text": f"Invented answer {number}", "sent": now.isoformat()},
            {
                "id": f"M{number}-1",
                "from": "buyer",
                "text": f"Invented question {number}",
                "sent": (now - timedelta(hours=1)).isoformat(),
            },
        ]
        name = world.simulator.add("threads", order=f"T{number}", messages=messages)  # type: ignore[attr-defined]
        found.append(Held(name, f"T{number}", parts=2))
    return found


async def offers(world: World, count: int) -> list[Held]:
    return [Held(world.simulator.add("offers", units=5, price="19.90")) for _ in range(count)]  # type: ignore[attr-defined]


async def documents(world: World, count: int) -> list[Held]:
    order = f"T{world.next_number()}"
    made = [world.simulator.add("documents", order=order, name=f"{at}.pdf") for at in range(count)]  # type: ignore[attr-defined]
    return [Held(name, order) for name in made]


async def invoice(world: World, there: bool) -> FetchInvoice:
    number = f"N{world.next_number()}"
    if there:
        world.simulator.invoices.add(number)  # type: ignore[attr-defined]
    return FetchInvoice(order_id=uuid4(), route_id=uuid4(), order_number=number)


def signed(world: World, body: bytes) -> dict[str, str]:
    at = world.clock.now().isoformat()
    return {"content-type": "application/json", "x-at": at, "x-proof": proof(TOKEN, at, body)}


NOTICE = PushedNotices(body=lambda world, named: json.dumps({"orders": list(named)}).encode(), headers=signed)


def reading_subject(connection: type[Toy] = ReadingToy) -> Subject:
    """The reading toy, or a wrong variant of it."""
    plain = toy_subject()
    return replace(
        plain,
        connector=ReadingFactory(connection, READING_MANIFEST),
        faults=replace(plain.faults, export_failed="export_breaks"),
        facts={"returns": returns, "messages": threads, "offers": offers, "documents": documents},
        many_of={"documents": 14},
        notice=NOTICE,
        invoice=invoice,
    )
