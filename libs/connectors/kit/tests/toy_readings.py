"""The toy with what connectors read beside orders, and its outside. Cut so that one override is one mistake."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connector_kit.aftersales import (
    FetchedInvoice,
    FetchInvoice,
    MarketplaceReturn,
    MarketplaceReturnLine,
    MessageThread,
    ReturnStage,
    StoredDocument,
    ThreadMessage,
)
from connector_kit.capabilities import MappingError, OrderWindow, RawOrder
from connector_kit.http import Answer, BadAnswer
from connector_kit.manifest import Budget, Capability
from connector_kit.offers import MarketplaceOffer
from connector_kit.outcome import Outcome
from connector_kit.reading import BadNotice, ExportState, Notice
from hub_contracts.base import Money
from hub_contracts.messages import Sender

from .toy import MANIFEST, Toy

READS = ("returns", "messages", "offers", "documents", "order_export", "notices", "shop_invoices")
OWNERS = {
    "list_returns": "refund-service",
    "list_threads": "message-service",
    "list_offers": "reconciliation",
    "list_documents": "shipment-notifier",
    "remove_document": "shipment-notifier",
    "start_export": "order-ingest",
    "export_state": "order-ingest",
    "read_export": "order-ingest",
    "fetch_invoice": "shipment-notifier",
}
READING_MANIFEST = MANIFEST.model_copy(
    update={
        "capabilities": MANIFEST.capabilities | {Capability(name) for name in READS},
        "budgets": (
            *MANIFEST.budgets,
            *(Budget(operation=name, calls=60, per_seconds=60, owner=owner) for name, owner in OWNERS.items()),
        ),
    }
)
STAGES = {"OPEN": ReturnStage.REQUESTED, "BACK": ReturnStage.RECEIVED}
SENDERS = {"us": Sender.SELLER, "buyer": Sender.BUYER}
EXPORTS = {"working": ExportState.PENDING, "there": ExportState.READY, "broken": ExportState.FAILED}
OLDEST = timedelta(minutes=5)


class ReadingToy(Toy):
    """One connection that reads everything there is to read."""

    # Lists.

    async def items(self, operation: str, path: str, **params: str) -> AsyncIterator[list[Any]]:
        while True:
            body = self.body(await self.call(operation, "GET", path, **params))
            yield self.listed(body)
            if not self.goes_on(body):
                return
            params["after"] = str(body["next"])

    def body(self, answer: Answer) -> Mapping[str, Any]:
        return self.parsed(answer)

    def listed(self, body: Mapping[str, Any]) -> list[Any]:
        if not isinstance(body.get("items"), list):
            raise BadAnswer("no list of items")
        return list(body["items"])

    def goes_on(self, body: Mapping[str, Any]) -> bool:
        return body.get("next") is not None

    async def each(self, pages: AsyncIterator[list[Any]], read: Any) -> AsyncIterator[Sequence[Any]]:
        bad = 0
        async for page in pages:
            found = []
            for item in page:
                try:
                    found.append(read(self.object(item, "item")))
                except MappingError:
                    bad += 1
            yield found
        self.told(bad)

    def told(self, bad: int) -> None:
        if bad:
            raise BadAnswer(f"{bad} item(s) cannot be read")

    def since(self, updated_from: datetime | None) -> dict[str, str]:
        return {} if updated_from is None else {"updated_from": updated_from.isoformat()}

    def list_returns(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MarketplaceReturn]]:
        return self.each(self.items("list_returns", "/r/returns", **self.since(updated_from)), self.a_return)

    def list_threads(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MessageThread]]:
        return self.each(self.items("list_threads", "/r/threads", **self.since(updated_from)), self.a_thread)

    def list_offers(self, offer_skus: Sequence[str] = ()) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        return self.each(self.items("list_offers", "/r/offers", skus=",".join(offer_skus)), self.an_offer)

    async def list_documents(self, order_reference: str) -> Sequence[StoredDocument]:
        pages = self.each(self.items("list_documents", "/r/documents", order=order_reference), self.a_document)
        return [document async for page in pages for document in page]

    # Items.

    def a_return(self, item: Mapping[str, Any]) -> MarketplaceReturn:
        word = item.get("state") if isinstance(item.get("state"), str) else ""
        lines = [self.object(line, "lines") for line in self.rows(item, "lines")]
        return MarketplaceReturn(
            return_reference=self.text(item, "id"),
            order_reference=self.text(item, "order"),
            stage=self.stage(str(word)),
            marketplace_state=str(word),
            lines=tuple(MarketplaceReturnLine(line_id=self.text(x, "id"), quantity=self.units(x)) for x in lines),
            updated_at=self.instant(item, "updated"),
        )

    def stage(self, word: str) -> ReturnStage:
        return STAGES.get(word, ReturnStage.UNKNOWN)

    def units(self, item: Mapping[str, Any]) -> int:
        if isinstance(item.get("units"), bool) or not isinstance(item.get("units"), int):
            raise MappingError("units", "must be a whole number")
        return int(item["units"])

    def a_thread(self, item: Mapping[str, Any]) -> MessageThread:
        messages = sorted(map(self.a_message, self.rows(item, "messages")), key=lambda message: message.sent_at)
        return MessageThread(
            thread_reference=self.text(item, "id"),
            order_reference=self.text(item, "order"),
            messages=tuple(messages),
            updated_at=self.instant(item, "updated"),
        )

    def a_message(self, given: Any) -> ThreadMessage:
        item = self.object(given, "messages")
        return ThreadMessage(
            message_reference=self.text(item, "id"),
            sender=self.sender(item.get("from")),
            body=self.text(item, "text"),
            sent_at=self.instant(item, "sent"),
        )

    def sender(self, word: Any) -> Sender:
        return SENDERS.get(str(word), Sender.OPERATOR)

    def an_offer(self, item: Mapping[str, Any]) -> MarketplaceOffer:
        return MarketplaceOffer(
            offer_sku=self.text(item, "id"), quantity=self.quantity(item), price=self.shown_price(item)
        )

    def quantity(self, item: Mapping[str, Any]) -> int | None:
        try:
            return self.units(item)
        except MappingError:
            return None

    def shown_price(self, item: Mapping[str, Any]) -> Money | None:
        try:
            return Money(amount=self.amount(item, "price"), currency="EUR")
        except (MappingError, ValueError):
            return None

    def a_document(self, item: Mapping[str, Any]) -> StoredDocument:
        return StoredDocument(
            document_reference=self.text(item, "id"),
            order_reference=self.text(item, "order"),
            file_name=self.text(item, "name"),
            type_code="INVOICE",
        )

    # Documents away, exports, invoices, notices.

    async def remove_document(self, document_reference: str) -> Outcome:
        answer = await self.send("remove_document", "DELETE", f"/r/documents/{document_reference}", None)
        if isinstance(answer, Outcome):
            return self.gone() if answer.reason == "HTTP 404" else answer
        return Outcome.done() if answer.status == 204 else Outcome.unknown(f"HTTP {answer.status}")

    def gone(self) -> Outcome:
        return Outcome.done()

    async def start_export(self, window: OrderWindow) -> str:
        return self.text_of(self.parsed(await self.call("start_export", "POST", "/exports")), "ticket")

    async def export_state(self, ticket: str) -> ExportState:
        answer = await self.call("export_state", "GET", f"/exports/{ticket}")
        if answer.status == 404:
            return ExportState.FAILED
        return self.known(self.text_of(self.parsed(answer), "state"))

    def known(self, word: str) -> ExportState:
        if word not in EXPORTS:
            raise BadAnswer("the state is not known")
        return EXPORTS[word]

    def text_of(self, body: Mapping[str, Any], name: str) -> str:
        try:
            return self.text(body, name)
        except MappingError as error:
            raise BadAnswer(str(error)) from None

    async def read_export(self, ticket: str) -> AsyncIterator[Sequence[RawOrder]]:
        async for page in self.items("read_export", f"/exports/{ticket}/orders"):
            yield [RawOrder(self.named(order), json.dumps(order, default=str).encode()) for order in page]

    def named(self, order: Any) -> str:
        found = order.get("id") if isinstance(order, dict) else None
        return found if isinstance(found, str) else ""

    async def fetch_invoice(self, request: FetchInvoice) -> FetchedInvoice | None:
        answer = await self.call("fetch_invoice", "GET", f"/invoices/{request.order_number}")
        if answer.status == 404:
            return self.none_yet()
        if answer.status != 200 or not self.is_file(answer):
            raise BadAnswer(f"HTTP {answer.status} is no invoice")
        return FetchedInvoice(
            file_name=f"{request.order_number}.pdf", content_type="application/pdf", content=answer.body
        )

    def none_yet(self) -> FetchedInvoice | None:
        return None

    def is_file(self, answer: Answer) -> bool:
        return answer.headers.get("content-type") == "application/pdf" and bool(answer.body)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        self.proved(headers, body)
        self.fresh(headers)
        try:
            named = json.loads(body)["orders"]
        except (ValueError, LookupError, TypeError, RecursionError):
            raise BadNotice("orders: must be a list") from None
        return Notice(order_references=self.orders_of(named))

    def proved(self, headers: Mapping[str, str], body: bytes) -> None:
        key = self.context.credentials["token"].get_secret_value()
        right = proof(key, headers.get("x-at", ""), body)
        if not hmac.compare_digest(right.encode(), headers.get("x-proof", "").encode()):
            raise BadNotice("x-proof: is not the proof of this body")

    def fresh(self, headers: Mapping[str, str]) -> None:
        try:
            sent = datetime.fromisoformat(headers.get("x-at", "")).astimezone(UTC)
        except ValueError:
            raise BadNotice("x-at: must be an instant") from None
        if self.context.clock.now() - sent > OLDEST:
            raise BadNotice("x-at: is too long ago")

    def orders_of(self, named: Any) -> tuple[str, ...]:
        if not isinstance(named, list) or not all(isinstance(each, str) and each.strip() for each in named):
            raise BadNotice("orders: must be a list of names")
        return tuple(named)


def proof(key: str, at: str, body: bytes) -> str:
    """What the toy's outside signs with."""
    return hmac.new(key.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
