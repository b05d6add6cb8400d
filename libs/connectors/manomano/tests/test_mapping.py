"""Raw order → snapshot: every field, and every odd value that clients have met."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.capabilities import MappedOrder, MappingError
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, FulfilledBy, TaxMode
from hub_contracts.status import OrderStatus

from .conftest import CONNECTION, World, order_body, product, raw


def mapped(body: Any, **settings: Any) -> MappedOrder:
    return World().connect(**settings).map_order(raw(body))


def test_the_documented_example() -> None:
    order = mapped(order_body()).snapshot
    assert order.order_id == order_id_for(CONNECTION, "M2511070004213")
    assert (order.connector, order.environment, order.channel) == ("manomano", Environment.SANDBOX, "FR")
    assert (order.marketplace_reference, order.order_number) == ("M2511070004213", "M2511070004213")
    assert (order.status, order.marketplace_status) == (OrderStatus.PENDING, "PENDING")
    assert (order.currency, order.tax_mode) == ("EUR", TaxMode.INCLUDED)
    assert (order.products_price, order.shipping_price, order.total_price) == (126, 6, 132)
    assert order.fulfilled_by == FulfilledBy.SELLER
    assert (order.destination_country, order.missing_address_fields, order.data_alerts) == ("FR", (), ())
    assert order.created_at == datetime(2025, 11, 7, 9, 14, 22, tzinfo=UTC)
    assert order.marketplace_updated_at == datetime(2025, 11, 7, 9, 44, 25, tzinfo=UTC)
    assert (order.accept_by, order.ship_by, order.refunds, order.is_test) == (None, None, (), False)
    assert order.shipping_method == "GLS"


def test_the_lines_of_the_example() -> None:
    first, second = mapped(order_body()).snapshot.lines
    assert (first.line_id, first.offer_sku, first.quantity) == ("PERC-18V-01", "PERC-18V-01", 2)
    assert (first.unit_price.amount, first.line_price.amount, first.shipping_price.amount) == (48, 96, 6)
    assert (first.taxes[0].code, first.taxes[0].amount, first.taxes[0].rate) == ("VAT", 16, 20)
    assert first.carrier_wish == "GLS"
    assert (first.status, first.marketplace_status, first.refundable) == (OrderStatus.PENDING, "PENDING", None)
    assert (second.line_id, second.line_price.amount, second.title) == ("LAME-125-X5", 30, "Article LAME-125-X5")


def test_personal_data_travels_apart_from_the_snapshot() -> None:
    result = mapped(order_body())
    assert "Exemple" not in result.snapshot.model_dump_json()
    assert result.customer is not None
    assert result.customer.shipping is not None
    assert result.customer.shipping.last_name == "Exemple"
    assert result.customer.shipping.street_2 == "Bât. B"


def test_amounts_are_exact_whether_numbers_or_texts() -> None:
    text = json.dumps(order_body()).replace("132.0", "132.10").replace("126.0", "126.10")
    assert mapped(text.encode()).snapshot.total_price == Decimal("132.10")
    body = order_body(total_price={"amount": " 132.00", "currency": "EUR"})
    assert mapped(body).snapshot.total_price == Decimal("132.00")


@pytest.mark.parametrize("amount", ["1 234,50", "NaN", True, [], "", "1e9", "-", "1.2e3", "0." + "3" * 18, "9" * 20])
def test_amounts_that_cannot_be_exact_are_refused(amount: object) -> None:
    with pytest.raises(MappingError) as caught:
        mapped(order_body(total_price={"amount": amount, "currency": "EUR"}))
    assert caught.value.field == "total_price.amount"


def test_a_number_that_would_fill_the_memory_is_refused() -> None:
    body = json.dumps(order_body()).replace("132.0", "1e999999999").encode()
    with pytest.raises(MappingError, match=r"total_price\.amount"):
        mapped(body)


def test_unknown_status_parks_with_its_own_cause() -> None:
    with pytest.raises(MappingError) as caught:
        mapped(order_body(status="UNDER_REVIEW"))
    assert (caught.value.field, caught.value.cause) == ("status", "status_unknown")
    assert "UNDER_REVIEW" in str(caught.value)
    for status in (..., None, 7, ["PENDING"], "pending"):
        with pytest.raises(MappingError) as caught:
            mapped(order_body(status=status))
        assert caught.value.cause == "status_unknown"


@pytest.mark.parametrize("word", ["WAITING_PAYMENT", "REMORSE_PERIOD", "PREPARATION", "SHIPPED", "REFUNDING"])
def test_known_statuses(word: str) -> None:
    assert mapped(order_body(status=word)).snapshot.status == OrderStatus(word)


@pytest.mark.parametrize(
    ("given", "utc"),
    [
        ("2025-11-07T10:14:22+01:00", "2025-11-07T09:14:22"),
        ("2025-11-07T10:14:22+0100", "2025-11-07T09:14:22"),
        ("2025-11-07T09:14:22.123Z", "2025-11-07T09:14:22.123000"),
        ("2025-10-26T02:30:00+02:00", "2025-10-26T00:30:00"),  # the hour that exists twice, first time
        ("2025-10-26T02:30:00+01:00", "2025-10-26T01:30:00"),  # and second time
        ("2025-03-30T02:30:00+01:00", "2025-03-30T01:30:00"),  # the hour that does not exist
    ],
)
def test_instants_with_every_offset(given: str, utc: str) -> None:
    order = mapped(order_body(created_at=given)).snapshot
    assert order.created_at == datetime.fromisoformat(utc + "+00:00")


@pytest.mark.parametrize("given", ["2025-11-07T09:14:22", "2025-11-07", "yesterday", 1762500000, ..., ""])
def test_instants_that_would_be_a_guess_are_refused(given: object) -> None:
    with pytest.raises(MappingError) as caught:
        mapped(order_body(created_at=given))
    assert caught.value.field == "created_at"


def test_a_missing_update_instant_falls_back_to_the_creation() -> None:
    order = mapped(order_body(status_updated_at=...)).snapshot
    assert order.marketplace_updated_at == order.created_at


def test_repeated_skus_are_lines_of_their_own() -> None:
    lines = [
        product("A", 1, "10", "8"),
        product("A", 1, "10", "8"),
        product("A#2", 1, "10", "8"),
        product("A", 1, "10", "8"),
    ]
    order = mapped(order_body(products=lines)).snapshot
    assert [line.line_id for line in order.lines] == ["A", "A#3", "A#2", "A#4"]
    assert [line.offer_sku for line in order.lines] == ["A", "A", "A#2", "A"]


def test_sums_that_do_not_add_up_raise_alerts_not_errors() -> None:
    order = mapped(order_body(products_price={"amount": 127.00, "currency": "EUR"})).snapshot
    assert len(order.data_alerts) == 2
    assert "126" in order.data_alerts[0]
    assert "total_price" in order.data_alerts[1]


def test_the_unit_price_field_that_adds_up_is_believed() -> None:
    lines = [product("A", 2, "48.00", "40.00") | {"price": {"amount": 96.00, "currency": "EUR"}}]
    body = order_body(products=lines, products_price={"amount": 96.00, "currency": "EUR"}, total_price={
        "amount": 102.00, "currency": "EUR"})  # fmt: skip
    order = mapped(body).snapshot
    assert order.lines[0].unit_price.amount == 48
    assert order.data_alerts == ("price and product_price differ; product_price was taken as unit price",)


def test_one_price_field_is_enough() -> None:
    lines = [product("A", 1, "126.00", "105.00")]
    for name in ("price", "product_price"):
        alone = [{key: value for key, value in lines[0].items() if key != name}]
        order = mapped(order_body(products=alone)).snapshot
        assert (order.lines[0].unit_price.amount, order.data_alerts) == (126, ())


def test_missing_sums_are_derived_and_said() -> None:
    order = mapped(order_body(products_price=..., shipping_price=None)).snapshot
    assert (order.products_price, order.shipping_price) == (126, 6)
    assert len(order.data_alerts) == 2


def test_a_discount_taken_off_the_total_is_no_contradiction() -> None:
    body = order_body(
        total_price={"amount": 127.00, "currency": "EUR"}, total_discount={"amount": 5.00, "currency": "EUR"}
    )
    assert mapped(body).snapshot.data_alerts == ()


def test_orders_fulfilled_by_the_marketplace() -> None:
    assert mapped(order_body(is_mmf=True)).snapshot.fulfilled_by == FulfilledBy.MARKETPLACE
    assert mapped(order_body(is_mmf="true")).snapshot.fulfilled_by == FulfilledBy.MARKETPLACE
    assert mapped(order_body(is_mmf=...)).snapshot.fulfilled_by == FulfilledBy.SELLER
    with pytest.raises(MappingError, match="is_mmf"):
        mapped(order_body(is_mmf="maybe"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order_reference": ...}, "order_reference"),
        ({"order_reference": " "}, "order_reference"),
        ({"order_reference": "M1\x00"}, "order_reference"),
        ({"seller_contract_id": 99}, "seller_contract_id"),
        ({"total_price": ...}, "total_price.amount"),
        ({"total_price": 132}, "total_price"),
        ({"total_price": {"amount": 132, "currency": "€"}}, "total_price.currency"),
        ({"shipping_price": {"amount": 6, "currency": "GBP"}}, "shipping_price.currency"),
        ({"products": []}, "products"),
        ({"products": None}, "products"),
        ({"products": ["A"]}, "products[0]"),
        ({"products": [product("A", 0, "1", "1")]}, "products[0].quantity"),
        ({"products": [product("A", -1, "1", "1")]}, "products[0].quantity"),
        ({"products": [product("A", 3_000_000_000, "1", "1")]}, "products[0].quantity"),
        ({"products": [product("A", "1.5", "1", "1")]}, "products[0].quantity"),
        ({"products": [product("A", None, "1", "1")]}, "products[0].quantity"),
        ({"products": [product(None, 1, "1", "1")]}, "products[0].seller_sku"),
        ({"products": [product({"x": 1}, 1, "1", "1")]}, "products[0].seller_sku"),
    ],
)
def test_what_cannot_be_understood_names_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapped(order_body(**changes))
    assert caught.value.field == field
    assert caught.value.cause == "order_unreadable"


@pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}'])
def test_bodies_that_are_no_orders(body: bytes) -> None:
    with pytest.raises(MappingError) as caught:
        mapped(body)
    assert caught.value.field == "body"


def test_numbers_where_texts_are_documented() -> None:
    body = order_body(order_reference=2511, seller_contract_id="11781522", products=[product(7, "2", "63", "50")])
    order = mapped(body).snapshot
    assert (order.marketplace_reference, order.lines[0].offer_sku, order.lines[0].quantity) == ("2511", "7", 2)


def test_unknown_and_missing_fields_are_no_reason_to_fail() -> None:
    lean = [{"seller_sku": "A", "quantity": 1, "price": {"amount": 126}}]
    names = ("total_discount", "billing_fiscal_number", "customer", "addresses", "is_professional")
    body = order_body(products=lean, novelty={"deep": [1]}, **dict.fromkeys(names, ...))
    order = mapped(body).snapshot
    line = order.lines[0]
    assert (line.title, line.taxes, line.shipping_taxes, line.carrier_wish) == ("", (), (), None)
    assert (line.shipping_price.amount, order.data_alerts) == (0, ())


def test_broken_characters_cannot_reach_a_store() -> None:
    body = json.dumps(order_body()).replace("Article LAME-125-X5", "a\\u0000b\\ud800c").encode()
    title = mapped(body).snapshot.lines[1].title
    assert title == "ab?c"
