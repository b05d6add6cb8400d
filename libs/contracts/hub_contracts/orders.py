"""Facts about orders as the marketplace shows them (`hub.orders`, `hub.order-customers`).

`order.received.v1` and `order.changed.v1` restate the whole order, so a reader that starts late or missed one is right
again after the next. Personal data is only in `order.customer_recorded.v1`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import Amount, Currency, EventData, Fact, Instant, Money, Pii
from hub_contracts.status import OrderStatus


class Environment(StrEnum):
    """Sandbox data can never reach a production shop: every order-scoped event says where it comes from."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"


class FulfilledBy(StrEnum):
    """Who ships. Orders fulfilled by the marketplace are recorded and never answered, shipped or stocked."""

    SELLER = "seller"
    MARKETPLACE = "marketplace"


class TaxMode(StrEnum):
    """Whether prices include the taxes (Mirakl `order_tax_mode`; ManoMano prices always include VAT)."""

    INCLUDED = "tax_included"
    EXCLUDED = "tax_excluded"


class Tax(Fact):
    """One tax of a line. With rule `NONE` a refund must state the tax amount, else it is not refunded (Mirakl OR28)."""

    code: str
    amount: Amount
    rate: Amount | None = None
    rule: str | None = None


class OrderLine(Fact):
    """One line of the commercial order, never split or merged."""

    line_id: str
    """The marketplace's line id; where it has none (ManoMano) the seller SKU, with `#2`, `#3`… on repeats."""
    offer_sku: str
    """The seller's SKU on that marketplace."""
    product_sku: str | None = None
    title: str = ""
    quantity: int
    unit_price: Money
    line_price: Money
    """Unit price times quantity, shipping excluded."""
    shipping_price: Money
    taxes: tuple[Tax, ...] = ()
    shipping_taxes: tuple[Tax, ...] = ()
    status: OrderStatus
    marketplace_status: str
    refundable: bool | None = None
    """The marketplace's own word on whether a refund is possible now; None where it does not say."""
    carrier_wish: str | None = None
    """Carrier or carrier grid the buyer chose."""


class ObservedRefund(Fact):
    """A refund that the marketplace shows on the order; the ledger is balanced against it."""

    refund_reference: str
    line_id: str
    quantity: int
    amount: Amount
    shipping_amount: Amount
    state: str


class OrderSnapshot(Fact):
    """The whole order as last observed, without personal data."""

    order_id: UUID
    connection_id: UUID
    connector: str
    environment: Environment
    is_test: bool = False
    marketplace_reference: str
    commercial_reference: str | None = None
    order_number: str
    """The number shown to people, by the connection's setting; at most 14 characters when shortening is on."""
    channel: str | None = None
    locale: str | None = None
    fulfilled_by: FulfilledBy = FulfilledBy.SELLER
    status: OrderStatus
    marketplace_status: str
    currency: Currency
    tax_mode: TaxMode = TaxMode.INCLUDED
    products_price: Amount
    shipping_price: Amount
    total_price: Amount
    """What the buyer pays: an invariant that the shop's copy is compared with."""
    lines: tuple[OrderLine, ...]
    shipping_method: str | None = None
    destination_country: str | None = None
    """ISO 3166-1 alpha-2 of the delivery address; None while the marketplace hides it."""
    missing_address_fields: tuple[str, ...] = ()
    """Names (never values) of address fields that a shop needs and the marketplace did not give."""
    data_alerts: tuple[str, ...] = ()
    """Contradictions seen in the marketplace's data, e.g. line sums that do not add up."""
    refunds: tuple[ObservedRefund, ...] = ()
    created_at: Instant
    marketplace_updated_at: Instant
    accept_by: Instant | None = None
    ship_by: Instant | None = None
    deliver_by: Instant | None = None


class OrderReceived(EventData):
    """An order was seen for the first time and stored."""

    TYPE: ClassVar[str] = "order.received.v1"
    TOPIC: ClassVar[str] = topics.ORDERS
    order: OrderSnapshot
    snapshot_id: UUID
    """The raw answer this was read from, kept by order-ingest."""


class OrderChanged(EventData):
    """Something other than the status changed at the marketplace; the whole order is restated."""

    TYPE: ClassVar[str] = "order.changed.v1"
    TOPIC: ClassVar[str] = topics.ORDERS
    order: OrderSnapshot
    changed_fields: tuple[str, ...]
    snapshot_id: UUID


class LineStatus(Fact):
    """Status of one line after a change."""

    line_id: str
    status: OrderStatus
    marketplace_status: str


class OrderStatusChanged(EventData):
    """The marketplace shows a new status. One event per edge of the status table, in order."""

    TYPE: ClassVar[str] = "order.status_changed.v1"
    TOPIC: ClassVar[str] = topics.ORDERS
    order_id: UUID
    connection_id: UUID
    environment: Environment
    is_test: bool = False
    from_status: OrderStatus
    to_status: OrderStatus
    trigger: str
    marketplace_status: str
    lines: tuple[LineStatus, ...] = ()
    marketplace_updated_at: Instant
    accept_by: Instant | None = None
    ship_by: Instant | None = None


class Address(Fact):
    """A postal address as the marketplace gave it; nothing is corrected here."""

    first_name: Annotated[str | None, Pii("name")] = None
    last_name: Annotated[str | None, Pii("name")] = None
    company: Annotated[str | None, Pii("name")] = None
    street_1: Annotated[str | None, Pii("address")] = None
    street_2: Annotated[str | None, Pii("address")] = None
    street_3: Annotated[str | None, Pii("address")] = None
    postal_code: Annotated[str | None, Pii("address")] = None
    city: Annotated[str | None, Pii("address")] = None
    region: Annotated[str | None, Pii("address")] = None
    country_code: str | None = None
    """ISO 3166-1 alpha-2; Mirakl's alpha-3 is translated, an unknown code is kept in `country_name` only."""
    country_name: str | None = None
    phone: Annotated[str | None, Pii("phone")] = None
    email: Annotated[str | None, Pii("email")] = None
    instructions: Annotated[str | None, Pii("address")] = None
    pickup_point_id: Annotated[str | None, Pii("address")] = None


class OrderCustomerRecorded(EventData):
    """Who bought and where it goes. The only event with personal data; erased by a tombstone."""

    TYPE: ClassVar[str] = "order.customer_recorded.v1"
    TOPIC: ClassVar[str] = topics.ORDER_CUSTOMERS
    order_id: UUID
    connection_id: UUID
    customer_reference: Annotated[str | None, Pii("name")] = None
    shipping: Address | None = None
    billing: Address | None = None
    fiscal_number: Annotated[str | None, Pii("name")] = None
    professional: bool = False
    locale: str | None = None
    address_kind: Literal["home", "pickup_point"] = "home"


class OrderCustomerErased(EventData):
    """The buyer's data of an order was erased for good; whoever holds any of it deletes it and takes none again.

    The record on `hub.order-customers` is removed by a tombstone in the same transaction. The order itself goes on.
    """

    TYPE: ClassVar[str] = "order.customer_erased.v1"
    TOPIC: ClassVar[str] = topics.ORDERS
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    erased_at: Instant
    why: Literal["request", "retention"]
    """A person asked for it, or the time to keep it was over."""
    requested_by: str | None = None
    """Login of the person; None for retention."""
