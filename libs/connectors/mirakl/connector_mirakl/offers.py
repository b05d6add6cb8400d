"""Reading offers back (OF21): one by its SKU, some, or all of them page by page.

OF21 has no order that stands still: while pages are read, offers move between them. So an offer that a listing missed
is looked for again, by its SKU or by a second pass, and one that is shown twice is given once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer, CallError, Lane
from connector_kit.offers import ChannelPrice, MarketplaceOffer, VolumePrice
from connector_kit.outcome import Outcome
from connector_mirakl.client import MiraklClient, Unavailable
from connector_mirakl.errors import ATTENTION_SECONDS, outcome_of_error
from connector_mirakl.pricefile import PriceRow, Ranges, read_rows
from connector_mirakl.wire import Json, amount, instant, objects, text, whole
from hub_contracts.base import Money

T = TypeVar("T")

PAGE = 100
"""Mirakl General Notes: at most 100 per page."""
STEADY = "productTitle"
"""The only sort of OF21 that a change of price does not disturb."""
PASSES = 2
"""A listing is repeated once when it showed fewer offers than Mirakl counts."""


class OfferReader:
    """Reads offers of one connection. `operation` names the budget, which belongs to one service alone."""

    def __init__(self, client: MiraklClient, operation: str = "read_offers") -> None:
        self._client = client
        self._operation = operation

    async def read(self, sku: str) -> Json | None:
        """The offer of this seller SKU; None when Mirakl shows none. Raises `CallError`."""
        page, _ = await self._page([("sku", sku)], 0)
        return next((offer for offer in page if text(offer.get("shop_sku")) == sku), None)

    async def read_some(self, skus: Sequence[str]) -> dict[str, Json]:
        """Offers by SKU; one that Mirakl does not show is left out. Raises `CallError`.

        Whole pages are read where that takes fewer calls than reading each offer.
        """
        wanted = dict.fromkeys(skus)
        found: dict[str, Json] = {}
        if len(wanted) > 1:
            page, total = await self._page([("sort", STEADY)], 0)
            if -(-total // PAGE) < len(wanted):
                async for more in self._pass(set(), page, total):
                    found.update(
                        (sku, offer) for offer in more if (sku := text(offer.get("shop_sku"))) in wanted and sku
                    )
        for sku in wanted:
            offer = None if sku in found else await self.read(sku)
            if offer is not None:
                found[sku] = offer
        return found

    async def pages(self) -> AsyncIterator[list[Json]]:
        """All offers, each once. Raises `CallError`."""
        seen: set[str] = set()
        for _ in range(PASSES):
            page, total = await self._page([("sort", STEADY)], 0)
            async for fresh in self._pass(seen, page, total):
                yield fresh
            if len(seen) >= total:
                return

    async def _pass(self, seen: set[str], page: list[Json], total: int) -> AsyncIterator[list[Json]]:
        offset = 0
        while page:
            fresh = [offer for offer in page if (sku := text(offer.get("shop_sku"))) and sku not in seen]
            seen.update(text(offer.get("shop_sku")) or "" for offer in fresh)
            if fresh:
                yield fresh
            offset += PAGE
            if offset >= total:
                return
            page, total = await self._page([("sort", STEADY)], offset)

    async def _page(self, params: Sequence[tuple[str, str]], offset: int) -> tuple[list[Json], int]:
        query = [*params, ("max", str(PAGE)), ("offset", str(offset))]
        answer = await self._client.read_object(self._operation, "/api/offers", query, lane=Lane.STOCK)
        if not isinstance(answer.get("offers"), list):
            raise BadAnswer("OF21: the answer has no list 'offers'")
        page, total = objects(answer["offers"]), answer.get("total_count")
        return page, total if isinstance(total, int) and not isinstance(total, bool) else len(page)


class OfferList:
    """Capability `offers` of one connection."""

    def __init__(self, reader: OfferReader) -> None:
        self._reader = reader

    async def list_offers(self, offer_skus: Sequence[str] = ()) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        """Pages of offers; see `ReadsOffers`. Raises `CallError`."""
        if offer_skus:
            found = await self._reader.read_some(offer_skus)
            yield [map_offer(offer) for offer in found.values()]
            return
        async for page in self._reader.pages():
            yield [map_offer(offer) for offer in page]


def map_offer(offer: Json) -> MarketplaceOffer:
    """An offer as OF21 shows it. What cannot be read is left None and named in `problems`, never guessed."""
    reasons = offer.get("inactivity_reasons")
    problems = [reason for reason in map(text, reasons) if reason] if isinstance(reasons, list) else []
    currency = text(offer.get("currency_iso_code")) or ""
    prices = _tried(lambda: [_shown(row, currency) for row in read_rows(offer) if _everywhere(row)], problems) or []
    own = next((shown for shown in prices if shown.channel is None), None)
    plain = None if own else _tried(lambda: _money(offer.get("price"), currency), problems)
    active = offer.get("active")
    return MarketplaceOffer(
        offer_sku=text(offer.get("shop_sku")) or "",
        quantity=_tried(lambda: whole(offer.get("quantity"), "quantity"), problems),
        price=own.price if own else plain,
        discount_price=own.discount_price if own else None,
        channel_prices=tuple(shown for shown in prices if shown.channel is not None),
        online=active if isinstance(active, bool) else None,
        state_code=text(offer.get("state_code")),
        lead_time_days=_tried(lambda: whole(offer.get("leadtime_to_ship"), "leadtime_to_ship"), problems),
        problems=tuple(problems),
    )


def _everywhere(row: PriceRow) -> bool:
    """Prices for one customer or a planned period are not what everybody sees now."""
    return not any((row.group, row.organization, row.start, row.end))


def _shown(row: PriceRow, currency: str) -> ChannelPrice:
    return ChannelPrice(
        channel=row.channel or None,
        price=Money(amount=row.price, currency=currency),
        discount_price=None if row.discount is None else Money(amount=row.discount, currency=currency),
        discount_from=instant(row.discount_start or None, "discount_start_date"),
        discount_until=instant(row.discount_end or None, "discount_end_date"),
        volume_prices=_volumes(row.ranges, currency),
        discount_volume_prices=_volumes(row.discount_ranges, currency),
    )


def _volumes(ranges: Ranges, currency: str) -> tuple[VolumePrice, ...]:
    return tuple(VolumePrice(from_quantity=start, price=Money(amount=one, currency=currency)) for start, one in ranges)


def _money(value: object, currency: str) -> Money | None:
    found = amount(value, "price")
    return None if found is None else Money(amount=found, currency=currency)


def _tried(read: Callable[[], T], problems: list[str]) -> T | None:
    try:
        return read()
    except (MappingError, ValueError) as error:
        problems.append(str(error)[:200])
        return None


def outcome_of_read(error: CallError, what: str) -> Outcome:
    """Outcome of an effect that was not begun because the offers could not be read before it."""
    if isinstance(error, Unavailable):
        wait = ATTENTION_SECONDS if error.status in (401, 403) else error.retry_after
        return Outcome.retry(f"{what}: {error}", after=wait)
    return outcome_of_error(error, idempotent=True)
