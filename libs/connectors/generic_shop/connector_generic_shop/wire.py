"""What the hub tells a shop: the messages `order.created` and `order.cancelled`, and the order list.

A shop that is told and a shop that pulls get the same order body, so a platform can change its mind without new code.
Amounts are decimal strings, never numbers: a float in between would lose cents of what the buyer paid.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import ConfigDict

from hub_contracts.base import Amount, Currency, Fact, Instant, Money, Pii
from hub_contracts.orders import TaxMode

DataT = TypeVar("DataT")


class MessageType(StrEnum):
    """Messages of the hub. A shop answers 2xx to types that it does not know."""

    ORDER_CREATED = "order.created"
    ORDER_CANCELLED = "order.cancelled"
    PING = "hub.ping"
    """Changes nothing: proves address and secret when a connection is set up."""


class Told(Fact):
    """Base of what the hub tells. The texts below attributes go into the OpenAPI document."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class WireAddress(Told):
    """A postal address as the marketplace gave it; nothing is corrected. Missing parts are null."""

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
    """ISO 3166-1 alpha-2."""
    country_name: str | None = None
    phone: Annotated[str | None, Pii("phone")] = None
    email: Annotated[str | None, Pii("email")] = None
    instructions: Annotated[str | None, Pii("address")] = None
    """What the buyer tells the driver."""
    pickup_point_id: str | None = None


class WireCustomer(Told):
    """Who the shop ships to and bills."""

    shipping: WireAddress | None = None
    billing: WireAddress | None = None
    fiscal_number: Annotated[str | None, Pii("name")] = None
    professional: bool = False
    locale: str | None = None


class WireLine(Told):
    """Units of one SKU to ship."""

    line_id: str
    """The marketplace's line. Send it (or `sku`) back with shipments, returns and cancellations."""
    sku: str
    """The shop's own SKU."""
    offer_sku: str
    """The SKU of the offer that the buyer saw."""
    title: str = ""
    quantity: int
    unit_price: Money
    """What the buyer paid per unit. The shop's catalogue price must not replace it."""
    shipping_price: Money
    """Shipping paid for this line as a whole."""
    line_total: Money
    """Unit price times quantity, shipping excluded."""


class WireOrder(Told):
    """`data` of `order.created`: everything that this shop has to fulfil of one order."""

    route_id: UUID
    """Identity of the shop's order. The same `route_id` twice must end as one order."""
    order_id: UUID
    order_number: str
    """The number to show to people."""
    sequence: int
    """Grows with every message about one `route_id`. Messages may overtake each other: the highest one counts."""
    is_test: bool
    """Acknowledge test orders; never ship, charge or count them."""
    marketplace: str
    marketplace_reference: str
    channel: str | None = None
    currency: Currency
    tax_mode: TaxMode
    """Whether the prices include taxes."""
    products_price: Amount
    """Of the whole order at the marketplace, shipping excluded."""
    shipping_price: Amount
    total_price: Amount
    """What the buyer paid for the whole order."""
    lines_price: Amount
    """Sum of the `line_total`s below: equal to `products_price` unless several shops share the order."""
    lines: tuple[WireLine, ...]
    shipping_method: str | None = None
    carrier_wish: str | None = None
    ship_by: Instant | None = None
    """The marketplace punishes parcels that leave later."""
    warehouse: str | None = None
    destination_country: str | None = None
    """ISO 3166-1 alpha-2, present also where personal data is withheld."""
    customer: WireCustomer | None = None
    """Null when the connection withholds personal data or the marketplace does not show it."""


class WireCancellation(Told):
    """`data` of `order.cancelled`: stop. May arrive before its `order.created`; the order must then never start.

    Answer 2xx once stopped, also when it already was, and 409 with a reason when a parcel has left.
    """

    route_id: UUID
    order_id: UUID
    order_number: str
    sequence: int
    is_test: bool
    reason: str


class WirePing(Told):
    """`data` of `hub.ping`."""

    connection_id: UUID


class Message(Told, Generic[DataT]):
    """Body of a webhook: what happened, when, and the facts (Standard Webhooks)."""

    type: MessageType
    timestamp: Instant
    """Instant of this attempt. A repeat has a later one; compare `sequence`, not this."""
    data: DataT


class MessageAnswer(Told):
    """What a shop may answer to `order.created` with its 2xx. Any other 2xx body is taken as an empty one."""

    shop_order_reference: str | None = None
    """The shop's own number of the order."""


class ListedOrder(Told):
    """One entry of the order list."""

    state: Literal["open", "cancelled"]
    """A cancelled order is listed again, further on, so that a shop that already read it learns of it."""
    cancel_reason: str | None = None
    order: WireOrder


class OrderPage(Told):
    """Answer of `GET orders?cursor=`: oldest changes first.

    Store `next_cursor` only after the page's orders are stored; reading a page twice is harmless.
    """

    orders: tuple[ListedOrder, ...]
    next_cursor: str
    """Where to go on, also when `has_more` is false: new orders appear behind it."""
    has_more: bool
