"""Facts about money going back and orders being cancelled on the seller's wish (`hub.refunds`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import Amount, Currency, EventData, Fact, Instant
from hub_contracts.shop_activity import LineQuantity


class RefundLine(Fact):
    """What is refunded for one line. The sum per line never exceeds what the buyer paid for it."""

    line_id: str
    quantity: int
    amount: Amount
    """Shipping excluded."""
    shipping_amount: Amount
    reason_code: str
    """The marketplace's own code."""


class RefundRequested(EventData):
    """A refund was entered in the ledger and will be asked of the marketplace."""

    TYPE: ClassVar[str] = "refund.requested.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    refund_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    return_id: UUID | None = None
    currency: Currency
    lines: tuple[RefundLine, ...]
    refund_shipping: bool = False
    requested_by: str
    requested_at: Instant | None = None
    """From when it counts: the shop's report of the return, or a person's request."""


class RefundConfirmed(EventData):
    """The marketplace confirmed the refund."""

    TYPE: ClassVar[str] = "refund.confirmed.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    refund_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    currency: Currency
    lines: tuple[RefundLine, ...]
    refund_references: tuple[str, ...] = ()
    confirmed_by: str


class RefundRejected(EventData):
    """The marketplace would not refund, or the ledger forbade it; a person is needed."""

    TYPE: ClassVar[str] = "refund.rejected.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    refund_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID | None = None
    reason: str


class CancelledMoney(Fact):
    """Units of one line that were cancelled and what the buyer paid for them."""

    line_id: str
    quantity: int
    amount: Amount
    """Shipping excluded."""
    shipping_amount: Amount


class CancellationConfirmed(EventData):
    """The marketplace confirmed a cancellation that the shop asked for."""

    TYPE: ClassVar[str] = "cancellation.confirmed.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    cancellation_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    lines: tuple[LineQuantity, ...] = ()
    """What was cancelled; empty means the whole order."""
    confirmed_by: str
    money: tuple[CancelledMoney, ...] = ()
    """What can no longer be refunded, by line; also where the whole order was cancelled."""


class CancellationRejected(EventData):
    """The marketplace would not cancel; a person is needed."""

    TYPE: ClassVar[str] = "cancellation.rejected.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    cancellation_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID | None = None
    reason: str


class MarketplaceReturnLine(Fact):
    """Units of one line that come back, as the marketplace says."""

    line_id: str
    quantity: int
    reason_code: str | None = None


class MarketplaceReturnReported(EventData):
    """The marketplace shows a return, or another stage of one. It gives no money back by itself."""

    TYPE: ClassVar[str] = "marketplace_return.reported.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    return_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    return_reference: str
    stage: str
    """`requested`, `under_way`, `refused`, `received`, `closed`, `cancelled` or `unknown`."""
    marketplace_state: str
    lines: tuple[MarketplaceReturnLine, ...]
    tracking_number: str | None = None
    marketplace_updated_at: Instant


class MarketplaceReturnAnswered(EventData):
    """The marketplace took the seller's word on a return."""

    TYPE: ClassVar[str] = "marketplace_return.answered.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    return_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    answer: str
    """`accept`, `refuse`, `receive`, `comply` or `object`."""
    confirmed_by: str


class MarketplaceReturnAnswerRejected(EventData):
    """The marketplace would not take the seller's word on a return; a person is needed."""

    TYPE: ClassVar[str] = "marketplace_return.answer_rejected.v1"
    TOPIC: ClassVar[str] = topics.REFUNDS
    return_id: UUID
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    answer: str
    reason: str
