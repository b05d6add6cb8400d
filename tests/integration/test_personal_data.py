"""One buyer with names that are nowhere else, followed through the whole running hub: where is he, and is he gone?

What must not happen: a name in a log that is copied everywhere, in a topic that is kept for a year, or in a table that
nobody thinks of when a buyer asks to be forgotten.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from hub_common.kafka.client import bounds, read_until
from hub_contracts import topics
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.schemas import personal_fields, schema_for
from hub_contracts.topics import TOPIC_BY_NAME, TOPICS
from hub_tools.demo.setting import PRICES
from hub_tools.run.api import ApiError
from hub_tools.stack.waiting import run_sync
from ops_console.privacy import OWNERS

from .hub import Hub, eventually, of_type
from .test_replay import replay, tamper

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SKU = "RETURN-01"
SHOP = "canary-shop"
BUYER = {
    "firstname": "Zerafinne",
    "lastname": "Quondamare",
    "address_line1": "77 Impasse Vuxilberg",
    "email": "zq.canary@vuxil.invalid",
    "phone": "+33987651234",
}
CANARIES = ("zerafinne", "quondamare", "vuxilberg", "zq.canary", "987651234")
HELD_IN = {
    ("order-ingest", "raw_orders"),
    ("shop-gateway", "customers"),
    ("message-service", "message_bodies"),
}
"""Every table in which the buyer of a running hub may stand in clear; docs/privacy.md says the same in words."""


@dataclass
class Bought:
    """The buyer's orders: one that was shipped, sent back and refunded, one that its shop would not take, one that he
    asks about."""

    connection_id: str
    shipped: str
    refused: str
    asked: str
    """At the other marketplace; the buyer wrote about it."""

    @property
    def all(self) -> tuple[str, ...]:
        """Their ids."""
        return self.shipped, self.refused, self.asked


@pytest.fixture(scope="module")
def bought(hub: Hub, contracts: Any) -> Bought:
    """Three orders of one buyer, and his words."""
    contract = next(contracts)
    shop = hub.shop(SHOP, SKU, return_every_n=1, return_after_seconds=0.3)
    connection_id = hub.manomano(contract, shop, orders={"poll_seconds": 1})
    hub.has_stock(connection_id, SKU)
    options: dict[str, Any] = {"contract": contract, "buyer": BUYER}
    shipped = hub.buy("manomano", (SKU, 1), **options)[0]
    eventually(lambda: _told(hub, connection_id, shipped, "refund.confirmed.v1"), "the buyer has his money back")
    hub.sandbox.put("/generic_shop/_sandbox/faults", [{"fault": "reject_4xx", "times": 1}])
    refused = hub.buy("manomano", (SKU, 1), **options)[0]
    eventually(lambda: _told(hub, connection_id, refused, "shop_order.rejected.v1"), "the shop would not take it")
    hub.sandbox.put("/generic_shop/_sandbox/faults", [])
    mirakl = hub.setting.connections["mirakl"]
    person = {name: BUYER[name] for name in ("firstname", "lastname", "phone")}
    asked = hub.buy("mirakl", (min(PRICES), 1), buyer=person | {"street_1": BUYER["address_line1"]})[0]
    hub.shows(mirakl, asked, "SHIPPED")
    words = "Zerafinne Quondamare here, 77 Impasse Vuxilberg: where is it?"
    hub.sandbox.post("/mirakl/_sandbox/messages", {"order_id": asked, "body": words})
    tamper(hub, "message-service", "UPDATE readings SET next_at = now()")  # read now, not within minutes
    eventually(lambda: _told(hub, mirakl, asked, "message.received.v1"), "his question is read")
    rows = hub.orders(connection_id)
    ids = (rows[shipped]["order_id"], rows[refused]["order_id"], hub.orders(mirakl)[asked]["order_id"])
    return Bought(connection_id, *ids)


def _told(hub: Hub, connection_id: str, reference: str, kind: str) -> bool:
    try:
        return bool(of_type(hub.story(connection_id, reference), kind))
    except ApiError:
        return False


def named_in(value: object) -> list[str]:
    """The canaries that stand in something."""
    text = (value.decode(errors="replace") if isinstance(value, bytes | memoryview) else str(value)).lower()
    return [canary for canary in CANARIES if canary in text]


async def tables_with(dsn: str) -> set[str]:
    """Tables of one database that name the buyer, every column of every row opened."""
    conn = await asyncpg.connect(dsn)
    try:
        names = [row[0] for row in await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        found = set()
        for name in names:
            rows = await conn.fetch(f'SELECT * FROM "{name}"')
            if any(named_in(value) for row in rows for value in row.values()):
                found.add(name)
        return found
    finally:
        await conn.close()


def everywhere(hub: Hub) -> set[tuple[str, str]]:
    """(service, table) that names the buyer."""
    return {(name, table) for name in hub.cluster.specs for table in run_sync(tables_with(hub.cluster.dsn(name)))}


async def topics_with(bootstrap: str) -> dict[str, set[str]]:
    """Topic → where in its records the buyer is named: in values, keys or headers. Dead letters are read as well."""
    names = [each for topic in TOPICS for each in (topic.name, topic.dead_letter)]
    ends = {at: last for at, (_, last) in (await bounds(bootstrap, names)).items()}
    found: dict[str, set[str]] = defaultdict(set)
    seen = 0
    async for records in read_until(bootstrap, ends, 1000):
        seen += len(records)
        for record in records:
            parts = {"value": record.value, "key": record.key, "headers": record.headers}
            found[record.topic] |= {part for part, value in parts.items() if value is not None and named_in(value)}
    assert seen > 50, "else nothing was proven"
    return {topic: where for topic, where in found.items() if where}


async def last_words(bootstrap: str, order_ids: tuple[str, ...]) -> dict[str, bytes | None]:
    """The newest record of each of these keys on the topic with personal data."""
    ends = {at: last for at, (_, last) in (await bounds(bootstrap, [topics.ORDER_CUSTOMERS])).items()}
    found: dict[str, bytes | None] = {}
    async for records in read_until(bootstrap, ends, 1000):
        found |= {(r.key or b"").decode(): r.value for r in records if (r.key or b"").decode() in order_ids}
    return found


def test_marked_fields_are_reachable_from_personal_topics_only() -> None:
    for model in EVENT_TYPES:
        if personal_fields(schema_for(model)):
            assert TOPIC_BY_NAME[model.TOPIC].personal_data, model.TYPE
    assert [topic.name for topic in TOPICS if topic.personal_data] == [topics.ORDER_CUSTOMERS]


def test_the_buyer_is_on_one_topic_in_three_tables_and_in_no_log(hub: Hub, bought: Bought) -> None:
    assert run_sync(topics_with(hub.cluster.stack.bootstrap_servers)) == {topics.ORDER_CUSTOMERS: {"value"}}
    assert everywhere(hub) == HELD_IN
    logs = [path for path in hub.cluster.logs().rglob("*") if path.is_file()]
    assert logs, "there are logs"
    assert {path.name: named for path in logs if (named := named_in(path.read_bytes()))} == {}
    for name in hub.cluster.specs:
        assert named_in(httpx.get(f"{hub.cluster.url(name)}/metrics", timeout=10).text) == [], name


def test_an_erased_buyer_is_gone_and_stays_away(hub: Hub, bought: Bought) -> None:
    before = [_data(hub, order_id) for order_id in bought.all]
    assert [bool(named_in(each["order-ingest"]["data"])) for each in before] == [True, True, True]
    assert [bool(named_in(each["shop-gateway"]["data"])) for each in before] == [True, True, True]
    assert [bool(named_in(each["message-service"]["data"])) for each in before] == [False, False, True]
    found = command(hub, "find", BUYER["email"])["items"]
    assert {item["order_id"] for item in found} == {bought.shipped, bought.refused}
    assert hub.refusal(lambda: _erase(hub, bought.refused)).status == 409
    erased = command(hub, "erase", *bought.all, "--even-if-open", "--reason", "the buyer asked for it", "--yes")
    assert [item["erased"] for item in erased["items"]] == [True, True, True]
    eventually(lambda: everywhere(hub) == set(), "no table of any service names the buyer")
    last = eventually(lambda: _tombstones(hub, bought.all), "every key has a tombstone")
    assert set(last) == set(bought.all)
    # The marketplace goes on showing him: neither a poll nor a rebuild of the gateway brings him back.
    hub.sandbox.post("/mirakl/_sandbox/messages", {"order_id": _reference(hub, bought.asked), "body": "Well?"})
    tamper(hub, "message-service", "UPDATE readings SET next_at = now()")
    polls = _polls(hub, bought.connection_id)
    hub.cluster.api("order-ingest").post(f"/v1/pollers/{bought.connection_id}/run")
    eventually(lambda: _polls(hub, bought.connection_id) > polls + 1, "the marketplace was polled again")
    again = json.loads(replay(hub, "shop-gateway", "--json", code=0))
    assert [each["equal"] for each in again["services"]] == [True], "the rebuilt one names nobody either"
    assert everywhere(hub) == set()
    for order_id in bought.all:
        after = {name: sum(held["holds"].values()) for name, held in _data(hub, order_id).items()}
        assert after | {"message-service": 0} == dict.fromkeys(after, 0)
    assert command(hub, "find", BUYER["email"], code=1)["items"] == []
    orders = hub.cluster.api("shop-gateway").get(f"/v1/shop-orders?order_id={bought.shipped}")["items"]
    assert orders, "the order itself goes on"


def command(hub: Hub, *arguments: str, code: int = 0) -> Any:
    """`hub privacy …` beside the running hub."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    done = subprocess.run(
        [sys.executable, "-c", "from hub_tools.cli import main; main()", "privacy", *arguments, "--json"],
        env=env | {"HUB_DATA_DIR": str(hub.cluster.folder.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)


def _data(hub: Hub, order_id: str) -> dict[str, Any]:
    path = f"/v1/orders/{order_id}/personal-data"
    return {name: hub.cluster.api(name).get(path) for name in OWNERS}


def _reference(hub: Hub, order_id: str) -> str:
    return str(_data(hub, order_id)["order-ingest"]["reference"])


def _erase(hub: Hub, order_id: str, **how: bool) -> Any:
    path = f"/v1/orders/{order_id}/erase-customer"
    return hub.cluster.api("order-ingest").post(path, {"reason": "the buyer asked for it"} | how)


def _tombstones(hub: Hub, order_ids: tuple[str, ...]) -> dict[str, bytes | None]:
    last = run_sync(last_words(hub.cluster.stack.bootstrap_servers, order_ids))
    return last if set(last.values()) == {None} else {}


def _polls(hub: Hub, connection_id: str) -> int:
    items = hub.cluster.api("order-ingest").get("/v1/pollers?limit=1000")["items"]
    return int(next(item["polls"] for item in items if item["connection_id"] == connection_id))
