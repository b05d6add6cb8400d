"""Price and stock of offers: absolute values, so doubt means sending again; read back where certainty is wanted.

A value sent here is frozen: the seller's feed no longer overwrites it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import Answer
from connector_kit.outcome import Outcome, OutcomeState, ProbeResult, ProbeState
from connector_kit.requests import SetPrice, SetStock
from connector_manomano.answers import offer_results
from connector_manomano.batches import Delivery, send_sound
from connector_manomano.client import OFFERS_PATCH
from connector_manomano.fulfilment import REASON
from connector_manomano.offer_reading import ReadsBack, errors_of, is_object
from connector_manomano.values import number, text
from hub_contracts.base import Money


def discount_holds(now: datetime, since: datetime | None, until: datetime | None) -> bool:
    """Whether a discount with these bounds (first instant, first instant after) is what the buyer pays now."""
    return (since is None or since <= now) and (until is None or now < until)


def asked_price(request: SetPrice, now: datetime) -> Money:
    """What the buyer shall pay now. ManoMano knows no dates, and a struck price is unproven on this call, so only one
    number goes out; the hub sends again when a discount begins and when it ends."""
    reduced = request.discount_price
    return reduced if reduced and discount_holds(now, request.discount_from, request.discount_until) else request.price


def left_out(request: SetPrice, now: datetime) -> list[str]:
    """Parts of the request that ManoMano has no place for, or not now."""
    found = ["channel_prices"] if request.channel_prices else []
    if request.discount_price and asked_price(request, now) is not request.discount_price:
        found.append("discount_price")
    return found


class Offers(ReadsBack):
    """Capabilities `stock` and `price`."""

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        """Set absolute quantities. Stock of a ManoFulfillment contract is ManoMano's and never sent."""
        items = [{"sku": request.offer_sku, "stock": {"quantity": request.quantity}} for request in requests]
        return await self.patch("set_offers", items, [self._stock_obstacle(request) for request in requests])

    async def set_price(self, requests: Sequence[SetPrice]) -> Sequence[Outcome]:
        """Set prices, VAT included, in the contract's currency. What was left out is told in the answer."""
        now = self.context.clock.now()
        asked = [asked_price(request, now) for request in requests]
        items = [
            {"sku": request.offer_sku, "price": {"price_vat_included": price.amount}}
            for request, price in zip(requests, asked, strict=True)
        ]
        outcomes = await self.patch("set_offers", items, [self._price_obstacle(price) for price in asked])
        return [_told(outcome, left_out(request, now)) for outcome, request in zip(outcomes, requests, strict=True)]

    def _stock_obstacle(self, request: SetStock) -> str | None:
        if self.settings.fulfilled_by_manomano:
            return f"offer_sku: {REASON}, nor sets its stock"
        return "quantity: must not be negative" if request.quantity < 0 else None

    def _price_obstacle(self, price: Money) -> str | None:
        if price.currency != self.settings.currency:
            return f"price.currency: must be {self.settings.currency}, the contract's currency"
        return "price.amount: must be above 0" if price.amount <= 0 else None

    async def patch(
        self, operation: str, items: Sequence[dict[str, Any]], obstacles: Sequence[str | None]
    ) -> list[Outcome]:
        """Partial update of offers on the budget of `operation`: one outcome per item, in order."""
        judge = self.judge(harmless=True)
        contract = self.settings.contract

        async def deliver(positions: Sequence[int]) -> list[Outcome]:
            sound = [items[at] for at in positions]
            skus = [item["sku"] for item in sound]

            async def send(batch: Sequence[int]) -> Answer:
                body = {"content": [{"seller_contract_id": contract, "items": [sound[at] for at in batch]}]}
                return await self.client.call(operation, "PATCH", OFFERS_PATCH, body=body, idempotent=True)

            def read(answer: Answer, batch: Sequence[int]) -> list[Outcome]:
                return self.read_results(answer, [skus[at] for at in batch])

            return await Delivery(judge, send, read).run(skus, self.settings.offers_per_call)

        return await send_sound(obstacles, deliver)

    def read_results(self, answer: Answer, skus: Sequence[str]) -> list[Outcome]:
        """Outcomes of a 2xx answer to a call about these SKUs: item by item where it lists them, else for all."""
        judge = self.judge(harmless=True)
        listed = offer_results(answer, self.settings.contract)
        if answer.status == 207 or listed is not None:
            return [self._item(listed or {}, sku) for sku in skus]
        if answer.status in (200, 204) and (not answer.body.strip() or is_object(answer)):
            return [Outcome.done(http_code=answer.status, **_request_id(answer)) for _ in skus]
        return [judge.unsure(f"HTTP {answer.status} with an unreadable body") for _ in skus]

    def _item(self, listed: Mapping[str, Any], sku: str) -> Outcome:
        judge = self.judge(harmless=True)
        return judge.item(listed[sku]) if sku in listed else judge.unsure("the answer does not list the offer")

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the offer show the quantity? Raises `CallError` when ManoMano cannot be read."""
        return self._compare(await self._shown(request.offer_sku), "stock", Decimal(request.quantity))

    async def probe_price(self, request: SetPrice, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the offer show the price that is asked for now? Raises `CallError` when ManoMano cannot be read."""
        asked = asked_price(request, self.context.clock.now())
        return self._compare(await self._shown(request.offer_sku), "price", asked.amount)

    async def _shown(self, sku: str) -> dict[str, Any] | None:
        return await self.one_offer("read_offers", sku)

    def _compare(self, offer: dict[str, Any] | None, name: str, asked: Decimal) -> ProbeResult:
        """APPLIED when the shown number equals the asked one; an offer in ERROR with another number was refused."""
        if offer is None:
            return ProbeResult(ProbeState.UNDECIDED, "the marketplace shows no offer of this SKU")
        try:
            shown = number(offer.get(name), name)
        except MappingError as error:
            return ProbeResult(ProbeState.UNDECIDED, f"the offer's {error}")
        evidence = f"the offer shows {name} {shown}, asked was {asked}"
        if shown == asked:
            return ProbeResult(ProbeState.APPLIED, evidence)
        errors = errors_of(offer)
        if offer.get("status") == "ERROR" and offer.get("errors"):
            return ProbeResult(ProbeState.REJECTED, self.client.hide(f"{evidence}; errors: {'; '.join(errors)}"))
        return ProbeResult(ProbeState.NOT_APPLIED, f"{evidence} (publication may lag behind)")


def _told(outcome: Outcome, without: list[str]) -> Outcome:
    if not without or outcome.state is not OutcomeState.DONE:
        return outcome
    return replace(outcome, answer=outcome.answer | {"left_out": without})


def _request_id(answer: Answer) -> dict[str, str]:
    request_id = text(answer.json().get("request_id")) if answer.body.strip() else None
    return {"request_id": request_id} if request_id else {}
