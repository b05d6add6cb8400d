"""Facts about the comparison of what a marketplace shows with what the hub holds (`hub.reconciliations`).

Two systems that are never compared drift apart in silence, and the seller hears of it from a buyer. A difference is
told once when it is found and once when it is gone; the daily statement tells that the comparison itself took place.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import EventData, Instant


class DifferenceKind(StrEnum):
    """What does not agree."""

    ORDER_MISSING = "order_missing"
    """The marketplace shows an order that the hub has never received."""
    ORDER_VANISHED = "order_vanished"
    """The hub holds an order that the marketplace no longer knows."""
    STATUS = "status"
    LINES = "lines"
    """Lines, SKUs or quantities."""
    PAID_TOTAL = "paid_total"
    ANSWER_MISSING = "answer_missing"
    """The hub was told that its acceptance or refusal was taken, and the marketplace still waits for one."""
    PARCEL_MISSING = "parcel_missing"
    """The hub was told that a parcel was taken, and the marketplace still shows the order as not shipped."""
    REFUND_MISSING = "refund_missing"
    REFUND_UNKNOWN = "refund_unknown"
    """The marketplace shows money given back that the hub did not ask for."""
    STOCK = "stock"
    PRICE = "price"
    OFFER_MISSING = "offer_missing"


class Repair(StrEnum):
    """What is done about a difference."""

    REREAD = "reread"
    """order-ingest reads the order again and tells what it finds: always safe."""
    PUSH_AGAIN = "push_again"
    """stock-sync sends the absolute value again: safe, because repeating it changes nothing."""
    OPERATOR = "operator"
    """A person decides: repeating it could do it twice."""


class DifferenceFound(EventData):
    """Marketplace and hub disagree. Told again only when a value or the repair changes.

    Keyed by `order_id`; by `connection_id:offer_sku` for offers.
    """

    TYPE: ClassVar[str] = "difference.found.v1"
    TOPIC: ClassVar[str] = topics.RECONCILIATIONS
    difference_id: UUID
    connection_id: UUID
    kind: DifferenceKind
    order_id: UUID | None = None
    marketplace_reference: str | None = None
    line_id: str | None = None
    offer_sku: str | None = None
    is_test: bool = False
    hub_value: str
    """What the hub holds, for people; no personal data."""
    marketplace_value: str
    """What the marketplace shows, for people; no personal data."""
    owner: str
    """The service whose business it is."""
    repair: Repair
    next_step: str
    attempts: int = 0
    """How often the repair was asked for before this event."""
    found_at: Instant


class DifferenceResolved(EventData):
    """A later comparison shows that both agree, or a person closed it with a reason."""

    TYPE: ClassVar[str] = "difference.resolved.v1"
    TOPIC: ClassVar[str] = topics.RECONCILIATIONS
    difference_id: UUID
    connection_id: UUID
    kind: DifferenceKind
    order_id: UUID | None = None
    offer_sku: str | None = None
    is_test: bool = False
    resolution: str
    actor: str | None = None
    """Login of the person who closed it; None when the comparison did."""
    found_at: Instant


class StatementIssued(EventData):
    """The day of one connection: what was compared, what was done, what does not agree. Keyed by `connection_id`."""

    TYPE: ClassVar[str] = "statement.issued.v1"
    TOPIC: ClassVar[str] = topics.RECONCILIATIONS
    statement_id: UUID
    connection_id: UUID
    day: date
    """The UTC day that it covers."""
    orders: int
    """Orders of the connection that were open or changed on that day."""
    orders_compared: int
    offers: int
    offers_compared: int
    effects: int
    """Changes that the marketplace took from the hub on that day."""
    effects_by_kind: dict[str, int] = {}
    differences_open: int
    differences_found: int
    differences_resolved: int
    differences_by_kind: dict[str, int] = {}
    """Open ones by kind."""
    complete: bool
    """False when something of the day could not be compared; then 0 differences proves nothing."""
    compared_at: Instant | None = None
    """End of the oldest comparison that the statement rests on."""
