"""Credentials, verification, shared quotas, API keys: on a real database, against real simulators."""

from __future__ import annotations

import logging
import socket
from typing import Any
from uuid import UUID

import httpx
import pytest

from connection_registry.main import SPEC
from hub_common.crypto import Keyring, SealError, generate_key, hash_api_key
from hub_common.testing import Harness
from hub_contracts.connections import ConnectionChanged


async def everything_stored(desk: Any) -> str:
    """Every row of every table, as text."""
    pool = desk.harness.runtime.pool
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for each in tables for row in await pool.fetch(f'SELECT * FROM "{each["tablename"]}"')]
    assert len(rows) > 3
    return "\n".join(v.decode(errors="replace") if isinstance(v, bytes) else str(v) for row in rows for v in row)


async def test_credentials_are_nowhere_to_be_read(
    desk: Any, manomano: Any, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    connection = await desk.live_marketplace(manomano.url)
    answers = [
        await desk("PUT", f"/connections/{connection}/credentials", {"credentials": {"api_key": desk.NEW_KEY}}),
        await desk("GET", f"/connections/{connection}"),
        await desk("GET", "/connections"),
        await desk("GET", f"/connections/{connection}/changes"),
        await desk(
            "PUT",
            f"/connections/{connection}/credentials",
            {"credentials": {"api_key": desk.NEW_KEY, "x": desk.KEY}},
            expect=422,
        ),
    ]
    stored = await everything_stored(desk)
    told = "".join(repr(event) for event in await desk.told())
    output = capsys.readouterr()
    for secret in (desk.KEY, desk.NEW_KEY, desk.WEBHOOK_SECRET):
        for place in (str(answers), stored, told, caplog.text, output.out, output.err):
            assert secret not in place
    assert "ciphertext" not in str(answers)


async def test_the_topic_carries_credentials_that_the_deployment_can_open(desk: Any) -> None:
    connection = await desk.marketplace()
    [event] = await desk.changed(connection)
    opened = desk.harness.runtime.keyring.open(UUID(connection), event.data.credentials)
    assert opened["api_key"].get_secret_value() == desk.KEY


async def test_which_credentials_are_set_and_since_when(desk: Any) -> None:
    connection = await desk.shop()
    fields = {each["name"]: each for each in (await desk("GET", f"/connections/{connection}"))["credentials"]}
    assert (fields["webhook_secret"]["set"], fields["webhook_secret"]["rotated_at"]) == (True, "2026-11-02T09:00:00Z")
    assert (fields["webhook_secret_previous"]["set"], fields["webhook_secret_previous"]["required"]) == (False, False)


async def test_verification_succeeds_and_is_told(desk: Any, manomano: Any) -> None:
    connection = await desk.marketplace(base_url=manomano.url)
    result = await desk("POST", f"/connections/{connection}/verify")
    assert (result["ok"], result["connection"]["verified"]) == (True, True)
    assert result["connection"]["verification"]["by"] == "tester"
    assert [event.data.verified for event in await desk.changed(connection)] == [False, True]
    await desk("POST", f"/connections/{connection}/verify")
    assert await desk.changed(connection) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "wrong-canary-key"}, "the credentials were refused"),
        ({"connector_settings": {"seller_contract_id": 5}}, "HTTP 403"),
        ({"base_url": "http://127.0.0.1:9"}, "no connection"),
        ({"key": None}, ""),
    ],
)
async def test_a_failed_verification_says_why_and_leaves_it_unverified(
    desk: Any, manomano: Any, changes: dict[str, Any], said: str
) -> None:
    connection = await desk.marketplace(**({"base_url": manomano.url} | changes))
    result = await desk("POST", f"/connections/{connection}/verify")
    assert (result["ok"], result["connection"]["verified"]) == (False, False)
    assert result["detail"]
    assert said in result["detail"]
    assert "canary" not in result["detail"]
    checklist = await desk("GET", f"/connections/{connection}/checklist")
    [item] = [each for each in checklist["items"] if each["name"] == "credentials_verified"]
    assert result["detail"] in item["detail"]


async def test_a_slow_marketplace_is_given_up(desk: Any, manomano: Any) -> None:
    connection = await desk.marketplace(base_url=manomano.url)
    desk.harness.settings.verify_timeout_seconds = 0.05

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        await desk("PATCH", f"/connections/{connection}", {"base_url": url})
        assert (await desk("POST", f"/connections/{connection}/verify"))["detail"] == "no answer within 0.05 s"


async def test_a_failed_check_does_not_stop_a_running_connection(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    manomano.simulator.world.settings.api_keys.remove(desk.KEY)
    result = await desk("POST", f"/connections/{connection}/verify")
    assert result["ok"] is False
    assert (result["connection"]["state"], result["connection"]["verified"]) == ("active", True)
    assert result["connection"]["verification"]["ok"] is False


async def test_changing_the_way_out_asks_for_a_new_verification(desk: Any, manomano: Any) -> None:
    connection = await desk.marketplace(base_url=manomano.url)
    await desk("POST", f"/connections/{connection}/verify")
    other = {"connector_settings": {"seller_contract_id": desk.OTHER_CONTRACT}}
    assert (await desk("PATCH", f"/connections/{connection}", other))["verified"] is False
    await desk("POST", f"/connections/{connection}/verify")
    renewed = await desk("PUT", f"/connections/{connection}/credentials", {"credentials": {"api_key": desk.NEW_KEY}})
    assert renewed["verified"] is False


async def test_wrong_credentials_do_not_replace_those_of_a_running_connection(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    body = {"credentials": {"api_key": "wrong-canary"}}
    problem = await desk("PUT", f"/connections/{connection}/credentials", body, expect=409)
    assert problem["type"] == "urn:hub:problem:check-failed"
    assert "wrong-canary" not in str(problem)
    actions = [each["action"] for each in (await desk("GET", f"/connections/{connection}/changes"))["items"]]
    assert "credentials_rotated" not in actions
    forced = await desk("PUT", f"/connections/{connection}/credentials", body | {"unchecked": True})
    assert (forced["verified"], forced["state"]) == (False, "active")


async def test_rotation_of_a_running_connection_keeps_its_reference(desk: Any, manomano: Any) -> None:
    connection = await desk.live_marketplace(manomano.url)
    before = (await desk.changed(connection))[-1].data
    body = {"credentials": {"api_key": desk.NEW_KEY}}
    rotated = await desk("PUT", f"/connections/{connection}/credentials", body)
    [event] = await desk.changed(connection)
    assert event.data.credential_ref == before.credential_ref
    assert event.data.credentials != before.credentials
    assert (rotated["verified"], rotated["state"]) == (True, "active")
    assert rotated["changed"] == [connection]


async def refs(desk: Any, *connections: str) -> list[str]:
    bodies = await desk.harness.runtime.pool.fetch("SELECT connection_id, body FROM connections")
    by_id = {str(row["connection_id"]): ConnectionChanged.model_validate_json(row["body"]) for row in bodies}
    return [by_id[each].credential_ref for each in connections]


async def test_only_equal_credentials_at_the_same_place_share_a_reference(desk: Any) -> None:
    one = await desk.marketplace()
    twin = await desk.marketplace(connector_settings={"seller_contract_id": desk.OTHER_CONTRACT})
    live = await desk.marketplace(environment="production")
    elsewhere = await desk.marketplace(base_url="http://127.0.0.1:9")
    live_elsewhere = await desk.marketplace(base_url="http://127.0.0.1:9", environment="production")
    other_key = await desk.marketplace(key=desk.NEW_KEY)
    without = [await desk.marketplace(key=None), await desk.marketplace(key=None)]
    found = await refs(desk, one, twin, live, elsewhere, live_elsewhere, other_key, *without)
    assert found[0] == found[1]
    assert len(set(found)) == len(found) - 1
    assert (await desk("GET", f"/connections/{one}"))["credentials_shared_with"] == [twin]


async def test_a_reference_cannot_be_computed_without_the_deployments_key(
    desk: Any, new_database: Any, database_template: str
) -> None:

    one = await desk.marketplace()
    async with Harness(SPEC, new_database(database_template), clock=desk.harness.clock, auto_migrate=False) as other:
        elsewhere = type(desk)(other, desk.client)
        other_url = await other.serve()
        async with httpx.AsyncClient(base_url=other_url, headers=desk.client.headers, trust_env=False) as client:
            elsewhere.client = client
            two = await elsewhere.marketplace()
            assert (await refs(desk, one)) != (await refs(elsewhere, two))


async def test_rotating_one_of_several_moves_it_and_rotating_all_keeps_them_together(desk: Any) -> None:
    one, two, three = [await desk.marketplace() for _ in range(3)]
    [shared, *_] = await refs(desk, one)
    body = {"credentials": {"api_key": desk.NEW_KEY}}
    assert (await desk("PUT", f"/connections/{one}/credentials", body))["changed"] == [one]
    assert (await refs(desk, two, three)) == [shared, shared]
    [moved] = await refs(desk, one)
    assert moved != shared
    answer = await desk(
        "PUT", f"/connections/{two}/credentials", {"credentials": {"api_key": "third"}, "all_sharing": True}
    )
    assert answer["changed"] == [two, three]
    assert (await refs(desk, two, three)) == [shared, shared]
    await desk("PUT", f"/connections/{two}/credentials", body)
    assert (await refs(desk, one, two, three)) == [moved, moved, shared]


async def test_a_key_that_was_used_before_does_not_bring_strangers_together(desk: Any) -> None:
    one = await desk.marketplace()
    await desk("PUT", f"/connections/{one}/credentials", {"credentials": {"api_key": desk.NEW_KEY}})
    two = await desk.marketplace()
    first, second = await refs(desk, one, two)
    assert first != second


async def test_another_address_is_another_quota(desk: Any) -> None:
    one, two = await desk.marketplace(), await desk.marketplace()
    await desk("PATCH", f"/connections/{two}", {"base_url": "http://127.0.0.1:9"})
    first, second = await refs(desk, one, two)
    assert first != second
    await desk("PATCH", f"/connections/{two}", {"base_url": None})
    first, second = await refs(desk, one, two)
    assert first == second


async def test_budgets_hold_for_all_that_share_the_credential(desk: Any) -> None:
    one, two, alone = await desk.marketplace(), await desk.marketplace(), await desk.marketplace(key=desk.NEW_KEY)
    await desk.told()
    answer = await desk("PATCH", f"/connections/{one}/budgets", {"budgets": {"list_orders": 30, "ship": 40}})
    assert answer["connections"] == [one, two]
    events = {event.key: event.data.budgets for event in await desk.told()}
    assert {key: (each["list_orders"], each["ship"], each["accept"]) for key, each in events.items()} == {
        one: (30, 40, 20),
        two: (30, 40, 20),
    }
    assert (await desk("GET", f"/connections/{alone}"))["budgets"]["list_orders"] == 60
    answer = await desk("PATCH", f"/connections/{two}/budgets", {"budgets": {"list_orders": None}})
    assert (answer["budget_overrides"], answer["budgets"]["list_orders"]) == ({"ship": 40}, 60)
    rules = await desk.refused("PATCH", f"/connections/{one}/budgets", {"budgets": {"shipp": 1, "ship": 0}}, status=422)
    assert set(rules) == {"#/budgets/shipp", "#/budgets/ship"}


async def test_who_joins_a_credential_takes_its_budgets_or_is_refused(desk: Any) -> None:
    one = await desk.marketplace(budgets={"list_orders": 30})
    joining = await desk.marketplace()
    assert (await desk("GET", f"/connections/{joining}"))["budgets"]["list_orders"] == 30
    body = {
        "tenant": "t",
        "connector": "manomano",
        "label": "x",
        "environment": "sandbox",
        "connector_settings": {"seller_contract_id": 1},
        "credentials": {"api_key": desk.KEY},
        "budgets": {"list_orders": 50},
    }
    rules = await desk.refused("POST", "/connections", body, status=409)
    assert "30 per hour at connection " + one in rules["#/budgets/list_orders"]
    late = await desk.marketplace(key=None, budgets={"list_orders": 50})
    path = f"/connections/{late}/credentials"
    assert list(await desk.refused("PUT", path, {"credentials": {"api_key": desk.KEY}}, status=409)) == [
        "#/budgets/list_orders"
    ]
    assert (await desk("GET", f"/connections/{late}"))["credentials"][0]["set"] is False


async def test_a_new_deployment_key_reseals_everything(desk: Any) -> None:
    runtime = desk.harness.runtime
    old = runtime.settings.credentials_keys.get_secret_value()
    one, two = await desk.marketplace(), await desk.shop()
    new = generate_key("new")
    runtime.keyring = Keyring.parse(f"{new},{old}")
    assert await desk("POST", "/credentials/reseal") == {"resealed": 2}
    assert await desk("POST", "/credentials/reseal") == {"resealed": 0}
    runtime.keyring = Keyring.parse(new)
    [*_, last] = [event for event in await desk.told() if event.key == one]
    opened = runtime.keyring.open(UUID(one), last.data.credentials)
    assert opened["api_key"].get_secret_value() == desk.KEY
    twin = await desk.marketplace()
    assert len(set(await refs(desk, one, twin))) == 1
    runtime.keyring = Keyring.parse(generate_key("strange"))
    with pytest.raises(SealError):
        runtime.open_credentials(runtime.book.connection(UUID(two)))
    problem = await desk("POST", "/credentials/reseal", expect=409)
    assert "not in HUB_CREDENTIALS_KEYS" in problem["detail"]


async def test_api_keys_are_shown_once_and_their_hashes_travel(desk: Any) -> None:
    shop = await desk.shop()
    made = await desk("POST", f"/connections/{shop}/api-keys", {"label": "till"}, expect=201)
    [*_, event] = await desk.changed(shop)
    assert event.data.api_key_hashes == (hash_api_key(made["api_key"]),)
    listed = await desk("GET", f"/connections/{shop}/api-keys")
    assert [(each["label"], each["revoked_at"]) for each in listed["items"]] == [("till", None)]
    shown = str(listed) + str(await desk("GET", f"/connections/{shop}"))
    assert made["api_key"] not in shown + await everything_stored(desk)
    assert hash_api_key(made["api_key"]) not in shown
    path = f"/connections/{shop}/api-keys/{made['api_key_id']}"
    for _ in range(2):
        await desk("DELETE", path, expect=204)
    assert [event.data.api_key_hashes for event in await desk.changed(shop)] == [()]
    await desk("DELETE", f"/connections/{shop}/api-keys/{desk.NOBODY}", expect=404)


async def test_api_keys_are_for_shops_and_few(desk: Any) -> None:
    market, shop = await desk.marketplace(), await desk.shop()
    await desk("POST", f"/connections/{market}/api-keys", {"label": "x"}, expect=409)
    desk.harness.settings.api_keys_max = 1
    await desk("POST", f"/connections/{shop}/api-keys", {"label": "x"}, expect=201)
    problem = await desk("POST", f"/connections/{shop}/api-keys", {"label": "y"}, expect=409)
    assert "at most 1" in problem["detail"]
    await desk.refused("POST", f"/connections/{shop}/api-keys", {"label": "\x07"}, status=422)


async def test_a_pulling_shop_needs_a_key_to_be_activated(desk: Any) -> None:
    shop = await desk.shop()
    await desk("POST", f"/connections/{shop}/verify")
    assert list(await desk.refused("POST", f"/connections/{shop}/activate", status=409)) == ["checklist:/api_key"]
    await desk("POST", f"/connections/{shop}/api-keys", {"label": "x"}, expect=201)
    assert (await desk("POST", f"/connections/{shop}/activate"))["state"] == "active"


async def test_a_shop_without_address_or_pulling_is_held_back(desk: Any) -> None:
    shop = await desk.shop(connector_settings={})
    rules = await desk.refused("POST", f"/connections/{shop}/activate", status=409)
    assert "checklist:/delivery_chosen" in rules
