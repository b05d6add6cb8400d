"""What shops may post, and how everything else is refused: by field and rule, never by an unforeseen exception."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_generic_shop.posts import (
    Acknowledgement,
    Post,
    PricePost,
    ReturnPost,
    ReturnStage,
    ShipmentPost,
    StockPost,
)
from connector_generic_shop.reading import (
    POST_TYPES,
    REST_POSTS,
    BadPost,
    UnknownPostType,
    parse_body,
    parse_post,
    parse_webhook,
)

ROUTE = "00000000-0000-4000-8000-000000000001"
AT = "2026-11-20T11:00:00+01:00"
EXAMPLES: dict[str, dict[str, Any]] = {
    "order.acknowledged": {"route_id": ROUTE, "shop_order_reference": "S-1"},
    "shipment.created": {
        "order_number": "M1",
        "shipment_reference": "P-1",
        "lines": [{"line_id": "L1", "quantity": 2}, {"sku": "SKU-2", "quantity": 100_000}],
        "carrier_code": "DHL",
        "carrier_name": "DHL Paket",
        "tracking_number": "T2",
        "tracking_numbers": ["T1", "T2"],
        "tracking_url": "https://track.example.invalid/?n=T2",
        "handed_over_at": AT,
    },
    "return.created": {"shop_order_reference": "S-1", "return_reference": "R-1"},
    "return.received": {"order_number": "M1", "return_reference": "R-1", "refund_shipping": True},
    "return.inspected": {
        "order_number": "M1",
        "return_reference": "R-1",
        "lines": [{"sku": "SKU-1", "quantity": 1, "amount": "12.50", "reason": "broken\ncorner"}],
    },
    "order.cancel_requested": {"order_number": "M1", "cancellation_reference": "C-1"},
    "stock.changed": {"items": [{"sku": "SKU-1", "quantity": 0}], "reported_at": AT},
    "price.changed": {
        "items": [
            {
                "sku": "SKU-1",
                "price": {"amount": "20.00", "currency": "EUR"},
                "discount_price": {"amount": 15, "currency": "EUR"},
            }
        ],
        "reported_at": AT,
    },
}


def refused(post_type: str, **changes: Any) -> dict[str, str]:
    """Errors by pointer of an example with changed fields (None removes one)."""
    body = {k: v for k, v in {**EXAMPLES[post_type], **changes}.items() if v is not None}
    with pytest.raises(BadPost) as caught:
        parse_post(post_type, body)
    assert str(caught.value)
    return {error.pointer: error.rule for error in caught.value.errors}


@pytest.mark.parametrize("post_type", POST_TYPES)
def test_examples_are_taken_as_webhook_and_the_same_body_over_rest(post_type: str) -> None:
    example = {**EXAMPLES[post_type], "unknown_field": {"kept": "out"}}
    body = json.dumps({"type": post_type, "timestamp": AT, "data": example}).encode()
    message, post = parse_webhook(body)
    assert message.type == post_type
    resource = next(name for name, model in REST_POSTS.items() if model is POST_TYPES[post_type])
    rest = dict(example)
    if isinstance(post, ReturnPost):
        assert f"return.{post.stage.value}" == post_type
        rest["stage"] = post.stage.value
    ignored = {"acknowledged_at", "reported_at", "requested_at"}
    assert parse_body(resource, json.dumps(rest).encode()).model_dump(exclude=ignored) == post.model_dump(
        exclude=ignored
    )


def test_every_type_has_a_body_and_every_body_an_address() -> None:
    assert set(EXAMPLES) == set(POST_TYPES)
    assert set(REST_POSTS.values()) == set(POST_TYPES.values())


def test_a_shipment_is_read_whole() -> None:
    post = parse_post("shipment.created", EXAMPLES["shipment.created"])
    assert isinstance(post, ShipmentPost)
    assert post.handed_over_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert post.all_tracking_numbers == ("T2", "T1")
    assert [(line.line_id, line.sku, line.quantity) for line in post.lines] == [
        ("L1", None, 2),
        (None, "SKU-2", 100_000),
    ]


def test_no_lines_means_whole() -> None:
    post = parse_post("shipment.created", {**EXAMPLES["shipment.created"], "lines": []})
    assert isinstance(post, ShipmentPost)
    assert post.lines == ()


def test_the_messages_time_stands_in_for_a_missing_moment_but_not_for_the_hand_over() -> None:
    body = {"type": "order.acknowledged", "timestamp": AT, "data": EXAMPLES["order.acknowledged"]}
    _, post = parse_webhook(json.dumps(body).encode())
    assert isinstance(post, Acknowledgement)
    assert post.acknowledged_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    stock = {"items": [{"sku": "S", "quantity": 1}]}
    post = parse_post("stock.changed", stock, occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert isinstance(post, StockPost)
    assert post.reported_at.year == 2026
    shipment = {**EXAMPLES["shipment.created"]}
    del shipment["handed_over_at"]
    with pytest.raises(BadPost, match="#/handed_over_at"):
        parse_post("shipment.created", shipment, occurred_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_posts_own_moment_wins_over_the_messages() -> None:
    post = parse_post("stock.changed", EXAMPLES["stock.changed"], occurred_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert isinstance(post, StockPost)
    assert post.reported_at == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_returns_reason_and_amount_go_to_its_line() -> None:
    line = {"line_id": "L1", "quantity": 1}
    data = {"order_number": "M1", "return_reference": "R", "lines": [line], "amount": "3.10", "reason": "late"}
    post = parse_post("return.received", data)
    assert isinstance(post, ReturnPost)
    assert post.stage is ReturnStage.RECEIVED
    assert [(li.amount, li.reason) for li in post.resolved_lines] == [(Decimal("3.10"), "late")]


@pytest.mark.parametrize(
    "lines",
    [[], [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}], [{"sku": "A", "quantity": 1, "amount": "1"}]],
)
def test_an_amount_that_belongs_to_no_line_is_refused(lines: list[dict[str, Any]]) -> None:
    assert "exactly one line" in refused("return.created", amount="3.10", lines=lines)["#"]


def test_a_stage_against_its_type_is_refused() -> None:
    assert refused("return.created", stage="received") == {"#/stage": "must be created, as the type says"}


@pytest.mark.parametrize(
    ("post_type", "changes", "pointer"),
    [
        ("order.acknowledged", {"shop_order_reference": None}, "#/shop_order_reference"),
        ("order.acknowledged", {"shop_order_reference": " "}, "#/shop_order_reference"),
        ("order.acknowledged", {"shop_order_reference": 17}, "#/shop_order_reference"),
        ("order.acknowledged", {"shop_order_reference": "a\x00"}, "#/shop_order_reference"),
        ("order.acknowledged", {"shop_order_reference": "a\nb"}, "#/shop_order_reference"),
        ("order.acknowledged", {"shop_order_reference": "\ud800"}, "#/shop_order_reference"),
        ("order.acknowledged", {"shop_order_reference": "x" * 129}, "#/shop_order_reference"),
        ("order.acknowledged", {"route_id": "canary"}, "#/route_id"),
        ("order.acknowledged", {"route_id": None}, "#"),
        ("shipment.created", {"order_number": None}, "#"),
        ("shipment.created", {"shipment_reference": None}, "#/shipment_reference"),
        ("shipment.created", {"handed_over_at": None}, "#/handed_over_at"),
        ("shipment.created", {"handed_over_at": "2026-11-20T11:00:00"}, "#/handed_over_at"),
        ("shipment.created", {"handed_over_at": "2026-11-20"}, "#/handed_over_at"),
        ("shipment.created", {"handed_over_at": 1_800_000_000}, "#/handed_over_at"),
        ("shipment.created", {"handed_over_at": "2026-13-20T11:00:00Z"}, "#/handed_over_at"),
        ("shipment.created", {"handed_over_at": "0001-01-01T00:00:00+14:00"}, "#/handed_over_at"),
        ("shipment.created", {"lines": [{"quantity": 1}]}, "#/lines/0"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": 0}]}, "#/lines/0/quantity"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": 100_001}]}, "#/lines/0/quantity"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": "1"}]}, "#/lines/0/quantity"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": True}]}, "#/lines/0/quantity"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": 1.0}]}, "#/lines/0/quantity"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": Decimal("1.0")}]}, "#/lines/0/quantity"),
        ("shipment.created", {"lines": [{"sku": "A", "quantity": 1}] * 1_001}, "#/lines"),
        ("shipment.created", {"lines": "A"}, "#/lines"),
        ("shipment.created", {"tracking_url": "javascript:alert(1)"}, "#/tracking_url"),
        ("shipment.created", {"tracking_url": "https://u:p@example.invalid/"}, "#/tracking_url"),
        ("shipment.created", {"tracking_url": "https://example.invalid/a b"}, "#/tracking_url"),
        ("return.created", {"refund_shipping": "yes"}, "#/refund_shipping"),
        ("return.created", {"refund_shipping": 1}, "#/refund_shipping"),
        ("return.created", {"currency": "eur"}, "#/currency"),
        ("return.inspected", {"lines": [{"sku": "A", "quantity": 1, "amount": 12.5}]}, "#/lines/0/amount"),
        ("return.inspected", {"lines": [{"sku": "A", "quantity": 1, "amount": "-1"}]}, "#/lines/0/amount"),
        ("return.inspected", {"lines": [{"sku": "A", "quantity": 1, "amount": "1e3"}]}, "#/lines/0/amount"),
        ("return.inspected", {"lines": [{"sku": "A", "quantity": 1, "amount": "1,50"}]}, "#/lines/0/amount"),
        ("return.inspected", {"lines": [{"sku": "A", "quantity": 1, "amount": True}]}, "#/lines/0/amount"),
        ("return.inspected", {"lines": [{"sku": "A", "quantity": 1, "amount": "NaN"}]}, "#/lines/0/amount"),
        (
            "return.inspected",
            {"lines": [{"sku": "A", "quantity": 1, "amount": Decimal("1E+999999")}]},
            "#/lines/0/amount",
        ),
        ("order.cancel_requested", {"cancellation_reference": None}, "#/cancellation_reference"),
        ("stock.changed", {"items": []}, "#/items"),
        ("stock.changed", {"items": [{"sku": "A", "quantity": -1}]}, "#/items/0/quantity"),
        ("stock.changed", {"items": [{"sku": "A", "quantity": 10_000_001}]}, "#/items/0/quantity"),
        ("stock.changed", {"items": [{"sku": "A", "quantity": 1}, {"sku": "A", "quantity": 2}]}, "#"),
        ("stock.changed", {"reported_at": None}, "#/reported_at"),
        (
            "price.changed",
            {"items": [{"sku": "A", "price": {"amount": "0", "currency": "EUR"}}]},
            "#/items/0/price/amount",
        ),
        ("price.changed", {"items": [{"sku": "A", "price": {"amount": "1"}}]}, "#/items/0/price/currency"),
        ("price.changed", {"items": [{"sku": "A", "price": "1.00"}]}, "#/items/0/price"),
    ],
)
def test_wrong_fields_are_named(post_type: str, changes: dict[str, Any], pointer: str) -> None:
    errors = refused(post_type, **changes)
    assert pointer in errors
    assert "canary" not in str(errors)


@pytest.mark.parametrize("discount", [{"amount": "20.00", "currency": "EUR"}, {"amount": "5", "currency": "USD"}])
def test_a_discount_is_lower_and_in_the_same_currency(discount: dict[str, str]) -> None:
    item = {"sku": "A", "price": {"amount": "20.00", "currency": "EUR"}, "discount_price": discount}
    assert "discount_price" in refused("price.changed", items=[item])["#/items/0"]


@pytest.mark.parametrize(
    ("dates", "field"),
    [
        ({"discount_price": None, "discount_until": "2026-11-30T00:00:00Z"}, "discount_price"),
        ({"discount_from": "2026-11-30T00:00:00Z", "discount_until": "2026-11-30T01:00:00+01:00"}, "discount_until"),
    ],
)
def test_dates_belong_to_a_discount_and_are_in_order(dates: dict[str, Any], field: str) -> None:
    money = {"amount": "20.00", "currency": "EUR"}
    item = {"sku": "A", "price": money, "discount_price": {**money, "amount": "9"}, **dates}
    assert field in refused("price.changed", items=[item])["#/items/0"]


def test_saying_the_same_twice_in_one_post_is_harmless() -> None:
    item = {"sku": "A", "quantity": 1}
    assert parse_post("stock.changed", {"items": [item, item, {**item, "warehouse": "W"}], "reported_at": AT})


def test_error_texts_quote_nothing_of_what_was_sent() -> None:
    assert refused("order.acknowledged", route_id="zebra") == {"#/route_id": "must be a UUID"}


def test_all_errors_come_at_once() -> None:
    assert set(refused("shipment.created", shipment_reference=None, handed_over_at="x", lines=[{"sku": "A"}])) == {
        "#/shipment_reference",
        "#/handed_over_at",
        "#/lines/0/quantity",
    }


def test_nanoseconds_are_cut_not_refused() -> None:
    data = {**EXAMPLES["shipment.created"], "handed_over_at": "2026-10-25T02:30:00.123456789+01:00"}
    post = parse_post("shipment.created", data)
    assert isinstance(post, ShipmentPost)
    assert post.handed_over_at == datetime(2026, 10, 25, 1, 30, 0, 123456, tzinfo=UTC)


def test_json_numbers_with_decimals_stay_exact_when_read_from_bytes() -> None:
    body = b'{"items": [{"sku": "A", "price": {"amount": 19.90, "currency": "EUR"}}], "reported_at": "%s"}'
    post = parse_body("prices", body % AT.encode())
    assert isinstance(post, PricePost)
    assert post.items[0].price.amount == Decimal("19.90")


def test_unknown_types_are_told_apart_from_bad_ones() -> None:
    with pytest.raises(UnknownPostType, match=r"order\.acknowledged"):
        parse_post("canary.happened", {})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", "#"),
        (b"<html>", "#"),
        (b"\xff", "#"),
        (b"NaN", "#"),
        (b"[" * 200_000, "#"),
        (b"9" * 5_000, "#"),
        (b"[]", "#"),
        (b'{"type": "stock.changed", "data": {}}', "#/timestamp"),
        (b'{"type": 1, "timestamp": "2026-11-20T11:00:00Z", "data": {}}', "#/type"),
        (b'{"type": "stock.changed", "timestamp": "2026-11-20T11:00:00Z", "data": []}', "#/data"),
        (b'{"type": "stock.changed", "timestamp": "2026-11-20T11:00:00Z", "data": {}}', "#/data/items"),
    ],
)
def test_bad_webhook_bodies(body: bytes, pointer: str) -> None:
    with pytest.raises(BadPost) as caught:
        parse_webhook(body)
    assert pointer in {error.pointer for error in caught.value.errors}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(st.sampled_from(sorted(POST_TYPES)), st.data())
def test_whatever_comes_is_a_post_or_a_bad_post(post_type: str, data: st.DataObject) -> None:
    body = dict(EXAMPLES[post_type])
    field = data.draw(st.sampled_from(sorted({*body, "lines", "stage", "reason", "amount"})))
    body[field] = data.draw(JSON)
    try:
        post = parse_post(post_type, body)
    except BadPost:
        return
    assert type(post).model_validate_json(post.model_dump_json()) == post


@given(st.binary())
def test_whatever_bytes_come_are_a_post_or_a_bad_post(body: bytes) -> None:
    with pytest.raises(BadPost):
        parse_webhook(body)


@pytest.mark.parametrize("model", list(dict.fromkeys(POST_TYPES.values())))
def test_bodies_can_be_documented(model: type[Post]) -> None:
    schema = model.model_json_schema()
    assert schema["description"]
    told = {name for name, prop in schema["properties"].items() if prop.get("description")}
    assert told & {"route_id", "items", "reported_at"}
