"""Forms out of descriptions: what is typed in becomes exactly the change, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from hub_contracts.connections import HubSettings
from ops_console.pages.connections import suggestions
from ops_console.settings_form import (
    BadForm,
    manifest_fields,
    read_manifest_fields,
    read_settings,
    settings_groups,
)

SCHEMA = HubSettings.model_json_schema()
VALUES: dict[str, Any] = HubSettings().model_dump(mode="json")


def typed(**changes: str) -> dict[str, str]:
    """The form as a browser sends it back, with these fields changed."""
    whole = {f"settings.{f.name}": f.value for group in settings_groups(SCHEMA, VALUES) for f in group.fields}
    return whole | {f"settings.{name.replace('__', '.')}": value for name, value in changes.items()}


def test_every_setting_has_a_field() -> None:
    names = {field.name for group in settings_groups(SCHEMA, VALUES) for field in group.fields}
    leaves = {
        f"{group}.{leaf}" if isinstance(inner, dict) else group
        for group, inner in VALUES.items()
        for leaf in (inner if isinstance(inner, dict) else [""])
    }
    assert names == leaves


def test_what_is_sent_back_untouched_changes_nothing() -> None:
    assert read_settings(SCHEMA, VALUES, typed()) == {}


def test_only_what_was_touched_is_sent() -> None:
    change = read_settings(
        SCHEMA,
        VALUES,
        typed(
            acceptance__auto_accept="false",
            acceptance__max_order_age_hours="48",
            acceptance__price_tolerance_percent="2.5",
            orders__statuses="PENDING\r\nPREPARATION\r\n",
            refunds__reason_map='{"broken": "17"}',
        ),
    )
    assert change == {
        "acceptance": {"auto_accept": False, "max_order_age_hours": 48, "price_tolerance_percent": "2.5"},
        "orders": {"statuses": ["PENDING", "PREPARATION"]},
        "refunds": {"reason_map": {"broken": "17"}},
    }


def test_an_emptied_optional_setting_is_taken_back() -> None:
    present = VALUES | {"acceptance": VALUES["acceptance"] | {"max_order_age_hours": 48}}
    form = {"settings.acceptance.max_order_age_hours": ""}
    assert read_settings(SCHEMA, present, form) == {"acceptance": {"max_order_age_hours": None}}


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("routing", "{not json", "JSON"),
        ("acceptance.last_resort_percent", "many", "number"),
        ("stock.buffer", "", "number"),
    ],
)
def test_what_cannot_be_read_names_its_field(name: str, text: str, rule: str) -> None:
    with pytest.raises(BadForm, match=rule) as refused:
        read_settings(SCHEMA, VALUES, {f"settings.{name}": text})
    assert refused.value.field == name


DECLARED = [
    {"name": "shop_id", "title": "Shop id", "kind": "integer", "required": True, "help": "", "choices": []},
    {"name": "api_key", "title": "API key", "kind": "secret", "required": True, "help": "", "choices": []},
]


def test_a_secret_is_never_shown_and_an_empty_one_is_not_sent() -> None:
    fields = manifest_fields(DECLARED, {"shop_id": 12, "api_key": "leaked"}, "own.")
    assert [(field.name, field.kind, field.value) for field in fields] == [
        ("own.shop_id", "number", "12"),
        ("own.api_key", "secret", ""),
    ]
    assert read_manifest_fields(DECLARED, {"own.shop_id": "", "own.api_key": ""}, "own.") == {"shop_id": None}
    assert read_manifest_fields(DECLARED, {"own.shop_id": " 7 ", "own.api_key": " k "}, "own.") == {
        "shop_id": "7",
        "api_key": " k ",
    }


def test_skus_that_orders_wait_for_are_listed_once_with_what_reads_alike() -> None:
    near = [{"shop_connection_id": "s", "shop_sku": "A-1"}]

    def waits(order: str, connection: str, sku: str) -> dict[str, Any]:
        return {"order_id": order, "connection_id": connection, "data": {"sku": sku, "candidates": near}}

    found = suggestions("c", [waits("1", "c", "a1"), waits("2", "c", "a1"), waits("3", "other", "b")])
    assert found == [{"offer_sku": "a1", "orders": 2, "near": near}]
