"""Facts about what can be sold and at which price, per marketplace connection (`hub.stock`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import EventData, Instant, Money
from hub_contracts.orders import Environment


class OfferChanged(EventData):
    """The hub's own view of an offer changed. Restates everything. Keyed by `connection_id:offer_sku`."""

    TYPE: ClassVar[str] = "offer.changed.v1"
    TOPIC: ClassVar[str] = topics.STOCK
    connection_id: UUID
    """The marketplace connection."""
    environment: Environment
    offer_sku: str
    shop_connection_id: UUID
    shop_sku: str
    on_hand: int
    reserved: int
    buffer: int
    available: int
    """What the marketplace may sell: on hand less reservations of open orders less buffer, never below 0."""
    price: Money | None = None
    changed_at: Instant
    serving: str | None = None
    """How the shop's SKU came to it: `linked`, `pass_through`, or `withdrawn` when it was unlinked."""


class OfferPushed(EventData):
    """The marketplace took our quantity or price."""

    TYPE: ClassVar[str] = "offer.pushed.v1"
    TOPIC: ClassVar[str] = topics.STOCK
    connection_id: UUID
    offer_sku: str
    effect_id: UUID
    quantity: int | None = None
    price: Money | None = None
    import_reference: str | None = None
    confirmed_by: str


class OfferRejected(EventData):
    """The marketplace would not take our quantity or price."""

    TYPE: ClassVar[str] = "offer.rejected.v1"
    TOPIC: ClassVar[str] = topics.STOCK
    connection_id: UUID
    offer_sku: str
    effect_id: UUID
    reason: str
    import_reference: str | None = None
    subject: str | None = None
    """What it would not take: `quantity` or `price`."""
