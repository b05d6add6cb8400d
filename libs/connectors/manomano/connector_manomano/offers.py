"""Price and stock of offers: absolute values, so doubt means sending again; read back where certainty is wanted.

A value sent here is frozen: the seller's feed no longer overwrites it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import Answer, BadAnswer
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import SetPrice, SetStock
from connector_manomano.answers import offer_results
from connector_manomano.batches import Delivery
from connector_manomano.client import OFFERS_PATCH
from connector_manomano.part import Part
from connector_manomano.values import number, text
from hub_contracts.base import Money


def asked_price(request: SetPrice) -> Money:
    """What the buyer shall pay. A struck price is unproven on this call, so only the lower price goes out."""
    return request.discount_price or request.price


class Offers(Part):
    """Capabilities `stock` and `price`."""

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        """Set absolute quantities."""
        obstacles = ["quantity: must not be negative" if request.quantity < 0 else None for request in requests]
        items = [{"sku": request.offer_sku, "stock": {"quantity": request.quantity}} for request in requests]
        return await self._patch(items, obstacles)

    async def set_price(self, requests: Sequence[SetPrice]) -> Sequence[Outcome]:
        """Set prices, VAT included, in the contract's currency."""
        items = [
            {"sku": request.offer_sku, "price": {"price_vat_included": asked_price(request).amount}}
            for request in requests
        ]
        return await self._patch(items, [self._price_obstacle(asked_price(request)) for request in requests])

    def _price_obstacle(self, price: Money) -> str | None:
        if price.currency != self.settings.currency:
            return f"price.currency: must be {self.settings.currency}, the contract's currency"
        return "price.amount: must be above 0" if price.amount <= 0 else None

    async def _patch(self, items: Sequence[dict[str, Any]], obstacles: Sequence[str | None]) -> list[Outcome]:
        judge = self.judge(harmless=True)
        sound = [item for item, obstacle in zip(items, obstacles, strict=True) if obstacle is None]
        skus = [item["sku"] for item in sound]
        contract = self.settings.contract

        async def send(batch: Sequence[int]) -> Answer:
            body = {"content": [{"seller_contract_id": contract, "items": [sound[at] for at in batch]}]}
            return await self.client.call("set_offers", "PATCH", OFFERS_PATCH, body=body, idempotent=True)

        def read(answer: Answer, batch: Sequence[int]) -> list[Outcome]:
            listed = offer_results(answer, contract)
            if answer.status == 207 or listed is not None:
                return [self._item(listed or {}, skus[at]) for at in batch]
            if answer.status in (200, 204) and (not answer.body.strip() or _is_object(answer)):
                return [Outcome.done(http_code=answer.status, **_request_id(answer)) for _ in batch]
            return [judge.unsure(f"HTTP {answer.status} with an unreadable body") for _ in batch]

        sent = iter(await Delivery(judge, send, read).run(skus, self.settings.offers_per_call))
        return [next(sent) if obstacle is None else Outcome.rejected(obstacle) for obstacle in obstacles]

    def _item(self, listed: Mapping[str, Any], sku: str) -> Outcome:
        judge = self.judge(harmless=True)
        return judge.item(listed[sku]) if sku in listed else judge.unsure("the answer does not list the offer")

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the offer show the quantity? Raises `CallError` when ManoMano cannot be read."""
        return self._compare(await self._offer(request.offer_sku), "stock", Decimal(request.quantity))

    async def probe_price(self, request: SetPrice, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the offer show the price? Raises `CallError` when ManoMano cannot be read."""
        return self._compare(await self._offer(request.offer_sku), "price", asked_price(request).amount)

    async def _offer(self, sku: str) -> dict[str, Any] | None:
        """The offer as ManoMano shows it, online or offline; None when it shows none."""
        for online in (True, False):
            answer = await self.client.read_offers(sku, online)
            content = answer.json().get("content") if _is_object(answer) else None
            if answer.status != 200 or not isinstance(content, list):
                raise BadAnswer(f"HTTP {answer.status}: the list of offers is unreadable")
            for offer in content:
                if isinstance(offer, dict) and offer.get("sku") == sku:
                    return offer
        return None

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
        errors = offer.get("errors")
        if offer.get("status") == "ERROR" and isinstance(errors, list) and errors:
            return ProbeResult(
                ProbeState.REJECTED, self.client.hide(f"{evidence}; errors: {'; '.join(map(str, errors))}")
            )
        return ProbeResult(ProbeState.NOT_APPLIED, f"{evidence} (publication may lag behind)")


def _is_object(answer: Answer) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except (BadAnswer, RecursionError):
        return False


def _request_id(answer: Answer) -> dict[str, str]:
    request_id = text(answer.json().get("request_id")) if answer.body.strip() else None
    return {"request_id": request_id} if request_id else {}
