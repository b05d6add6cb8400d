"""STO01 to STO03 and PRI01 to PRI03: CSV imports that are taken at once and worked off later."""

from __future__ import annotations

import csv
import io
import uuid
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, require
from connector_mirakl.sandbox.render import wire_date
from connector_mirakl.sandbox.world import SimImport

Json = dict[str, Any]
NEEDED = {"stock": ("offer-sku", "quantity"), "price": ("offer-sku", "price")}
MAX_PRICES = 50


def import_routes(desk: Desk) -> APIRouter:
    """Routes of the stock and the price import."""
    router = APIRouter()

    @router.post("/api/offers/stock/imports")
    async def take_stock(request: Request) -> Response:
        content = await _file(request)
        return await desk.serve(request, "set_stock", lambda: _take(desk, "stock", content))

    @router.get("/api/offers/stock/imports/{import_id}/status")
    async def stock_status(import_id: str, request: Request) -> Response:
        return await desk.serve(request, "read_stock_import", lambda: _stock_status(desk, import_id))

    @router.get("/api/offers/stock/imports/{import_id}/error_report")
    async def stock_report(import_id: str, request: Request) -> Response:
        return await desk.serve(request, "read_stock_report", lambda: _report(desk, "stock", import_id))

    @router.post("/api/offers/pricing/imports")
    async def take_prices(request: Request) -> Response:
        content = await _file(request)
        return await desk.serve(request, "set_price", lambda: _take(desk, "price", content))

    @router.get("/api/offers/pricing/imports")
    async def price_status(request: Request) -> Response:
        return await desk.serve(request, "read_price_import", lambda: _price_status(desk, request))

    @router.get("/api/offers/pricing/imports/{import_id}/error_report")
    async def price_report(import_id: str, request: Request) -> Response:
        return await desk.serve(request, "read_price_report", lambda: _report(desk, "price", import_id))

    return router


async def read_form(request: Request) -> dict[str, str]:
    """Parts of a multipart body as text, files included; empty for any other body."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return {}
    async with request.form() as form:
        return {
            name: (await part.read()).decode("utf-8-sig") if isinstance(part, UploadFile) else part
            for name, part in form.items()
        }


async def _file(request: Request) -> str | None:
    return (await read_form(request)).get("file")


def _take(desk: Desk, kind: str, content: str | None) -> Response:
    require(content is not None, "The part 'file' is mandatory")
    reader = csv.DictReader(io.StringIO(content or "", newline=""), delimiter=";")
    rows = [dict(row) for row in reader]
    columns = reader.fieldnames or []
    require(all(name in columns for name in NEEDED[kind]), f"The file needs the columns {NEEDED[kind]}")
    if kind == "price":
        _check_price_rows(rows)
    running = SimImport(str(uuid.UUID(int=(0x1A << 120) + desk.world.number())), kind, desk.now(), rows)
    running.fails = desk.faults.strikes("import_failed", f"set_{kind}")
    desk.world.imports[running.id] = running
    base = "/api/offers/stock/imports" if kind == "stock" else "/api/offers/pricing/imports"
    told: Json = {"import_id": running.id}
    if kind == "price":
        told["importId"] = running.id
    return JSONResponse(told, status_code=201, headers={"Location": f"{base}/{running.id}"})


def _check_price_rows(rows: list[dict[str, Any]]) -> None:
    """Lines of one offer stand together, at most 50 of them (Mirakl PRI01)."""
    seen: dict[str, int] = {}
    previous = ""
    for row in rows:
        sku = str(row.get("offer-sku"))
        require(sku == previous or sku not in seen, "The lines of one offer must stand together")
        seen[sku] = seen.get(sku, 0) + 1
        require(seen[sku] <= MAX_PRICES, "An offer has more than 50 prices")
        previous = sku


def _import(desk: Desk, kind: str, import_id: str) -> SimImport:
    running = desk.world.imports.get(import_id)
    if running is None or running.kind != kind:
        raise Problem(404, "NOT_FOUND", "The import does not exist")
    return running


def _common(desk: Desk, running: SimImport) -> Json:
    ended = running.status in ("COMPLETE", "FAILED")
    return {
        "import_id": running.id,
        "shop_id": desk.settings.shop_id,
        "date_created": wire_date(running.created),
        "status": running.status,
        "has_error_report": ended and bool(running.errors),
        "lines_in_success": len(running.rows) - len(running.errors) if ended and not running.fails else 0,
        "lines_in_error": len(running.errors),
    }


def _stock_status(desk: Desk, import_id: str) -> Response:
    return JSONResponse(_common(desk, _import(desk, "stock", import_id)))


def _price_status(desk: Desk, request: Request) -> Response:
    asked = request.query_params.getlist("import_id")
    found = [i for i in desk.world.imports.values() if i.kind == "price" and (not asked or i.id in asked)]
    data = [
        {
            **_common(desk, running),
            "offers_updated": running.updated,
            "offers_in_error": len({str(running.rows[line - 2].get("offer-sku")) for line, _ in running.errors}),
            "origin": "API",
            "reason_status": "The file could not be processed" if running.status == "FAILED" else "",
        }
        for running in found
    ]
    return JSONResponse({"data": data})


def _report(desk: Desk, kind: str, import_id: str) -> Response:
    """STO03, PRI03: line number and reason first, then the columns sent; ready to be sent again."""
    running = _import(desk, kind, import_id)
    if not running.errors:
        raise Problem(404, "NOT_FOUND", "The import has no error report")
    columns = list(running.rows[0])
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["line-number", "error-reason", *columns])
    for line, message in running.errors:
        row = running.rows[line - 2]
        writer.writerow([line, message, *(row.get(name) or "" for name in columns)])
    return Response(out.getvalue(), media_type="text/csv")
