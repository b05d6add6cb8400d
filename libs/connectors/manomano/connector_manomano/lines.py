"""Order lines: identity without a line id, unit price between two rival fields, taxes from price differences."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from connector_kit.capabilities import MappingError
from connector_manomano.values import identity, number, record, text, whole
from hub_contracts.base import Money
from hub_contracts.orders import OrderLine, Tax
from hub_contracts.status import OrderStatus

PriceField = Literal["price", "product_price"]
PRICE_FIELDS: tuple[PriceField, ...] = ("price", "product_price")
"""Two clients read the unit price from the one, two from the other; what separates them is not public."""


def money(value: Any, field: str, currency: str) -> Decimal:
    """Amount of a `{amount, currency}` object. Raises `MappingError`, also when the currency is not the order's."""
    held = record(value, field)
    given = held.get("currency")
    if given is not None and given != currency:
        raise MappingError(f"{field}.currency", f"must be the order's currency {currency}")
    return number(held.get("amount"), f"{field}.amount")


def line_ids(skus: Sequence[str]) -> list[str]:
    """One id per line: the SKU, with `#2`, `#3`… on repeats, never taking the name of a SKU that really exists."""
    taken = set(skus)
    seen: set[str] = set()
    ids: list[str] = []
    for sku in skus:
        line_id, count = sku, 1
        while line_id in seen or (count > 1 and line_id in taken):
            count += 1
            line_id = f"{sku}#{count}"
        seen.add(line_id)
        ids.append(line_id)
    return ids


def unit_price(product: dict[str, Any], name: PriceField, field: str, currency: str) -> Decimal:
    """Unit price from the preferred field, or from its rival where only that is given."""
    other = PRICE_FIELDS[1 - PRICE_FIELDS.index(name)]
    chosen = name if product.get(name) is not None or product.get(other) is None else other
    return money(product.get(chosen), f"{field}.{chosen}", currency)


def products_sum(products: Sequence[dict[str, Any]], name: PriceField, currency: str) -> Decimal:
    """Σ(unit × quantity) over all lines, with the unit price taken from `name`."""
    return sum(
        (
            unit_price(product, name, f"products[{at}]", currency)
            * whole(product.get("quantity"), f"products[{at}].quantity")
            for at, product in enumerate(products)
        ),
        Decimal(0),
    )


def _shipping(product: dict[str, Any], quantity: int, field: str, currency: str) -> Decimal:
    """Shipping of the whole line; `shipping_price` is per unit [assumed] and only used without the sum."""
    if product.get("sum_shipping_price") is not None:
        return money(product["sum_shipping_price"], f"{field}.sum_shipping_price", currency)
    if product.get("shipping_price") is not None:
        return money(product["shipping_price"], f"{field}.shipping_price", currency) * quantity
    return Decimal(0)


def _tax(product: dict[str, Any], name: str, rate_name: str, factor: int, currency: str) -> tuple[Tax, ...]:
    """VAT as the difference of the price with and without it, for `factor` units; none when either is missing."""
    try:
        with_vat = money(product.get(name), name, currency)
        without = money(product.get(f"{name}_excluding_vat"), name, currency)
    except MappingError:
        return ()
    try:
        rate = number(product.get(rate_name), rate_name)
    except MappingError:
        rate = None
    return (Tax(code="VAT", amount=(with_vat - without) * factor, rate=rate),)


def read_lines(
    products: Sequence[dict[str, Any]], name: PriceField, currency: str, status: OrderStatus, word: str
) -> tuple[OrderLine, ...]:
    """All lines; they carry the order's status, since ManoMano has none per line. Raises `MappingError`."""
    skus = [identity(product.get("seller_sku"), f"products[{at}].seller_sku") for at, product in enumerate(products)]
    lines: list[OrderLine] = []
    for at, (product, line_id) in enumerate(zip(products, line_ids(skus), strict=True)):
        field = f"products[{at}]"
        quantity = whole(product.get("quantity"), f"{field}.quantity")
        unit = unit_price(product, name, field, currency)
        lines.append(
            OrderLine(
                line_id=line_id,
                offer_sku=skus[at],
                title=text(product.get("title")) or text(product.get("product_title")) or "",
                quantity=quantity,
                unit_price=Money(amount=unit, currency=currency),
                line_price=Money(amount=unit * quantity, currency=currency),
                shipping_price=Money(amount=_shipping(product, quantity, field, currency), currency=currency),
                taxes=_tax(product, name, "vat_rate", quantity, currency),
                shipping_taxes=_tax(product, "shipping_price", "shipping_vat_rate", quantity, currency),
                status=status,
                marketplace_status=word,
                carrier_wish=text(product.get("carrier")),
            )
        )
    return tuple(lines)
