"""Tells ManoMano about parcels: one array entry per parcel, never two of one order in the same call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connector_kit.capabilities import MarketplaceCarrier
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import ShipLine, ShipParcel
from connector_manomano.batches import send_sound
from connector_manomano.carriers import CARRIER_NAMES, OTHER, carrier_obstacle
from connector_manomano.client import SHIPPINGS
from connector_manomano.orders import Orders
from connector_manomano.probes import GONE, Seen, ship_shown
from connector_manomano.tracking import link_problem, tracking_link


def products(lines: Iterable[ShipLine]) -> list[dict[str, Any]]:
    """Units per SKU. Lines that repeat a SKU are added up, since the SKU is all that ManoMano knows a line by."""
    units: dict[str, int] = {}
    for line in lines:
        units[line.offer_sku] = units.get(line.offer_sku, 0) + line.quantity
    return [{"seller_sku": sku, "quantity": quantity} for sku, quantity in units.items()]


def _no_link(request: ShipParcel) -> str:
    """Why there is no link, and what would give one."""
    given = request.tracking_url
    wrong = f"{link_problem(given.strip())}, and " if given else ""
    if not request.tracking_number:
        return (
            f"tracking_url: {wrong}none can be built without a tracking number; ManoMano takes no parcel without a link"
        )
    return (
        f"tracking_url: {wrong}no tracking page of {request.carrier_name[:60]!r} is known; give the link with the"
        " parcel or set tracking_link_template on the connection"
    )


def _tell(outcome: Outcome, request: ShipParcel, announced: Announced) -> Outcome:
    """The outcome with what was sent instead of what was asked."""
    told = {}
    if announced.link is not None and announced.link != request.tracking_url:
        told["tracking_url"] = announced.link
    if announced.carrier != request.carrier_name:
        told["carrier"] = announced.carrier
    return replace(outcome, answer=outcome.answer | told) if told else outcome


@dataclass(frozen=True, slots=True)
class Announced:
    """A parcel in ManoMano's words, or why it cannot be put into them."""

    carrier: str
    link: str | None
    obstacle: str | None


class Ships(Orders):
    """Capabilities `ship` and `carriers`."""

    def _announce(self, request: ShipParcel) -> Announced:
        settings = self.settings
        unknown = carrier_obstacle(request.carrier_name)
        other = unknown is not None and settings.allow_other_carrier
        link = tracking_link(
            request.tracking_url,
            request.carrier_name,
            request.tracking_number,
            country=settings.country,
            template=settings.tracking_link_template,
        )
        obstacle = self.fulfilled_there.obstacle(request.order_reference)
        if obstacle is None and not (request.whole_order or request.lines):
            obstacle = "lines: a parcel that is not the whole order must say which units it holds"
        if obstacle is None and not other:
            obstacle = unknown
        if obstacle is None and link is None and (settings.require_tracking_link or other):
            obstacle = _no_link(request)
        return Announced(OTHER if other else request.carrier_name, link, obstacle)

    def _parcel(self, request: ShipParcel, announced: Announced) -> dict[str, Any]:
        """Array entry of a parcel. Without `products` it stands for the whole order."""
        parcel = self.item(request.order_reference, carrier=announced.carrier)
        if request.tracking_number is not None:
            parcel["tracking_number"] = request.tracking_number
        if announced.link is not None:
            parcel["tracking_url"] = announced.link
        if not request.whole_order:
            parcel["products"] = products(request.lines)
        return parcel

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        """Announce parcels. The carrier goes out as the display name, letter by letter, and always with a link.

        A carrier that ManoMano does not know and a parcel without any link are rejected before a call is spent. What
        went out otherwise than asked (a link that was built, `Other`) is told in the answer.
        """
        announced = [self._announce(request) for request in requests]

        async def send(sound: Sequence[int]) -> list[Outcome]:
            bodies = [self._parcel(requests[at], announced[at]) for at in sound]
            references = [requests[at].order_reference for at in sound]
            outcomes = await self.order_action("ship", SHIPPINGS, references, bodies)
            return [_tell(outcome, requests[at], announced[at]) for outcome, at in zip(outcomes, sound, strict=True)]

        return await send_sound([each.obstacle for each in announced], send)

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        """Does the order's status prove the parcel? Raises `CallError` when ManoMano cannot be read."""
        order = await self.fetch("probe_ship", request.order_reference)
        if order is None:
            return GONE
        return ship_shown(Seen(order.body), request, shipped_when_complete=self.settings.shipped_when_complete)

    async def list_carriers(self) -> Sequence[MarketplaceCarrier]:
        """Carriers as ManoMano spells them, from its document: there is no endpoint."""
        return [MarketplaceCarrier(name=name) for name in CARRIER_NAMES]
