"""Invoice upload: multipart with part `file` and field `document_type`. Each upload makes a new document."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from connector_manomano.sandbox.gate import Gate, answer, refused


def document_routes(gate: Gate) -> APIRouter:
    """`POST /api/v1/orders/{reference}/documents`."""
    router = APIRouter()

    @router.post("/api/v1/orders/{reference}/documents")
    async def upload(request: Request, reference: str) -> Response:
        stop = gate.enter(request, "upload_invoice")
        if stop is not None:
            return stop
        contract = gate.contract(request)
        if isinstance(contract, Response):
            return contract
        order = gate.world.find(contract, reference)
        if order is None:
            return refused(404, "ORDER_NOT_FOUND", "order not found")
        form = await request.form()
        file, kind = form.get("file"), form.get("document_type")
        if not isinstance(file, UploadFile) or file.content_type != "application/pdf" or kind != "INVOICE":
            return refused(400, "INVALID_DOCUMENT", "file (PDF) and document_type=INVOICE are required")
        document = f"{order.reference}-D{len(order.documents) + 1}"
        order.documents.append(document)
        size = len(await file.read())
        name = f"{order.reference}/document-{len(order.documents)}"
        gate.world.record.add("invoice", name, contract=contract, document_id=document, bytes=size)
        return await gate.leave("upload_invoice", answer(201, {"content": {"document_id": document}}))

    return router
