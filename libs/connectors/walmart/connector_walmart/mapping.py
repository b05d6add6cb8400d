"""A purchase order → what the hub keeps of it. Pure; what cannot be understood raises `MappingError`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from connector_kit.capabilities import ConnectionContext, MappedOrder, MappingError, RawOrder
from hub_contracts.base import Money
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Address, FulfilledBy, OrderCustomerRecorded, OrderLine, OrderSnapshot, TaxMode
from pydantic import AliasPath, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connector_walmart.manifest import MANIFEST, STATUS_MAP

NEEDED = ("last_name", "street_1", "postal_code", "city", "country_code")
"""Address fields that a shop cannot ship without."""
POSTAL = {
    "address1": "street_1",
    "address2": "street_2",
    "postalCode": "postal_code",
    "city": "city",
    "state": "region",
}
"""Their name → ours, where the value is taken as it is."""
COUNTRIES = {"USA": "US", "CAN": "CA", "MEX": "MX", "PRI": "PR", "VIR": "VI", "GUM": "GU", "ASM": "AS", "MNP": "MP"}


def _instant(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 4_102_444_800_000:
        raise ValueError("must be milliseconds since 1970")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)


def _units(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


def _loose(value: object) -> object:
    return value.replace("\x00", "").strip() or None if isinstance(value, str) else None


Key = Annotated[str, Field(pattern=r"^[^\s\x00]([^\x00]*[^\s\x00])?$")]
Text = Annotated[str | None, BeforeValidator(_loose)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Units = Annotated[int, BeforeValidator(_units), Field(ge=1, le=1_000_000)]
Amount = Annotated[Decimal, Field(max_digits=24, decimal_places=6)]


def at(*path: str, **default: Any) -> Any:
    """A field that lies deeper in the document."""
    return Field(validation_alias=AliasPath(*path), **default)


class Wire(BaseModel):
    """Strict: a value of another type is refused with its field, never bent."""

    model_config = ConfigDict(strict=True)


class WireCharge(Wire):
    kind: str = at("chargeType")
    amount: Amount = at("chargeAmount", "amount")
    currency: str = at("chargeAmount", "currency", pattern="^[A-Z]{3}$")
    tax: Amount = at("tax", "taxAmount", "amount", default=Decimal(0))


class WireState(Wire):
    word: str = at("status")


class WireLine(Wire):
    number: Key = at("lineNumber")
    sku: Key = at("item", "sku")
    title: Text = at("item", "productName", default=None)
    units: Units = at("orderLineQuantity", "amount")
    charges: list[WireCharge] = at("charges", "charge", min_length=1)
    states: list[WireState] = at("orderLineStatuses", "orderLineStatus", min_length=1)
    changed: Instant = at("statusDate")

    def charged(self, kind: str) -> Decimal:
        """Sum of the charges of a kind."""
        return sum((charge.amount for charge in self.charges if charge.kind == kind), Decimal(0))


class WireOrder(Wire):
    id: Key = at("purchaseOrderId")
    customer_order: Text = at("customerOrderId", default=None)
    email: Text = at("customerEmailId", default=None)
    ordered: Instant = at("orderDate")
    ship_by: Instant | None = at("shippingInfo", "estimatedShipDate", default=None)
    deliver_by: Instant | None = at("shippingInfo", "estimatedDeliveryDate", default=None)
    method: Text = at("shippingInfo", "methodCode", default=None)
    phone: Text = at("shippingInfo", "phone", default=None)
    postal: dict[str, Text] | None = at("shippingInfo", "postalAddress", default=None)
    node: Text = at("shipNode", "type", default=None)
    stated: Amount | None = at("orderSummary", "totalAmount", "amount", default=None)
    lines: list[WireLine] = at("orderLines", "orderLine", min_length=1)

    def as_address(self) -> Address:
        """The last word of the name counts as the last name; a country that is no known code stays a name."""
        given = self.postal or {}
        first, _, last = (given.get("name") or "").rpartition(" ")
        same = {ours: given.get(theirs) for theirs, ours in POSTAL.items()}
        country, code = given.get("country"), COUNTRIES.get(given.get("country") or "")
        same |= {"first_name": first or None, "last_name": last or None, "country_name": country, "country_code": code}
        return Address(**same, phone=self.phone, email=self.email)


def read(body: bytes) -> WireOrder:
    """Raises `MappingError` naming the first field that breaks a rule, with cause `status_unknown` for a new word."""
    try:
        order = WireOrder.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise MappingError(".".join(map(str, first["loc"])) or "body", first["msg"]) from None
    for word in (state.word for line in order.lines for state in line.states):
        if word not in STATUS_MAP:
            raise MappingError("status", f"{word[:60]!r} is not known to the hub", "status_unknown")
    if len({charge.currency for line in order.lines for charge in line.charges}) > 1:
        raise MappingError("chargeAmount.currency", "must be the same in all charges")
    return order


def slowest(words: Iterable[str]) -> str:
    """The word that comes first in an order's life; cancelled units count only when there are no others."""
    return min(words, key=list(STATUS_MAP).index)


def _line(line: WireLine, per_unit: bool) -> OrderLine:
    """Charges hold for a unit or for the whole line, by the setting `charges_are`."""
    currency, word = line.charges[0].currency, slowest(state.word for state in line.states)
    products, shipping = line.charged("PRODUCT"), line.charged("SHIPPING")
    if (unit := products / (1 if per_unit else line.units)) * line.units != products * (line.units if per_unit else 1):
        raise MappingError("charges", f"{products} cannot be split over {line.units} units")
    return OrderLine(
        line_id=line.number,
        offer_sku=line.sku,
        title=line.title or "",
        quantity=line.units,
        unit_price=Money(amount=unit, currency=currency),
        line_price=Money(amount=unit * line.units, currency=currency),
        shipping_price=Money(amount=shipping * (line.units if per_unit else 1), currency=currency),
        status=STATUS_MAP[word],
        marketplace_status=word,
    )


def map_order(raw: RawOrder, context: ConnectionContext, per_unit: bool) -> MappedOrder:
    """Understand one raw order. Raises `MappingError`."""
    order, connection_id = read(raw.body), context.connection_id
    order_id, to = order_id_for(connection_id, order.id), order.as_address()
    lines = tuple(_line(line, per_unit) for line in order.lines)
    products = sum((line.line_price.amount for line in lines), Decimal(0))
    shipping = sum((line.shipping_price.amount for line in lines), Decimal(0))
    tax = sum((c.tax * (each.units if per_unit else 1) for each in order.lines for c in each.charges), Decimal(0))
    agrees = order.stated in (None, products + shipping, products + shipping + tax)
    word = slowest(line.marketplace_status for line in lines)
    snapshot = OrderSnapshot(
        order_id=order_id,
        connection_id=connection_id,
        connector=MANIFEST.name,
        environment=context.environment,
        marketplace_reference=order.id,
        commercial_reference=order.customer_order,
        order_number=order.id,
        fulfilled_by=FulfilledBy.MARKETPLACE if order.node == "WFSFulfilled" else FulfilledBy.SELLER,
        status=STATUS_MAP[word],
        marketplace_status=word,
        currency=lines[0].unit_price.currency,
        tax_mode=TaxMode.EXCLUDED,
        products_price=products,
        shipping_price=shipping,
        total_price=products + shipping,
        lines=lines,
        shipping_method=order.method,
        destination_country=to.country_code,
        missing_address_fields=tuple(name for name in NEEDED if not getattr(to, name)),
        data_alerts=() if agrees else (f"the charges come to {products + shipping} and tax {tax}, not {order.stated}",),
        created_at=order.ordered,
        marketplace_updated_at=max(order.ordered, *(line.changed for line in order.lines)),
        ship_by=order.ship_by,
        deliver_by=order.deliver_by,
    )
    customer = OrderCustomerRecorded(order_id=order_id, connection_id=connection_id, shipping=to, billing=to)
    return MappedOrder(snapshot, customer if order.postal else None)
