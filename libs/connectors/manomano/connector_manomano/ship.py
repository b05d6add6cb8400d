"""Tells ManoMano about parcels: one array entry per parcel, never two of one order in the same call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from connector_kit.capabilities import MarketplaceCarrier
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import ShipLine, ShipParcel
from connector_manomano.carriers import CARRIER_NAMES
from connector_manomano.client import SHIPPINGS
from connector_manomano.orders import Orders
from connector_manomano.probes import GONE, Seen, ship_shown


def products(lines: Iterable[ShipLine]) -> list[dict[str, Any]]:
    """Units per SKU. Lines that repeat a SKU are added up, since the SKU is all that ManoMano knows a line by."""
    units: dict[str, int] = {}
    for line in lines:
        units[line.offer_sku] = units.get(line.offer_sku, 0) + line.quantity
    return [{"seller_sku": sku, "quantity": quantity} for sku, quantity in units.items()]


class Ships(Orders):
    """Capabilities `ship` and `carriers`."""

    def _parcel(self, request: ShipParcel) -> dict[str, Any]:
        """Array entry of a parcel. Without `products` it stands for the whole order."""
        parcel = self.item(request.order_reference, carrier=request.carrier_name)
        if request.tracking_number is not None:
            parcel["tracking_number"] = request.tracking_number
        if request.tracking_url is not None:
            parcel["tracking_url"] = request.tracking_url
        if not request.whole_order:
            parcel["products"] = products(request.lines)
        return parcel

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        """Announce parcels. The carrier goes out as the display name, letter by letter."""
        empty = Outcome.rejected("lines: a parcel that is not the whole order must say which units it holds")
        sound = [request for request in requests if request.whole_order or request.lines]
        references = [request.order_reference for request in sound]
        bodies = [self._parcel(request) for request in sound]
        sent = iter(await self.order_action("ship", SHIPPINGS, references, bodies))
        return [next(sent) if request.whole_order or request.lines else empty for request in requests]

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        """Does the order's status prove the parcel? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_ship", request.order_reference)
        if order is None:
            return GONE
        return ship_shown(Seen(order.body), request, shipped_when_complete=self.settings.shipped_when_complete)

    async def list_carriers(self) -> Sequence[MarketplaceCarrier]:
        """Carriers as ManoMano spells them, from its document: there is no endpoint."""
        return [MarketplaceCarrier(name=name) for name in CARRIER_NAMES]
