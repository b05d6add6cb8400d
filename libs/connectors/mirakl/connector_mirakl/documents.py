"""Documents of orders: invoices put there (OR74), listed (OR72), taken away (OR76).

OR74 answers 200 also when files failed: only files that are not listed were taken.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime

from connector_kit.aftersales import StoredDocument
from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer, CallError, FilePart
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import UploadInvoice
from connector_mirakl.client import MiraklClient, order_path
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.settings import MiraklSettings
from connector_mirakl.wire import Json, as_object, instant, objects, text

EXTENSIONS = frozenset(
    {
        "csv",
        "doc",
        "xls",
        "xlsx",
        "ppt",
        "pdf",
        "odt",
        "ods",
        "odp",
        "txt",
        "rtf",
        "png",
        "jpg",
        "gif",
        "zpl",
        "mov",
        "mp4",
    }
)
"""Mirakl OR74: supported document types."""


class Documents:
    """Capabilities `invoice` and `documents` of one connection."""

    def __init__(self, client: MiraklClient, settings: MiraklSettings) -> None:
        self._client = client
        self._type_code = settings.invoice_type_code

    async def upload_invoice(self, requests: Sequence[UploadInvoice]) -> list[Outcome]:
        """One call per invoice."""
        return [await self._upload(request) for request in requests]

    async def _upload(self, request: UploadInvoice) -> Outcome:
        problem = name_problem(request.file_name)
        if problem is not None:
            return Outcome.rejected(f"file_name: {problem}")
        try:
            content = base64.b64decode(request.content_base64, validate=True)
        except binascii.Error:
            return Outcome.rejected("content_base64: must be base64")
        described = {"order_documents": [{"file_name": request.file_name, "type_code": self._type_code}]}
        parts = [
            FilePart("files", content, request.file_name, "application/octet-stream"),
            FilePart("order_documents", json.dumps(described).encode(), None, "application/json;charset=utf-8"),
        ]
        path = order_path(request.order_reference, "documents")
        try:
            answer = await self._client.send("upload_invoice", "POST", path, parts=parts)
            if answer.status != 200:
                return outcome_of_refusal(answer, self._client.explain(answer))
            return read_result(as_object(answer.json(), "OR74"), request.file_name)
        except CallError as error:
            return outcome_of_error(error)

    async def list_documents(self, order_reference: str) -> list[StoredDocument]:
        """OR72. Raises `CallError`; an answer without its list is not an empty one."""
        return [
            StoredDocument(
                document_reference=text(document.get("id")) or "",
                order_reference=order_reference,
                file_name=text(document.get("file_name")) or "",
                type_code=text(document.get("type")) or "",
                size_bytes=document["file_size"] if isinstance(document.get("file_size"), int) else None,
                uploaded_at=_uploaded_at(document),
            )
            for document in await self._documents_of(order_reference, "list_documents")
        ]

    async def remove_document(self, document_reference: str) -> Outcome:
        """OR76. One that is not there any more counts as done, so an unclear answer may be repeated."""
        if not document_reference.isdigit():
            return Outcome.rejected("document_reference: must be a number")
        path = f"/api/orders/documents/{document_reference}"
        try:
            answer = await self._client.send("remove_document", "DELETE", path, idempotent=True)
        except CallError as error:
            return outcome_of_error(error, idempotent=True)
        if answer.status in (204, 404):
            return Outcome.done(status=answer.status)
        return outcome_of_refusal(answer, self._client.explain(answer), idempotent=True)

    async def _documents_of(self, order_reference: str, operation: str) -> list[Json]:
        params = [("order_ids", order_reference)]
        told = await self._client.read_object(operation, "/api/orders/documents", params)
        if not isinstance(told.get("order_documents"), list):
            raise BadAnswer("OR72: the answer has no list 'order_documents'")
        found = objects(told["order_documents"])
        read = [document for document in found if text(document.get("id")) and text(document.get("order_id"))]
        if len(read) < len(told["order_documents"]):
            # One of them may be the one that is looked for: "it is not there" would be a guess.
            raise BadAnswer(f"OR72: {len(told['order_documents']) - len(read)} document(s) cannot be understood")
        return [document for document in found if text(document.get("order_id")) == order_reference]

    async def probe_invoice(self, request: UploadInvoice) -> ProbeResult:
        """Raises `CallError` when Mirakl cannot be read."""
        for document in await self._documents_of(request.order_reference, "probe_invoice"):
            if text(document.get("file_name")) == request.file_name:
                reference = text(document.get("id"))
                return ProbeResult(ProbeState.APPLIED, f"document {reference}", {"document_reference": reference})
        return ProbeResult(ProbeState.NOT_APPLIED, "the order shows no document of this name")


def _uploaded_at(document: Json) -> datetime | None:
    try:
        return instant(document.get("date_uploaded"), "date_uploaded")
    except MappingError:
        return None


def name_problem(file_name: str) -> str | None:
    """What OR74 would certainly refuse about a name."""
    if not file_name.isascii() or not file_name.strip():
        return "must be an ASCII name"
    if any(character in file_name for character in '/\\"\r\n'):
        return "must not hold slashes, quotes or line breaks"
    if "." not in file_name or file_name.rsplit(".", 1)[1].lower() not in EXTENSIONS:
        return f"must end in one of {', '.join(sorted(EXTENSIONS))}"
    return None


def read_result(told: Json, file_name: str) -> Outcome:
    """Read OR74's 200. An error that names no file cannot be told apart from ours, so it is unknown."""
    failed = objects(told.get("order_documents"))
    for entry in failed:
        given = entry.get("input")
        if isinstance(given, dict) and text(given.get("file_name")) == file_name:
            errors = objects(entry.get("errors"))
            codes = [code for code in (text(error.get("code")) for error in errors) if code]
            reason = "; ".join(text(error.get("message")) or "" for error in errors)[:300]
            return Outcome.rejected(f"OR74 {' '.join(codes)}: {reason}", codes=codes)
    count = told.get("errors_count")
    if failed or count not in (0, None):
        return Outcome.unknown("OR74 announces errors that name no file of ours", errors_count=str(count))
    if "order_documents" not in told and count is None:
        return Outcome.unknown("OR74: the answer shows neither a count nor a list of errors")
    return Outcome.done(status=200)
