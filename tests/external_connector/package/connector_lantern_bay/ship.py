"""Tells Lantern Bay about parcels. The parcel's id is ours, so a re-read can tell this parcel from any other."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import ShipParcel

from connector_lantern_bay.orders import Orders, order_path


class Ships(Orders):
    """Capability `ship`."""

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        """Announce parcels, one call each."""
        return [await self._ship(each) for each in requests]

    async def _ship(self, request: ShipParcel) -> Outcome:
        body = {
            "id": str(request.parcel_id),
            "carrier": request.carrier_name,
            "tracking_number": request.tracking_number,
            "tracking_url": request.tracking_url,
            "lines": [{"id": line.line_id, "quantity": line.quantity} for line in request.lines],
        }
        got = await self.client.change("ship", "POST", order_path(request.order_reference, "parcels"), body)
        return got if isinstance(got, Outcome) else Outcome.done(status=got.get("status"))

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        """Does the order show the parcel? Raises `CallError`."""
        return await self.listed("probe_ship", request.order_reference, "parcels", str(request.parcel_id))
