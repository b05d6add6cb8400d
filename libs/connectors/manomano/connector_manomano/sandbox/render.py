"""Writes the simulated orders and offers in ManoMano's wire shapes, amounts as exact JSON numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from connector_manomano.sandbox.world import SimLine, SimOffer, SimOrder

CENT = Decimal("0.01")
UNKNOWN_STATUS = "UNDER_REVIEW"
"""A word that the hub cannot know."""


class OrderWriter:
    """Writes one order, with the oddities that its options or a fault ask for."""

    def __init__(self, order: SimOrder, *, strings: bool, no_address: bool, unknown_status: bool) -> None:
        self._order = order
        self._strings = strings or order.options.string_amounts
        self._no_address = no_address or order.options.null_address
        self._unknown = unknown_status or order.options.unknown_status

    def _money(self, amount: Decimal) -> dict[str, Any]:
        exact = amount.quantize(CENT)
        return {"amount": format(exact, "f") if self._strings else exact, "currency": self._order.currency}

    def _without_vat(self, amount: Decimal) -> Decimal:
        return (amount / (1 + self._order.vat_rate / 100)).quantize(CENT)

    def _both(self, name: str, amount: Decimal) -> dict[str, Any]:
        return {name: self._money(amount), f"{name}_excluding_vat": self._money(self._without_vat(amount))}

    def _three(self, name: str, amount: Decimal) -> dict[str, Any]:
        return {**self._both(name, amount), f"{name}_vat": self._money(amount - self._without_vat(amount))}

    def _date(self, instant: datetime) -> str:
        style = self._order.options.dates
        if style == "zulu":
            return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        local = instant.astimezone(timezone(timedelta(hours=2)))
        pattern = {"offset": "%Y-%m-%dT%H:%M:%S+02:00", "compact_offset": "%Y-%m-%dT%H:%M:%S+0200"}
        return local.strftime(pattern.get(style, "%Y-%m-%dT%H:%M:%S"))

    def write(self) -> dict[str, Any]:
        """The order object."""
        order = self._order
        products = sum((line.price * line.quantity for line in order.lines), Decimal(0))
        stated = products + (1 if order.options.price_mismatch else 0)
        shipping = sum((line.shipping * line.quantity for line in order.lines), Decimal(0))
        rate = format(order.vat_rate, "f")
        return {
            "order_reference": order.reference,
            "seller_contract_id": order.contract,
            "status": UNKNOWN_STATUS if self._unknown else order.status,
            "created_at": self._date(order.created_at),
            "status_updated_at": self._date(order.updated_at),
            **self._three("total_price", stated + shipping),
            **self._three("products_price", stated),
            **self._both("shipping_price", shipping),
            "shipping_price_vat_rate": rate,
            **{
                name: self._money(Decimal(0))
                for name in ("manomano_discount", "seller_discount", "shipping_discount", "total_discount")
            },
            "is_mmf": order.options.is_mmf,
            "is_professional": order.options.professional,
            "billing_fiscal_number": None,
            "customer": self._customer(),
            "addresses": self._addresses(),
            "vat": self._vat(rate),
            "products": [self._product(line, rate) for line in order.lines],
        }

    def _customer(self) -> dict[str, Any]:
        buyer = self._order.buyer
        return {"firstname": buyer["firstname"], "lastname": buyer["lastname"], "fiscal_number": None}

    def _addresses(self) -> dict[str, Any]:
        if self._no_address:
            return {"shipping": None, "billing": {}, "relay": None}
        buyer = dict(self._order.buyer)
        relay = None
        if self._order.options.pickup_point:
            place = {"firstname": None, "lastname": None, "address_line1": "5 place du Relais", "address_line2": None}
            relay = {**buyer, **place, "phone": None, "email": None, "id": "R-00042", "name": "Tabac du Modèle"}
        return {"shipping": buyer, "billing": {**buyer, "recipient_code": None}, "relay": relay}

    def _vat(self, rate: str) -> dict[str, Any]:
        empty = ("eori_number", "intraco_vat_number", "invoice_fiscal_number", "local_vat_number", "recipient_code")
        return {
            **dict.fromkeys(empty),
            "is_b2b": self._order.options.professional,
            "subjected_to_vat": True,
            "vat_rate": rate,
            "vat_liability": "SELLER",
            "invoice_liability": "SELLER",
        }

    def _product(self, line: SimLine, rate: str) -> dict[str, Any]:
        return {
            "seller_sku": line.sku,
            "title": line.title,
            "product_title": line.title,
            "quantity": line.quantity,
            "carrier": line.carrier,
            "vat_rate": rate,
            "shipping_vat_rate": rate,
            **self._both("price", line.price),
            **self._both("product_price", line.price),
            **self._both("shipping_price", line.shipping),
            "sum_shipping_price": self._money(line.shipping * line.quantity),
            **self._both("total_price", line.price * line.quantity),
        }


def write_offer(offer: SimOffer) -> dict[str, Any]:
    """The offer object of the read call: `price` and `stock` are plain numbers here."""
    return {
        "sku": offer.sku,
        "price": offer.price,
        "retail_price": offer.retail_price,
        "stock": offer.stock,
        "id_me": f"ME{sum(offer.sku.encode()):08d}",
        "id_me_link": None,
        "carrier": "Standard",
        "shipping_time": "2-4",
        "offer_is_online": offer.stock > 0,
        "frozen_price": offer.frozen_price,
        "frozen_retail_price": False,
        "frozen_stock": offer.frozen_stock,
        "status": "ERROR" if offer.errors else "COMPLETED",
        "errors": list(offer.errors),
    }
