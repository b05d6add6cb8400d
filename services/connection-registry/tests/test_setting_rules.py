"""Names, merging and limits of hub settings, pure."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connection_registry.setting_rules import broken_limits, merge, paths, unknown_names
from hub_contracts.connections import HubSettings

JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@pytest.mark.parametrize(
    ("patch", "pointer", "hint"),
    [
        ({"stok": {}}, "/stok", "stock"),
        ({"stock": {"bufer": 1}}, "/stock/bufer", "buffer"),
        ({"routing": [{"name": "a"}, {"shop": "x"}]}, "/routing/1/shop", ""),
        (
            {"carriers": {"default_carriers": [{"carier_name": "x"}]}},
            "/carriers/default_carriers/0/carier_name",
            "name",
        ),
        ({"a/b": 1}, "/a~1b", ""),
    ],
)
def test_unknown_names_are_found_however_deep(patch: dict[str, Any], pointer: str, hint: str) -> None:
    found = unknown_names(HubSettings, patch)
    assert [each.pointer for each in found] == [pointer]
    assert hint in found[0].rule


def test_names_of_free_maps_are_not_settings() -> None:
    assert unknown_names(HubSettings, {"refunds": {"reason_map": {"whatever": "X"}}}) == []


def test_every_setting_is_known_to_itself() -> None:
    rule = {"name": "n", "shop_connection_id": str(uuid4())}
    full = HubSettings.model_validate(
        {"routing": [rule], "carriers": {"default_carriers": [{"carrier_name": "DPD"}]}}
    ).model_dump(mode="json")
    assert unknown_names(HubSettings, full) == []


@given(OBJECTS)
def test_an_empty_patch_changes_nothing(stored: dict[str, Any]) -> None:
    assert merge(stored, {}) == stored


@given(OBJECTS, OBJECTS)
def test_the_same_patch_twice_is_the_same_patch_once(stored: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(stored, patch)
    assert merge(once, patch) == once


def test_null_takes_a_value_back_and_siblings_stay() -> None:
    stored = {"stock": {"buffer": 2, "max_listed": 9}, "capabilities_off": ["price"]}
    assert merge(stored, {"stock": {"buffer": None}}) == {"stock": {"max_listed": 9}, "capabilities_off": ["price"]}


def test_paths_name_fields_without_values() -> None:
    found = paths({"stock": {"buffer": 99, "max_listed": None}, "routing": [{"name": "secret"}]}, "settings")
    assert found == ["settings.stock.buffer", "settings.stock.max_listed", "settings.routing"]


SHOP = str(uuid4())


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"acceptance": {"price_tolerance_percent": "101"}}, "/acceptance/price_tolerance_percent"),
        ({"acceptance": {"price_tolerance_percent": "-0.01"}}, "/acceptance/price_tolerance_percent"),
        ({"acceptance": {"last_resort_percent": 0}}, "/acceptance/last_resort_percent"),
        ({"acceptance": {"accept_within_hours": 0}}, "/acceptance/accept_within_hours"),
        ({"orders": {"poll_seconds": 0}}, "/orders/poll_seconds"),
        ({"stock": {"buffer": -1}}, "/stock/buffer"),
        ({"capabilities_off": ["stok"]}, "/capabilities_off/0"),
        ({"carriers": {"default_carriers": [{"carrier_name": " "}]}}, "/carriers/default_carriers/0/carrier_name"),
        (
            {"carriers": {"default_carriers": [{"carrier_name": "A"}, {"carrier_name": "B"}]}},
            "/carriers/default_carriers/1/country",
        ),
        (
            {"carriers": {"default_carriers": [{"carrier_name": "A", "country": "fr"}]}},
            "/carriers/default_carriers/0/country",
        ),
        (
            {"carriers": {"default_carriers": [{"carrier_name": "A", "tracking_url_template": "https://{n}/"}]}},
            "/carriers/default_carriers/0/tracking_url_template",
        ),
        (
            {"routing": [{"name": "a", "shop_connection_id": SHOP}, {"name": "a", "shop_connection_id": SHOP}]},
            "/routing/1/name",
        ),
        ({"routing": [{"name": "a", "shop_connection_id": SHOP, "countries": ["France"]}]}, "/routing/0/countries/0"),
    ],
)
def test_broken_limits_are_named(settings: dict[str, Any], pointer: str) -> None:
    found = broken_limits(HubSettings.model_validate(settings), {"stock", "price"})
    assert [each.pointer for each in found] == [pointer]


def test_defaults_break_no_limit() -> None:
    assert broken_limits(HubSettings(), set()) == []
