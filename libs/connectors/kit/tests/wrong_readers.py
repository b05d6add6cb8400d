"""The reading toy with one mistake each: what loses returns, questions and offers, or believes strangers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector_kit.aftersales import (
    FetchedInvoice,
    FetchInvoice,
    MarketplaceReturn,
    MessageThread,
    ReturnStage,
    StoredDocument,
)
from connector_kit.capabilities import MappingError, RawOrder
from connector_kit.http import Answer, BadAnswer, CallError
from connector_kit.offers import MarketplaceOffer
from connector_kit.outcome import Outcome
from connector_kit.reading import BadNotice, ExportState, Notice
from hub_contracts.base import Money
from hub_contracts.messages import Sender

from .toy_readings import ReadingToy


class ReadsTheFirstPageOnly(ReadingToy):
    def goes_on(self, body: Mapping[str, Any]) -> bool:
        return False


class ErrorEndsTheReading(ReadingToy):
    async def items(self, operation: str, path: str, **params: str) -> AsyncIterator[list[Any]]:
        try:
            async for page in super().items(operation, path, **params):
                yield page
        except CallError:
            return


class MissingListIsEmpty(ReadingToy):
    def listed(self, body: Mapping[str, Any]) -> list[Any]:
        found = body.get("items")
        return found if isinstance(found, list) else []


class PageIsAnEmptyList(ReadingToy):
    def body(self, answer: Answer) -> Mapping[str, Any]:
        try:
            return self.parsed(answer)
        except BadAnswer:
            if answer.status != 200:
                raise
            return {"items": []}


class OneSpoilsAll(ReadingToy):
    async def each(self, pages: AsyncIterator[list[Any]], read: Any) -> AsyncIterator[Sequence[Any]]:
        async for page in pages:
            try:
                yield [read(self.object(item, "item")) for item in page]
            except MappingError:
                raise BadAnswer("an item cannot be read") from None


class DropsInSilence(ReadingToy):
    def told(self, bad: int) -> None:
        return


class CrashesOnAnOddItem(ReadingToy):
    def a_return(self, item: Mapping[str, Any]) -> MarketplaceReturn:
        _ = item["lines"][0]["units"]
        return super().a_return(item)


class GuessesTheStage(ReadingToy):
    def stage(self, word: str) -> ReturnStage:
        return super().stage(word) if word == "OPEN" else ReturnStage.CLOSED


class ForgetsTheStateWord(ReadingToy):
    def a_return(self, item: Mapping[str, Any]) -> MarketplaceReturn:
        found = super().a_return(item)
        known = found.stage is not ReturnStage.UNKNOWN
        return found if known else found.model_copy(update={"marketplace_state": "unknown"})


class LosesALine(ReadingToy):
    def a_return(self, item: Mapping[str, Any]) -> MarketplaceReturn:
        found = super().a_return(item)
        return found.model_copy(update={"lines": found.lines[:1]})


class MixesUpTheOrder(ReadingToy):
    def a_thread(self, item: Mapping[str, Any]) -> MessageThread:
        return super().a_thread({**item, "order": self.text(item, "id")})


class StrangersAreUs(ReadingToy):
    def sender(self, word: Any) -> Sender:
        return super().sender(word) if word in ("us", "buyer") else Sender.SELLER


class NewestFirst(ReadingToy):
    def a_thread(self, item: Mapping[str, Any]) -> MessageThread:
        found = super().a_thread(item)
        return found.model_copy(update={"messages": found.messages[::-1]})


class QuotesTheBuyer(ReadingToy):
    async def each(self, pages: AsyncIterator[list[Any]], read: Any) -> AsyncIterator[Sequence[Any]]:
        bad: list[Any] = []
        async for page in pages:
            found = []
            for item in page:
                try:
                    found.append(read(self.object(item, "item")))
                except MappingError:
                    bad.append(item)
            yield found
        if bad:
            raise BadAnswer(f"cannot be read: {bad}")


class NoQuantityIsZero(ReadingToy):
    def quantity(self, item: Mapping[str, Any]) -> int | None:
        return super().quantity(item) or 0


class NoPriceIsNothing(ReadingToy):
    def shown_price(self, item: Mapping[str, Any]) -> Money | None:
        return super().shown_price(item) or Money(amount="0.00", currency="EUR")


class ReadsOffersOfAnotherBudget(ReadingToy):
    def list_offers(self, offer_skus: Sequence[str] = ()) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        name = "list_returns" if offer_skus else "list_offers"
        return self.each(self.items(name, "/r/offers", skus=",".join(offer_skus)), self.an_offer)


class ReadsUndeclared(ReadingToy):
    def list_returns(self, updated_from: datetime | None = None) -> AsyncIterator[Sequence[MarketplaceReturn]]:
        return self.each(self.items("look_for_returns", "/r/returns"), self.a_return)


class TellsTheTokenInAnError(ReadingToy):
    def parsed(self, answer: Answer) -> dict[str, Any]:
        if answer.status == 401:
            raise BadAnswer(f"refused: {answer.body.decode()}")
        return super().parsed(answer)


class ShowsAllDocuments(ReadingToy):
    async def list_documents(self, order_reference: str) -> Sequence[StoredDocument]:
        pages = self.each(self.items("list_documents", "/r/documents"), self.a_document)
        return [document async for page in pages for document in page]


class GoneIsRefused(ReadingToy):
    def gone(self) -> Outcome:
        return Outcome.rejected("there is no such document")


class DoubtIsRemoved(ReadingToy):
    def no_answer(self, reason: str) -> Outcome:
        return Outcome.done()


class PendingIsEmpty(ReadingToy):
    async def read_export(self, ticket: str) -> AsyncIterator[Sequence[RawOrder]]:
        if await self.export_state(ticket) is ExportState.READY:
            async for page in super().read_export(ticket):
                yield page


class FailedIsPending(ReadingToy):
    def known(self, word: str) -> ExportState:
        found = super().known(word)
        return ExportState.PENDING if found is ExportState.FAILED else found


class UnknownExportIsPending(ReadingToy):
    async def export_state(self, ticket: str) -> ExportState:
        try:
            found = await super().export_state(ticket)
        except BadAnswer:
            return ExportState.PENDING
        return ExportState.PENDING if found is ExportState.FAILED and ticket == "NOT-THERE-0" else found


class GuessesTheExport(ReadingToy):
    def known(self, word: str) -> ExportState:
        return ExportState.PENDING if word == "working" else ExportState.READY


class NoInvoiceIsAnError(ReadingToy):
    def none_yet(self) -> FetchedInvoice | None:
        raise BadAnswer("HTTP 404")


class AnyFileIsAnInvoice(ReadingToy):
    def is_file(self, answer: Answer) -> bool:
        return True


class RefusedIsNoInvoiceYet(ReadingToy):
    async def fetch_invoice(self, request: FetchInvoice) -> FetchedInvoice | None:
        try:
            return await super().fetch_invoice(request)
        except BadAnswer:
            return None


class BelievesAnything(ReadingToy):
    def proved(self, headers: Mapping[str, str], body: bytes) -> None:
        return


class BelievesALengthOnly(ReadingToy):
    def proved(self, headers: Mapping[str, str], body: bytes) -> None:
        if len(headers.get("x-proof", "")) != 64:
            raise BadNotice("x-proof: must have 64 digits")


class ComparesTexts(ReadingToy):
    def proved(self, headers: Mapping[str, str], body: bytes) -> None:
        headers.get("x-proof", "").encode("ascii")
        super().proved(headers, body)


class NeverTooLate(ReadingToy):
    def fresh(self, headers: Mapping[str, str]) -> None:
        return


class QuotesTheNotice(ReadingToy):
    def proved(self, headers: Mapping[str, str], body: bytes) -> None:
        try:
            super().proved(headers, body)
        except BadNotice:
            raise BadNotice(f"not proved: {body!r}") from None


class CrashesOnProvenGarbage(ReadingToy):
    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        self.proved(headers, body)
        self.parsed(Answer(200, {}, body))
        return super().read_notice(headers, body)


class TakesAnyNames(ReadingToy):
    def orders_of(self, named: Any) -> tuple[str, ...]:
        return tuple(map(str, named)) if isinstance(named, list) else ()


class NamesOneOrderOnly(ReadingToy):
    def orders_of(self, named: Any) -> tuple[str, ...]:
        return super().orders_of(named)[:1]


class SpoilsTheBytes(ReadingToy):
    async def fetch_invoice(self, request: FetchInvoice) -> FetchedInvoice | None:
        found = await super().fetch_invoice(request)
        return None if found is None else found.model_copy(update={"content": b""})
