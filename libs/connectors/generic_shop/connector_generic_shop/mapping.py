"""Pure functions: the hub's requests to the shop's wire, and a shop's refusal to a reason for people."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from connector_generic_shop.wire import (
    ListedOrder,
    Message,
    MessageType,
    WireAddress,
    WireCancellation,
    WireCustomer,
    WireLine,
    WireOrder,
    WirePing,
)
from connector_kit.requests import CancelShopOrder, CreateShopOrder, ShopAddress, ShopCustomer
from hub_contracts.base import Pii
from hub_contracts.orders import Address
from hub_contracts.routes import RouteLine

CREATED_SEQUENCE = 1
CANCELLED_SEQUENCE = 2
"""A route is created once and cancelled once, so its messages have fixed places."""

REASON_CHARACTERS = 2_048
REASON_BYTES = 16_384
"""As much of a refusal's body as can matter for its first 2,048 characters."""

REFERENCE = re.compile(r"[^\x00-\x1f\x7f]{1,128}")


def order_message_id(route_id: UUID) -> str:
    """`webhook-id` of the order: derived, so that every repeat carries the same one and the shop can drop it."""
    return f"order_{route_id}"


def cancel_message_id(route_id: UUID) -> str:
    """`webhook-id` of the cancellation."""
    return f"cancel_{route_id}"


def ping_message_id(connection_id: UUID, at: datetime) -> str:
    """`webhook-id` of a ping: a new one each time, because a shop may answer a known id without checking anything."""
    return f"ping_{connection_id}_{int(at.timestamp() * 1000)}"


def wire_order(request: CreateShopOrder, *, send_personal_data: bool) -> WireOrder:
    """The order as the shop sees it. Without personal data only the destination country is told."""
    lines = tuple(_line(line) for line in request.lines)
    shipping = request.customer.shipping if request.customer else None
    return WireOrder(
        route_id=request.route_id,
        order_id=request.order_id,
        order_number=request.order_number,
        sequence=CREATED_SEQUENCE,
        is_test=request.is_test,
        marketplace=request.marketplace,
        marketplace_reference=request.marketplace_reference,
        channel=request.channel,
        currency=request.currency,
        tax_mode=request.tax_mode,
        products_price=request.products_price,
        shipping_price=request.shipping_price,
        total_price=request.total_price,
        lines_price=sum((line.line_total.amount for line in lines), Decimal(0)),
        lines=lines,
        shipping_method=request.shipping_method,
        carrier_wish=request.carrier_wish,
        ship_by=request.ship_by,
        warehouse=request.warehouse,
        destination_country=shipping.country_code if shipping else None,
        customer=_customer(request.customer) if send_personal_data else None,
    )


def listed_order(
    request: CreateShopOrder, *, send_personal_data: bool, cancelled: CancelShopOrder | None = None
) -> ListedOrder:
    """The order's entry in the list that a shop pulls."""
    order = wire_order(request, send_personal_data=send_personal_data)
    if cancelled is None:
        return ListedOrder(state="open", order=order)
    order = order.model_copy(update={"sequence": CANCELLED_SEQUENCE})
    return ListedOrder(state="cancelled", cancel_reason=cancelled.reason, order=order)


def order_body(request: CreateShopOrder, at: datetime, *, send_personal_data: bool) -> bytes:
    """JSON of `order.created`."""
    order = wire_order(request, send_personal_data=send_personal_data)
    return _body(Message[WireOrder](type=MessageType.ORDER_CREATED, timestamp=at, data=order))


def cancel_body(request: CancelShopOrder, at: datetime) -> bytes:
    """JSON of `order.cancelled`."""
    data = WireCancellation(
        route_id=request.route_id,
        order_id=request.order_id,
        order_number=request.order_number,
        sequence=CANCELLED_SEQUENCE,
        is_test=request.is_test,
        reason=request.reason,
    )
    return _body(Message[WireCancellation](type=MessageType.ORDER_CANCELLED, timestamp=at, data=data))


def ping_body(connection_id: UUID, at: datetime) -> bytes:
    """JSON of `hub.ping`."""
    return _body(Message[WirePing](type=MessageType.PING, timestamp=at, data=WirePing(connection_id=connection_id)))


def shop_order_reference(body: object) -> str | None:
    """The shop's number out of a parsed 2xx body, None for anything else: an odd body does not undo a 2xx."""
    value = body.get("shop_order_reference") if isinstance(body, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not REFERENCE.fullmatch(value.strip()):
        return None
    return value.strip() if value.isprintable() else None


def readable_reason(body: bytes, hide: Iterable[str]) -> str:
    """The start of a refusal's body as storable text: NUL-free, at most 2,048 characters, `hide` blanked out.

    Validation errors like to quote what was sent, and reasons travel in events where personal data has no place.
    """
    text = body[:REASON_BYTES].decode("utf-8", "replace").replace("\x00", "")
    variants = {form for value in hide for form in _spellings(value)}
    if variants:
        longest_first = sorted(variants, key=len, reverse=True)
        pattern = "|".join(re.escape(form) for form in longest_first)
        text = re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", "[hidden]", text, flags=re.IGNORECASE)
    return text[:REASON_CHARACTERS].strip()


def personal_values(customer: ShopCustomer | None) -> list[str]:
    """Every personal value of a customer, as the marks on `hub_contracts.orders.Address` say."""
    if customer is None:
        return []
    marked = [name for name, field in Address.model_fields.items() if any(isinstance(m, Pii) for m in field.metadata)]
    addresses = [address for address in (customer.shipping, customer.billing) if address is not None]
    values = [getattr(address, name) for address in addresses for name in marked]
    return [value for value in (*values, customer.fiscal_number) if value]


def secret_values(secrets: Iterable[SecretStr]) -> list[str]:
    """Secrets to hide, with and without their prefix: a shop's debug page may show its configuration."""
    values = [secret.get_secret_value().strip() for secret in secrets]
    return [*values, *(value.removeprefix("whsec_") for value in values)]


def _spellings(value: str) -> set[str]:
    """A value as plain text, in JSON and in HTML. Values of one character would blank out half of any text."""
    plain = value.strip()
    if len(plain) < 2:
        return set()
    return {plain, json.dumps(plain)[1:-1], json.dumps(plain, ensure_ascii=False)[1:-1], html.escape(plain)}


def _line(line: RouteLine) -> WireLine:
    return WireLine(
        line_id=line.line_id,
        sku=line.shop_sku,
        offer_sku=line.offer_sku,
        title=line.title,
        quantity=line.quantity,
        unit_price=line.unit_price,
        shipping_price=line.shipping_price,
        line_total=line.unit_price.times(line.quantity),
    )


def _customer(customer: ShopCustomer | None) -> WireCustomer | None:
    if customer is None:
        return None
    return WireCustomer(
        shipping=_address(customer.shipping),
        billing=_address(customer.billing),
        fiscal_number=customer.fiscal_number,
        professional=customer.professional,
        locale=customer.locale,
    )


def _address(address: ShopAddress | None) -> WireAddress | None:
    return None if address is None else WireAddress(**address.model_dump())


def _body(message: Message[Any]) -> bytes:
    return message.model_dump_json().encode()
