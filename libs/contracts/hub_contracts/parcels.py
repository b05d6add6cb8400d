"""Facts about parcels whose carrier the marketplace will understand (`hub.parcels`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.acceptances import LosingOption, RuleTrace
from hub_contracts.base import EventData, Instant
from hub_contracts.orders import Environment
from hub_contracts.shop_activity import LineQuantity


class ParcelCarrierMapped(EventData):
    """The marketplace's carrier for this parcel is known; the marketplace can be told."""

    TYPE: ClassVar[str] = "parcel.carrier_mapped.v1"
    TOPIC: ClassVar[str] = topics.PARCELS
    parcel_id: UUID
    order_id: UUID
    connection_id: UUID
    route_id: UUID
    shop_connection_id: UUID
    environment: Environment
    is_test: bool = False
    lines: tuple[LineQuantity, ...]
    carrier_code: str | None = None
    """The marketplace's code; None where it only knows names (ManoMano)."""
    carrier_name: str
    """The marketplace's display name, case and accents included."""
    tracking_number: str | None = None
    tracking_url: str | None = None
    mapped_by: str
    """`rule`, `name`, `pattern`, `default` or `operator`."""
    rules: tuple[RuleTrace, ...] = ()
    losing_options: tuple[LosingOption, ...] = ()
    warnings: tuple[str, ...] = ()
    handed_over_at: Instant
