"""From Mirakl's order (OR11) to the hub's. Pure: the same bytes always give the same order.

What can be repaired from the order itself is repaired and told in `data_alerts`; what would have to be guessed raises
`MappingError`, which parks this one order with its bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from connector_kit.capabilities import MappedOrder, MappingError, RawOrder
from connector_mirakl.manifest import STATUS_MAP
from connector_mirakl.mapping_customer import map_customer, missing_address_fields, shipping_country
from connector_mirakl.mapping_lines import map_lines, map_refunds
from connector_mirakl.wire import Json, amount, instant, lacks_offset, member, required_text, text
from hub_contracts.base import CURRENCY
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, FulfilledBy, ObservedRefund, OrderLine, OrderSnapshot, TaxMode
from hub_contracts.status import OrderStatus

TAX_MODES = {"TAX_INCLUDED": TaxMode.INCLUDED, "TAX_EXCLUDED": TaxMode.EXCLUDED}
SENT_OUT = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED})


@dataclass(frozen=True, slots=True)
class MappingContext:
    """What mapping needs to know of the connection."""

    connection_id: UUID
    environment: Environment
    own_fulfillment_centers: frozenset[str]


def map_order(raw: RawOrder, context: MappingContext) -> MappedOrder:
    """Understand one order. Raises `MappingError` (cause `status_unknown` for a state outside the manifest)."""
    order = _parse(raw)
    reference = required_text(order, "order_id")
    order_id = order_id_for(context.connection_id, reference)
    alerts: list[str] = []
    currency = _currency(order)
    state = required_text(order, "order_state")
    lines = map_lines(order, currency, status_of(state, "order_state"), alerts)
    refunds = map_refunds(order)
    created_at, updated_at = _dates(order, alerts)
    products, shipping, total = _totals(order, lines, alerts)
    snapshot = OrderSnapshot(
        order_id=order_id,
        connection_id=context.connection_id,
        connector="mirakl",
        environment=context.environment,
        marketplace_reference=reference,
        commercial_reference=text(order.get("commercial_id")),
        order_number=reference,
        channel=text(member(order, "channel").get("code")),
        locale=text(member(order, "customer").get("locale")),
        fulfilled_by=_fulfilled_by(order, context),
        status=_order_status(order, state, refunds),
        marketplace_status=state,
        currency=currency,
        tax_mode=_tax_mode(order),
        products_price=products,
        shipping_price=shipping,
        total_price=total,
        lines=lines,
        shipping_method=text(order.get("shipping_type_code")) or text(order.get("shipping_type_label")),
        destination_country=shipping_country(order),
        missing_address_fields=missing_address_fields(order),
        data_alerts=tuple(alerts),
        refunds=refunds,
        created_at=created_at,
        marketplace_updated_at=updated_at,
        ship_by=instant(order.get("shipping_deadline"), "shipping_deadline"),
        deliver_by=instant(member(order, "delivery_date").get("latest"), "delivery_date.latest"),
    )
    return MappedOrder(snapshot=snapshot, customer=map_customer(order, order_id, context.connection_id))


def status_of(state: str, field: str) -> OrderStatus:
    """Hub status of a Mirakl state. Raises `MappingError` with cause `status_unknown`; a state is never guessed."""
    try:
        return STATUS_MAP[state]
    except KeyError:
        raise MappingError(field, f"the state {state[:60]!r} is not known", "status_unknown") from None


def _parse(raw: RawOrder) -> Json:
    try:
        parsed = json.loads(raw.body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise MappingError("(body)", "must be JSON") from None
    if not isinstance(parsed, dict):
        raise MappingError("(body)", "must be a JSON object")
    return parsed


def _currency(order: Json) -> str:
    currency = required_text(order, "currency_iso_code")
    if not CURRENCY.match(currency):
        raise MappingError("currency_iso_code", "must be an ISO 4217 code of three capital letters")
    return currency


def _tax_mode(order: Json) -> TaxMode:
    """Mirakl's field is required; an operator that leaves it out sells with taxes included, as all consumer prices."""
    value = text(order.get("order_tax_mode"))
    if value is None:
        return TaxMode.INCLUDED
    if value not in TAX_MODES:
        raise MappingError("order_tax_mode", f"must be one of {', '.join(TAX_MODES)}")
    return TAX_MODES[value]


def _order_status(order: Json, state: str, refunds: tuple[ObservedRefund, ...]) -> OrderStatus:
    """Mirakl keeps a refunded order SHIPPED, RECEIVED or CLOSED and only sets `fully_refunded`."""
    status = status_of(state, "order_state")
    if order.get("fully_refunded") is not True or status not in SENT_OUT:
        return status
    settled = all(refund.state == "REFUNDED" for refund in refunds)
    return OrderStatus.REFUNDED if settled else OrderStatus.REFUNDING


def _fulfilled_by(order: Json, context: MappingContext) -> FulfilledBy:
    center = text(member(member(order, "fulfillment"), "center").get("code"))
    own = center is None or center in context.own_fulfillment_centers
    return FulfilledBy.SELLER if own else FulfilledBy.MARKETPLACE


def _dates(order: Json, alerts: list[str]) -> tuple[datetime, datetime]:
    created = instant(order.get("created_date"), "created_date")
    if created is None:
        raise MappingError("created_date", "is missing, so no deadline can be counted")
    updated = instant(order.get("last_updated_date"), "last_updated_date")
    if updated is None:
        alerts.append("last_updated_date is missing; the creation date is used")
    if lacks_offset(order.get("created_date")):
        alerts.append("created_date has no UTC offset; read as UTC")
    return created, updated or created


def _totals(order: Json, lines: tuple[OrderLine, ...], alerts: list[str]) -> tuple[Decimal, Decimal, Decimal]:
    """Products, shipping and what the buyer pays; Mirakl's own figures win over sums, differences are told.

    In TAX_EXCLUDED every one of these fields excludes the taxes, so the sums hold in both modes.
    """
    products_sum = sum((line.line_price.amount for line in lines), Decimal(0))
    shipping_sum = sum((line.shipping_price.amount for line in lines), Decimal(0))
    products = _total(order, "price", products_sum, alerts)
    shipping = _total(order, "shipping_price", shipping_sum, alerts)
    total = _total(order, "total_price", products + shipping, alerts)
    return products, shipping, total


def _total(order: Json, field: str, expected: Decimal, alerts: list[str]) -> Decimal:
    given = amount(order.get(field), field)
    if given is None:
        alerts.append(f"{field} is missing; {expected} is the sum of its parts")
        return expected
    if given != expected:
        alerts.append(f"{field} is {given}, its parts add up to {expected}")
    return given
