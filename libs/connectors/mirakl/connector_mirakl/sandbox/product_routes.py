"""P41, P42, P44, P45, P46, P47, P51: product files."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, require
from connector_mirakl.sandbox.import_routes import read_form
from connector_mirakl.sandbox.render import wire_date
from connector_mirakl.sandbox.world import SimProductImport

Json = dict[str, Any]
PATH = "/api/products/imports"


def product_routes(desk: Desk) -> APIRouter:
    """Routes of the product import."""
    router = APIRouter()

    @router.post(PATH)
    async def take(request: Request) -> Response:
        form = await read_form(request)
        return await desk.serve(request, "import_products", lambda: _take(desk, form))

    @router.get(PATH)
    async def listing(request: Request) -> Response:
        return await desk.serve(request, "list_product_imports", lambda: _listing(desk, request))

    @router.get(PATH + "/{import_id}")
    async def status(import_id: int, request: Request) -> Response:
        return await desk.serve(request, "read_product_import", lambda: _status(desk, import_id))

    @router.get(PATH + "/{import_id}/{report}")
    async def report(import_id: int, report: str, request: Request) -> Response:
        return await desk.serve(request, "read_product_report", lambda: _report(desk, import_id, report))

    return router


def _take(desk: Desk, form: dict[str, str]) -> Response:
    require("file" in form, "The part 'file' is mandatory")
    require(form.get("operator_format", "false") in ("true", "false"), "operator_format must be true or false")
    rows = [row for row in csv.reader(io.StringIO(form["file"], newline=""), delimiter=";") if row]
    require(len(rows) > 0, "The file is empty")
    running = SimProductImport(7000 + desk.world.number(), desk.now(), rows[0], rows[1:])
    running.fails = desk.faults.strikes("import_failed", "import_products")
    desk.world.product_imports[running.id] = running
    desk.record.add("import_products", str(running.id), rows=len(running.rows))
    location = {"Location": f"{PATH}/{running.id}"}
    return JSONResponse({"import_id": running.id}, status_code=201, headers=location)


def _import(desk: Desk, import_id: int) -> SimProductImport:
    running = desk.world.product_imports.get(import_id)
    if running is None:
        raise Problem(404, "NOT_FOUND", "The import does not exist")
    return running


def _status(desk: Desk, import_id: int) -> Response:
    return JSONResponse(_tracking(desk, _import(desk, import_id)))


def _listing(desk: Desk, request: Request) -> Response:
    """P51, in no particular order; `last_request_date` is compared with the creation here."""
    since = request.query_params.get("last_request_date")
    known = list(desk.world.product_imports.values())
    if since is not None:
        known = [running for running in known if running.created >= datetime.fromisoformat(since)]
    found = [_tracking(desk, running) for running in known]
    return JSONResponse({"product_import_trackings": found, "total_count": len(found)})


def _tracking(desk: Desk, running: SimProductImport) -> Json:
    transformed = running.status in ("SENT", "COMPLETE")
    ended = running.status == "COMPLETE"
    looked = running.status not in ("TRANSFORMATION_WAITING", "TRANSFORMATION_RUNNING", "TRANSFORMATION_FAILED")
    failed = len(running.errors) if looked else 0
    return {
        "import_id": running.id,
        "shop_id": desk.settings.shop_id,
        "date_created": wire_date(running.created),
        "import_status": running.status,
        "reason_status": "The file could not be read" if running.status == "TRANSFORMATION_FAILED" else "",
        "has_transformation_error_report": transformed and bool(running.errors or running.warnings),
        "has_transformed_file": transformed,
        "has_error_report": ended and bool(running.refused),
        "has_new_product_report": ended and bool(running.added),
        "transform_lines_read": len(running.rows) if looked else 0,
        "transform_lines_in_error": failed,
        "transform_lines_in_success": len(running.rows) - failed if looked else 0,
        "transform_lines_with_warning": len(running.warnings) if looked else 0,
        "integration_details": {
            "rejected_products": len(running.refused),
            "products_successfully_synchronized": len(running.rows) - failed - len(running.refused) if ended else 0,
        },
    }


def _report(desk: Desk, import_id: int, report: str) -> Response:
    running = _import(desk, import_id)
    written = {
        "transformation_error_report": _transformation(running),
        "error_report": _table(
            ["sku", "rejection-reason"], [[_sku(running, n), t] for n, t in running.refused.items()]
        ),
        "new_product_report": _table(["shop-sku"], [[sku] for sku in running.added]),
        "transformed_file": _table(
            running.header, [r for n, r in enumerate(running.rows, 2) if n not in running.errors]
        ),
    }
    if written.get(report) is None:
        raise Problem(404, "NOT_FOUND", "There is no such report")
    media = "text/csv" if report == "transformed_file" else "application/octet-stream"
    return Response(written[report], media_type=media)


def _transformation(running: SimProductImport) -> str | None:
    """P47: the source columns, then line number, warnings and errors as `1001|text`."""
    lines = sorted({*running.errors, *running.warnings})
    rows = [
        [
            *(running.rows[line - 2] + [""] * len(running.header))[: len(running.header)],
            str(line),
            ",".join(running.warnings.get(line, [])),
            ",".join(running.errors.get(line, [])),
        ]
        for line in lines
    ]
    return _table([*running.header, "line number", "warnings", "errors"], rows)


def _sku(running: SimProductImport, line: int) -> str:
    cells = dict(zip(running.header, running.rows[line - 2], strict=False))
    return cells.get("sku", "")


def _table(header: list[str], rows: list[list[str]]) -> str | None:
    if not rows:
        return None
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([header, *rows])
    return out.getvalue()
