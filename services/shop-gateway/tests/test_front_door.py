"""The door for shops: who may post, what is kept, what happens to repeats, and that garbage never harms."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any
from uuid import uuid4

import httpx
import pytest

from hub_common.logs import setup_logging
from hub_common.web import assert_all_routes_authenticated
from hub_contracts.connections import ConnectionKind
from shop_gateway import intake
from shop_gateway.shop_auth import NOBODYS_SECRET

from .world import API_KEY, BUYER, OLD_SECRET, OTHER_SHOP, SECRET, SHOP, WRONG_SECRET, Stage, routed

STOCK = {"items": [{"sku": "A", "quantity": 5}], "reported_at": "2026-11-02T08:00:00Z"}
PROBLEM = "application/problem+json"


def pointers(answer: httpx.Response) -> list[str]:
    assert answer.headers["content-type"] == PROBLEM, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


async def test_every_route_asks_who_is_there(stage: Stage) -> None:
    assert_all_routes_authenticated(stage.harness.runtime.build_web_app())


async def test_unknown_shop_and_wrong_key_get_the_same_answer(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP, kind=ConnectionKind.MARKETPLACE, connector="manomano")
    answers = [
        await stage.post("stock", STOCK, shop=uuid4()),
        await stage.post("stock", STOCK, shop="not-a-uuid"),
        await stage.post("stock", STOCK, shop=OTHER_SHOP),
        await stage.post("stock", STOCK, api_key="wrong"),
        await stage.post("stock", STOCK, api_key="x" * 10_000),
        await stage.client.post(f"{stage.hub_url}/v1/shops/{SHOP}/stock", content=b"{}"),
    ]
    bodies = [{k: v for k, v in a.json().items() if k != "instance"} for a in answers]
    assert [a.status_code for a in answers] == [401] * 6
    assert bodies == [bodies[0]] * 6
    assert await stage.posts() == []


async def test_a_shop_without_keys_is_closed(stage: Stage) -> None:
    await stage.connect(api_key_hashes=())
    assert (await stage.post("stock", STOCK, api_key="nobody")).status_code == 401


async def test_a_revoked_key_stops_working(stage: Stage) -> None:
    assert (await stage.post("stock", STOCK)).status_code == 202
    await stage.connect(api_key_hashes=("0" * 64,))
    assert (await stage.post("stock", STOCK)).status_code == 401


async def test_signatures(stage: Stage) -> None:
    hook = ("stock.changed", STOCK)
    assert (await stage.hook(hook)).status_code == 202
    wrong = await stage.hook(hook, message_id="m2", secret=WRONG_SECRET)
    unknown = await stage.hook(hook, message_id="m2", shop=uuid4())
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.json()["detail"] == unknown.json()["detail"]
    for age, word in ((301, "too old"), (-301, "too new")):
        stale = await stage.hook(hook, message_id="m3", age=age)
        assert (stale.status_code, pointers(stale)) == (401, ["header:/webhook-timestamp"])
        assert word in stale.json()["detail"]
    assert len(await stage.posts()) == 1


async def test_nobodys_secret_opens_nothing(stage: Stage) -> None:
    await stage.connect(credentials=None)
    hook = ("stock.changed", STOCK)
    assert (await stage.hook(hook, secret=NOBODYS_SECRET.get_secret_value())).status_code == 401
    assert (await stage.hook(hook, secret=NOBODYS_SECRET.get_secret_value(), shop=uuid4())).status_code == 401


async def test_both_secrets_count_while_a_rotation_lasts(stage: Stage) -> None:
    await stage.connect(secrets={"webhook_secret": SECRET, "webhook_secret_previous": OLD_SECRET})
    for number, secret in enumerate((SECRET, OLD_SECRET)):
        hook = ("stock.changed", STOCK | {"reported_at": stage.at(number - 5)})
        assert (await stage.hook(hook, message_id=f"m{number}", secret=secret)).status_code == 202
    await stage.connect(secrets={"webhook_secret": SECRET})
    assert (await stage.hook(("stock.changed", STOCK), message_id="m9", secret=OLD_SECRET)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "m", "webhook-timestamp": "soon", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "m", "webhook-timestamp": "1793610000", "webhook-signature": "v1,***"},
        {"webhook-id": "m.n", "webhook-timestamp": "1793610000", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "m", "webhook-timestamp": "9" * 40, "webhook-signature": "v2,AAAA"},
    ],
)
async def test_malformed_signature_headers_are_answered_in_peace(stage: Stage, headers: dict[str, str]) -> None:
    answer = await stage.client.post(f"{stage.hub_url}/v1/shops/{SHOP}/webhooks", content=b"\xff{", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM)


async def test_a_message_of_ours_that_comes_back_changes_nothing(stage: Stage) -> None:
    """Both directions share a secret: a reflected message is properly signed."""
    order = routed(1)
    route_id = await stage.route(order)
    await stage.told()
    answer = await stage.hook(("order.created", {"route_id": str(route_id)}), message_id=f"order_{route_id}")
    assert (answer.status_code, answer.json()["state"]) == (202, "aside")
    assert await stage.told() == []


@pytest.mark.parametrize("kind", ["loyalty.changed", "nul\x00type", "x" * 5_000, "", "\ud800"])
async def test_unknown_types_are_kept_aside(stage: Stage, kind: str) -> None:
    answer = await stage.hook((kind, {"a": 1}))
    assert answer.status_code in (202, 400), answer.text
    (post,) = await stage.posts()
    assert post["state"] in ("aside", "rejected")


BAD: list[tuple[str, Any, list[str]]] = [
    ("stock", b"{", ["#"]),
    ("stock", b"", ["#"]),
    ("stock", b"\xff\xfe", ["#"]),
    ("stock", b"null", ["#"]),
    ("stock", b"[]", ["#"]),
    ("stock", b'{"items":[{"sku":"A","quantity":NaN}],"reported_at":"2026-11-02T08:00:00Z"}', ["#"]),
    ("stock", b"[" * 100_000, ["#"]),
    ("stock", {"items": [], "reported_at": "2026-11-02T08:00:00Z"}, ["#/items"]),
    (
        "stock",
        {"items": [{"sku": "A", "quantity": -1}], "reported_at": "yesterday"},
        ["#/items/0/quantity", "#/reported_at"],
    ),
    (
        "stock",
        {"items": [{"sku": "A", "quantity": 10**9}], "reported_at": "2026-11-02"},
        ["#/items/0/quantity", "#/reported_at"],
    ),
    ("stock", {"items": [{"sku": "A\x00", "quantity": 1}], "reported_at": "2026-11-02T08:00:00Z"}, ["#/items/0/sku"]),
    (
        "stock",
        {"items": [{"sku": "A", "quantity": "3"}], "reported_at": "2026-11-02T08:00:00Z"},
        ["#/items/0/quantity"],
    ),
    ("shipments", {"shipment_reference": None, "handed_over_at": None}, ["#/shipment_reference", "#/handed_over_at"]),
    (
        "shipments",
        {"route_id": "1", "shipment_reference": "P", "handed_over_at": "2026-11-02T08:00:00Z"},
        ["#/route_id"],
    ),
    ("acknowledgements", {"shop_order_reference": "S"}, ["#"]),
    ("returns", {"order_number": "M", "return_reference": "R", "stage": "lost"}, ["#/stage"]),
    (
        "prices",
        {"items": [{"sku": "A", "price": {"amount": 0, "currency": "eur"}}], "reported_at": "2026-11-02T08:00:00Z"},
        ["#/items/0/price/amount", "#/items/0/price/currency"],
    ),
]


@pytest.mark.parametrize(("resource", "body", "wrong"), BAD)
async def test_broken_rules_are_named_and_the_bytes_kept(
    stage: Stage, resource: str, body: Any, wrong: list[str]
) -> None:
    answer = await stage.post(resource, body)
    assert (answer.status_code, set(pointers(answer)) >= set(wrong)) == (422, True), answer.text
    (post,) = await stage.posts()
    assert (post["state"], str(post["post_id"])) == ("rejected", answer.json()["post_id"])
    assert post["body"] == (body if isinstance(body, bytes) else json.dumps(body).encode())
    assert await stage.told() == []


async def test_a_malformed_webhook_body_is_400_and_kept(stage: Stage) -> None:
    for number, body in enumerate((b"{", b"null", b'{"type": 5}', b'{"type":"stock.changed","data":[]}')):
        answer = await stage.hook(body, message_id=f"m{number}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), answer.text
    assert [post["state"] for post in await stage.posts()] == ["rejected"] * 4
    nested = await stage.hook(("stock.changed", {"items": [{"sku": "A", "quantity": -1}]}), message_id="m8")
    assert "#/data/items/0/quantity" in pointers(nested)


@pytest.mark.parametrize("key", ["k-1", '"k-1"'])
async def test_a_repeat_gets_the_first_result_and_does_nothing(stage: Stage, key: str) -> None:
    first = await stage.post("stock", STOCK, key="k-1")
    again = await stage.post("stock", STOCK, key=key)
    assert (again.status_code, again.json()["repeated"]) == (202, True)
    assert again.json() | {"repeated": False} == first.json()
    assert len(await stage.told("stock.reported.v1")) == 1
    assert len(await stage.posts()) == 1


async def test_a_key_with_another_content_is_refused(stage: Stage) -> None:
    await stage.post("stock", STOCK, key="k-1")
    other = await stage.post("stock", STOCK | {"items": [{"sku": "A", "quantity": 6}]}, key="k-1")
    assert (other.status_code, pointers(other)) == (422, ["header:/Idempotency-Key"])
    assert other.json()["type"] == "urn:hub:problem:key-reused"
    elsewhere = await stage.post("prices", STOCK, key="k-1")
    assert elsewhere.status_code == 422
    assert [e.quantity for e in await stage.told("stock.reported.v1")] == [5]


async def test_keys_of_two_shops_do_not_meet(stage: Stage) -> None:
    await stage.connect(OTHER_SHOP)
    await stage.post("stock", STOCK, key="k-1")
    answer = await stage.post("stock", STOCK, key="k-1", shop=OTHER_SHOP)
    assert (answer.status_code, answer.json()["repeated"]) == (202, False)


async def test_a_mended_post_may_use_the_key_of_the_rejected_one(stage: Stage) -> None:
    bad = STOCK | {"items": [{"sku": "A", "quantity": -6}]}
    assert (await stage.post("stock", bad, key="k-1")).status_code == 422
    assert (await stage.post("stock", bad, key="k-1")).status_code == 422
    assert (await stage.post("stock", STOCK, key="k-1")).status_code == 202
    assert [post["state"] for post in await stage.posts()] == ["rejected", "done"]


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256])
async def test_a_malformed_key_is_named(stage: Stage, key: str) -> None:
    answer = await stage.post("stock", STOCK, key=key)
    assert (answer.status_code, pointers(answer)) == (400, ["header:/Idempotency-Key"])


async def test_a_webhook_retry_may_write_its_json_in_another_order(stage: Stage) -> None:
    data = {"type": "stock.changed", "timestamp": stage.at(), "data": STOCK}
    await stage.hook(json.dumps(data).encode())
    again = await stage.hook(json.dumps(dict(reversed(data.items())), indent=2).encode())
    assert (again.status_code, again.json()["repeated"]) == (202, True)
    other = await stage.hook(json.dumps(data | {"data": {}}).encode())
    assert (other.status_code, pointers(other)) == (422, ["header:/webhook-id"])


async def test_bodies_above_a_mebibyte_are_refused(stage: Stage) -> None:
    answer = await stage.post("stock", b" " * (1024 * 1024 + 1))
    assert answer.status_code == 413
    assert await stage.posts() == []


async def test_a_defect_of_ours_keeps_the_post(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a defect")

    real = intake.interpret
    monkeypatch.setattr(intake, "interpret", broken)
    answer = await stage.post("stock", STOCK)
    assert (answer.status_code, answer.json()["cause"]) == (202, "post_failed")
    assert await stage.causes() == ["post_failed"]
    assert await stage.told("stock.reported.v1") == []
    monkeypatch.setattr(intake, "interpret", real)
    retried = await stage.operator("POST", f"/v1/posts/{answer.json()['post_id']}/retry", {})
    assert retried.json()["state"] == "done"
    assert len(await stage.told("stock.reported.v1")) == 1
    assert await stage.causes() == []


async def test_simultaneous_repeats_are_done_once(stage: Stage) -> None:
    answers = await asyncio.gather(*(stage.post("stock", STOCK, key="k-1") for _ in range(8)))
    assert {a.status_code for a in answers} == {202}
    assert sorted(a.json()["repeated"] for a in answers) == [False] + [True] * 7
    assert len(await stage.told("stock.reported.v1")) == 1


async def test_a_database_that_is_away_asks_the_shop_to_come_back(stage: Stage) -> None:
    await stage.harness.runtime.pool.close()
    answer = await stage.post("stock", STOCK)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == PROBLEM


async def test_credentials_that_cannot_be_opened_are_our_fault(stage: Stage) -> None:
    sealed_for_another = stage.connection(OTHER_SHOP).credentials
    await stage.connect(credentials=sealed_for_another)
    answer = await stage.hook(("stock.changed", STOCK))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


async def test_operators_find_posts(stage: Stage) -> None:
    await stage.post("stock", STOCK, key="k-1")
    bad = await stage.post("stock", b"\xff")
    items = (await stage.operator("GET", f"/v1/posts?state=rejected&connection_id={SHOP}")).json()["items"]
    assert [item["post_id"] for item in items] == [bad.json()["post_id"]]
    shown = (await stage.operator("GET", f"/v1/posts/{items[0]['post_id']}")).json()
    assert base64.b64decode(shown["body_base64"]) == b"\xff"
    assert "authorization" not in shown["headers"]
    retried = await stage.operator("POST", f"/v1/posts/{items[0]['post_id']}/retry", {})
    assert (retried.json()["state"], retried.json()["errors"][0]["pointer"]) == ("rejected", "#")
    for method, path, body in (
        ("GET", f"/v1/posts/{uuid4()}", None),
        ("POST", f"/v1/posts/{uuid4()}/retry", {}),
    ):
        assert (await stage.operator(method, path, body)).status_code == 404
    assert (await stage.operator("GET", "/v1/posts?state=lost")).status_code == 422
    wrong = await stage.operator("POST", f"/v1/posts/{uuid4()}/retry", {"force": True})
    assert pointers(wrong) == ["#/force"]


async def test_old_posts_are_forgotten_open_ones_kept(stage: Stage) -> None:
    await stage.post("stock", STOCK)
    await stage.post("shipments", stage.shipment(uuid4()))
    stage.harness.clock.advance(8 * 86_400)  # type: ignore[attr-defined]
    await stage.caretaker().retention_step()
    assert [post["kind"] for post in await stage.posts()] == ["shipments"]
    stage.harness.clock.advance(100 * 86_400)  # type: ignore[attr-defined]
    await stage.caretaker().retention_step()
    assert [post["state"] for post in await stage.posts()] == ["parked"]


async def test_the_openapi_document_describes_the_bodies(stage: Stage) -> None:
    document = (await stage.client.get(f"{stage.hub_url}/openapi.json")).json()
    paths = document["paths"]
    shipment = paths["/v1/shops/{connection_id}/shipments"]["post"]
    schema = shipment["requestBody"]["content"]["application/json"]["schema"]
    assert {"shipment_reference", "handed_over_at"} <= set(schema["required"])
    assert schema["properties"]["lines"]["items"]["properties"]["quantity"]["maximum"] == 100_000
    assert shipment["security"] == [{"shopApiKey": []}]
    assert "/v1/shops/{connection_id}/webhooks" in paths
    assert "$defs" not in json.dumps(document)


async def test_secrets_stay_out_of_logs(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("json", "DEBUG")
    try:
        route_id = await stage.route(routed(1))
        await stage.post("shipments", stage.shipment(route_id))
        await stage.post("shipments", stage.shipment(route_id), api_key=API_KEY + "x")
        await stage.hook(("stock.changed", STOCK), secret=WRONG_SECRET)
        await stage.hook(("stock.changed", STOCK))
        written = "".join(capsys.readouterr())
    finally:
        logging.getLogger().handlers.clear()
    assert "shop_refused" in written
    for secret in (API_KEY, SECRET, SECRET.removeprefix("whsec_"), WRONG_SECRET, BUYER.split()[1]):
        assert secret not in written
