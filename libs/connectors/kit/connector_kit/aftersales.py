"""Capabilities after the sale: returns that the marketplace opened, the conversation with the buyer, documents.

A return or a question that nobody reads is answered by the marketplace's clock, against the seller.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Protocol, runtime_checkable
from uuid import UUID

from connector_kit.outcome import Outcome, ProbeResult
from hub_contracts.base import Fact, Instant, Pii
from hub_contracts.messages import Sender


class ReturnStage(StrEnum):
    """How far a return has come at the marketplace."""

    REQUESTED = "requested"
    """Waits for the seller's yes or no."""
    UNDER_WAY = "under_way"
    REFUSED = "refused"
    RECEIVED = "received"
    CLOSED = "closed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """A word that the connector does not know; it is kept beside, never guessed."""


class MarketplaceReturnLine(Fact):
    """Units of one line that come back."""

    line_id: str
    quantity: int
    reason_code: str | None = None


class MarketplaceReturn(Fact):
    """A return as the marketplace shows it. No personal data."""

    return_reference: str
    order_reference: str
    stage: ReturnStage
    marketplace_state: str
    lines: tuple[MarketplaceReturnLine, ...]
    tracking_number: str | None = None
    created_at: Instant | None = None
    updated_at: Instant


class AnswerReturn(Fact):
    """The seller's word on a return: `accept`, `refuse`, `receive` (it arrived), `comply` (it is as it should be)."""

    return_reference: str
    order_reference: str
    answer: Literal["accept", "refuse", "receive", "comply", "object"]
    reason_code: str | None = None


class ThreadMessage(Fact):
    """One message. `body` is personal data."""

    message_reference: str
    sender: Sender
    body: Annotated[str, Pii()]
    sent_at: Instant
    attachments: int = 0


class MessageThread(Fact):
    """A conversation, newest message last."""

    thread_reference: str
    order_reference: str | None = None
    topic: str = ""
    locale: str | None = None
    messages: tuple[ThreadMessage, ...]
    updated_at: Instant


class SendMessage(Fact):
    """Write to the buyer. Without a thread a new one is opened for the order. The words are personal data: they are
    put in when the call is made and are not stored with the effect."""

    message_id: UUID
    order_reference: str | None = None
    thread_reference: str | None = None
    recipients: tuple[Literal["buyer", "operator"], ...] = ("buyer",)
    topic: str | None = None
    """Reason code or free text of a new thread."""
    locale: str | None = None
    body: Annotated[str, Pii()] = ""


class StoredDocument(Fact):
    """A document that the marketplace holds for an order."""

    document_reference: str
    order_reference: str
    file_name: str
    type_code: str
    size_bytes: int | None = None
    uploaded_at: Instant | None = None


class FetchInvoice(Fact):
    """Ask a shop for the invoice of the order it made for one route."""

    order_id: UUID
    route_id: UUID
    order_number: str
    shop_order_reference: str | None = None


class FetchedInvoice(Fact):
    """The invoice as the shop gave it. Personal data: never stored by the hub, handed on at once."""

    file_name: str
    content_type: str
    content: Annotated[bytes, Pii()]


@runtime_checkable
class ReadsReturns(Protocol):
    """Capability `returns`, the reading half."""

    def list_returns(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MarketplaceReturn]]:
        """Pages of returns changed since an instant (UTC); repeated ones are allowed, lost ones are not."""
        ...


@runtime_checkable
class AnswersReturns(Protocol):
    """Capability `returns`, the answering half."""

    async def answer_returns(self, requests: Sequence[AnswerReturn]) -> Sequence[Outcome]:
        """One outcome per request, in order."""
        ...

    async def probe_answer_return(self, request: AnswerReturn) -> ProbeResult:
        """Does the marketplace show the return as answered so?"""
        ...


@runtime_checkable
class ReadsMessages(Protocol):
    """Capability `messages`, the reading half."""

    def list_threads(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MessageThread]]:
        """Pages of threads changed since an instant (UTC), each with all messages the marketplace gives."""
        ...


@runtime_checkable
class SendsMessages(Protocol):
    """Capability `messages`, the writing half."""

    async def send_messages(self, requests: Sequence[SendMessage]) -> Sequence[Outcome]:
        """One outcome per request, in order. A message sent twice is read twice: an ambiguous answer is `unknown`."""
        ...

    async def probe_send_message(self, request: SendMessage) -> ProbeResult:
        """Does the thread show a message of ours with these words?"""
        ...


@runtime_checkable
class ManagesDocuments(Protocol):
    """Capability `documents`."""

    async def list_documents(self, order_reference: str) -> Sequence[StoredDocument]:
        """Documents of one order."""
        ...

    async def remove_document(self, document_reference: str) -> Outcome:
        """Take a document away; one that is not there any more counts as done."""
        ...


@runtime_checkable
class ProvidesInvoices(Protocol):
    """Capability `shop_invoices`: a shop that the buyer's invoice can be fetched from."""

    async def fetch_invoice(self, request: FetchInvoice) -> FetchedInvoice | None:
        """The invoice, None while the shop has none. Raises `CallError` when the shop could not be asked."""
        ...
