"""Reading offers back (OF21)."""

from __future__ import annotations

from connector_kit.http import Lane
from connector_mirakl.client import MiraklClient
from connector_mirakl.wire import Json, objects, text


class OfferReader:
    """Reads offers of one connection."""

    def __init__(self, client: MiraklClient) -> None:
        self._client = client

    async def read(self, sku: str) -> Json | None:
        """The offer of this seller SKU; None when Mirakl shows none. Raises `CallError`."""
        params = [("sku", sku), ("max", "100"), ("offset", "0")]
        answer = await self._client.read_object("read_offers", "/api/offers", params, lane=Lane.STOCK)
        return next((offer for offer in objects(answer.get("offers")) if text(offer.get("shop_sku")) == sku), None)
