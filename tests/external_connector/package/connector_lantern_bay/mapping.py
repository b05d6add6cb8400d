"""A raw order of Lantern Bay → what the hub keeps of it. Pure: no clock, no network.

Readable facts are kept, contradictions are named in `data_alerts`, and what cannot be understood raises `MappingError`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from connector_kit.capabilities import ConnectionContext, MappedOrder, MappingError, RawOrder
from hub_contracts.base import Money
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Address, OrderCustomerRecorded, OrderLine, OrderSnapshot
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connector_lantern_bay.manifest import MANIFEST, STATUS_MAP

NEEDED = ("last_name", "street_1", "postal_code", "city", "country_code")
"""Address fields that a shop cannot ship without."""


def _loose(value: object) -> object:
    """A text that nothing depends on: anything else counts as absent, and what no store takes is left out."""
    return value.replace("\x00", "").strip() or None if isinstance(value, str) else None


Amount = Annotated[Decimal, Field(max_digits=24, decimal_places=6)]
Key = Annotated[str, Field(pattern=r"^[^\s\x00]([^\x00]*[^\s\x00])?$")]
"""A text that is sent back later, so it must stay as it came."""
Text = Annotated[str | None, BeforeValidator(_loose)]


class WireLine(BaseModel):
    """`lines[]` of an order."""

    id: Key
    sku: Key
    title: Text = None
    quantity: int = Field(ge=1, le=1_000_000)
    price: Amount


class WireAddress(BaseModel):
    """`ship_to` of an order."""

    name: Text = None
    street: Text = None
    zip: Text = None
    city: Text = None
    country: Text = None
    phone: Text = None
    email: Text = None

    def as_address(self) -> Address:
        """The last word of the name counts as the last name; a country that is not a code stays a name."""
        first, _, last = (self.name or "").rpartition(" ")
        code = (self.country or "").upper()
        return Address(
            first_name=first or None,
            last_name=last or None,
            street_1=self.street,
            postal_code=self.zip,
            city=self.city,
            country_code=code if len(code) == 2 and code.isalpha() else None,
            country_name=self.country,
            phone=self.phone,
            email=self.email,
        )


class WireOrder(BaseModel):
    """An order as Lantern Bay shows it. Strict: a value of another type is refused with its field, never bent."""

    model_config = ConfigDict(strict=True)
    id: Key
    status: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    shipping: Amount
    total: Amount
    created_at: AwareDatetime
    updated_at: AwareDatetime
    lines: list[WireLine] = Field(min_length=1)
    ship_to: WireAddress | None = None


def read(body: bytes) -> WireOrder:
    """Raises `MappingError` naming the first field that breaks a rule, with cause `status_unknown` for a new word."""
    try:
        order = WireOrder.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise MappingError(".".join(map(str, first["loc"])) or "body", first["msg"]) from None
    if order.status not in STATUS_MAP:
        raise MappingError("status", f"{order.status[:60]!r} is not known to the hub", "status_unknown")
    return order


def map_order(raw: RawOrder, context: ConnectionContext) -> MappedOrder:
    """Understand one raw order. Raises `MappingError`."""
    order = read(raw.body)
    status, order_id = STATUS_MAP[order.status], order_id_for(context.connection_id, order.id)
    lines = tuple(
        OrderLine(
            line_id=line.id,
            offer_sku=line.sku,
            title=line.title or "",
            quantity=line.quantity,
            unit_price=Money(amount=line.price, currency=order.currency),
            line_price=Money(amount=line.price * line.quantity, currency=order.currency),
            shipping_price=Money(amount=Decimal(0), currency=order.currency),
            status=status,
            marketplace_status=order.status,
        )
        for line in order.lines
    )
    products = sum((line.line_price.amount for line in lines), Decimal(0))
    due = products + order.shipping
    to = order.ship_to.as_address() if order.ship_to else None
    snapshot = OrderSnapshot(
        order_id=order_id,
        connection_id=context.connection_id,
        connector=MANIFEST.name,
        environment=context.environment,
        marketplace_reference=order.id,
        order_number=order.id,
        status=status,
        marketplace_status=order.status,
        currency=order.currency,
        products_price=products,
        shipping_price=order.shipping,
        total_price=order.total,
        lines=lines,
        destination_country=to.country_code if to else None,
        missing_address_fields=tuple(name for name in NEEDED if not getattr(to, name, None)),
        data_alerts=() if due == order.total else (f"lines and shipping come to {due}, the total to {order.total}",),
        created_at=order.created_at,
        marketplace_updated_at=order.updated_at,
    )
    connection_id = context.connection_id
    customer = OrderCustomerRecorded(order_id=order_id, connection_id=connection_id, shipping=to, billing=to)
    return MappedOrder(snapshot, customer if to else None)
