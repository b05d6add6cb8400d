"""The invented seller of all examples: "Atelier Lumen" sells lamps at Pixmania and ManoMano, from one shop.

Nothing here belongs to anybody: hosts end in `.invalid` (RFC 2606), the telephone number is in a range reserved for
fiction, identifiers are fixed, and instants are literals, so that every run writes the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from hub_contracts.base import EventData, Money
from hub_contracts.envelope import Metadata
from hub_contracts.ids import order_id_for, parcel_id_for, return_id_for, route_id_for
from hub_contracts.listeners import writers_of
from hub_contracts.shop_activity import LineQuantity

TENANT = "atelier-lumen"
PIXMANIA = UUID("019cade0-6c00-7a10-8000-0000000000a1")
MANOMANO = UUID("019cade0-6c00-7a10-8000-0000000000a2")
SHOP = UUID("019cade0-6c00-7a10-8000-0000000000b1")

ORDER_REFERENCE = "PXM-48213907-A"
"""Mirakl writes the commercial order and a letter per seller."""
COMMERCIAL_REFERENCE = "PXM-48213907"
SHOP_ORDER_REFERENCE = "LUM-10452"
ORDER = order_id_for(PIXMANIA, ORDER_REFERENCE)
ROUTE = route_id_for(ORDER, SHOP, "lyon")
PARCEL = parcel_id_for(ORDER, SHOP, "LUM-10452-1")
RETURN = return_id_for(ORDER, SHOP, "RET-2291")
SNAPSHOT = UUID("019cadf2-8d48-7c31-9b5e-4f0a7d21c6e3")

LAMP_LINE, BULB_LINE = "PXM-48213907-A-1", "PXM-48213907-A-2"
LAMP_SKU, BULB_SKU = "LUM-OPALINE-BL", "LUM-E27-8W-X3"
LAMP_SHOP_SKU, BULB_SHOP_SKU = "OPALINE-BLANC", "E27-8W-LOT3"
BOTH_LINES = (LineQuantity(line_id=LAMP_LINE, quantity=2), LineQuantity(line_id=BULB_LINE, quantity=1))

START = datetime(2026, 3, 2, 9, 14, 5, 250000, tzinfo=UTC)
"""When the first order was seen."""


def at(**distance: int) -> datetime:
    """An instant so far after the start (arguments of `timedelta`)."""
    return START + timedelta(**distance)


def euros(amount: str) -> Money:
    """An amount in euros."""
    return Money(amount=Decimal(amount), currency="EUR")


@dataclass(frozen=True)
class Example:
    """An event and what its headers say. `after` is the type of the event that caused it."""

    data: EventData
    key: str
    time: datetime
    version: int = 1
    after: str | None = None
    source: str | None = None
    """Writer, where several services write this type."""

    def metadata(self, cause: Example | None = None) -> Metadata:
        """The envelope, with identifiers derived from the type so that they never change."""
        return Metadata(
            event_id=event_id(self.data.TYPE, self.time),
            type=self.data.TYPE,
            source=self.source or writers_of(type(self.data))[0],
            time=self.time,
            key=self.key,
            tenant=TENANT,
            aggregate_version=self.version,
            traceparent=f"00-{_digest(self.key)[:32]}-{_digest(self.data.TYPE)[:16]}-01",
            causation_id=str(event_id(cause.data.TYPE, cause.time)) if cause else None,
        )


def event_id(event_type: str, time: datetime) -> UUID:
    """A UUIDv7 whose time is `time` and whose random part is derived from the type."""
    milliseconds = round((time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    rest = int(_digest(event_type)[:20], 16)
    low = (rest & ((1 << 62) - 1)) | (0b10 << 62)
    return UUID(int=(milliseconds << 80) | (7 << 76) | ((rest >> 62) & 0xFFF) << 64 | low)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
