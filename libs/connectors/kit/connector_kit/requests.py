"""What services ask of a connector, as plain data: it is stored as the effect's request before the call is tried."""

from __future__ import annotations

from uuid import UUID

from connector_kit.offers import ChannelPrice
from hub_contracts.base import Amount, Currency, Fact, Instant, Money
from hub_contracts.orders import TaxMode
from hub_contracts.routes import RouteLine


class AcceptLine(Fact):
    """Decision on one line."""

    line_id: str
    accepted: bool


class AnswerOrder(Fact):
    """Accept or refuse one order. All lines are given, whatever the marketplace needs of them."""

    order_reference: str
    lines: tuple[AcceptLine, ...]


class ShipLine(Fact):
    """Units of one line in a parcel."""

    line_id: str
    offer_sku: str
    quantity: int


class ShipParcel(Fact):
    """Tell the marketplace about one parcel."""

    order_reference: str
    parcel_id: UUID
    lines: tuple[ShipLine, ...]
    whole_order: bool
    """This parcel holds every unit of the order."""
    completes_order: bool
    """With the parcels told before, every unit is covered."""
    carrier_code: str | None = None
    carrier_name: str
    tracking_number: str | None = None
    tracking_url: str | None = None


class RefundTax(Fact):
    """Tax to refund with a line, where the marketplace does not prorate it."""

    code: str
    amount: Amount


class RefundLineRequest(Fact):
    """Money back for one line."""

    line_id: str
    offer_sku: str
    quantity: int
    amount: Amount
    shipping_amount: Amount
    reason_code: str
    taxes: tuple[RefundTax, ...] = ()
    shipping_taxes: tuple[RefundTax, ...] = ()


class RefundOrder(Fact):
    """Refund lines of one order. `known_refunds` is what the marketplace showed before; the probe compares with it."""

    order_reference: str
    refund_id: UUID
    currency: Currency
    tax_mode: TaxMode
    lines: tuple[RefundLineRequest, ...]
    refund_shipping: bool
    known_refunds: tuple[str, ...] = ()


class CancelOrder(Fact):
    """Cancel an order that the marketplace still lets the seller cancel. Empty lines = the whole order."""

    order_reference: str
    cancellation_id: UUID
    currency: Currency
    tax_mode: TaxMode
    lines: tuple[RefundLineRequest, ...] = ()


class SetStock(Fact):
    """Absolute quantity of one offer."""

    offer_sku: str
    quantity: int
    warehouse: str | None = None


class SetPrice(Fact):
    """All prices of one offer, taxes included: a marketplace may delete those that are not stated (Mirakl PRI01)."""

    offer_sku: str
    price: Money
    discount_price: Money | None = None
    discount_from: Instant | None = None
    discount_until: Instant | None = None
    channel_prices: tuple[ChannelPrice, ...] = ()
    """Prices that hold in one channel only; a connector without channels leaves them out and says so."""


class UploadInvoice(Fact):
    """Put the buyer's invoice at the marketplace. The content is personal data: it is put in when the call is made
    and is not stored with the effect."""

    order_reference: str
    file_name: str
    content_base64: str = ""


class ShopAddress(Fact):
    """An address on its way to a shop. Never stored with an effect: read from the customer store when sending."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    street_1: str | None = None
    street_2: str | None = None
    street_3: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country_code: str | None = None
    country_name: str | None = None
    phone: str | None = None
    email: str | None = None
    instructions: str | None = None
    pickup_point_id: str | None = None


class ShopCustomer(Fact):
    """Who the shop ships to and bills."""

    shipping: ShopAddress | None = None
    billing: ShopAddress | None = None
    fiscal_number: str | None = None
    professional: bool = False
    locale: str | None = None


class CreateShopOrder(Fact):
    """Create one route's order in a shop. The buyer's prices are authoritative."""

    order_id: UUID
    route_id: UUID
    order_number: str
    marketplace: str
    marketplace_reference: str
    channel: str | None = None
    is_test: bool = False
    currency: Currency
    tax_mode: TaxMode
    products_price: Amount
    shipping_price: Amount
    total_price: Amount
    shipping_method: str | None = None
    carrier_wish: str | None = None
    ship_by: Instant | None = None
    warehouse: str | None = None
    lines: tuple[RouteLine, ...]
    customer: ShopCustomer | None = None


class CancelShopOrder(Fact):
    """Ask a shop to stop."""

    order_id: UUID
    route_id: UUID
    order_number: str
    is_test: bool = False
    reason: str
