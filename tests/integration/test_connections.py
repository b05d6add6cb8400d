"""Life of a connection as a seller sees it: nothing moves before it is switched on, and never into the wrong world.

Each test has a contract of the ManoMano simulator to itself, so that what its connection fetches is its own doing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from hub_common.kafka.client import KafkaProducer
from hub_common.kafka.records import OutRecord
from hub_contracts.connections import ConnectionChanged, RoutingRule
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.topics import CONNECTIONS
from hub_tools.demo.setting import SHOP_NAME, TENANT
from hub_tools.stack.waiting import run_sync

from .hub import WAIT_SECONDS, Hub, ago, eventually, of_type, references

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SKU = "PERC-18V-01"


@pytest.fixture
def shop(hub: Hub) -> str:
    """The demo's shop."""
    return hub.setting.connections["generic_shop"]


def poller(hub: Hub, connection_id: str) -> dict[str, Any]:
    """What order-ingest knows of a connection's polls; empty when it has not heard of the connection."""
    items = hub.cluster.api("order-ingest").get("/v1/pollers?limit=1000")["items"]
    return next((item for item in items if item["connection_id"] == connection_id), {})


def polled_again(hub: Hub, connection_id: str, times: int = 2) -> None:
    """Wait until a connection has been polled `times` more: the chance that another one would have had."""
    before = int(poller(hub, connection_id)["polls"] or 0)
    eventually(
        lambda: int(poller(hub, connection_id)["polls"] or 0) >= before + times, "the running connection is polled"
    )


def test_a_new_connection_is_inactive_and_nothing_is_fetched(hub: Hub, shop: str, contracts: Iterator[int]) -> None:
    contract = next(contracts)
    connection_id = hub.manomano(contract, shop, on=False)
    assert hub.registry.get(f"/v1/connections/{connection_id}")["state"] == "inactive"
    hub.buy("manomano", (SKU, 1), contract=contract)
    eventually(lambda: poller(hub, connection_id), "order-ingest knows the new connection")
    polled_again(hub, hub.setting.connections["manomano"])
    seen = poller(hub, connection_id)
    assert (seen["state"], seen["polls"], seen["last_attempt_at"]) == ("inactive", None, None)
    assert hub.orders(connection_id) == {}


def test_the_gate_lists_what_is_missing_and_opens_when_it_is_there(
    hub: Hub, shop: str, contracts: Iterator[int]
) -> None:
    contract = next(contracts)
    connection_id = hub.bare_manomano(contract)
    path = f"/v1/connections/{connection_id}"
    refused = hub.refusal(lambda: hub.registry.post(f"{path}/activate"))
    missing = {error["pointer"] for error in refused.problem["errors"]}
    names = ("credentials_verified", "default_carrier", "sku_link_mode", "shop_chosen", "import_from")
    assert (refused.status, missing) == (409, {f"checklist:/{name}" for name in names})
    settings: dict[str, Any] = {
        "carriers": {"default_carriers": [{"carrier_name": "DPD"}]},
        "sku": {"link_mode": "pass_through"},
        "orders": {"import_from": ago(hours=1), "poll_seconds": 1},
    }
    hub.registry.patch(path, {"settings": settings})
    assert hub.registry.post(f"{path}/verify")["ok"] is True
    refused = hub.refusal(lambda: hub.registry.post(f"{path}/activate"))
    assert [error["pointer"] for error in refused.problem["errors"]] == ["checklist:/shop_chosen"]
    hub.registry.patch(path, {"settings": {"routing": [{"name": "all", "shop_connection_id": shop}]}})
    assert hub.registry.post(f"{path}/activate")["state"] == "active"
    hub.has_stock(connection_id, SKU)
    (reference,) = hub.buy("manomano", (SKU, 1), contract=contract)
    hub.shows(connection_id, reference, "SHIPPED")


def test_a_sandbox_order_never_reaches_a_production_shop(hub: Hub, shop: str, contracts: Iterator[int]) -> None:
    """Refused where it is set up, refused to operators, and parked should the settings say so all the same."""
    production = hub.shop("production-shop", SKU, environment="production")
    contract = next(contracts)
    connection_id = hub.manomano(contract, shop, acceptance={"require_stock": False})
    path = f"/v1/connections/{connection_id}"
    rule = {"name": "wrong world", "shop_connection_id": production}
    refused = hub.refusal(lambda: hub.registry.patch(path, {"settings": {"routing": [rule]}}))
    assert refused.status == 422
    assert "is a production shop, this connection is sandbox" in str(refused)
    link = {"offer_sku": SKU, "shop_connection_id": production, "shop_sku": SKU}
    assert hub.refusal(lambda: hub.registry.put(f"{path}/sku-links", {"links": [link]})).status == 422

    run_sync(_say_it_all_the_same(hub, connection_id, production))
    (reference,) = hub.buy("manomano", (SKU, 1), contract=contract)
    row = eventually(lambda: hub.orders(connection_id).get(reference), "the order arrives")
    item = hub.parked("order-router", "environment_mismatch", row["order_id"])
    assert "is production, the order is sandbox" in item["detail"]
    choice = {"reason": "try it", "lines": [{"line_id": SKU, "shop_connection_id": production}]}
    by_hand = f"/v1/orders/{row['order_id']}/reroute"
    assert hub.refusal(lambda: hub.cluster.api("order-router").post(by_hand, choice)).status == 422
    story = hub.story(connection_id, reference)
    assert (story["routes"], of_type(story, "shop_order.created.v1")) == ([], [])
    assert hub.shop_orders("production-shop") == []
    # Two changes: the first has the version that was used up below.
    hub.registry.post(f"{path}/deactivate")
    hub.registry.patch(path, {"label": "over"})


async def _say_it_all_the_same(hub: Hub, connection_id: str, production: str) -> None:
    """Put a connection on the topic that routes to the production shop, as no registry would: data gone wrong."""
    conn = await asyncpg.connect(hub.cluster.dsn("order-router"))
    try:
        last = hub.registry.get(f"/v1/connections/{connection_id}")["version"]
        row = None
        deadline = time.monotonic() + WAIT_SECONDS
        while row is None or row["version"] < last:
            assert time.monotonic() < deadline, "order-router has heard of the connection's last change"
            row = await conn.fetchrow(
                "SELECT version, body FROM connections WHERE connection_id = $1", UUID(connection_id)
            )
            await asyncio.sleep(0.05)
        data = ConnectionChanged.model_validate_json(row["body"])
        wrong = RoutingRule(name="wrong world", shop_connection_id=UUID(production))
        data = data.model_copy(update={"settings": data.settings.model_copy(update={"routing": (wrong,)})})
        now, version = datetime.now(UTC), row["version"] + 1
        meta = Metadata(uuid4(), data.TYPE, "connection-registry", now, connection_id, TENANT, version)
        producer = KafkaProducer(hub.cluster.stack.bootstrap_servers, "test")
        record = OutRecord(CONNECTIONS, connection_id.encode(), data.model_dump_json().encode(), encode_headers(meta))
        assert await producer.send([record]) == [True]
        await producer.stop()

        async def heard() -> int:
            sql = "SELECT version FROM connections WHERE connection_id = $1"
            return int(await conn.fetchval(sql, UUID(connection_id)))

        deadline = time.monotonic() + WAIT_SECONDS
        while await heard() < version:
            assert time.monotonic() < deadline, "order-router has not heard of the wrong settings"
            await asyncio.sleep(0.05)
    finally:
        await conn.close()


def test_paused_fetches_nothing_keeps_the_clocks_and_catches_up(hub: Hub, shop: str, contracts: Iterator[int]) -> None:
    contract = next(contracts)
    held = {"auto_accept": False, "accept_within_hours": 1}
    connection_id = hub.manomano(contract, shop, acceptance=held, orders={"import_from": ago(hours=2)})
    path = f"/v1/connections/{connection_id}"
    (before,) = hub.buy("manomano", (SKU, 1), contract=contract, created_at=ago(minutes=59, seconds=35))
    eventually(lambda: hub.orders(connection_id).get(before), "the first order arrives")
    paused_at = datetime.now(UTC)
    assert hub.registry.post(f"{path}/pause")["state"] == "paused"
    eventually(lambda: poller(hub, connection_id)["state"] == "paused", "order-ingest knows of the pause")
    # What is in memory follows the table within a second, and a poll in the air is read to its end.
    polled_again(hub, hub.setting.connections["manomano"], 3)
    polls = poller(hub, connection_id)["polls"]
    (during,) = hub.buy("manomano", (SKU, 1), contract=contract)

    def missed() -> list[dict[str, Any]]:
        return of_type(hub.story(connection_id, before), "order.deadline_missed.v1")

    (alarm,) = eventually(missed, "the accept-by deadline is told while the connection is paused")
    assert datetime.fromisoformat(alarm["at"]) > paused_at
    assert hub.registry.get(path)["state"] == "paused"
    assert poller(hub, connection_id)["polls"] == polls
    assert during not in hub.orders(connection_id)

    assert hub.registry.post(f"{path}/resume")["state"] == "active"
    row = eventually(lambda: hub.orders(connection_id).get(during), "the order made during the pause arrives")
    assert row["status"] == "PENDING"
    hub.parked("order-acceptance", "acceptance_held", row["order_id"])


def test_an_import_from_the_past_takes_open_orders_and_a_backfill_only_shows_the_rest(
    hub: Hub, shop: str, contracts: Iterator[int]
) -> None:
    contract = next(contracts)

    def past(status: str, days: float) -> str:
        return hub.buy("manomano", (SKU, 1), contract=contract, status=status, created_at=ago(days=days))[0]

    opened = {past("PENDING", 1), past("PREPARATION", 2)}
    closed = {past("SHIPPED", 3), past("REFUNDED", 4)}
    earlier = {past("PREPARATION", 20), past("SHIPPED", 21)}
    connection_id = hub.manomano(
        contract, shop, orders={"import_from": ago(days=10)}, acceptance={"require_stock": False}
    )
    for reference in opened:
        hub.shows(connection_id, reference, "SHIPPED")
    assert set(hub.orders(connection_id)) == opened
    assert poller(hub, connection_id)["orders_received"] == 2

    answer = hub.registry.post(
        f"/v1/connections/{connection_id}/backfills", {"created_from": ago(days=30), "created_until": ago()}
    )

    def done() -> bool:
        items = hub.cluster.api("order-ingest").get(f"/v1/backfills?connection_id={connection_id}")["items"]
        return any(item["backfill_id"] == answer["backfill_id"] and item["state"] == "done" for item in items)

    eventually(done, "the backfill has read its window")
    eventually(lambda: set(hub.orders(connection_id)) == opened | closed | earlier, "the console shows all of them")
    rows = hub.orders(connection_id)
    for reference in closed | earlier:
        assert rows[reference]["live"] is False, reference
        story = hub.story(connection_id, reference)
        assert {event["origin"] for event in story["timeline"]} == {"backfill"}
        assert hub.effects(rows[reference]["order_id"]) == []
    assert references(hub.record("manomano")).isdisjoint(closed | earlier)
    fresh = {rows[reference]["order_number"] for reference in closed | earlier}
    assert fresh.isdisjoint(order["order_number"] for order in hub.shop_orders(SHOP_NAME))


def test_a_test_order_goes_to_the_shop_and_stays_a_test(hub: Hub, contracts: Iterator[int]) -> None:
    """Flagged in every event, acknowledged by the shop, and even a parcel of it is told to no marketplace."""
    tested = hub.shop("tested-shop", SKU)
    contract = next(contracts)
    connection_id = hub.manomano(contract, tested)
    hub.has_stock(connection_id, SKU)
    before = len(hub.record("manomano"))
    wish = {"offer_sku": SKU, "country": "FR"}
    asked = [hub.registry.post(f"/v1/connections/{connection_id}/test-orders", wish) for _ in range(4)]
    assert {order["quantity"] for order in asked} <= {1, 2, 3, 4}
    eventually(lambda: len(hub.orders(connection_id)) == 4, "the test orders are there")
    rows = hub.orders(connection_id)
    assert {row["is_test"] for row in rows.values()} == {True}
    assert sorted(row["units"] for row in rows.values()) == sorted(order["quantity"] for order in asked)
    for reference in rows:
        eventually(
            lambda ref=reference: of_type(hub.story(connection_id, ref), "shop_order.acknowledged.v1"),  # type: ignore[misc]
            f"the shop acknowledges test order {reference}",
        )
    given = hub.shop_orders("tested-shop")
    assert {order["order_number"] for order in given} == {row["order_number"] for row in rows.values()}
    assert {(order["is_test"], order["state"]) for order in given} == {(True, "open")}

    _send_a_parcel(hub, "tested-shop", given[0])
    reference = next(ref for ref, row in rows.items() if row["order_number"] == given[0]["order_number"])
    path = f"/v1/orders/{rows[reference]['order_id']}"

    def aside() -> bool:
        parcels = hub.cluster.api("shipment-notifier").get(path)["parcels"]
        return [(each["state"], each["reason"].split(":")[0]) for each in parcels] == [("set_aside", "test order")]

    eventually(aside, "the parcel is set aside because it is a test order's")
    for story in (hub.story(connection_id, ref) for ref in rows):
        flags = {event["type"]: _is_test(event["data"]) for event in story["timeline"]}
        assert flags.pop("order.customer_recorded.v1") is None, "it has no flag of its own; it has the order's id"
        assert set(flags.values()) == {True}, flags
    marketplace = [entry for entry in hub.record("manomano")[before:] if entry["reference"] in rows]
    assert marketplace == []
    kinds = {effect["kind"] for row in rows.values() for effect in hub.effects(row["order_id"])}
    assert kinds == {"create_order"}


def _is_test(data: dict[str, Any]) -> bool | None:
    found = data.get("is_test", data.get("order", {}).get("is_test"))
    return None if found is None else bool(found)


def _send_a_parcel(hub: Hub, name: str, order: dict[str, Any]) -> None:
    """A shop that ships a test order by mistake: posted as the shop would, with its API key."""
    script = hub.scripts[name]
    body = {
        "route_id": order["route_id"],
        "shipment_reference": "P-by-mistake",
        "carrier_name": "DPD",
        "tracking_number": "123456789012",
        "handed_over_at": datetime.now(UTC).isoformat(),
    }
    hub.shop_api(name).post(f"/v1/shops/{script['connection_id']}/shipments", body)
