"""The wire that shops see, and reasons made of what shops answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from connector_generic_shop import mapping
from connector_generic_shop.wire import Message, OrderPage, WireOrder
from connector_kit.requests import CancelShopOrder, CreateShopOrder, ShopCustomer

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def created(request: CreateShopOrder, *, send_personal_data: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(mapping.order_body(request, AT, send_personal_data=send_personal_data))
    return body


def test_the_whole_order_is_told(order: Callable[..., CreateShopOrder]) -> None:
    body = created(order(warehouse="WH1", shipping_method="express", carrier_wish="DHL", channel="FR"))
    assert (body["type"], body["timestamp"]) == ("order.created", "2026-11-20T10:00:00Z")
    data = body["data"]
    assert data["route_id"] == "00000000-0000-0000-0000-0000000f4241"
    assert data["order_id"] == "00000000-0000-0000-0000-000000000001"
    assert (data["order_number"], data["sequence"], data["is_test"]) == ("M00001", 1, False)
    assert (data["marketplace"], data["marketplace_reference"], data["channel"]) == ("manomano", "MM-1", "FR")
    assert (data["currency"], data["tax_mode"]) == ("EUR", "tax_included")
    assert (data["products_price"], data["shipping_price"], data["total_price"]) == ("39.80", "4.90", "44.70")
    assert data["lines_price"] == "39.80"
    assert data["lines"] == [
        {
            "line_id": "L1",
            "sku": "SKU-1",
            "offer_sku": "OFFER-1",
            "title": "Lamp",
            "quantity": 2,
            "unit_price": {"amount": "19.90", "currency": "EUR"},
            "shipping_price": {"amount": "4.90", "currency": "EUR"},
            "line_total": {"amount": "39.80", "currency": "EUR"},
        }
    ]
    assert (data["shipping_method"], data["carrier_wish"], data["warehouse"]) == ("express", "DHL", "WH1")
    assert (data["ship_by"], data["destination_country"]) == ("2026-11-22T12:00:00Z", "FR")
    shipping = data["customer"]["shipping"]
    assert (shipping["last_name"], shipping["street_1"], shipping["street_2"]) == ("Quxmann", "7 Rue <Inventée>", None)
    assert data["customer"]["billing"]["email"] == "zoe@example.invalid"
    assert data["customer"]["fiscal_number"] == "FR-IMAGINARY-1"


def test_without_personal_data_only_the_country_is_told(order: Callable[..., CreateShopOrder]) -> None:
    body = created(order(), send_personal_data=False)
    assert body["data"]["customer"] is None
    assert body["data"]["destination_country"] == "FR"
    text = json.dumps(body, ensure_ascii=False)
    assert not [value for value in mapping.personal_values(order().customer) if value in text]


@pytest.mark.parametrize("customer", [None, ShopCustomer()])
def test_a_missing_address_is_null(order: Callable[..., CreateShopOrder], customer: ShopCustomer | None) -> None:
    data = created(order(customer=customer))["data"]
    assert data["destination_country"] is None
    assert data["customer"] is None or data["customer"]["shipping"] is None


def test_amounts_stay_exact(order: Callable[..., CreateShopOrder]) -> None:
    assert created(order(total_price=Decimal("1E+2")))["data"]["total_price"] == "100"
    assert created(order(total_price=Decimal("0.10")))["data"]["total_price"] == "0.10"


def test_the_hour_that_happens_twice_keeps_its_instant(order: Callable[..., CreateShopOrder]) -> None:
    second = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris"))
    assert created(order(ship_by=second))["data"]["ship_by"] == "2026-10-25T01:30:00Z"


def test_the_body_reads_back_as_the_documented_model(order: Callable[..., CreateShopOrder]) -> None:
    body = mapping.order_body(order(), AT, send_personal_data=True)
    message = Message[WireOrder].model_validate_json(body)
    assert message.data == mapping.wire_order(order(), send_personal_data=True)


def test_cancellation_body(cancellation: Callable[..., CancelShopOrder]) -> None:
    body = json.loads(mapping.cancel_body(cancellation(), AT))
    assert body["type"] == "order.cancelled"
    assert body["data"]["sequence"] == 2
    assert body["data"]["reason"] == "cancelled by the buyer"


def test_listed_orders(order: Callable[..., CreateShopOrder], cancellation: Callable[..., CancelShopOrder]) -> None:
    page = OrderPage(
        orders=(
            mapping.listed_order(order(1), send_personal_data=True),
            mapping.listed_order(order(2), send_personal_data=False, cancelled=cancellation(2)),
        ),
        next_cursor="c2",
        has_more=False,
    ).model_dump(mode="json")
    assert [entry["state"] for entry in page["orders"]] == ["open", "cancelled"]
    assert [entry["order"]["sequence"] for entry in page["orders"]] == [1, 2]
    assert page["orders"][1]["cancel_reason"] == "cancelled by the buyer"
    assert page["orders"][1]["order"]["customer"] is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"shop_order_reference": " A-1 "}, "A-1"),
        ({"shop_order_reference": 17}, "17"),
        ({"shop_order_reference": True}, None),
        ({"shop_order_reference": ""}, None),
        ({"shop_order_reference": "a\x00b"}, None),
        ({"shop_order_reference": "\ud800"}, None),
        ({"shop_order_reference": "x" * 129}, None),
        ({"shop_order_reference": None}, None),
        ({}, None),
        (["A-1"], None),
        (None, None),
    ],
)
def test_the_shops_number_is_taken_only_when_it_is_one(body: object, expected: str | None) -> None:
    assert mapping.shop_order_reference(body) == expected


def test_reasons_are_cut_and_free_of_nul() -> None:
    assert mapping.readable_reason(b"a\x00b" + b"c" * 100_000, []) == "ab" + "c" * 2046
    assert mapping.readable_reason(b"\xff ok", []) == "\N{REPLACEMENT CHARACTER} ok"


def test_reasons_hide_the_buyer_in_every_spelling() -> None:
    from .conftest import customer

    hide = mapping.personal_values(customer())
    echoes = [
        json.dumps({"name": "Zoé QUXMANN", "mail": "zoe@example.invalid"}),
        "no street 7 Rue &lt;Inventée&gt; in Nulleville",
        "bad number FR-IMAGINARY-1 or +33000000001 or 59999",
    ]
    for echo in echoes:
        reason = mapping.readable_reason(echo.encode(), hide)
        assert not [v for v in (*hide, "QUXMANN", "\\u00e9", "&lt;Inventée") if v in reason], reason
        assert "[hidden]" in reason


def test_hiding_leaves_other_words_alone() -> None:
    assert mapping.readable_reason(b"Annotation of Ann, max 3", ["Ann", "x"]) == "Annotation of [hidden], max 3"


def test_reasons_hide_secrets_with_and_without_prefix() -> None:
    hide = mapping.secret_values([SecretStr("whsec_canarycanary")])
    assert "canary" not in mapping.readable_reason(b"config: whsec_canarycanary / canarycanary", hide)
