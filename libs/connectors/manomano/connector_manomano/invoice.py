"""Uploads the buyer's invoice. Sending it again makes a second document, so doubt goes to an operator."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from connector_kit.http import Answer, BadAnswer, CallError, FilePart, NotSent
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import UploadInvoice
from connector_manomano.part import Part
from connector_manomano.values import text

PDF_MARK = b"%PDF-"


class Invoices(Part):
    """Capability `invoice`. Only documents of type INVOICE are taken; credit notes are not."""

    async def upload_invoice(self, requests: Sequence[UploadInvoice]) -> Sequence[Outcome]:
        """Upload one by one; after a wall (quota, key) the rest is not tried."""
        outcomes: list[Outcome] = []
        wall: Outcome | None = None
        for request in requests:
            if wall is None:
                outcome, met_wall = await self._upload(request)
                wall = outcome if met_wall else None
                outcomes.append(outcome)
            else:
                outcomes.append(wall)
        return outcomes

    async def _upload(self, request: UploadInvoice) -> tuple[Outcome, bool]:
        """Outcome of one upload, and whether the next one would meet the same wall."""
        try:
            content = base64.b64decode(request.content_base64, validate=True)
        except (binascii.Error, ValueError):
            return Outcome.rejected("content_base64: is not base64"), False
        if not content:
            return Outcome.rejected("content_base64: is empty; the invoice is put in when the call is made"), False
        if not content.startswith(PDF_MARK):
            return Outcome.rejected("content_base64: must be a PDF"), False
        parts = (
            FilePart("file", content, request.file_name, "application/pdf"),
            FilePart("document_type", b"INVOICE"),
        )
        judge = self.judge()
        try:
            answer = await self.client.upload(request.order_reference, parts)
        except NotSent as error:
            return Outcome.retry(self.client.hide(f"not sent: {error}"), after=error.retry_after), True
        except CallError as error:
            return judge.unsure(self.client.hide(f"no clear answer: {error}")), False
        if not 200 <= answer.status < 300:
            return judge.refusal(answer), judge.halts(answer)
        document = _document_id(answer)
        if document is None:
            return judge.unsure(f"HTTP {answer.status} without a document id"), False
        return Outcome.done(document_id=document), False

    async def probe_invoice(self, request: UploadInvoice) -> ProbeResult:
        """ManoMano has no call that lists documents, so only a person can look."""
        return ProbeResult(
            ProbeState.UNDECIDED,
            f"documents of {request.order_reference} can only be seen in the Toolbox; a second upload would be a second"
            " document",
        )


def _document_id(answer: Answer) -> str | None:
    try:
        body: Any = answer.json()
    except (BadAnswer, RecursionError):
        return None
    content = body.get("content") if isinstance(body, dict) else None
    return text(content.get("document_id")) if isinstance(content, dict) else None
