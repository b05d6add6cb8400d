"""Reads offers back: what ManoMano shows is the only proof of what became of a price or a quantity.

The list may leave out offers that are offline unless it is asked for them, so every reading asks twice: for those
that are online and for those that are not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import Answer, BadAnswer
from connector_kit.offers import MarketplaceOffer
from connector_manomano.part import Part
from connector_manomano.values import identity, number, text
from hub_contracts.base import Money

OFFERS_PER_PAGE = 1000
"""Used by a known client."""
SKUS_PER_CALL = 100
"""Keeps the address of the call, which carries the SKUs, well below what proxies cut."""

FROZEN = (("price", "frozen_price"), ("stock", "frozen_stock"), ("retail_price", "frozen_retail_price"))


def is_object(answer: Answer) -> bool:
    """Whether the body is a JSON object."""
    try:
        return isinstance(answer.json(), dict)
    except BadAnswer:
        return False


def errors_of(offer: dict[str, Any]) -> list[str]:
    """What ManoMano finds wrong with an offer, in its own words."""
    errors = offer.get("errors")
    found = [text(error) or str(error) for error in errors] if isinstance(errors, list) else []
    return found or (["status ERROR without a reason"] if offer.get("status") == "ERROR" else [])


def _amount(offer: dict[str, Any], name: str, currency: str, problems: list[str]) -> Money | None:
    if offer.get(name) is None:
        return None
    try:
        return Money(amount=number(offer[name], name), currency=currency)
    except MappingError as error:
        problems.append(str(error))
        return None


def read_offer(offer: dict[str, Any], currency: str, *, asked_online: bool) -> MarketplaceOffer:
    """One offer as the hub sees it. Raises `MappingError` for one without a SKU.

    A struck price above the price makes the lower one the discount, which is how the hub publishes them too. The list
    names no currency, so it is the contract's.
    """
    problems: list[str] = []
    paid = _amount(offer, "price", currency, problems)
    struck = _amount(offer, "retail_price", currency, problems)
    reduced = paid is not None and struck is not None and struck.amount > paid.amount
    quantity: int | None = None
    if offer.get("stock") is not None:
        try:
            stock = number(offer["stock"], "stock")
            quantity = int(stock) if stock == stock.to_integral_value() else None
        except MappingError as error:
            problems.append(str(error))
    online = offer.get("offer_is_online")
    return MarketplaceOffer(
        offer_sku=identity(offer.get("sku"), "sku"),
        quantity=quantity,
        price=struck if reduced else paid,
        discount_price=paid if reduced else None,
        online=online if isinstance(online, bool) else asked_online,
        frozen=tuple(name for name, field in FROZEN if offer.get(field) is True),
        problems=(*errors_of(offer), *problems),
    )


class ReadsBack(Part):
    """Capability `offers`, and the readings of the probes."""

    def list_offers(self, offer_skus: Sequence[str] = ()) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        """Pages of offers, online and offline, each SKU once. Raises `CallError`: an unreadable page is no empty one.

        A SKU with a comma cannot be asked for (the API takes a comma list), so then all offers are read and sifted.
        """
        return self._list_offers(offer_skus)

    async def _list_offers(self, skus: Sequence[str]) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        asked = list(dict.fromkeys(skus))
        wanted = frozenset(asked)
        seen: set[str] = set()
        nameless = 0
        async for page, online in self.offer_pages("read_offers", asked):
            fresh: list[MarketplaceOffer] = []
            for offer in page:
                try:
                    read = read_offer(offer, self.settings.currency, asked_online=online)
                except MappingError:
                    nameless += 1
                    continue
                if read.offer_sku not in seen and (not wanted or read.offer_sku in wanted):
                    seen.add(read.offer_sku)
                    hidden = tuple(self.client.hide(problem) for problem in read.problems)
                    fresh.append(read.model_copy(update={"problems": hidden}))
            if fresh:
                yield fresh
        if nameless:
            raise BadAnswer(f"{nameless} offer(s) have no readable SKU; all others were given")

    async def offer_pages(
        self, operation: str, skus: Sequence[str]
    ) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
        """Raw pages with what was asked for (online or not). Raises `CallError`."""
        by_sku = bool(skus) and not any("," in sku for sku in skus)
        parts = [skus[at : at + SKUS_PER_CALL] for at in range(0, len(skus), SKUS_PER_CALL)] if by_sku else [()]
        for part in parts:
            for online in (True, False):
                async for page in self._pages(operation, part, online=online):
                    yield page, online

    async def _pages(self, operation: str, skus: Sequence[str], *, online: bool) -> AsyncIterator[list[dict[str, Any]]]:
        page, before, odd = 0, b"", 0
        while True:
            page += 1
            answer = await self.client.read_offers(operation, skus, online=online, page=page, limit=OFFERS_PER_PAGE)
            body = answer.json() if is_object(answer) else None
            content = body.get("content") if isinstance(body, dict) else None
            if answer.status != 200 or not isinstance(body, dict) or not isinstance(content, list):
                raise BadAnswer(f"HTTP {answer.status}: the list of offers is unreadable")
            offers = [offer for offer in content if isinstance(offer, dict)]
            odd += len(content) - len(offers)
            yield offers
            pages = _count(body.get("pagination"))
            last = len(content) < OFFERS_PER_PAGE if pages is None else page >= pages
            if last or not content or answer.body == before:
                break
            before = answer.body
        if odd:
            raise BadAnswer(f"{odd} member(s) of the list of offers are no objects; all others were given")

    async def one_offer(self, operation: str, sku: str) -> dict[str, Any] | None:
        """The offer of a SKU as ManoMano shows it, online or offline; None when it shows none. Raises `CallError`."""
        async for page, _ in self.offer_pages(operation, [sku]):
            for offer in page:
                if offer.get("sku") == sku:
                    return offer
        return None


def _count(pagination: Any) -> int | None:
    pages = pagination.get("pages") if isinstance(pagination, dict) else None
    if isinstance(pages, str) and pages.isdecimal():
        return int(pages)
    return pages if isinstance(pages, int) and not isinstance(pages, bool) else None
