"""Facts about telling the marketplace that parcels left (`hub.shipments`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import EventData, Instant
from hub_contracts.shop_activity import LineQuantity


class ShipmentNotified(EventData):
    """The marketplace knows the parcel."""

    TYPE: ClassVar[str] = "shipment.notified.v1"
    TOPIC: ClassVar[str] = topics.SHIPMENTS
    order_id: UUID
    parcel_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    lines: tuple[LineQuantity, ...]
    order_complete: bool
    """True when every unit of the order has been notified."""
    confirmed_by: str
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    """What the marketplace was told; a correction may have come since. No name: told before events said it."""
    invoice_due_at: Instant | None = None
    """When the buyer's invoice should be at the marketplace; None when the hub puts none there."""


class ShipmentRejected(EventData):
    """The marketplace would not take the parcel; a person is needed."""

    TYPE: ClassVar[str] = "shipment.rejected.v1"
    TOPIC: ClassVar[str] = topics.SHIPMENTS
    order_id: UUID
    parcel_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    reason: str


class InvoiceUploaded(EventData):
    """The buyer's invoice is at the marketplace."""

    TYPE: ClassVar[str] = "invoice.uploaded.v1"
    TOPIC: ClassVar[str] = topics.SHIPMENTS
    order_id: UUID
    connection_id: UUID
    effect_id: UUID
    document_reference: str | None = None
    route_id: UUID | None = None
    """The route whose invoice it is: each shop writes its own."""


class InvoiceRejected(EventData):
    """The marketplace would not take the buyer's invoice; a person is needed."""

    TYPE: ClassVar[str] = "invoice.rejected.v1"
    TOPIC: ClassVar[str] = topics.SHIPMENTS
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    reason: str
    route_id: UUID | None = None
    """The route whose invoice it is: each shop writes its own."""
