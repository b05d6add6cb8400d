"""A raw ManoMano order → what the hub keeps of it. Pure: no clock, no network.

Prevents that an odd order is either lost (everything readable is kept) or quietly wrong (contradictions are named in
`data_alerts`, unreadable facts raise `MappingError` with field and rule so that the order is parked and seen).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from connector_kit.capabilities import MappedOrder, MappingError, RawOrder
from connector_manomano.addresses import missing_fields, read_customer
from connector_manomano.lines import PRICE_FIELDS, PriceField, money, products_sum, read_lines
from connector_manomano.manifest import MANIFEST, STATUS_MAP
from connector_manomano.settings import Settings
from connector_manomano.values import flag, identity, instant, parse, record
from hub_contracts.base import CURRENCY
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, FulfilledBy, OrderLine, OrderSnapshot, TaxMode
from hub_contracts.status import OrderStatus


@dataclass(frozen=True, slots=True)
class Prices:
    """The order's sums, and what does not add up."""

    products: Decimal
    shipping: Decimal
    total: Decimal
    unit_field: PriceField
    alerts: tuple[str, ...]


def read_status(order: dict[str, Any]) -> tuple[OrderStatus, str]:
    """Hub status and the marketplace's word. Raises `MappingError` with cause `status_unknown` for a new word."""
    word = order.get("status")
    if not isinstance(word, str) or word not in STATUS_MAP:
        rule = "is missing" if word is None else f"{str(word)[:60]!r} is not a status that the hub knows"
        raise MappingError("status", rule, cause="status_unknown")
    return STATUS_MAP[word], word


def _products(order: dict[str, Any]) -> list[dict[str, Any]]:
    products = order.get("products")
    if not isinstance(products, list) or not products:
        raise MappingError("products", "must be a list with at least one line")
    for at, product in enumerate(products):
        if not isinstance(product, dict):
            raise MappingError(f"products[{at}]", "must be an object")
    return products


def _currency(order: dict[str, Any]) -> str:
    """The order's currency: of the total, else of the products, never a default. Raises `MappingError`."""
    for name in ("total_price", "products_price"):
        code = record(order.get(name), name).get("currency")
        if code is not None:
            if not isinstance(code, str) or not CURRENCY.match(code):
                raise MappingError(f"{name}.currency", "must be an ISO 4217 code")
            return code
    raise MappingError("total_price.currency", "is missing")


def read_prices(order: dict[str, Any], products: list[dict[str, Any]], currency: str) -> Prices:
    """Sums of the order. Where one of the two unit price fields adds up to `products_price`, that one is believed.

    Raises `MappingError` when the total (an invariant of the order) or a unit price is missing.
    """
    alerts: list[str] = []
    total = money(order.get("total_price"), "total_price", currency)
    sums = {name: products_sum(products, name, currency) for name in PRICE_FIELDS}
    unit_field = PRICE_FIELDS[0]
    if order.get("products_price") is None:
        stated = sums[unit_field]
        alerts.append("products_price is missing; taken from the lines")
    else:
        stated = money(order["products_price"], "products_price", currency)
        unit_field = next((name for name in PRICE_FIELDS if sums[name] == stated), PRICE_FIELDS[0])
    if sums[unit_field] != stated:
        alerts.append(f"line prices add up to {sums[unit_field]} {currency}, products_price says {stated} {currency}")
    if sums["price"] != sums["product_price"]:
        alerts.append(f"price and product_price differ; {unit_field} was taken as unit price")
    if order.get("shipping_price") is None:
        shipping = max(total - stated, Decimal(0))
        alerts.append("shipping_price is missing; taken from the total")
    else:
        shipping = money(order["shipping_price"], "shipping_price", currency)
    if total not in (stated + shipping, stated + shipping - _discount(order, currency)):
        alerts.append(f"total_price {total} {currency} is not products plus shipping ({stated + shipping} {currency})")
    return Prices(stated, shipping, total, unit_field, tuple(alerts))


def _discount(order: dict[str, Any], currency: str) -> Decimal:
    """Whether discounts are subtracted from the total is not public, so both readings count as adding up."""
    try:
        return money(order.get("total_discount"), "total_discount", currency)
    except MappingError:
        return Decimal(0)


def _shipping_method(lines: tuple[OrderLine, ...]) -> str | None:
    wishes = {line.carrier_wish for line in lines}
    return next(iter(wishes)) if len(wishes) == 1 else None


def _identify(raw: RawOrder, settings: Settings) -> tuple[dict[str, Any], str]:
    """The order object and its reference. Raises `MappingError`, also for an order of another contract."""
    order = parse(raw.body)
    if not isinstance(order, dict):
        raise MappingError("body", "must be an object")
    reference = identity(order.get("order_reference"), "order_reference")
    contract = order.get("seller_contract_id")
    if contract is not None and str(contract) != str(settings.contract):
        raise MappingError("seller_contract_id", "is not the connection's contract")
    return order, reference


def map_order(raw: RawOrder, *, connection_id: UUID, environment: Environment, settings: Settings) -> MappedOrder:
    """Understand one raw order. Raises `MappingError` for what cannot be understood.

    `accept_by` stays empty: ManoMano does not tell it, so it follows from the connection's window or the manifest's.
    """
    order, reference = _identify(raw, settings)
    status, word = read_status(order)
    created_at = instant(order.get("created_at"), "created_at")
    updated = order.get("status_updated_at")
    currency = _currency(order)
    products = _products(order)
    prices = read_prices(order, products, currency)
    lines = read_lines(products, prices.unit_field, currency, status, word)
    order_id = order_id_for(connection_id, reference)
    customer = read_customer(order, order_id, connection_id)
    delivery = customer.shipping if customer else None
    there = flag(order.get("is_mmf"), "is_mmf") or settings.fulfilled_by_manomano
    snapshot = OrderSnapshot(
        order_id=order_id,
        connection_id=connection_id,
        connector=MANIFEST.name,
        environment=environment,
        marketplace_reference=reference,
        order_number=reference,
        channel=settings.country,
        fulfilled_by=FulfilledBy.MARKETPLACE if there else FulfilledBy.SELLER,
        status=status,
        marketplace_status=word,
        currency=currency,
        tax_mode=TaxMode.INCLUDED,
        products_price=prices.products,
        shipping_price=prices.shipping,
        total_price=prices.total,
        lines=lines,
        shipping_method=_shipping_method(lines),
        destination_country=delivery.country_code if delivery else None,
        missing_address_fields=missing_fields(customer),
        data_alerts=prices.alerts,
        created_at=created_at,
        marketplace_updated_at=created_at if updated is None else instant(updated, "status_updated_at"),
    )
    return MappedOrder(snapshot, customer)
