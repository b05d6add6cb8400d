"""A connection's half for what is sold: stock, prices, offers and products."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from connector_kit.offers import ImportProducts, MarketplaceOffer, Problem, PublishOffer
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import SetPrice, SetStock
from connector_mirakl.imports import ImportBook
from connector_mirakl.offers import OfferList, OfferReader
from connector_mirakl.parts import Parts
from connector_mirakl.price import PricePusher
from connector_mirakl.products import ProductImporter
from connector_mirakl.publish import OfferPublisher
from connector_mirakl.stock import StockPusher


class OfferSide:
    """Capabilities `stock`, `price`, `offers`, `publish_offers`, `products`."""

    def _start_offer_side(self, parts: Parts) -> None:
        client, settings, clock = parts.client, parts.settings.offers, parts.context.clock
        offers, book = OfferReader(client), ImportBook(client, clock)
        self._stock = StockPusher(client, book, offers, settings)
        self._price = PricePusher(client, book, offers, settings)
        self._offer_list = OfferList(offers)
        own_reader = OfferReader(client, "read_offers_for_publishing")
        self._publisher = OfferPublisher(client, book, own_reader, settings, clock)
        self._products = ProductImporter(client, parts.settings.profile, clock)

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        """See `SetsStock`."""
        return await self._stock.set_stock(requests)

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        """See `SetsStock`."""
        return await self._stock.probe_stock(request, answer)

    async def set_price(self, requests: Sequence[SetPrice]) -> Sequence[Outcome]:
        """See `SetsPrices`."""
        return await self._price.set_price(requests)

    async def probe_price(self, request: SetPrice, answer: Mapping[str, Any]) -> ProbeResult:
        """See `SetsPrices`."""
        return await self._price.probe_price(request, answer)

    def list_offers(self, offer_skus: Sequence[str] = ()) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        """See `ReadsOffers`."""
        return self._offer_list.list_offers(offer_skus)

    def check_offer(self, request: PublishOffer) -> Sequence[Problem]:
        """See `PublishesOffers`."""
        return self._publisher.check_offer(request)

    async def publish_offers(self, requests: Sequence[PublishOffer]) -> Sequence[Outcome]:
        """See `PublishesOffers`."""
        return await self._publisher.publish_offers(requests)

    async def probe_publish_offer(self, request: PublishOffer, answer: Mapping[str, Any]) -> ProbeResult:
        """See `PublishesOffers`."""
        return await self._publisher.probe(request, answer)

    async def import_products(self, requests: Sequence[ImportProducts]) -> Sequence[Outcome]:
        """See `ImportsProducts`."""
        return await self._products.import_products(requests)

    async def probe_import_products(self, request: ImportProducts, answer: Mapping[str, Any]) -> ProbeResult:
        """See `ImportsProducts`."""
        return await self._products.probe(request, answer)
