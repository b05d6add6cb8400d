"""Facts that shops tell us, and that we created orders there (`hub.shop-activity`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import Amount, EventData, Fact, Instant, Money
from hub_contracts.orders import Environment


class LineQuantity(Fact):
    """Some units of one order line."""

    line_id: str
    quantity: int


class ShopOrderCreated(EventData):
    """The shop holds the order."""

    TYPE: ClassVar[str] = "shop_order.created.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    order_id: UUID
    route_id: UUID
    shop_connection_id: UUID
    is_test: bool = False
    effect_id: UUID | None = None
    """None when the shop fetched the order itself."""
    shop_order_reference: str | None = None


class ShopOrderAcknowledged(EventData):
    """The shop says it works on the order, under its own reference."""

    TYPE: ClassVar[str] = "shop_order.acknowledged.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    order_id: UUID
    route_id: UUID
    shop_connection_id: UUID
    is_test: bool = False
    shop_order_reference: str
    acknowledged_at: Instant | None = None
    """When the shop took it, by the shop's word; else when it told us."""


class ShopOrderRejected(EventData):
    """The shop would not take the order; a person is needed."""

    TYPE: ClassVar[str] = "shop_order.rejected.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    order_id: UUID
    route_id: UUID
    shop_connection_id: UUID
    is_test: bool = False
    reason: str


class ShopOrderCancelled(EventData):
    """The shop confirmed that it stopped (after `route.cancelled.v1`)."""

    TYPE: ClassVar[str] = "shop_order.cancelled.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    order_id: UUID
    route_id: UUID
    shop_connection_id: UUID
    is_test: bool = False


class ShippingAddressCorrected(EventData):
    """A person put the delivery address of an order right; shops get it so from the next call on.

    What the address is now, and why, stays at the writer, where erasure reaches it: reasons tend to repeat addresses.
    """

    TYPE: ClassVar[str] = "shipping_address.corrected.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    order_id: UUID
    connection_id: UUID
    """The marketplace connection of the order."""
    version: int
    """Which correction of this order it is, from 1. The highest is in force and takes the place of those before it."""
    changed_fields: tuple[str, ...]
    """Names (never values) of the fields that shops get otherwise than before, sorted.

    Empty when a person confirmed what was there, whatever the marketplace says later."""
    actor: str
    """Login of the person."""
    corrected_at: Instant


class ParcelHandedOver(EventData):
    """A parcel left. Creating a label is not this: no tracking is sent before hand-over."""

    TYPE: ClassVar[str] = "parcel.handed_over.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    parcel_id: UUID
    order_id: UUID
    connection_id: UUID
    """The marketplace connection of the order."""
    route_id: UUID
    shop_connection_id: UUID
    environment: Environment
    is_test: bool = False
    shop_parcel_reference: str
    shop_order_reference: str | None = None
    """The shop's number of the order, when one is known."""
    lines: tuple[LineQuantity, ...]
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    destination_country: str | None = None
    handed_over_at: Instant


class ReturnLine(Fact):
    """What came back of one line."""

    line_id: str
    quantity: int
    reason: str | None = None
    """The shop's reason; mapped to the marketplace's by the connection."""
    amount: Amount | None = None
    """Money to refund for these units, shipping excluded; None = what the buyer paid for them."""


class ReturnReported(EventData):
    """The shop reports a return; the connection's policy says whether it is refunded now."""

    TYPE: ClassVar[str] = "return.reported.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    return_id: UUID
    order_id: UUID
    connection_id: UUID
    shop_connection_id: UUID
    environment: Environment
    is_test: bool = False
    route_id: UUID | None = None
    """The part of the order that it belongs to; always set by newer writers."""
    shop_return_reference: str
    stage: str
    """`created`, `received` or `inspected`."""
    lines: tuple[ReturnLine, ...]
    refund_shipping: bool = False
    reported_at: Instant


class CancellationRequested(EventData):
    """The shop cannot or will not fulfil (some of) the order."""

    TYPE: ClassVar[str] = "order.cancellation_requested.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    cancellation_id: UUID
    order_id: UUID
    connection_id: UUID
    shop_connection_id: UUID
    environment: Environment
    is_test: bool = False
    route_id: UUID | None = None
    """The part of the order that the shop was given; always set by newer writers."""
    shop_cancellation_reference: str | None = None
    """The shop's own name for this cancellation; always set by newer writers."""
    lines: tuple[LineQuantity, ...]
    """Empty means the whole order."""
    reason: str | None = None
    requested_at: Instant


class StockReported(EventData):
    """The shop states how many units of a SKU it can sell (absolute, not a difference).

    Keyed by `shop_connection_id:shop_sku`.
    """

    TYPE: ClassVar[str] = "stock.reported.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    shop_connection_id: UUID
    shop_sku: str
    warehouse: str | None = None
    quantity: int
    reported_at: Instant


class PriceReported(EventData):
    """The shop states the price of a SKU, taxes included. Keyed by `shop_connection_id:shop_sku`."""

    TYPE: ClassVar[str] = "price.reported.v1"
    TOPIC: ClassVar[str] = topics.SHOP_ACTIVITY
    shop_connection_id: UUID
    shop_sku: str
    channel: str | None = None
    price: Money
    discount_price: Money | None = None
    discount_from: Instant | None = None
    discount_until: Instant | None = None
    reported_at: Instant
