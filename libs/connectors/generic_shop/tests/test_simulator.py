"""The simulated shop: its script, its posts in both modes, each posting fault, pulling, and its defence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from connector_generic_shop import mapping
from connector_generic_shop.connector import CONNECTOR, GenericShop
from connector_generic_shop.posts import CancellationPost, ReturnPost, ShipmentPost, StockPost
from connector_generic_shop.sandbox.planning import UNKNOWN_CARRIER
from connector_generic_shop.sandbox.simulator import GenericShopSimulator
from connector_generic_shop.wire import OrderPage
from connector_kit.capabilities import ConnectorFactory
from connector_kit.requests import CancelShopOrder, CreateShopOrder
from connector_kit.simulator import FaultRule, Simulator

from .conftest import CONNECTION, OLD_SECRET, SECRET, StillClock
from .fake_hub import API_KEY, FakeHub

MakeOrder = Callable[..., CreateShopOrder]
Connect = Callable[..., GenericShop]


@pytest.fixture
def hub(clock: StillClock, simulator: GenericShopSimulator) -> FakeHub:
    hub = FakeHub(clock, SECRET)
    simulator.transport = httpx.ASGITransport(app=hub.app)
    return hub


async def control(simulator: GenericShopSimulator, method: str, path: str, body: Any = None) -> httpx.Response:
    transport = httpx.ASGITransport(app=simulator.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.example.invalid") as client:
        return await client.request(method, f"/_sandbox/{path}", json=body)


async def script(simulator: GenericShopSimulator, **changes: Any) -> None:
    behaviour = {
        "shop_name": "blue",
        "hub_url": "http://hub.example.invalid",
        "connection_id": str(CONNECTION),
        "api_key": API_KEY,
        "webhook_secret": SECRET,
        "ship_after_seconds": 60,
        **changes,
    }
    response = await control(simulator, "PUT", "behaviour", behaviour)
    assert response.status_code == 200, response.text


async def step(simulator: GenericShopSimulator) -> dict[str, int]:
    response = await control(simulator, "POST", "step")
    result: dict[str, int] = response.json()
    return result


def where(hub: FakeHub) -> list[str]:
    return [place for _, place, _ in hub.posts]


def posted(hub: FakeHub, kind: type[Any]) -> list[Any]:
    return [post for _, _, post in hub.posts if isinstance(post, kind)]


def test_it_is_a_simulator_of_a_connector(simulator: GenericShopSimulator) -> None:
    as_simulator: Simulator = simulator
    factory: ConnectorFactory = CONNECTOR
    assert as_simulator.name == factory.manifest.name


@pytest.mark.parametrize("mode", ["rest", "webhook"])
async def test_an_order_is_acknowledged_and_shipped(
    mode: str, connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub, clock: StillClock
) -> None:
    await script(simulator, mode=mode)
    await connect().create_order([order()])
    assert (await step(simulator))["taken"] == 1
    clock.advance(60)
    assert (await step(simulator))["taken"] == 1
    names = {
        "rest": ["acknowledgements", "shipments"],
        "webhook": ["order.acknowledged", "shipment.created"],
    }
    assert where(hub) == names[mode]
    (shipment,) = posted(hub, ShipmentPost)
    assert shipment.route_id == order().route_id
    assert [(line.line_id, line.quantity) for line in shipment.lines] == [("L1", 2)]
    assert shipment.handed_over_at == clock.now()
    (held,) = simulator.state()["orders"]
    assert (held["state"], held["lines"][0]["shipped"]) == ("shipped", 2)


async def test_the_script_is_followed(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub, clock: StillClock
) -> None:
    await script(
        simulator,
        carriers=["DHL", "UPS"],
        partial_every_n=2,
        unknown_carrier_every_n=4,
        return_every_n=3,
        cancel_every_n=5,
        return_after_seconds=10,
    )
    await connect().create_order([order(number, units=3) for number in range(1, 6)])
    for _ in range(4):
        await step(simulator)
        clock.advance(60)
    shipments = posted(hub, ShipmentPost)
    by_order: dict[str, list[int]] = {}
    for shipment in shipments:
        by_order.setdefault(shipment.order_number, []).append(sum(line.quantity for line in shipment.lines))
    assert by_order == {"M00001": [3], "M00002": [2, 1], "M00003": [3], "M00004": [2, 1]}
    assert [s.carrier_name for s in shipments] == ["DHL", "UPS", "DHL", UNKNOWN_CARRIER, "DHL", "UPS"]
    assert [(r.order_number, r.stage.value) for r in posted(hub, ReturnPost)] == [
        ("M00003", "created"),
        ("M00003", "received"),
    ]
    assert [c.order_number for c in posted(hub, CancellationPost)] == ["M00005"]
    assert len({s.shipment_reference for s in shipments}) == len(shipments)


async def test_test_orders_are_acknowledged_and_never_shipped(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub, clock: StillClock
) -> None:
    await script(simulator)
    await connect().create_order([order(is_test=True)])
    await step(simulator)
    clock.advance(10_000)
    await step(simulator)
    assert where(hub) == ["acknowledgements"]


async def test_stock_and_prices_are_stated_and_stock_again_after_shipping(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub, clock: StillClock
) -> None:
    await script(simulator, stock={"SKU-1": 10, "SKU-9": 1}, prices={"SKU-1": "19.90"})
    await connect().create_order([order()])
    await step(simulator)
    clock.advance(60)
    await step(simulator)
    assert where(hub) == ["stock", "prices", "acknowledgements", "shipments", "stock"]
    counts = [[item.quantity for item in post.items] for post in posted(hub, StockPost)]
    assert counts == [[10, 1], [8, 1]]


@pytest.mark.parametrize("mode", ["rest", "webhook"])
async def test_duplicated_posts_carry_one_id(
    mode: str, connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub
) -> None:
    await script(simulator, mode=mode, ship_after_seconds=0)
    simulator.faults.set([FaultRule(fault="duplicate_posts")])
    await connect().create_order([order()])
    await step(simulator)
    assert len(hub.posts) == 4
    assert len({post_id for post_id, _, _ in hub.posts}) == 2


async def test_reordered_posts(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub
) -> None:
    await script(simulator, ship_after_seconds=0)
    await connect().create_order([order(1)])
    await step(simulator)
    simulator.faults.set([FaultRule(fault="reordered_posts")])
    await connect().create_order([order(2)])
    await step(simulator)
    assert where(hub) == ["acknowledgements", "shipments", "shipments", "acknowledgements"]


async def test_late_acknowledgement_comes_last(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub, clock: StillClock
) -> None:
    await script(simulator)
    simulator.faults.set([FaultRule(fault="late_acknowledgement")])
    await connect().create_order([order()])
    await step(simulator)
    clock.advance(60)
    await step(simulator)
    assert where(hub) == ["shipments", "acknowledgements"]


@pytest.mark.parametrize(
    ("mode", "fault", "words"),
    [
        ("webhook", "wrong_signature_posts", "no signature fits"),
        ("webhook", "stale_timestamp_posts", "too old"),
        ("rest", "wrong_signature_posts", "api key"),
    ],
)
async def test_refused_posts_are_sent_properly_later(
    mode: str,
    fault: str,
    words: str,
    connect: Connect,
    order: MakeOrder,
    simulator: GenericShopSimulator,
    hub: FakeHub,
    clock: StillClock,
) -> None:
    await script(simulator, mode=mode)
    simulator.faults.set([FaultRule(fault=fault, times=1)])
    await connect().create_order([order()])
    assert (await step(simulator))["waiting"] == 1
    assert words in hub.refused[0]
    assert (await step(simulator))["taken"] == 0
    clock.advance(1)
    assert (await step(simulator))["taken"] == 1


@pytest.mark.parametrize(("status", "kept"), [(422, 0), (500, 1), (404, 1), (503, 1)])
async def test_posts_are_kept_unless_the_answer_is_final(
    status: int, kept: int, connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub
) -> None:
    await script(simulator)
    hub.status = status
    await connect().create_order([order()])
    result = await step(simulator)
    assert (result["waiting"], result["failed"]) == (kept, 1 - kept)


async def test_an_unreachable_hub_loses_no_post(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub, clock: StillClock
) -> None:
    await script(simulator)

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    working, simulator.transport = simulator.transport, httpx.MockTransport(refuse)
    await connect().create_order([order()])
    assert (await step(simulator))["waiting"] == 1
    simulator.transport = working
    clock.advance(1)
    await step(simulator)
    assert where(hub) == ["acknowledgements"]


async def test_pulling_takes_each_order_once_and_stops_cancelled_ones(
    order: MakeOrder,
    cancellation: Callable[..., CancelShopOrder],
    simulator: GenericShopSimulator,
    hub: FakeHub,
    clock: StillClock,
) -> None:
    def page(cursor: str, *entries: Any, has_more: bool = False) -> dict[str, Any]:
        return OrderPage(orders=entries, next_cursor=cursor, has_more=has_more).model_dump(mode="json")

    first, second = (mapping.listed_order(order(n), send_personal_data=True) for n in (1, 2))
    gone = mapping.listed_order(order(2), send_personal_data=True, cancelled=cancellation(2))
    hub.pages = {"": page("a", first, has_more=True), "a": page("b", first, second), "b": page("b")}
    await script(simulator, pull=True)
    assert (await step(simulator))["pulled"] == 3
    hub.pages["b"] = page("c", gone)
    hub.pages["c"] = page("c")
    await step(simulator)
    clock.advance(60)
    await step(simulator)
    assert [(e.kind, e.reference) for e in simulator.record.entries] == [
        ("create_order", str(order(1).route_id)),
        ("create_order", str(order(2).route_id)),
        ("cancel_order", str(order(2).route_id)),
    ]
    assert [s.order_number for s in posted(hub, ShipmentPost)] == ["M00001"]


async def test_a_shipped_order_cannot_be_cancelled(
    connect: Connect,
    order: MakeOrder,
    cancellation: Callable[..., CancelShopOrder],
    simulator: GenericShopSimulator,
    hub: FakeHub,
) -> None:
    await script(simulator, ship_after_seconds=0)
    await connect().create_order([order()])
    await step(simulator)
    (outcome,) = await connect().cancel_order([cancellation()])
    assert (outcome.state.value, "has left" in outcome.reason) == ("rejected", True)


async def test_a_cancelled_order_is_not_shipped(
    connect: Connect,
    order: MakeOrder,
    cancellation: Callable[..., CancelShopOrder],
    simulator: GenericShopSimulator,
    hub: FakeHub,
    clock: StillClock,
) -> None:
    await script(simulator)
    await connect().create_order([order()])
    await step(simulator)
    await connect().cancel_order([cancellation()])
    clock.advance(60)
    await step(simulator)
    assert where(hub) == ["acknowledgements"]


async def test_several_shops_keep_apart(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub
) -> None:
    await script(simulator, shop_name="red", webhook_secret=OLD_SECRET)
    red = connect(secrets=(OLD_SECRET,), webhook_url="https://shop.example.invalid/shops/red/webhook")
    await connect().create_order([order(1)])
    await red.create_order([order(2)])
    references = {o["shop"]: o["shop_order_reference"] for o in simulator.state()["orders"]}
    assert references == {"blue": "BLUE-000001", "red": "RED-000001"}


async def test_a_reset_forgets_all_and_repeats_the_same(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub
) -> None:
    runs = []
    for _ in range(2):
        await script(simulator, ship_after_seconds=0)
        await connect().create_order([order()])
        await step(simulator)
        runs.append([json.loads(post.model_dump_json()) for _, _, post in hub.posts])
        hub.posts.clear()
        assert (await control(simulator, "POST", "reset")).status_code == 200
        assert simulator.state()["orders"] == []
        assert simulator.record.entries == []
    assert runs[0] == runs[1]


async def test_the_loop_works_by_itself_and_stops(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, hub: FakeHub
) -> None:
    await connect().create_order([order()])
    await script(simulator, loop_seconds=0.001)
    try:
        await asyncio.wait_for(hub.arrived.wait(), 30)
    finally:
        await simulator.stop_loop()
    assert where(hub)[0] == "acknowledgements"


async def test_the_control_routes(simulator: GenericShopSimulator) -> None:
    assert (await control(simulator, "POST", "orders", {"count": 1})).status_code == 422
    assert (await control(simulator, "PUT", "faults", [{"fault": "no_such_fault"}])).status_code == 422
    assert "timeout_after_effect" in (await control(simulator, "GET", "faults")).json()["known"]
    assert (await control(simulator, "PUT", "behaviour", {"webhook_secret": "short"})).status_code == 422
    assert (await control(simulator, "PUT", "behaviour", {"mispelt": 1})).status_code == 422


async def test_state_shows_no_secret(simulator: GenericShopSimulator, hub: FakeHub) -> None:
    await script(simulator)
    text = json.dumps((await control(simulator, "GET", "state")).json())
    assert SECRET not in text
    assert API_KEY not in text


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"webhook-signature": "v1,AAAA"}, 401), ({"webhook-timestamp": "1"}, 401), ({}, 400)],
)
async def test_strangers_and_garbage_are_refused(
    simulator: GenericShopSimulator, clock: StillClock, changes: dict[str, str], status: int
) -> None:
    from pydantic import SecretStr

    from connector_generic_shop.signing import sign

    headers = {**sign([SecretStr(SECRET)], "m1", clock.now(), b"[]"), **changes}
    transport = httpx.ASGITransport(app=simulator.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.example.invalid") as client:
        response = await client.post("/shops/blue/webhook", content=b"[]", headers=headers)
    assert response.status_code == status
