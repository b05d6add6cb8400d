"""Capabilities around offers and products beyond bare stock and price: read back, publish, release, import.

What a marketplace was sent and what it shows are two things. Without reading back, a price that an import report
refused line by line stays wrong for weeks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import UUID

from connector_kit.outcome import Outcome, ProbeResult
from hub_contracts.base import Fact, Instant, Money


class VolumePrice(Fact):
    """Price of one unit from a quantity on."""

    from_quantity: int
    price: Money


class ChannelPrice(Fact):
    """A price of an offer, taxes included, in one sales channel; channel None holds everywhere else."""

    channel: str | None = None
    price: Money
    discount_price: Money | None = None
    discount_from: Instant | None = None
    discount_until: Instant | None = None
    volume_prices: tuple[VolumePrice, ...] = ()
    discount_volume_prices: tuple[VolumePrice, ...] = ()


class MarketplaceOffer(Fact):
    """An offer as the marketplace shows it now. None = it does not say."""

    offer_sku: str
    quantity: int | None = None
    price: Money | None = None
    discount_price: Money | None = None
    channel_prices: tuple[ChannelPrice, ...] = ()
    online: bool | None = None
    frozen: tuple[str, ...] = ()
    """`price`, `stock`: values that a feed can no longer overwrite (ManoMano 7.1)."""
    state_code: str | None = None
    lead_time_days: int | None = None
    problems: tuple[str, ...] = ()


class Problem(Fact):
    """What is wrong with a value before or after it was sent, and what to do next."""

    field: str
    rule: str
    next_step: str = ""
    code: str | None = None
    """The marketplace's own code or message, where it was the one to object."""
    row: int | None = None
    """Row of an import, counted from 1 without the header; None when it is not about a row."""
    offer_sku: str | None = None
    severity: Literal["error", "warning"] = "error"


class PublishOffer(Fact):
    """Create an offer or state it whole. What is left None here is not sent, and no value of it is lost at a
    marketplace that resets what is absent: such connectors read, merge and write."""

    offer_sku: str
    product_id: str | None = None
    product_id_type: str | None = None
    """`EAN`, `SKU`…: the operator's own words."""
    state_code: str | None = None
    prices: tuple[ChannelPrice, ...] = ()
    """All prices. The one without a channel is the offer's own."""
    quantity: int | None = None
    description: str | None = None
    lead_time_days: int | None = None
    logistic_class: str | None = None
    weight_kg: str | None = None
    """Decimal number, for carriers' grids."""
    carrier_grids: tuple[tuple[str, int, int], ...] = ()
    """`(name of the grid, days at least, days at most)`."""
    min_order_quantity: int | None = None
    max_order_quantity: int | None = None
    package_quantity: int | None = None
    attributes: dict[str, str] = {}
    """The operator's additional fields by code (`warranty`, `warehouselocation`…)."""
    withdraw: bool = False
    """Take the offer off the marketplace."""


class ReleaseOffer(Fact):
    """Let feeds overwrite an offer's values again."""

    offer_sku: str
    fields: tuple[Literal["price", "stock"], ...]


class ImportProducts(Fact):
    """Hand over a product file. `content_base64` is the file as the marketplace expects it."""

    import_id: UUID
    file_name: str
    content_base64: str
    operator_format: bool = True


@runtime_checkable
class ReadsOffers(Protocol):
    """Capability `offers`."""

    def list_offers(self, offer_skus: Sequence[str] = ()) -> AsyncIterator[Sequence[MarketplaceOffer]]:
        """Pages of offers as the marketplace shows them; all of them without SKUs. Reading changes nothing."""
        ...


@runtime_checkable
class PublishesOffers(Protocol):
    """Capability `publish_offers`."""

    def check_offer(self, request: PublishOffer) -> Sequence[Problem]:
        """Pure. What the marketplace would refuse, found before a call is spent on it; empty when nothing is known."""
        ...

    async def publish_offers(self, requests: Sequence[PublishOffer]) -> Sequence[Outcome]:
        """State offers whole; one outcome per request, in order."""
        ...

    async def probe_publish_offer(self, request: PublishOffer, answer: Mapping[str, Any]) -> ProbeResult:
        """Did it end well? A refusal's `answer["problems"]` lists `Problem`s as JSON."""
        ...


@runtime_checkable
class ReleasesOffers(Protocol):
    """Capability `release_offers`. Repeating is harmless."""

    async def release_offers(self, requests: Sequence[ReleaseOffer]) -> Sequence[Outcome]:
        """One outcome per request, in order."""
        ...

    async def probe_release_offer(self, request: ReleaseOffer, answer: Mapping[str, Any]) -> ProbeResult:
        """Does the marketplace show the values as released?"""
        ...


@runtime_checkable
class ImportsProducts(Protocol):
    """Capability `products`."""

    async def import_products(self, requests: Sequence[ImportProducts]) -> Sequence[Outcome]:
        """Hand files over; usually `SENT`, with the tracking id in the answer."""
        ...

    async def probe_import_products(self, request: ImportProducts, answer: Mapping[str, Any]) -> ProbeResult:
        """How the import stands. When it has ended, `answer` holds `counters` and `problems` (`Problem`s as JSON)."""
        ...
