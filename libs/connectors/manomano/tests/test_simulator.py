"""The simulator itself: shapes, codes, limits, controls, repeatability."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from connector_manomano.sandbox.gate import FAULTS
from connector_manomano.sandbox.options import SANDBOX_CONTRACT, SANDBOX_KEY

from .conftest import World

LIST = "/orders/v1/orders"
ACCEPT = "/orders/v1/accept-orders"


@pytest.fixture
async def web(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client(world) as made:
        yield made


def client(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=world.sim.app),
        base_url="http://sandbox.invalid",
        headers={"x-api-key": SANDBOX_KEY},
    )


def item(reference: str, contract: Any = SANDBOX_CONTRACT) -> dict[str, Any]:
    return {"order_reference": reference, "seller_contract_id": contract}


async def test_the_list_has_the_documented_shape(world: World, web: httpx.AsyncClient) -> None:
    world.orders(7, skus=[{"sku": "PERC-18V-01", "price": "48.00", "quantity": 2}])
    answer = await web.get(LIST, params={"seller_contract_id": SANDBOX_CONTRACT, "limit": 3, "page": 2})
    body = json.loads(answer.text, parse_float=Decimal)
    links = body["pagination"].pop("links")
    assert body["pagination"] == {"items": 7, "limit": 3, "page": 2, "pages": 3}
    assert links["next"].startswith(LIST + "?page=3")
    assert set(links) == {"first", "previous", "next", "last", "goto"}
    order = body["content"][0]
    line = order["products"][0]
    assert line["price"] == line["product_price"] == {"amount": Decimal("48.00"), "currency": "EUR"}
    assert (line["vat_rate"], order["shipping_price_vat_rate"]) == ("20.00", "20.00")
    assert order["products_price"]["amount"] == 96
    assert order["total_price"]["amount"] == 96 + order["shipping_price"]["amount"]
    assert order["addresses"]["shipping"]["email"].endswith("@example.invalid")
    assert set(order["products"][0]) >= {"seller_sku", "title", "product_title", "quantity", "carrier"}


async def test_the_edge_refuses_in_its_own_shape(world: World, web: httpx.AsyncClient) -> None:
    unknown_key = await web.get(LIST, headers={"x-api-key": "other"})
    assert (unknown_key.status_code, set(unknown_key.json())) == (401, {"message"})
    unknown_contract = await web.get(LIST, params={"seller_contract_id": 5})
    assert (unknown_contract.status_code, set(unknown_contract.json())) == (403, {"message"})
    in_body = await web.post(ACCEPT, json=[item("M1", 5)])
    assert in_body.status_code == 403


@pytest.mark.parametrize(
    "params",
    [
        {"seller_contract_id": "x"},
        {},
        {"seller_contract_id": SANDBOX_CONTRACT, "status": "PENDING,SHIPPED"},
        {"seller_contract_id": SANDBOX_CONTRACT, "page": 0},
        {"seller_contract_id": SANDBOX_CONTRACT, "limit": 101},
        {"seller_contract_id": SANDBOX_CONTRACT, "created_at_start": "2025-11-07"},
    ],
)
async def test_bad_queries(web: httpx.AsyncClient, params: dict[str, Any]) -> None:
    answer = await web.get(LIST, params=params)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


@pytest.mark.parametrize("body", [[], {}, [item("M1")] * 51, [item("M1", str(SANDBOX_CONTRACT))], ["M1"], [{}]])
async def test_bad_arrays(web: httpx.AsyncClient, body: Any) -> None:
    assert (await web.post(ACCEPT, json=body)).status_code == 400


async def test_204_has_no_body_and_207_lists_every_item(world: World, web: httpx.AsyncClient) -> None:
    first, second = world.orders(2)
    answer = await web.post(ACCEPT, json=[item(first)])
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await web.post(ACCEPT, json=[item(first), item(second)])
    assert answer.status_code == 207
    assert [entry["result"]["http_code"] for entry in answer.json()["content"]] == [409, 204]


async def test_the_same_reference_under_another_contract_is_404(make_world: Callable[..., World]) -> None:
    world = make_world(contracts={1: "FR", 2: "UK"})
    reference = world.order(contract=2)
    async with client(world) as web:
        answer = await web.post(ACCEPT, json=[item(reference, 1)])
        assert answer.json()["content"][0]["result"]["http_code"] == 404
        order = (await web.get(f"{LIST}/{reference}", params={"seller_contract_id": 2})).json()["content"]
    assert order["total_price"]["currency"] == "GBP"
    assert order["addresses"]["shipping"]["country_iso"] == "GB"


async def test_orders_fulfilled_by_the_marketplace_take_no_answer_and_no_parcel(
    world: World, web: httpx.AsyncClient
) -> None:
    reference = world.order(is_mmf=True, status="PENDING")
    assert (await web.post(ACCEPT, json=[item(reference)])).status_code == 207
    world.sim.set_status(reference, "PREPARATION")
    assert (await web.post("/orders/v1/shippings", json=[item(reference) | {"carrier": "GLS"}])).status_code == 207
    assert world.sim.record.entries == []


async def test_the_quota_counts_when_switched_on(make_world: Callable[..., World]) -> None:
    world = make_world(quota_per_hour=2)
    query = {"seller_contract_id": SANDBOX_CONTRACT}
    async with client(world) as web:
        codes = [(await web.get(LIST, params=query)).status_code for _ in range(3)]
        refused = await web.get(LIST, params=query)
        world.clock.forward(seconds=int(refused.headers["retry-after"]))
        later = await web.get(LIST, params=query)
    assert codes == [200, 200, 429]
    assert int(refused.headers["retry-after"]) == 3605
    assert later.status_code == 200


async def test_a_shipped_order_takes_extra_parcels_and_the_record_shows_them(
    world: World, web: httpx.AsyncClient
) -> None:
    reference = world.order(status="PREPARATION")
    for _ in range(2):
        answer = await web.post("/orders/v1/shippings", json=[item(reference) | {"carrier": "GLS"}])
        assert answer.status_code == 204
    assert world.applied("ship") == [f"{reference}/parcel-1", f"{reference}/parcel-2"]


async def test_put_offers_take_twenty_and_reject_inside_of_the_200(world: World, web: httpx.AsyncClient) -> None:
    path, query = "/api/v1/offers", {"seller_contract_id": SANDBOX_CONTRACT}
    good = {"sku": "N1", "stock": 3, "pricing": {"price_vat_included": 9.5, "eco_participation": 0}}
    grid = {"carrier_grid": [{"name": "Standard", "shipping_time_min": 2, "shipping_time_max": 2}]}
    too_many = await web.put(path, params=query, json=[good] * 21)
    assert (too_many.status_code, too_many.json()["error"]["app_code"]) == (400, "ERR_1405")
    mixed = await web.put(path, params=query, json=[good, good | {"sku": "N2", "shipping": grid}, {"sku": "N3"}])
    assert [entry["response"]["status"] for entry in mixed.json()["content"]] == [200, 400, 400]
    assert world.sim.state()["offers"][f"{SANDBOX_CONTRACT}:N1"] == {"price": "9.5", "stock": 3}


async def test_sent_values_freeze_and_unfreeze(make_world: Callable[..., World]) -> None:
    world = make_world(offers=[{"sku": "A"}])
    query = {"seller_contract_id": SANDBOX_CONTRACT, "skus": "A", "offer_online": "true"}
    read = "/api/v1/offer-information/offers"
    entry = {"seller_contract_id": SANDBOX_CONTRACT, "items": [{"sku": "A", "stock": {"quantity": 4}}]}
    async with client(world) as web:
        assert (await web.patch("/api/v2/offer-information/offers", json={"content": [entry]})).status_code == 200
        frozen = (await web.get(read, params=query)).json()["content"][0]
        thaw = {"seller_contract_id": SANDBOX_CONTRACT, "skus": ["A"], "fields": ["STOCK"]}
        await web.patch("/api/v1/offer-information/offers-unfreeze", json=thaw)
        thawed = (await web.get(read, params=query)).json()["content"][0]
        texts = {"seller_contract_id": SANDBOX_CONTRACT, "items": [{"sku": "A", "stock": {"quantity": "4"}}]}
        as_text = await web.patch("/api/v2/offer-information/offers", json={"content": [texts]})
    assert (frozen["stock"], frozen["frozen_stock"], frozen["frozen_price"]) == (4, True, False)
    assert thawed["frozen_stock"] is False
    assert as_text.json()["content"][0]["items"][0]["result"]["http_code"] == 400


async def test_control_routes(world: World, web: httpx.AsyncClient) -> None:
    made = await web.post("/_sandbox/orders", json={"count": 2, "options": {"lines": 2}})
    references = made.json()["references"]
    assert (await web.put(f"/_sandbox/orders/{references[0]}/status", json={"status": "SHIPPED"})).status_code == 200
    assert (await web.put("/_sandbox/orders/M0/status", json={"status": "SHIPPED"})).status_code == 404
    assert (await web.put(f"/_sandbox/orders/{references[0]}/status", json={"status": "LOST"})).status_code == 422
    state = (await web.get("/_sandbox/state")).json()
    assert state["orders"][references[0]]["status"] == "SHIPPED"
    assert set((await web.get("/_sandbox/faults")).json()["known"]) == set(FAULTS)
    assert (await web.put("/_sandbox/faults", json=[{"fault": "no_such"}])).status_code == 422
    await web.post(ACCEPT, json=[item(references[1])])
    assert (await web.get("/_sandbox/record")).json()["entries"][0]["kind"] == "accept"
    await web.post("/_sandbox/reset")
    assert (await web.get("/_sandbox/state")).json() == {"orders": {}, "offers": {}}
    again = await web.post("/_sandbox/orders", json={"count": 2, "options": {"lines": 2}})
    assert again.json()["references"] == references


@pytest.mark.parametrize(
    "options", [{"colour": 1}, {"status": "LOST"}, {"contract": 5}, {"lines": 0}, {"created_at": "2025-11-07T00:00:00"}]
)
async def test_wishes_that_cannot_be_met_are_refused(web: httpx.AsyncClient, options: dict[str, Any]) -> None:
    assert (await web.post("/_sandbox/orders", json={"options": options})).status_code == 422


def test_the_same_seed_invents_the_same_orders(make_world: Callable[..., World]) -> None:
    first, second = make_world(), make_world()
    assert first.orders(20) == second.orders(20)
    assert first.sim.state() == second.sim.state()
    units = [order["units"] for order in first.sim.state()["orders"].values()]
    assert {len(lines) for lines in units} >= {1, 2, 3}


async def test_item_500_is_not_applied(world: World, web: httpx.AsyncClient) -> None:
    first, second = world.orders(2)
    world.fault("item_500", "accept")
    answer = await web.post(ACCEPT, json=[item(first), item(second)])
    assert [entry["result"]["http_code"] for entry in answer.json()["content"]] == [500, 204]
    assert world.applied("accept") == [second]


async def test_partial_refunds_may_end_otherwise(make_world: Callable[..., World]) -> None:
    world = make_world(partial_refund_ends="REFUNDED")
    reference = world.order(status="SHIPPED", skus=[{"sku": "A", "price": "1.00", "quantity": 2}])
    products = [{"seller_sku": "A", "quantity": 1, "refund_reason": "OTHER"}]
    async with client(world) as web:
        body = item(reference) | {"refund_shipping_fees": False, "products": products}
        assert (await web.post("/orders/v1/refunds", json=[body])).status_code == 204
        without = await web.post("/orders/v1/refunds", json=[item(reference) | {"products": products}])
    assert "refund_shipping_fees" in without.json()["content"][0]["result"]["error"]["message"]
    world.clock.forward(seconds=60)
    assert world.status(reference) == "REFUNDED"


async def test_faults_on_order_contents(world: World) -> None:
    """Each oddity reaches the mapping through the wire."""
    reference = world.order()
    connection = world.connect()
    for fault in ("string_amounts", "null_address"):
        world.fault(fault, "read_order")
        got = await connection.read_order(reference)
        assert got is not None
        snapshot = connection.map_order(got).snapshot
        assert snapshot.data_alerts == ()
        assert (snapshot.missing_address_fields != ()) == (fault == "null_address")
        assert (b'"amount": "' in got.body) == (fault == "string_amounts")


async def test_invented_orders_are_mapped_without_alerts(make_world: Callable[..., World]) -> None:
    world = make_world(contracts={1: "FR", 2: "UK", 3: "IT"})
    for contract in (1, 2, 3):
        connection = world.connect(seller_contract_id=contract)
        for reference in world.orders(15, contract=contract, pickup_point=contract == 3):
            got = await connection.read_order(reference)
            assert got is not None
            snapshot = connection.map_order(got).snapshot
            assert (snapshot.data_alerts, snapshot.missing_address_fields) == ((), ())
    mismatch = await world.connect(seller_contract_id=1).read_order(world.order(contract=1, price_mismatch=True))
    assert mismatch is not None
    assert len(world.connect(seller_contract_id=1).map_order(mismatch).snapshot.data_alerts) == 1
