"""Mapping of odd values: read, repaired from the order itself and told, or parked. Nothing is guessed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import MappingError, RawOrder
from connector_mirakl.countries import ALPHA_3_TO_2, alpha_2
from connector_mirakl.mapping import map_order
from connector_mirakl.wire import split_list

from .example import CONTEXT, an_order, mapped
from .stage import Stage


def set_path(order: dict[str, Any], path: str, value: Any) -> None:
    target: Any = order
    *parents, last = path.split(".")
    for name in parents:
        target = target[int(name) if name.isdigit() else name]
    target[last] = value


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("order_id", None, "order_id"),
        ("order_state", None, "order_state"),
        ("currency_iso_code", None, "currency_iso_code"),
        ("currency_iso_code", "euro", "currency_iso_code"),
        ("created_date", None, "created_date"),
        ("created_date", "yesterday", "created_date"),
        ("created_date", "0001-01-01T00:00:00+14:00", "created_date"),
        ("shipping_deadline", {}, "shipping_deadline"),
        ("order_tax_mode", "TAX_MAYBE", "order_tax_mode"),
        ("total_price", "free", "total_price"),
        ("total_price", True, "total_price"),
        ("total_price", [], "total_price"),
        ("order_lines", [], "order_lines"),
        ("order_lines", None, "order_lines"),
        ("order_lines", [None], "order_lines[0]"),
        ("order_lines.0.order_line_id", None, "order_lines[0].order_line_id"),
        ("order_lines.1.order_line_id", "PX-1-A-1", "order_lines"),
        ("order_lines.0.offer_sku", " ", "order_lines[0].offer_sku"),
        ("order_lines.0.quantity", None, "order_lines[0].quantity"),
        ("order_lines.0.quantity", 1.5, "order_lines[0].quantity"),
        ("order_lines.0.quantity", "1e999999", "order_lines[0].quantity"),
        ("order_lines.0.quantity", -1, "order_lines[0].quantity"),
        ("order_lines.0.quantity", 3_000_000_000, "order_lines[0].quantity"),
        ("order_lines.0.price_unit", "NaN", "order_lines[0].price_unit"),
        ("order_lines.0.taxes", [{"amount": 1}], "order_lines[0].taxes[0].code"),
    ],
)
def test_what_cannot_be_read_names_its_field(path: str, value: Any, field: str) -> None:
    order = an_order()
    set_path(order, path, value)
    with pytest.raises(MappingError) as caught:
        mapped(order)
    assert caught.value.field == field


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"12", b"", b"\xff"])
def test_what_is_no_order_at_all_is_parked(body: bytes) -> None:
    with pytest.raises(MappingError):
        map_order(RawOrder("", body), CONTEXT)


def test_numbers_where_texts_are_documented() -> None:
    order = an_order()
    order.update(order_id=251107, commercial_id=2511)
    order["order_lines"][0].update(order_line_id=1, offer_sku=1001, product_sku=7)
    snapshot = mapped(order).snapshot
    line = snapshot.lines[0]
    assert (snapshot.marketplace_reference, line.line_id, line.offer_sku, line.product_sku) == (
        "251107",
        "1",
        "1001",
        "7",
    )


def test_a_line_without_any_price_cannot_be_mapped() -> None:
    order = an_order()
    order["order_lines"][0].update(price_unit=None, price=None)
    with pytest.raises(MappingError, match="price_unit"):
        mapped(order)
    order["order_lines"][0].update(price=10, quantity=3)
    with pytest.raises(MappingError, match="does not follow exactly"):
        mapped(order)


def test_the_same_sku_on_two_lines_stays_two_lines() -> None:
    order = an_order()
    order["order_lines"][1]["offer_sku"] = "TEL-PRO-128"
    lines = mapped(order).snapshot.lines
    assert [line.offer_sku for line in lines] == ["TEL-PRO-128"] * 2
    assert len({line.line_id for line in lines}) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-10-26T00:30:00Z", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-10-26T02:30:00+02:00", datetime(2025, 10, 26, 0, 30, tzinfo=UTC)),
        ("2025-10-26T02:30:00+01:00", datetime(2025, 10, 26, 1, 30, tzinfo=UTC)),
        ("2025-10-26T02:30:00.250+01:00", datetime(2025, 10, 26, 1, 30, 0, 250_000, tzinfo=UTC)),
        ("2025-03-30T01:00:00.000Z", datetime(2025, 3, 30, 1, tzinfo=UTC)),
    ],
)
def test_instants_on_nights_when_the_clocks_change(text: str, expected: datetime) -> None:
    order = an_order()
    order["created_date"] = text
    assert mapped(order).snapshot.created_at == expected


@pytest.fixture
def machine_in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own zone is not UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("machine_in_tokyo")
def test_a_date_without_offset_is_utc_and_told() -> None:
    order = an_order()
    order["created_date"] = "2025-11-07T09:14:22"
    snapshot = mapped(order).snapshot
    assert snapshot.created_at == datetime(2025, 11, 7, 9, 14, 22, tzinfo=UTC)
    assert "created_date has no UTC offset; read as UTC" in snapshot.data_alerts


def test_hidden_addresses_are_named_not_invented() -> None:
    order = an_order()
    order["customer"]["shipping_address"] = None
    order["customer"]["billing_address"] = None
    result = mapped(order)
    assert result.snapshot.destination_country is None
    assert result.snapshot.missing_address_fields == ("last_name", "street_1", "postal_code", "city", "country_code")
    assert result.customer is not None
    assert result.customer.shipping is None
    order["customer"] = None
    assert mapped(order).customer is None


def test_an_unknown_country_is_kept_for_people_only() -> None:
    order = an_order()
    order["customer"]["shipping_address"].update(country_iso_code="XKX", country=None)
    result = mapped(order)
    assert result.snapshot.destination_country is None
    assert result.snapshot.missing_address_fields == ("country_code",)
    assert result.customer is not None
    assert result.customer.shipping is not None
    assert result.customer.shipping.country_name == "XKX"


def test_the_address_has_the_translated_country() -> None:
    order = an_order()
    order["customer"]["shipping_address"].update(country_iso_code="POL", country="Pologne")
    result = mapped(order)
    assert result.snapshot.destination_country == "PL"
    assert result.customer is not None
    assert result.customer.shipping is not None
    assert (result.customer.shipping.country_code, result.customer.shipping.country_name) == ("PL", "Pologne")


def test_countries_are_translated_not_cut() -> None:
    assert len(ALPHA_3_TO_2) == 249
    assert [alpha_2(code) for code in ("FRA", "POL", "SVN", "AUT", "CHE", "GBR", "fr", None, "XXX")] == [
        *("FR", "PL", "SI", "AT", "CH", "GB", "FR", None, None)
    ]


@pytest.mark.parametrize(
    "look", ["null_required", "string_amounts", "numbers_as_text", "unknown_fields", "dates_with_offset"]
)
async def test_odd_looks_of_the_simulator_map_to_the_same_money(stage: Stage, look: str) -> None:
    order = stage.shipping_order(**{look: True})
    [raw] = await stage.listed()
    snapshot = stage.connection.map_order(raw).snapshot
    assert snapshot.marketplace_reference == order.id
    assert snapshot.total_price == Decimal("265.69")
    assert [line.quantity for line in snapshot.lines] == [2, 1]
    assert snapshot.created_at == order.created


async def test_every_invented_order_maps_without_alerts(stage: Stage) -> None:
    stage.orders(80)
    snapshots = [stage.connection.map_order(raw).snapshot for raw in await stage.listed()]
    assert len(snapshots) == 80
    assert [snapshot.data_alerts for snapshot in snapshots if snapshot.data_alerts] == []
    assert {snapshot.destination_country for snapshot in snapshots} >= {"FR", "ES"}


async def test_an_unknown_status_of_the_simulator_parks(stage: Stage) -> None:
    stage.order(unknown_status=True)
    [raw] = await stage.listed()
    with pytest.raises(MappingError) as caught:
        stage.connection.map_order(raw)
    assert caught.value.cause == "status_unknown"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(an_order())), json_values)
def test_any_value_in_any_field_maps_or_is_parked(field: str, value: Any) -> None:
    order = an_order()
    order[field] = value
    with suppress(MappingError):
        mapped(order)


@given(st.sampled_from(sorted(an_order()["order_lines"][0])), json_values)
def test_any_value_in_any_line_field_maps_or_is_parked(field: str, value: Any) -> None:
    order = an_order()
    order["order_lines"][0][field] = value
    with suppress(MappingError):
        mapped(order)


@given(st.lists(json_values, max_size=5), st.dictionaries(st.text(max_size=4), json_values, max_size=3))
def test_splitting_a_list_keeps_each_element(elements: list[Any], around: dict[str, Any]) -> None:
    around.pop("orders", None)
    body = json.dumps({**around, "orders": elements, "z": 1}, indent=1).encode()
    assert [json.loads(part) for part in split_list(body, "orders")] == elements
