"""A connection's half for what follows an order: money back, cancellations, documents, returns, messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from connector_kit.aftersales import AnswerReturn, MarketplaceReturn, MessageThread, SendMessage, StoredDocument
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import CancelOrder, RefundOrder, UploadInvoice
from connector_mirakl.documents import Documents
from connector_mirakl.messages import Messages
from connector_mirakl.parts import Parts
from connector_mirakl.refund import MoneyBack
from connector_mirakl.refund_probe import MoneyProbe
from connector_mirakl.returns import Returns


class AftersalesSide:
    """Capabilities `refund`, `cancel`, `invoice`, `documents`, `returns`, `messages`."""

    def _start_aftersales_side(self, parts: Parts) -> None:
        self._money, self._money_probe = MoneyBack(parts.client), MoneyProbe(parts.reader)
        self._documents = Documents(parts.client, parts.settings)
        self._returns = Returns(parts.client)
        self._messages = Messages(parts.client, parts.settings, parts.context.clock)

    async def refund(self, requests: Sequence[RefundOrder]) -> Sequence[Outcome]:
        """See `Refunds`."""
        return await self._money.refund(requests)

    async def probe_refund(self, request: RefundOrder) -> ProbeResult:
        """See `Refunds`."""
        return await self._money_probe.probe_refund(request)

    async def cancel(self, requests: Sequence[CancelOrder]) -> Sequence[Outcome]:
        """See `Cancels`."""
        return await self._money.cancel(requests)

    async def probe_cancel(self, request: CancelOrder) -> ProbeResult:
        """See `Cancels`."""
        return await self._money_probe.probe_cancel(request)

    async def upload_invoice(self, requests: Sequence[UploadInvoice]) -> Sequence[Outcome]:
        """See `UploadsInvoices`."""
        return await self._documents.upload_invoice(requests)

    async def probe_invoice(self, request: UploadInvoice) -> ProbeResult:
        """See `UploadsInvoices`."""
        return await self._documents.probe_invoice(request)

    async def list_documents(self, order_reference: str) -> Sequence[StoredDocument]:
        """See `ManagesDocuments`."""
        return await self._documents.list_documents(order_reference)

    async def remove_document(self, document_reference: str) -> Outcome:
        """See `ManagesDocuments`."""
        return await self._documents.remove_document(document_reference)

    def list_returns(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MarketplaceReturn]]:
        """See `ReadsReturns`."""
        return self._returns.listing(updated_from)

    async def answer_returns(self, requests: Sequence[AnswerReturn]) -> Sequence[Outcome]:
        """See `AnswersReturns`."""
        return await self._returns.answer(requests)

    async def probe_answer_return(self, request: AnswerReturn) -> ProbeResult:
        """See `AnswersReturns`."""
        return await self._returns.probe(request)

    def list_threads(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MessageThread]]:
        """See `ReadsMessages`."""
        return self._messages.listing(updated_from)

    async def send_messages(self, requests: Sequence[SendMessage]) -> Sequence[Outcome]:
        """See `SendsMessages`."""
        return await self._messages.send(requests)

    async def probe_send_message(self, request: SendMessage) -> ProbeResult:
        """See `SendsMessages`."""
        return await self._messages.probe(request)
