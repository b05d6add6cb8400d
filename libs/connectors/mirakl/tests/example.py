"""A plain order as the documentation shows it, and the short way to map one."""

from __future__ import annotations

import json
from typing import Any

from connector_kit.capabilities import MappedOrder, RawOrder
from connector_mirakl.mapping import MappingContext, map_order
from hub_contracts.orders import Environment

from .stage import CONNECTION

CONTEXT = MappingContext(CONNECTION, Environment.SANDBOX, frozenset({"DEFAULT"}))


def an_order() -> dict[str, Any]:
    """A plain order with two lines, as the documentation shows it."""
    address = {
        "firstname": "Testa",
        "lastname": "Exemple",
        "company": "Societe Fictive",
        "company_2": "Batiment B",
        "street_1": "1 rue de l'Essai",
        "street_2": "Escalier 2",
        "zip_code": "69000",
        "city": "Lyon",
        "state": "Rhone",
        "country": "France",
        "country_iso_code": "FRA",
        "phone": None,
        "phone_secondary": "+33100000001",
    }
    tax = {"code": "TVA20", "amount": 39.97, "rate": 20.0, "tax_calculation_rule": "NONE"}
    line = {
        "order_line_id": "PX-1-A-1",
        "order_line_state": "WAITING_ACCEPTANCE",
        "offer_sku": "TEL-PRO-128",
        "product_sku": "MP0000457",
        "product_title": "Telephone",
        "quantity": 2,
        "price_unit": 119.90,
        "price": 239.80,
        "shipping_price": 5.90,
        "taxes": [tax],
        "shipping_taxes": [{"code": "TVA20", "amount": 0.98}],
        "can_refund": False,
        "refunds": [],
    }
    second = {
        **line,
        "order_line_id": "PX-1-A-2",
        "offer_sku": "COQUE-NOIR",
        "quantity": 1,
        "price_unit": 19.99,
        "price": 19.99,
        "shipping_price": 0.00,
    }
    return {
        "order_id": "PX-1-A",
        "commercial_id": "PX-1",
        "order_state": "WAITING_ACCEPTANCE",
        "created_date": "2025-11-07T09:14:22Z",
        "last_updated_date": "2025-11-07T09:20:03.512Z",
        "currency_iso_code": "EUR",
        "order_tax_mode": "TAX_INCLUDED",
        "price": 259.79,
        "shipping_price": 5.90,
        "total_price": 265.69,
        "shipping_deadline": "2025-11-11T22:59:59.999Z",
        "delivery_date": {"earliest": "2025-11-12T08:00:00Z", "latest": "2025-11-14T08:00:00Z"},
        "shipping_type_code": "STD",
        "shipping_pudo_id": None,
        "channel": {"code": "FR_B2C", "label": "France"},
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "fully_refunded": False,
        "customer_notification_email": "n+1@notification.example.invalid",
        "customer": {
            "customer_id": "C-1",
            "locale": "fr_FR",
            "organization": None,
            "billing_address": address,
            "shipping_address": {**address, "additional_info": "Code 12B"},
        },
        "order_lines": [line, second],
    }


def mapped(order: Any) -> MappedOrder:
    return map_order(RawOrder("", json.dumps(order).encode()), CONTEXT)
