"""A shop that is never called: it reads its orders by cursor and posts what happens to them in signed webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from hub_tools.demo.setting import WEBHOOK_SECRET

from .hub import Hub, eventually, of_type

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

SKU = "CASQUE-BT-2"


def test_the_simulated_shop_pulls_and_ships(hub: Hub, contracts: Iterator[int]) -> None:
    shop = hub.shop("pulls", SKU, pull=True, mode="webhook")
    contract = next(contracts)
    connection_id = hub.manomano(contract, shop)
    hub.has_stock(connection_id, SKU)
    references = hub.buy("manomano", (SKU, 2), count=3, contract=contract)
    for reference in references:
        hub.shows(connection_id, reference, "SHIPPED")
    books = hub.shop_orders("pulls")
    assert [(order["state"], len(order["parcels"])) for order in books] == [("shipped", 1)] * 3
    assert hub.state("generic_shop")["shops"]["pulls"]["posts_failed"] == []
    posts = hub.cluster.api("shop-gateway").get(f"/v1/posts?connection_id={shop}&limit=1000")["items"]
    assert {post["source"] for post in posts} == {"webhook"}
    assert {post["state"] for post in posts} == {"done"}
    assert hub.outside().doubles() == []


@dataclass
class OwnShop:
    """A shop platform of somebody else: only the documented interface, signed by another implementation."""

    base: str
    connection_id: str
    key: str
    sent: int = 0

    def state(self, sku: str, quantity: int, **how: Any) -> httpx.Response:
        """State the stock of one SKU."""
        now = datetime.now(UTC).isoformat()
        return self.post("stock.changed", {"items": [{"sku": sku, "quantity": quantity}], "reported_at": now}, **how)

    def ask(self, cursor: str, limit: int) -> httpx.Response:
        """Ask for one page, whatever the answer."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.get(f"{self.base}/orders", params={"cursor": cursor, "limit": limit}, headers=headers)

    def page(self, cursor: str, limit: int) -> dict[str, Any]:
        """One page of the order list."""
        answer = self.ask(cursor, limit)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def post(self, kind: str, data: dict[str, Any], *, secret: str = WEBHOOK_SECRET, age: float = 0) -> httpx.Response:
        """A signed webhook."""
        self.sent += 1
        now = datetime.now(UTC) - timedelta(seconds=age)
        body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": data})
        message_id = f"own-{self.sent}"
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body),
            "content-type": "application/json",
        }
        return httpx.post(f"{self.base}/webhooks", content=body, headers=headers)


@pytest.fixture(scope="module")
def own(hub: Hub) -> OwnShop:
    """A pulling shop without a simulator: its script names no hub, so the simulator does nothing for it."""
    shop = hub.shop("own-platform", pull=True, hub_url=None)
    own = OwnShop(f"{hub.cluster.url('shop-gateway')}/v1/shops/{shop}", shop, hub.scripts["own-platform"]["api_key"])
    # The gateway hears of a new connection within a second; before that it knows no key and no secret of it.
    eventually(lambda: own.state(SKU, 50).status_code == 202, "the gateway takes the new shop's posts")
    eventually(lambda: own.ask("", 1).status_code == 200, "and knows its key, which is told by an event of its own")
    return own


def test_orders_are_read_by_cursor_and_answered_by_signed_webhooks(
    hub: Hub, own: OwnShop, contracts: Iterator[int]
) -> None:
    contract = next(contracts)
    connection_id = hub.manomano(contract, own.connection_id)
    hub.has_stock(connection_id, SKU)
    references = set(hub.buy("manomano", (SKU, 1), count=3, contract=contract))
    eventually(lambda: len(own.page("", 100)["orders"]) == 3, "the three orders are in the list")

    first = own.page("", 2)
    second = own.page(first["next_cursor"], 2)
    assert ([len(page["orders"]) for page in (first, second)], first["has_more"], second["has_more"]) == (
        [2, 1],
        True,
        False,
    )
    listed = [entry["order"] for page in (first, second) for entry in page["orders"]]
    assert len({order["route_id"] for order in listed}) == 3
    assert own.page(second["next_cursor"], 2)["orders"] == [], "the cursor stands behind what was read"

    for number, order in enumerate(listed):
        now = datetime.now(UTC).isoformat()
        named = {"route_id": order["route_id"], "shop_order_reference": f"OWN-{number}"}
        assert own.post("order.acknowledged", named | {"acknowledged_at": now}).status_code == 202
        parcel = named | {
            "shipment_reference": f"PARCEL-{number}",
            "carrier_name": "DPD",
            "tracking_number": f"0150000000000{number}",
            "handed_over_at": now,
        }
        assert own.post("shipment.created", parcel).status_code == 202
    for reference in references:
        hub.shows(connection_id, reference, "SHIPPED")
        story = hub.story(connection_id, reference)
        assert len(of_type(story, "shop_order.acknowledged.v1")) == 1
        assert [parcel["marketplace_knows"] for parcel in story["parcels"]] == [True]
    assert own.page("", 100)["orders"] == [], "finished orders are left out"


def test_a_webhook_with_a_wrong_signature_or_an_old_timestamp_changes_nothing(hub: Hub, own: OwnShop) -> None:
    stranger = "whsec_" + "c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgbG9uZyBlbm91Z2g="
    for answer in (own.state("SPOILT", 7, secret=stranger), own.state("SPOILT", 7, age=3600)):
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert own.state("GOOD", 8).status_code == 202

    def stated() -> dict[str, int]:
        posts = hub.cluster.api("shop-gateway").get(f"/v1/posts?connection_id={own.connection_id}&limit=1000")["items"]
        bodies = [hub.cluster.api("shop-gateway").get(f"/v1/posts/{post['post_id']}")["body_text"] for post in posts]
        items = [item for body in bodies for item in json.loads(body)["data"].get("items", [])]
        return {item["sku"]: item["quantity"] for item in items}

    eventually(lambda: "GOOD" in stated(), "the well-signed post is kept")
    assert "SPOILT" not in stated()
