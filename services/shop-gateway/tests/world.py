"""An invented seller, marketplace and shop, and a stage on which they meet: service, simulated shop, real HTTP."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from hub_common.crypto import new_api_key
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.base import Money, rfc3339
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.ids import order_id_for, route_id_for
from hub_contracts.orders import Address, Environment, OrderCustomerRecorded
from hub_contracts.routes import OrderRouted, Route, RouteCancelled, RouteLine
from shop_gateway.duties import Caretaker

MARKETPLACE = UUID("00000000-0000-4000-8000-0000000000a1")
SHOP = UUID("00000000-0000-4000-8000-0000000000b1")
OTHER_SHOP = UUID("00000000-0000-4000-8000-0000000000b2")
KEY, KEY_HASH = new_api_key()
API_KEY = KEY.get_secret_value()
SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-shop-1").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-shop-0").decode()
WRONG_SECRET = "whsec_" + base64.b64encode(b"somebody-elses-secret-at-all").decode()
BUYER = "Zoé Quxmann"
STREET = "7 Rue Inventée"


def euros(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def line(line_id: str, quantity: int = 2, sku: str | None = None) -> RouteLine:
    return RouteLine(
        line_id=line_id,
        offer_sku=f"OFFER-{line_id}",
        shop_sku=sku or f"SKU-{line_id}",
        title="Lamp",
        quantity=quantity,
        unit_price=euros("19.90"),
        shipping_price=euros("4.90"),
    )


def routed(number: int = 1, *lines: RouteLine, **changes: Any) -> OrderRouted:
    """An order routed to `shop` (a keyword, SHOP by default)."""
    shop = changes.pop("shop", SHOP)
    order_id = order_id_for(MARKETPLACE, f"MM-{number}")
    routes = changes.pop(
        "routes",
        (Route(route_id=route_id_for(order_id, shop, None), shop_connection_id=shop, lines=lines or (line("L1"),)),),
    )
    values: dict[str, Any] = {
        "order_id": order_id,
        "connection_id": MARKETPLACE,
        "connector": "manomano",
        "environment": Environment.SANDBOX,
        "marketplace_reference": f"MM-{number}",
        "order_number": f"M{number:05d}",
        "currency": "EUR",
        "products_price": Decimal("39.80"),
        "shipping_price": Decimal("4.90"),
        "total_price": Decimal("44.70"),
        "routes": routes,
    }
    return OrderRouted(**(values | changes))


def customer(order_id: UUID, name: str = BUYER) -> OrderCustomerRecorded:
    first, last = name.split(" ")
    address = Address(first_name=first, last_name=last, street_1=STREET, city="Nulleville", country_code="FR")
    return OrderCustomerRecorded(order_id=order_id, connection_id=MARKETPLACE, shipping=address, billing=address)


def cancelled(order: OrderRouted, reason: str = "cancelled by the buyer") -> RouteCancelled:
    return RouteCancelled(
        order_id=order.order_id,
        connection_id=MARKETPLACE,
        route_ids=tuple(route.route_id for route in order.routes),
        reason=reason,
    )


@dataclass
class Stage:
    """The service under test with a simulated shop beside it."""

    harness: Harness
    simulator: Any
    shop_url: str
    hub_url: str = ""
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=10, trust_env=False))

    @property
    def now(self) -> datetime:
        return self.harness.clock.now()

    def at(self, seconds: float = 0) -> str:
        return rfc3339(self.now + timedelta(seconds=seconds))

    def connection(self, connection_id: UUID = SHOP, **changes: Any) -> ConnectionChanged:
        settings = changes.pop("settings", {})
        secrets = changes.pop("secrets", {"webhook_secret": SECRET})
        values: dict[str, Any] = {
            "connection_id": connection_id,
            "connector": "generic_shop",
            "kind": ConnectionKind.SHOP,
            "label": "Blue shop",
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "connector_settings": {"webhook_url": f"{self.shop_url}/shops/blue/webhook", **settings},
            "credentials": self.harness.runtime.keyring.seal(
                connection_id, {name: SecretStr(value) for name, value in secrets.items()}
            ),
            "api_key_hashes": (KEY_HASH,),
            "credential_ref": f"ref-{connection_id}",
        }
        return ConnectionChanged(**(values | changes))

    async def connect(self, connection_id: UUID = SHOP, **changes: Any) -> None:
        await self.harness.feed((connection_id, self.connection(connection_id, **changes)))

    async def route(self, order: OrderRouted, *, with_customer: bool = True, send: bool = True) -> UUID:
        """Route an order, with its buyer known, and bring it into the shop; returns the route id."""
        if with_customer:
            await self.harness.feed((order.order_id, customer(order.order_id)))
        await self.harness.feed((order.order_id, order))
        if send:
            await self.harness.run_effects()
        return order.routes[0].route_id

    async def post(
        self,
        resource: str,
        body: Any,
        *,
        key: str | None = None,
        api_key: str = API_KEY,
        shop: UUID | str = SHOP,
        **headers: str,
    ) -> httpx.Response:
        """A REST post of the shop; `body` may be bytes."""
        headers["authorization"] = f"Bearer {api_key}"
        if key is not None:
            headers["idempotency-key"] = key
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(f"{self.hub_url}/v1/shops/{shop}/{resource}", content=content, headers=headers)

    async def hook(
        self, body: Any, *, message_id: str = "msg_1", secret: str = SECRET, shop: UUID = SHOP, age: float = 0
    ) -> httpx.Response:
        """A signed webhook of the shop; `body` may be bytes, else `(type, data)`."""
        if isinstance(body, tuple):
            body = json.dumps({"type": body[0], "timestamp": self.at(), "data": body[1]}).encode()
        instant = self.now - timedelta(seconds=age)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(instant.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, instant, body.decode()),
        }
        return await self.client.post(f"{self.hub_url}/v1/shops/{shop}/webhooks", content=body, headers=headers)

    async def operator(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
        return await self.client.request(method, self.hub_url + path, json=body, headers=headers)

    async def pull(self, **params: str) -> dict[str, Any]:
        answer = await self.client.get(
            f"{self.hub_url}/v1/shops/{SHOP}/orders", params=params, headers={"authorization": f"Bearer {API_KEY}"}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def shipment(self, route_id: UUID, reference: str = "P1", **changes: Any) -> dict[str, Any]:
        values = {
            "route_id": str(route_id),
            "shipment_reference": reference,
            "carrier_name": "Colissimo",
            "tracking_number": "TRK-1",
            "handed_over_at": self.at(),
        }
        return values | changes

    async def behave(self, **changes: Any) -> None:
        """Give the simulated shop its script."""
        script = {
            "shop_name": "blue",
            "hub_url": self.hub_url,
            "connection_id": str(SHOP),
            "api_key": API_KEY,
            "webhook_secret": SECRET,
            **changes,
        }
        answer = await self.client.put(f"{self.shop_url}/_sandbox/behaviour", json=script)
        assert answer.status_code == 200, answer.text

    async def shop_step(self) -> dict[str, int]:
        """The simulated shop does everything that is due."""
        answer = await self.client.post(f"{self.shop_url}/_sandbox/step", timeout=30)
        found: dict[str, int] = answer.json()
        return found

    async def told(self, *types: str) -> list[Any]:
        """Bodies of the events emitted since the last look, of these types (all when none is given)."""
        return [e.data for e in await self.harness.emitted() if not types or e.type in types]

    async def posts(self) -> list[dict[str, Any]]:
        rows = await self.harness.runtime.pool.fetch("SELECT * FROM shop_posts ORDER BY received_at, post_id")
        return [dict(row) for row in rows]

    async def order_row(self, route_id: UUID) -> dict[str, Any]:
        return dict(await self.harness.runtime.pool.fetchrow("SELECT * FROM shop_orders WHERE route_id = $1", route_id))

    async def causes(self) -> list[str]:
        return [item["cause"] for item in await self.harness.parked()]

    def caretaker(self) -> Caretaker:
        return Caretaker(self.harness.runtime)
