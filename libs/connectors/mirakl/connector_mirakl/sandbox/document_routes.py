"""OR74, OR72 and OR76: documents of an order. OR74 answers 200 even when files failed, and lists only those."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.documents import EXTENSIONS
from connector_mirakl.sandbox.desk import Desk, Problem, as_list, require
from connector_mirakl.sandbox.render import wire_date
from connector_mirakl.sandbox.world import SimDocument

MAX_DOCUMENTS = 50
BEFORE = ("STAGING", "WAITING_ACCEPTANCE", "REFUSED")


def document_routes(desk: Desk) -> APIRouter:
    """Routes for documents."""
    router = APIRouter()

    @router.post("/api/orders/{order_id}/documents")
    async def upload(order_id: str, request: Request) -> Response:
        files, described = await _parts(request)
        return await desk.serve(request, "upload_invoice", lambda: _upload(desk, order_id, files, described))

    @router.get("/api/orders/documents")
    async def documents(request: Request) -> Response:
        return await desk.serve(request, "probe_invoice", lambda: _documents(desk, request))

    @router.delete("/api/orders/documents/{document_id}")
    async def remove(document_id: int, request: Request) -> Response:
        return await desk.serve(request, "remove_document", lambda: _remove(desk, document_id))

    return router


async def _parts(request: Request) -> tuple[dict[str, int], Any]:
    """Names and sizes of the files, and the JSON that describes them."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return {}, None
    async with request.form() as form:
        uploads = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        files = {part.filename or "": len(await part.read()) for part in uploads}
        described = form.get("order_documents")
        text = (await described.read()).decode() if isinstance(described, UploadFile) else str(described or "")
    try:
        return files, json.loads(text)
    except ValueError:
        return files, None


def _upload(desk: Desk, order_id: str, files: dict[str, int], described: Any) -> Response:
    order = desk.order(order_id)
    items = as_list(described, "order_documents")
    require(bool(files), "The part 'files' is mandatory")
    require(order.state not in BEFORE, "Order is not in the expected state", "ORDER_INVALID_STATE")
    failed: list[dict[str, Any]] = []
    for item in items:
        name, code = str(item.get("file_name")), str(item.get("type_code"))
        error = _error(desk, order_id, name, code, files)
        if error is not None:
            failed.append({"input": {"file_name": name, "type_code": code}, "errors": [error]})
            continue
        number = 7000 + desk.world.number()
        desk.world.documents.append(SimDocument(number, order_id, name, code, files[name], desk.now()))
        desk.record.add("invoice", f"{order_id}/{name}", document_id=number, type_code=code)
    return JSONResponse({"errors_count": len(failed), "order_documents": failed})


def _error(desk: Desk, order_id: str, name: str, code: str, files: dict[str, int]) -> dict[str, str] | None:
    mine = [document.file_name for document in desk.world.documents if document.order_id == order_id]
    if code not in desk.settings.profile.documents:
        return _named("valid_order_document.type", "type_code", "The document type does not exist")
    if name not in files:
        return _named("valid_order_document.file", "file_name", "There is no file of this name")
    if not name.isascii() or name.rsplit(".", 1)[-1].lower() not in EXTENSIONS:
        return _named("valid_order_document.name", "file_name", "The file type is not supported")
    if name in mine or len(mine) >= MAX_DOCUMENTS:
        return _named("valid_order_document.distinct", "file_name", "The name exists or there are too many documents")
    return None


def _named(code: str, field: str, message: str) -> dict[str, str]:
    return {"code": code, "field": field, "message": message}


def _remove(desk: Desk, document_id: int) -> Response:
    """OR76."""
    found = next((document for document in desk.world.documents if document.id == document_id), None)
    if found is None:
        raise Problem(404, "NOT_FOUND", "The document does not exist")
    desk.world.documents.remove(found)
    desk.record.add("remove_document", f"{found.order_id}/{found.file_name}", document_id=document_id)
    return Response(status_code=204)


def _documents(desk: Desk, request: Request) -> Response:
    asked = request.query_params.get("order_ids")
    require(bool(asked), "order_ids is mandatory")
    wanted = set((asked or "").split(","))
    shown = [
        {
            "id": document.id,
            "order_id": document.order_id,
            "file_name": document.file_name,
            "file_size": document.size,
            "type": document.type_code,
            "date_uploaded": wire_date(document.uploaded),
        }
        for document in desk.world.documents
        if document.order_id in wanted
    ]
    return JSONResponse({"order_documents": shown, "total_count": len(shown)})
