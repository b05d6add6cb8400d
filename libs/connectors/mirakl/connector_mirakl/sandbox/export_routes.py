"""OR13, OR14, OR15: orders in files. One export per shop at a time, ready after `export_seconds`."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.aftersales import SimExport
from connector_mirakl.sandbox.desk import Desk, Problem, read_body, require
from connector_mirakl.sandbox.order_routes import SLACK, query_date
from connector_mirakl.sandbox.render import render_order, wire_date

HOST = "https://files.operator.example.invalid"
"""Not this simulator's own address: nobody may send a key where an answer says."""


def export_routes(desk: Desk) -> APIRouter:
    """Routes of order exports."""
    router = APIRouter()

    @router.post("/api/orders/async-export")
    async def start(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "start_export", lambda: _start(desk, body))

    @router.get("/api/orders/async-export/status/{tracking_id}")
    async def status(tracking_id: str, request: Request) -> Response:
        return await desk.serve(request, "export_state", lambda: _status(desk, tracking_id))

    @router.get("/dynamic-url/{tracking_id}/{number}")
    async def download(tracking_id: str, number: int, request: Request) -> Response:
        return await desk.serve(request, "read_export", lambda: _file(desk, tracking_id, number))

    return router


def _start(desk: Desk, body: Any) -> Response:
    given = body if isinstance(body, dict) else {}
    windows = [_window(given, "start_date", "end_date"), _window(given, "start_update_date", "end_update_date")]
    require(any(windows), "at least one date range is mandatory")
    busy = any(_state(desk, export) == "PENDING" for export in desk.world.exports.values())
    require(not busy, "An export is already in progress for this shop", "EXPORT_IN_PROGRESS")
    created, updated = windows
    orders = sorted(desk.world.orders.values(), key=lambda order: (order.created, order.id))
    chosen = [
        order.id
        for order in orders
        if (created is None or created[0] <= order.created <= created[1])
        and (updated is None or updated[0] - SLACK <= order.updated <= updated[1])
    ]
    wished = given.get("megabytes_per_chunk", 512)
    require(isinstance(wished, int) and 10 <= wished <= 1024, "megabytes_per_chunk must be between 10 and 1024")
    export = SimExport(
        id=str(uuid.UUID(int=(0xE9 << 112) + desk.world.number())),
        created=desk.now(),
        orders=chosen,
        per_file=desk.settings.export_file_orders,
        fails=desk.faults.strikes("export_failed", "start_export"),
    )
    desk.world.exports[export.id] = export
    return JSONResponse({"tracking_id": export.id})


def _window(given: dict[str, Any], start: str, end: str) -> tuple[datetime, datetime] | None:
    first, last = query_date(given.get(start)), query_date(given.get(end))
    require((first is None) == (last is None), f"{start} must be used with {end}")
    return None if first is None or last is None else (first, last)


def _state(desk: Desk, export: SimExport) -> str:
    if desk.now() - export.created < timedelta(seconds=desk.settings.export_seconds):
        return "PENDING"
    return "FAILED" if export.fails else "COMPLETED"


def _export(desk: Desk, tracking_id: str) -> SimExport:
    export = desk.world.exports.get(tracking_id)
    if export is None:
        raise Problem(404, "NOT_FOUND", "The export does not exist")
    return export


def _status(desk: Desk, tracking_id: str) -> Response:
    export = _export(desk, tracking_id)
    state = _state(desk, export)
    told: dict[str, Any] = {"last_updated": wire_date(export.created), "status": state}
    if state == "COMPLETED":
        files = max(1, -(-len(export.orders) // export.per_file))
        told["urls"] = [f"{HOST}/dynamic-url/{export.id}/{number}" for number in range(files)]
    return JSONResponse(told)


def _file(desk: Desk, tracking_id: str, number: int) -> Response:
    export = _export(desk, tracking_id)
    if _state(desk, export) != "COMPLETED":
        raise Problem(404, "NOT_FOUND", "The file does not exist")
    mine = export.orders[number * export.per_file : (number + 1) * export.per_file]
    return JSONResponse({"orders": [render_order(desk.world.orders[reference]) for reference in mine]})
