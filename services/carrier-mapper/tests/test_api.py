"""The API of carrier-mapper: rules are refused by field, changes resume parcels, a person may choose a carrier."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from carrier_mapper.rules_csv import COLUMNS
from hub_common.web import assert_all_routes_authenticated

from .conftest import MIRAKL, SHOP, Stage, default, order_id, parcel_id, types

MAPPED, PARKED, RESUMED = "parcel.carrier_mapped.v1", "work.parked.v1", "work.resumed.v1"
RULES = f"/connections/{MIRAKL}/carrier-rules"


def explicit(shop: str, code: str = "DPD", **more: Any) -> dict[str, Any]:
    return {"kind": "explicit", "priority": 10, "shop_carrier": shop, "carrier_code": code} | more


def pattern(expression: str, code: str = "DPD", **more: Any) -> dict[str, Any]:
    return {"kind": "pattern", "priority": 10, "pattern": expression, "carrier_code": code} | more


async def ready(stage: Stage, *orders: str) -> None:
    await stage.connect()
    await stage.fetch_lists()
    await stage.know(*(orders or ("o1",)))


async def test_every_route_needs_a_token(stage: Stage) -> None:
    assert_all_routes_authenticated(stage.harness.runtime.build_web_app())
    answer = await stage.client.get(f"/v1{RULES}", headers={"Authorization": ""})
    assert answer.status_code == 401


async def test_a_rule_resumes_parked_parcels_in_the_same_change(stage: Stage) -> None:
    await ready(stage, "o1", "o2")
    await stage.hand_over("p1", carrier_name="Les Camions")
    await stage.hand_over("p2", "o2", carrier_name="LES CAMIONS")
    made = await stage.call("POST", RULES, explicit("les camions"), expect=201)
    assert (made["version"], made["decided_again"], made["warnings"]) == (1, 2, [])
    events = await stage.harness.emitted()
    assert sorted(types(events)) == [MAPPED, MAPPED, RESUMED, RESUMED]
    [told] = [event.data for event in events if event.key == str(order_id("o1")) and event.type == MAPPED]
    assert (told.carrier_code, told.mapped_by) == ("DPD", "rule")
    assert told.rules[0].rule == f"explicit:{made['id']}"
    assert told.rules[0].inputs["rule_version"] == "1"


async def test_versions_grow_and_a_stale_change_is_refused(stage: Stage) -> None:
    await ready(stage)
    made = await stage.call("POST", RULES, explicit("a"), expect=201)
    path = f"{RULES}/{made['id']}"
    changed = await stage.call("PUT", path, explicit("b", version=1))
    assert changed["version"] == 2
    problem = await stage.call("PUT", path, explicit("c", version=1), expect=409)
    assert problem["type"] == "urn:hub:problem:rule-changed"
    [rule] = (await stage.call("GET", RULES))["items"]
    assert (rule["shop_carrier"], rule["version"]) == ("b", 2)
    await stage.call("DELETE", path)
    await stage.call("DELETE", path, expect=404)
    await stage.call("PUT", path, explicit("d"), expect=404)
    assert (await stage.call("GET", RULES))["items"] == []


@pytest.mark.parametrize(
    ("body", "pointer", "rule"),
    [
        (pattern("(a+)+b"), "#/pattern", "too_many_ways"),
        (pattern("(unclosed"), "#/pattern", ""),
        (explicit("DPD", code=""), "#/carrier_code", "not_blank"),
        ({"kind": "explicit", "priority": 1, "carrier_code": "DPD"}, "#/shop_carrier", "required"),
        (explicit("x", priority=-1), "#/priority", "range"),
        (explicit("x", destination_country="fr"), "#/destination_country", "country"),
        (explicit("x", tracking_url_template="javascript:{n}"), "#/tracking_url_template", "template"),
        (explicit("x", kind="guess"), "#/kind", ""),
        (explicit("x", colour="red"), "#/colour", ""),
    ],
)
async def test_bad_rules_name_field_and_rule(stage: Stage, body: dict[str, Any], pointer: str, rule: str) -> None:
    await ready(stage)
    problem = await stage.call("POST", RULES, body, expect=422)
    errors = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert pointer in errors
    assert rule in errors[pointer]
    assert (await stage.call("GET", RULES))["items"] == []


async def test_only_known_marketplaces_have_rules(stage: Stage) -> None:
    nobody = UUID(int=99)
    for method, path, body in (
        ("GET", f"/connections/{nobody}/carrier-rules", None),
        ("POST", f"/connections/{nobody}/carrier-rules", explicit("x")),
        ("GET", f"/connections/{nobody}/carriers", None),
        ("POST", f"/connections/{nobody}/carrier-rules/dry-run", {"rules": []}),
    ):
        problem = await stage.call(method, path, body, expect=404)
        assert problem["type"].endswith("connection-unknown")
    await stage.connect(SHOP, kind="shop", connector="generic_shop")
    problem = await stage.call("GET", f"/connections/{SHOP}/carrier-rules", expect=409)
    assert problem["type"].endswith("not-a-marketplace")


async def test_a_carrier_the_marketplace_lacks_is_stored_with_a_warning(stage: Stage) -> None:
    await ready(stage)
    made = await stage.call("POST", RULES, explicit("x", code="NOT-THERE"), expect=201)
    assert "lists no carrier" in made["warnings"][0]


async def csv(stage: Stage, text: str, expect: int = 200) -> Any:
    answer = await stage.client.put(f"/v1{RULES}.csv", content=text.encode())
    assert answer.status_code == expect, answer.text
    return answer.json()


async def test_csv_goes_out_and_comes_back(stage: Stage) -> None:
    await ready(stage)
    one = await stage.call("POST", RULES, explicit("=cmd()"), expect=201)
    await stage.call("POST", RULES, pattern(r"QQ\d{10}", priority=20), expect=201)
    answer = await stage.client.get(f"/v1{RULES}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.lstrip("\ufeff").splitlines()[0] == ",".join(COLUMNS)
    assert await csv(stage, answer.text) | {"warnings": []} == {
        "rules": 2, "changed": 0, "removed": 0, "decided_again": 0, "warnings": [],
    }  # fmt: skip
    kept = "\n".join(answer.text.splitlines()[:2]).replace(",10,", ",30,")
    result = await csv(stage, kept)
    assert (result["changed"], result["removed"]) == (1, 1)
    [rule] = (await stage.call("GET", RULES))["items"]
    assert (rule["id"], rule["priority"], rule["version"]) == (one["id"], 30, 2)


async def test_a_file_with_one_bad_row_changes_nothing(stage: Stage) -> None:
    await ready(stage)
    await stage.call("POST", RULES, explicit("stays"), expect=201)
    text = "kind,priority,shop_carrier,carrier_code\nexplicit,1,a,DPD\nexplicit,two,b,DPD\nguess,3,c,DPD\n"
    problem = await csv(stage, text, expect=422)
    assert {(row["row"], row["column"]) for row in problem["row_errors"]} == {(3, "priority"), (4, "kind")}
    assert [rule["shop_carrier"] for rule in (await stage.call("GET", RULES))["items"]] == ["stays"]
    problem = await csv(stage, "a;b;c\n", expect=422)
    assert problem["row_errors"][0]["rule"] == "separator"


async def test_dry_run_compares_and_changes_nothing(stage: Stage) -> None:
    await stage.connect(carriers=default("UPS", carrier_code="UPS"))
    await stage.fetch_lists()
    await stage.know("o1")
    for i in range(4):
        await stage.hand_over(f"p{i}", tracking_number=f"{'QQ' if i < 3 else 'ZZ'}{i}1234567890")
    rules = [pattern(r"QQ\d{11}", "DPD", id="mine"), pattern("NEVER", "DPD")]
    result = await stage.call("POST", f"{RULES}/dry-run", {"rules": rules, "parcels": 100})
    assert (result["parcels"], result["changed"], result["newly_parked"]) == (4, 3, 0)
    assert result["transitions"] == [{"from": "UPS", "to": "DPD", "parcels": 3}]
    assert result["rule_hits"] == {"mine": 3}
    assert result["idle_rules"] == ["new-2"]
    assert {change["after"]["carrier_code"] for change in result["changes"]} == {"DPD"}
    last = await stage.call("POST", f"{RULES}/dry-run", {"rules": rules, "parcels": 1})
    assert last["parcels"] == 1
    assert (await stage.call("GET", RULES))["items"] == []
    assert await stage.harness.emitted() == []
    problem = await stage.call("POST", f"{RULES}/dry-run", {"rules": [pattern("(a+)+")]}, expect=422)
    assert problem["errors"][0]["pointer"] == "#/rules/0/pattern"


async def test_a_person_maps_a_parked_parcel_and_the_hub_remembers(stage: Stage) -> None:
    await ready(stage, "o1", "o2")
    await stage.hand_over("p1", carrier_name="Les Camions")
    await stage.hand_over("p2", "o2", carrier_name="les camions")
    body = {"carrier_code": "UPS", "tracking_url": "https://camions.example/1", "remember_as_rule": True}
    answer = await stage.call("POST", f"/parcels/{parcel_id('p1')}/carrier", body)
    assert answer["rule"]["shop_carrier"] == "Les Camions"
    told = {e.key: e.data for e in await stage.harness.emitted() if e.type == MAPPED}
    mine, other = told[str(order_id("o1"))], told[str(order_id("o2"))]
    assert (mine.carrier_code, mine.carrier_name, mine.mapped_by) == ("UPS", "UPS", "operator")
    assert mine.tracking_url == "https://camions.example/1"
    assert (other.carrier_code, other.mapped_by) == ("UPS", "rule")
    shown = await stage.shown("p1")
    assert (shown["decided_by"], shown["mapped_by"]) == ("tester", "operator")
    assert await stage.harness.parked() == []
    again = await stage.call("POST", f"/parcels/{parcel_id('p1')}/carrier", body, expect=409)
    assert again["type"].endswith("parcel-not-parked")


async def test_what_a_person_cannot_do_to_a_parcel(stage: Stage) -> None:
    await ready(stage)
    await stage.hand_over("p1", carrier_name="Les Camions")
    path = f"/parcels/{parcel_id('p1')}/carrier"
    for body, pointer in (
        ({}, "#/carrier_code"),
        ({"carrier_code": "NOT-THERE"}, "#/carrier_code"),
        ({"carrier_name": "Not There"}, "#/carrier_name"),
        ({"carrier_code": "UPS", "tracking_url": "javascript:alert(1)"}, "#/tracking_url"),
    ):
        problem = await stage.call("POST", path, body, expect=422)
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    await stage.call("POST", f"/parcels/{UUID(int=9)}/carrier", {"carrier_code": "UPS"}, expect=404)
    await stage.call("GET", f"/parcels/{UUID(int=9)}", expect=404)
    await stage.hand_over("p2", "unheard-of")
    body = {"carrier_code": "UPS"}
    problem = await stage.call("POST", f"/parcels/{parcel_id('p2')}/carrier", body, expect=409)
    assert problem["type"].endswith("parcel-waits-otherwise")
    await stage.hand_over("p3")
    body["remember_as_rule"] = True  # type: ignore[assignment]
    problem = await stage.call("POST", f"/parcels/{parcel_id('p3')}/carrier", body, expect=422)
    assert problem["errors"][0]["pointer"] == "#/remember_as_rule"
    assert len(await stage.harness.parked()) == 3, "refused requests change nothing"


async def test_a_rule_about_the_same_shop_carrier_is_not_made_twice(stage: Stage) -> None:
    await ready(stage)
    await stage.call("POST", RULES, explicit("Les Camions", "GONE"), expect=201)
    await stage.hand_over("p1", carrier_name="les camions")
    [item] = await stage.harness.parked()
    assert item["cause"] == "carrier_not_at_marketplace"
    body = {"carrier_code": "UPS", "remember_as_rule": True}
    await stage.call("POST", f"/parcels/{parcel_id('p1')}/carrier", body, expect=409)
    await stage.call("POST", f"/parcels/{parcel_id('p1')}/carrier", {"carrier_code": "UPS"})


async def test_a_parcel_without_number_is_mapped_by_hand_only(stage: Stage) -> None:
    await stage.connect(carriers=default("UPS", carrier_code="UPS"))
    await stage.fetch_lists()
    await stage.know("o1")
    [event] = await stage.hand_over("p1", tracking_number=None)
    assert (event.type, event.data.cause) == (PARKED, "tracking_number_missing")
    answer = await stage.call("POST", f"/parcels/{parcel_id('p1')}/carrier", {"carrier_code": "UPS"})
    assert any(warning.startswith("no_tracking_number") for warning in answer["warnings"])
    told = [event.data for event in await stage.harness.emitted() if event.type == MAPPED]
    assert [each.tracking_number for each in told] == [None]


async def test_a_correction_after_a_persons_choice_is_decided_by_the_rules(stage: Stage) -> None:
    await ready(stage)
    await stage.hand_over("p1", carrier_name="Les Camions")
    await stage.call("POST", f"/parcels/{parcel_id('p1')}/carrier", {"carrier_code": "UPS"})
    await stage.harness.emitted()
    assert await stage.hand_over("p1", carrier_name="Les Camions") == [], "restated: the choice stands"
    [event] = await stage.hand_over("p1", carrier_name="Mondial Relay")
    assert (event.data.carrier_code, event.data.mapped_by) == ("MR", "name")
