"""catalog-feed on a database of its own: a marketplace, a shop, the API for operators and for marketplaces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from catalog_feed.building import FeedBuilder
from catalog_feed.main import SPEC
from hub_common.clock import ManualClock
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.orders import Environment
from hub_contracts.stock import OfferChanged

from .markets import Markets, markets

MARKET, OTHER_MARKET, SHOP = UUID(int=11), UUID(int=12), UUID(int=21)
EAN = "4006381333931"
GOOD: dict[str, Any] = {
    "shop_connection_id": str(SHOP),
    "ean": EAN,
    "brand": "Lumen",
    "title": "Lamp",
    "description": "A lamp",
    "images": ["https://img.example.invalid/1.jpg"],
}


@dataclass
class Stage:
    """Everything a test needs."""

    h: Harness
    client: httpx.AsyncClient
    root: httpx.AsyncClient
    """A stranger: no token."""

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.h.clock, ManualClock)
        return self.h.clock

    async def connect(
        self, connection_id: UUID, kind: ConnectionKind = ConnectionKind.MARKETPLACE, **changes: Any
    ) -> None:
        values: dict[str, Any] = {
            "connection_id": connection_id,
            "connector": "manomano",
            "kind": kind,
            "label": "test",
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "credential_ref": f"ref-{connection_id}",
        }
        await self.h.feed((connection_id, ConnectionChanged(**(values | changes))))

    async def stand(self, **profile: Any) -> None:
        """A marketplace with a feed and one default shipping template, and a shop."""
        await self.connect(SHOP, ConnectionKind.SHOP)
        await self.connect(MARKET)
        assert (await self.put(f"/feeds/{MARKET}", profile)).status_code == 201
        await self.template("Standard", is_default=True)

    async def put(self, path: str, body: Any) -> httpx.Response:
        return await self.client.put(f"/v1{path}", json=body)

    async def template(self, name: str, **changes: Any) -> httpx.Response:
        body = {"countries": ["FR"], "cost": "4.90", "lead_days_min": 2, "lead_days_max": 4} | changes
        return await self.put(f"/feeds/{MARKET}/templates/{name}", body)

    async def products(self, *skus: str, **changes: Any) -> None:
        body = {"products": [GOOD | {"shop_sku": sku} | changes for sku in skus]}
        answer = await self.put("/products", body)
        assert answer.status_code == 200, answer.text

    def offer(
        self, sku: str, available: int = 5, price: str | None = "19.90", **changes: Any
    ) -> tuple[str, OfferChanged]:
        values: dict[str, Any] = {
            "connection_id": MARKET,
            "environment": Environment.SANDBOX,
            "offer_sku": sku,
            "shop_connection_id": SHOP,
            "shop_sku": sku,
            "on_hand": available,
            "reserved": 0,
            "buffer": 0,
            "available": available,
            "price": Money(amount=price, currency="EUR") if price else None,
            "changed_at": self.clock.now(),
        }
        data = OfferChanged(**(values | changes))
        return f"{data.connection_id}:{sku}", data

    async def offers(self, *skus: str, **changes: Any) -> None:
        await self.h.feed(*(self.offer(sku, **changes) for sku in skus))

    async def build(self, *, seconds: float = 6) -> int:
        """Let time pass and build what is due; returns how many feeds were built."""
        self.clock.advance(seconds)
        builder = FeedBuilder(self.h.runtime.transactions, debounce_seconds=5, keep_versions=2)
        count = 0
        while await builder.step():
            count += 1
            assert count < 20, "the builder never comes to rest"
        return count

    async def told(self, kind: type[Any]) -> list[Any]:
        return [event.data for event in await self.h.emitted(clear=False) if isinstance(event.data, kind)]

    async def get(self, path: str, **more: Any) -> Any:
        answer = await self.client.get(f"/v1{path}", **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def address(self) -> str:
        address: str = (await self.get(f"/feeds/{MARKET}/address"))["address"]
        return "/feeds/" + address.split("/feeds/")[1]


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    async with Harness(SPEC, database, feed_keep_versions=2, public_url="https://hub.example.invalid/") as harness:
        url = await harness.serve()
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers) as client,
            httpx.AsyncClient(base_url=url) as root,
        ):
            yield Stage(harness, client, root)


@pytest.fixture
async def manomano(database: str) -> AsyncIterator[Markets]:
    """A marketplace that keeps no dates of discounts, freezes what the hub sends, and takes offers by PUT."""
    async with markets("manomano", database, {"carrier_grids": ["Standard", "Express"]}) as made:
        yield made


@pytest.fixture
async def mirakl(database: str) -> AsyncIterator[Markets]:
    """A marketplace that takes offers and products by imports with reports."""
    async with markets("mirakl", database, {"import_step_seconds": 1}) as made:
        yield made
