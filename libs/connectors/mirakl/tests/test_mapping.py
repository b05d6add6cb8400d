"""Mapping: every field arrives with its exact value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connector_kit.capabilities import MappingError
from connector_mirakl.manifest import STATUS_MAP
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, FulfilledBy, TaxMode
from hub_contracts.status import OrderStatus

from .example import an_order, mapped
from .stage import CONNECTION


def test_every_field_of_the_order() -> None:
    snapshot = mapped(an_order()).snapshot
    assert snapshot.order_id == order_id_for(CONNECTION, "PX-1-A")
    assert snapshot.connection_id == CONNECTION
    assert snapshot.connector == "mirakl"
    assert snapshot.environment is Environment.SANDBOX
    assert (snapshot.marketplace_reference, snapshot.commercial_reference) == ("PX-1-A", "PX-1")
    assert snapshot.order_number == "PX-1-A"
    assert (snapshot.channel, snapshot.locale) == ("FR_B2C", "fr_FR")
    assert snapshot.fulfilled_by is FulfilledBy.SELLER
    assert snapshot.status is OrderStatus.PENDING
    assert snapshot.marketplace_status == "WAITING_ACCEPTANCE"
    assert (snapshot.currency, snapshot.tax_mode) == ("EUR", TaxMode.INCLUDED)
    assert snapshot.products_price == Decimal("259.79")
    assert snapshot.shipping_price == Decimal("5.90")
    assert snapshot.total_price == Decimal("265.69")
    assert snapshot.shipping_method == "STD"
    assert snapshot.destination_country == "FR"
    assert snapshot.missing_address_fields == ()
    assert snapshot.data_alerts == ()
    assert snapshot.refunds == ()
    assert snapshot.created_at == datetime(2025, 11, 7, 9, 14, 22, tzinfo=UTC)
    assert snapshot.marketplace_updated_at == datetime(2025, 11, 7, 9, 20, 3, 512_000, tzinfo=UTC)
    assert snapshot.accept_by is None
    assert snapshot.ship_by == datetime(2025, 11, 11, 22, 59, 59, 999_000, tzinfo=UTC)
    assert snapshot.deliver_by == datetime(2025, 11, 14, 8, tzinfo=UTC)


def test_every_field_of_a_line() -> None:
    first, second = mapped(an_order()).snapshot.lines
    assert (first.line_id, first.offer_sku, first.product_sku) == ("PX-1-A-1", "TEL-PRO-128", "MP0000457")
    assert (first.title, first.quantity, first.refundable) == ("Telephone", 2, False)
    assert (first.unit_price.amount, first.unit_price.currency) == (Decimal("119.90"), "EUR")
    assert first.line_price.amount == Decimal("239.80")
    assert first.shipping_price.amount == Decimal("5.90")
    assert (first.taxes[0].code, first.taxes[0].amount) == ("TVA20", Decimal("39.97"))
    assert (first.taxes[0].rate, first.taxes[0].rule) == (Decimal("20.0"), "NONE")
    assert first.shipping_taxes[0].amount == Decimal("0.98")
    assert first.shipping_taxes[0].rule is None
    assert (first.status, first.marketplace_status) == (OrderStatus.PENDING, "WAITING_ACCEPTANCE")
    assert (second.offer_sku, second.quantity) == ("COQUE-NOIR", 1)


def test_every_field_of_the_customer() -> None:
    order = an_order()
    order["shipping_pudo_id"] = "PUDO-9"
    order["customer"]["organization"] = {"organization_id": "o", "tax_identification_number": "FR001"}
    customer = mapped(order).customer
    assert customer is not None
    assert customer.order_id == order_id_for(CONNECTION, "PX-1-A")
    assert (customer.customer_reference, customer.locale) == ("C-1", "fr_FR")
    assert (customer.fiscal_number, customer.professional, customer.address_kind) == ("FR001", True, "pickup_point")
    shipping, billing = customer.shipping, customer.billing
    assert shipping is not None
    assert billing is not None
    assert (shipping.first_name, shipping.last_name) == ("Testa", "Exemple")
    assert shipping.company == "Societe Fictive, Batiment B"
    assert (shipping.street_1, shipping.street_2) == ("1 rue de l'Essai", "Escalier 2")
    assert (shipping.postal_code, shipping.city, shipping.region) == ("69000", "Lyon", "Rhone")
    assert (shipping.country_code, shipping.country_name) == ("FR", "France")
    assert (shipping.phone, shipping.email) == ("+33100000001", "n+1@notification.example.invalid")
    assert (shipping.instructions, shipping.pickup_point_id) == ("Code 12B", "PUDO-9")
    assert (billing.instructions, billing.pickup_point_id) == (None, None)


@pytest.mark.parametrize(("word", "status"), STATUS_MAP.items())
def test_every_known_state(word: str, status: OrderStatus) -> None:
    order = an_order()
    order["order_state"] = word
    snapshot = mapped(order).snapshot
    assert snapshot.status is status
    assert snapshot.marketplace_status == word


@pytest.mark.parametrize("place", ["order", "line"])
def test_an_unknown_state_parks_the_order(place: str) -> None:
    order = an_order()
    if place == "order":
        order["order_state"] = "ON_HOLD"
    else:
        order["order_lines"][1]["order_line_state"] = "ON_HOLD"
    with pytest.raises(MappingError, match="ON_HOLD") as caught:
        mapped(order)
    assert caught.value.cause == "status_unknown"
    assert caught.value.field.endswith("state")


@pytest.mark.parametrize(
    ("dates", "status"),
    [
        ({"received_date": "2025-11-09T00:00:00Z", "shipped_date": "2025-11-08T00:00:00Z"}, OrderStatus.DELIVERED),
        ({"shipped_date": "2025-11-08T00:00:00Z"}, OrderStatus.SHIPPED),
        ({}, OrderStatus.PREPARATION),
    ],
)
def test_an_open_incident_leaves_the_line_where_its_dates_say(dates: dict[str, str], status: OrderStatus) -> None:
    order = an_order()
    order["order_lines"][0].update(order_line_state="INCIDENT_OPEN", **dates)
    snapshot = mapped(order).snapshot
    assert snapshot.lines[0].status is status
    assert any("INCIDENT_OPEN" in alert for alert in snapshot.data_alerts)


@pytest.mark.parametrize(
    ("state", "refund_state", "status"),
    [
        ("SHIPPED", "REFUNDED", OrderStatus.REFUNDED),
        ("RECEIVED", "WAITING_REFUND_PAYMENT", OrderStatus.REFUNDING),
        ("CANCELED", "REFUNDED", OrderStatus.CANCELLED),
    ],
)
def test_a_fully_refunded_order(state: str, refund_state: str, status: OrderStatus) -> None:
    order = an_order()
    order.update(order_state=state, fully_refunded=True)
    order["order_lines"][0]["refunds"] = [{"id": "1", "amount": 1, "refund_state": refund_state}]
    assert mapped(order).snapshot.status is status


def test_refunds_with_their_old_and_new_names() -> None:
    order = an_order()
    order["order_lines"][0]["refunds"] = [
        {"id": "1106", "amount": 6.82, "shipping_amount": 1.79, "quantity": 0, "state": "WAITING_REFUND_PAYMENT"},
        {"id": 1107, "amount": "10.00", "shipping_amount": None, "quantity": 1, "refund_state": "REFUNDED"},
        None,
    ]
    first, second = mapped(order).snapshot.refunds
    assert (first.refund_reference, first.line_id, first.quantity) == ("1106", "PX-1-A-1", 0)
    assert (first.amount, first.shipping_amount) == (Decimal("6.82"), Decimal("1.79"))
    assert first.state == "WAITING_REFUND_PAYMENT"
    assert (second.refund_reference, second.amount, second.state) == ("1107", Decimal("10.00"), "REFUNDED")


def test_taxes_excluded() -> None:
    order = an_order()
    order["order_tax_mode"] = "TAX_EXCLUDED"
    assert mapped(order).snapshot.tax_mode is TaxMode.EXCLUDED


def test_orders_of_another_fulfilment_centre_are_the_marketplaces() -> None:
    order = an_order()
    order["fulfillment"]["center"]["code"] = "OPERATOR_WAREHOUSE"
    assert mapped(order).snapshot.fulfilled_by is FulfilledBy.MARKETPLACE
    order["fulfillment"] = None
    assert mapped(order).snapshot.fulfilled_by is FulfilledBy.SELLER


def test_contradicting_sums_are_told_and_not_corrected() -> None:
    order = an_order()
    order["price"] = 100
    order["order_lines"][1]["price"] = 20.00
    snapshot = mapped(order).snapshot
    assert snapshot.products_price == Decimal(100)
    assert any(alert.startswith("price is 100") for alert in snapshot.data_alerts)
    assert any(alert.startswith("order_lines[1].price is 20.0") for alert in snapshot.data_alerts)
    assert any(alert.startswith("total_price is 265.69") for alert in snapshot.data_alerts)


@pytest.mark.parametrize(
    ("field", "alert"),
    [
        ("price", "price is missing"),
        ("shipping_price", "shipping_price is missing"),
        ("total_price", "total_price is missing"),
        ("last_updated_date", "last_updated_date is missing"),
    ],
)
def test_missing_figures_follow_from_their_parts(field: str, alert: str) -> None:
    order, whole = an_order(), mapped(an_order()).snapshot
    order[field] = None
    snapshot = mapped(order).snapshot
    assert snapshot.total_price == whole.total_price
    assert snapshot.products_price == whole.products_price
    assert any(text.startswith(alert) for text in snapshot.data_alerts)


@pytest.mark.parametrize("field", ["price", "price_unit", "shipping_price", "order_line_state"])
def test_missing_line_figures_follow_and_are_told(field: str) -> None:
    order = an_order()
    order["order_lines"][1][field] = None
    snapshot = mapped(order).snapshot
    assert snapshot.lines[1].line_price.amount == Decimal("19.99")
    assert snapshot.lines[1].unit_price.amount == Decimal("19.99")
    assert any(field in alert for alert in snapshot.data_alerts)
