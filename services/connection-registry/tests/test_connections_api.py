"""Creating, changing and switching connections through the API, on a real database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub_common.web import assert_all_routes_authenticated
from hub_contracts.connections import ConnectionState


async def test_a_new_connection_is_inactive_told_and_in_the_book(desk: Any) -> None:
    connection = await desk.marketplace(note="call first", contacts=[{"name": "Ada", "email": "ada@example.invalid"}])
    shown = await desk("GET", f"/connections/{connection}")
    assert (shown["state"], shown["verified"], shown["version"]) == ("inactive", False, 1)
    assert shown["contacts"][0]["email"] == "ada@example.invalid"
    [event] = await desk.changed(connection)
    assert event.version == 1
    assert event.headers["tenant"] == desk.TENANT
    assert event.data.state is ConnectionState.INACTIVE
    assert event.data.connector_settings["seller_contract_id"] == desk.CONTRACT
    assert event.data.budgets["list_orders"] == 60
    assert "ada@example.invalid" not in event.data.model_dump_json()
    in_book = desk.harness.runtime.book.connection(event.data.connection_id)
    assert (in_book.version, in_book.data) == (1, event.data)


async def test_everything_wrong_with_a_new_connection_is_said_at_once(desk: Any) -> None:
    body = {
        "tenant": "t",
        "connector": "manomano",
        "label": "x",
        "environment": "sandbox",
        "base_url": "http://169.254.169.254/",
        "connector_settings": {"seller_contract_id": "abc", "contry": "FR"},
        "settings": {"stock": {"bufer": 1}},
        "credentials": {"api_key": "a\nb"},
        "budgets": {"list_order": 5, "accept": 0},
    }
    rules = await desk.refused("POST", "/connections", body, status=422)
    assert set(rules) == {
        "#/base_url",
        "#/connector_settings/seller_contract_id",
        "#/connector_settings/contry",
        "#/settings/stock/bufer",
        "#/credentials/api_key",
        "#/budgets/list_order",
        "#/budgets/accept",
    }
    assert "did you mean country?" in rules["#/connector_settings/contry"]
    assert "did you mean list_orders?" in rules["#/budgets/list_order"]
    assert await desk.told() == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"connector": "nobody"}, "#/connector"),
        ({"tenant": "a b"}, "#/tenant"),
        ({"label": " "}, "#/label"),
        ({"environment": "staging"}, "#/environment"),
        ({"typo": 1}, "#/typo"),
        ({"credentials": {"api_kei": "x"}}, "#/credentials/api_kei"),
        ({"settings": {"stock": {"buffer": "many"}}}, "#/settings/stock/buffer"),
        (
            {"settings": {"acceptance": {"price_tolerance_percent": 5.5}}},
            "#/settings/acceptance/price_tolerance_percent",
        ),
        (
            {"settings": {"routing": [{"name": "a", "shop_connection_id": "7"}]}},
            "#/settings/routing/0/shop_connection_id",
        ),
        ({"connector": "mirakl", "connector_settings": {}}, "#/base_url"),
    ],
)
async def test_bad_input_names_the_field(desk: Any, changes: dict[str, Any], pointer: str) -> None:
    body = {
        "tenant": "t",
        "connector": "manomano",
        "label": "x",
        "environment": "sandbox",
        "connector_settings": {"seller_contract_id": 1},
    }
    assert pointer in await desk.refused("POST", "/connections", body | changes, status=422)


async def test_a_patch_merges_and_each_change_is_a_new_version(desk: Any) -> None:
    connection = await desk.marketplace()
    await desk("PATCH", f"/connections/{connection}", {"settings": {"stock": {"buffer": 3, "max_listed": 9}}})
    shown = await desk(
        "PATCH", f"/connections/{connection}", {"settings": {"stock": {"max_listed": None}}, "label": "B"}
    )
    assert (shown["settings"]["stock"]["buffer"], shown["settings"]["stock"]["max_listed"]) == (3, None)
    assert (shown["label"], shown["version"]) == ("B", 3)
    events = await desk.changed(connection)
    assert [event.version for event in events] == [1, 2, 3]
    assert events[-1].data.settings.stock.buffer == 3
    row = await desk.harness.runtime.pool.fetchrow("SELECT version FROM connections")
    assert row["version"] == 3


async def test_a_patch_that_changes_nothing_tells_nothing(desk: Any) -> None:
    connection = await desk.marketplace()
    await desk("PATCH", f"/connections/{connection}", {"settings": {"stock": {"buffer": 0}}, "label": "ManoMano FR"})
    assert [event.version for event in await desk.changed(connection)] == [1]


async def test_unknown_settings_are_refused_with_their_pointer(desk: Any) -> None:
    connection = await desk.marketplace()
    rules = await desk.refused(
        "PATCH", f"/connections/{connection}", {"settings": {"acceptance": {"auto_acept": True}}}, status=422
    )
    assert rules == {"#/settings/acceptance/auto_acept": "is not a known setting; did you mean auto_accept?"}
    off = {"settings": {"capabilities_off": ["stock", "teleport"]}}
    rules = await desk.refused("PATCH", f"/connections/{connection}", off, status=422)
    assert list(rules) == ["#/settings/capabilities_off/1"]


async def test_what_orders_hang_on_cannot_be_changed(desk: Any) -> None:
    connection = await desk.marketplace()
    rules = await desk.refused("PATCH", f"/connections/{connection}", {"environment": "production"}, status=422)
    assert "environment cannot be changed" in next(iter(rules.values()))


async def test_an_expected_version_guards_against_lost_changes(desk: Any) -> None:
    connection = await desk.marketplace()
    await desk("PATCH", f"/connections/{connection}", {"label": "B", "expected_version": 1})
    problem = await desk("PATCH", f"/connections/{connection}", {"label": "C", "expected_version": 1}, expect=409)
    assert problem["type"] == "urn:hub:problem:changed-meanwhile"


async def test_changes_at_the_same_time_all_arrive(desk: Any) -> None:
    connection = await desk.marketplace()
    patches = [{"stock": {"buffer": 5}}, {"orders": {"poll_seconds": 77}}]
    await asyncio.gather(*(desk("PATCH", f"/connections/{connection}", {"settings": each}) for each in patches))
    settings = (await desk("GET", f"/connections/{connection}"))["settings"]
    assert (settings["stock"]["buffer"], settings["orders"]["poll_seconds"]) == (5, 77)
    assert [event.version for event in await desk.changed(connection)] == [1, 2, 3]


async def test_routing_to_a_shop_of_another_environment_or_tenant_is_refused(desk: Any) -> None:
    connection = await desk.marketplace()
    live, foreign = await desk.shop(environment="production"), await desk.shop(tenant="other")
    for shop, rule in ((live, "is a production shop"), (foreign, "another tenant"), (desk.NOBODY, "not a known")):
        settings = {"routing": [{"name": "all", "shop_connection_id": shop}]}
        rules = await desk.refused("PATCH", f"/connections/{connection}", {"settings": settings}, status=422)
        assert rule in rules["#/settings/routing/0/shop_connection_id"]


async def test_the_gate_lists_all_that_is_missing_and_opens_when_it_is_there(desk: Any, manomano: Any) -> None:
    connection = await desk.marketplace(base_url=manomano.url)
    rules = await desk.refused("POST", f"/connections/{connection}/activate", status=409)
    assert set(rules) == {
        "checklist:/credentials_verified",
        "checklist:/default_carrier",
        "checklist:/sku_link_mode",
        "checklist:/shop_chosen",
        "checklist:/import_from",
    }
    checklist = await desk("GET", f"/connections/{connection}/checklist")
    assert checklist["ready"] is False
    assert {item["name"] for item in checklist["items"] if item["state"] == "open"} == {
        pointer.removeprefix("checklist:/") for pointer in rules
    }
    shop = await desk.shop()
    await desk("PATCH", f"/connections/{connection}", {"settings": desk.complete_settings(shop)})
    assert (await desk("POST", f"/connections/{connection}/verify"))["ok"]
    assert (await desk("GET", f"/connections/{connection}/checklist"))["ready"] is True
    active = await desk("POST", f"/connections/{connection}/activate")
    assert active["state"] == "active"
    assert active["activated_at"] == "2026-11-02T09:00:00Z"


async def test_steps_and_their_repeats(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    await desk.told()
    for step, state in (("pause", "paused"), ("resume", "active"), ("deactivate", "inactive")):
        assert (await desk("POST", f"/connections/{connection}/{step}"))["state"] == state
        assert (await desk("POST", f"/connections/{connection}/{step}"))["state"] == state
    assert [event.data.state.value for event in await desk.changed(connection)] == ["paused", "active", "inactive"]
    problem = await desk("POST", f"/connections/{connection}/pause", expect=409)
    assert "possible: activate" in problem["detail"]


async def test_a_running_connection_keeps_what_it_was_activated_with(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    broken = {"settings": {"carriers": {"default_carriers": []}}}
    rules = await desk.refused("PATCH", f"/connections/{connection}", broken, status=409)
    assert list(rules) == ["checklist:/default_carrier"]
    await desk("POST", f"/connections/{connection}/deactivate")
    await desk("PATCH", f"/connections/{connection}", broken)


async def test_a_running_connection_is_not_moved_to_an_address_that_fails(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    assert (await desk("POST", f"/connections/{connection}/verify"))["ok"]
    desk.harness.clock.advance(3600)
    problem = await desk("PATCH", f"/connections/{connection}", {"base_url": "http://127.0.0.1:9"}, expect=409)
    assert problem["type"] == "urn:hub:problem:check-failed"
    assert "no connection" in problem["detail"]
    assert (await desk("GET", f"/connections/{connection}"))["base_url"] == manomano.url
    moved = await desk("PATCH", f"/connections/{connection}", {"base_url": "http://127.0.0.1:9", "unchecked": True})
    assert (moved["base_url"], moved["verified"], moved["state"]) == ("http://127.0.0.1:9", False, "active")


async def test_another_contract_of_a_running_connection_is_tried_first(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    wrong = {"connector_settings": {"seller_contract_id": 5}}
    assert "HTTP 403" in (await desk("PATCH", f"/connections/{connection}", wrong, expect=409))["detail"]
    desk.harness.clock.advance(3600)
    good = {"connector_settings": {"seller_contract_id": desk.OTHER_CONTRACT}}
    assert (await desk("PATCH", f"/connections/{connection}", good))["verified"] is True


async def test_listing_filters_and_pages(desk: Any) -> None:
    first, second = await desk.marketplace(), await desk.marketplace(label="Second")
    shop = await desk.shop(tenant="other")
    page = await desk("GET", "/connections?limit=2")
    assert [item["connection_id"] for item in page["items"]] == [first, second]
    rest = await desk("GET", f"/connections?limit=2&after={page['next']}")
    assert [item["connection_id"] for item in rest["items"]] == [shop]
    assert rest["next"] is None
    for query in ("tenant=other", "kind=shop", "connector=generic_shop"):
        assert [each["connection_id"] for each in (await desk("GET", f"/connections?{query}"))["items"]] == [shop]
    assert (await desk("GET", "/connections?state=active"))["items"] == []


async def test_the_audit_names_who_and_which_fields_but_no_value(desk: Any) -> None:
    connection = await desk.marketplace()
    await desk("PATCH", f"/connections/{connection}", {"settings": {"stock": {"buffer": 41}}, "note": "hush"})
    items = (await desk("GET", f"/connections/{connection}/changes"))["items"]
    assert [item["action"] for item in items] == ["changed", "created"]
    assert items[0]["actor"] == "tester"
    assert items[0]["fields"] == ["note", "settings.stock.buffer"]
    assert "hush" not in str(items)


async def test_the_catalogue_tells_what_a_form_needs(desk: Any) -> None:
    items = {item["name"]: item for item in (await desk("GET", "/connectors"))["items"]}
    assert {"manomano", "mirakl", "generic_shop"} <= set(items)
    assert items["manomano"]["auth_fields"][0]["kind"] == "secret"
    assert "accept" in items["manomano"]["capabilities"]
    assert (await desk("GET", "/connectors/manomano"))["title"] == "ManoMano"
    assert "installed" in (await desk("GET", "/connectors/nobody", expect=404))["detail"].lower()
    assert "acceptance" in (await desk("GET", "/hub-settings-schema"))["properties"]


async def test_unknown_connections_are_404(desk: Any) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "/checklist"),
        ("GET", "/changes"),
        ("POST", "/activate"),
        ("POST", "/verify"),
        ("GET", "/sku-links"),
    ):
        problem = await desk(method, f"/connections/{desk.NOBODY}{path}", expect=404)
        assert problem["type"] == "urn:hub:problem:connection-unknown"


async def test_viewers_read_and_do_not_write(desk: Any) -> None:
    connection = await desk.shop()
    headers = {"Authorization": f"Bearer {desk.VIEWER_TOKEN}"}
    await desk("GET", f"/connections/{connection}", headers=headers)
    for method, path, body in (
        ("PATCH", "", {"label": "x"}),
        ("PUT", "/credentials", {"credentials": {"webhook_secret": "x"}}),
        ("POST", "/activate", None),
        ("POST", "/verify", None),
        ("POST", "/api-keys", {"label": "x"}),
        ("PUT", "/sku-links", {"links": []}),
        ("PATCH", "/budgets", {"budgets": {"verify": 1}}),
    ):
        await desk(method, f"/connections/{connection}{path}", body, expect=403, headers=headers)
    await desk("GET", "/connections", expect=401, headers={"Authorization": "Bearer nonsense"})
    assert_all_routes_authenticated(desk.harness.runtime.build_web_app())
