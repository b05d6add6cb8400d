"""The whole hub as an operator sees it: set up accounts, let buyers order, wait for what must become true, read it.

Every wait names what it waits for, so that a test that fails says what did not happen instead of where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hub_common.testing.otlp import OtlpReceiver
from hub_tools.demo.outside import Outside, look_outside
from hub_tools.demo.setting import GENEROUS, PRICES, TENANT, WEBHOOK_SECRET, Setting
from hub_tools.run.api import Api, ApiError
from hub_tools.run.cluster import SANDBOX, Cluster

T = TypeVar("T")
WAIT_SECONDS = 60.0
"""Some ten times what each step takes on an idle machine: waits fail tests only when something is wrong."""
POLL_SECONDS = 0.1
STOCK = 100_000
CARRIERS = ("DPD", "UPS")
Event = dict[str, Any]


def eventually(check: Callable[[], T | None], what: str, seconds: float = WAIT_SECONDS) -> T:
    """Poll `check` until it gives something truthy, and return that. Fails saying `what` did not happen."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not so: {what}"
        time.sleep(POLL_SECONDS)


def ago(**parts: float) -> str:
    """An instant in the past as RFC 3339 text."""
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


def of_type(story: Mapping[str, Any], kind: str) -> list[Event]:
    """The events of one type in an order's story, in its order."""
    return [event for event in story["timeline"] if event["type"] == kind]


@dataclass
class Hub:
    """A running hub with the demo's accounts: one shop, one ManoMano and one Mirakl connection."""

    cluster: Cluster
    setting: Setting
    scripts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Behaviour of the shops that were opened here, by name."""
    traces: OtlpReceiver = field(default_factory=OtlpReceiver)
    """Where the services send their spans."""

    @property
    def registry(self) -> Api:
        """API of connection-registry."""
        return self.cluster.api("connection-registry")

    @property
    def console(self) -> Api:
        """API of ops-console."""
        return self.cluster.api("ops-console")

    @property
    def sandbox(self) -> Api:
        """Control routes of the simulators."""
        return self.cluster.api(SANDBOX)

    def outside(self) -> Outside:
        """What the simulated outside holds now."""
        return look_outside(self.sandbox)

    def record(self, connector: str) -> list[dict[str, Any]]:
        """What a simulator says was done to it."""
        entries: list[dict[str, Any]] = self.sandbox.get(f"/{connector}/_sandbox/record")["entries"]
        return entries

    def state(self, connector: str) -> dict[str, Any]:
        """What a simulator holds."""
        found: dict[str, Any] = self.sandbox.get(f"/{connector}/_sandbox/state")
        return found

    def status(self, connector: str, reference: str) -> str:
        """An order's status in the marketplace's own word."""
        order = self.state(connector)["orders"][reference]
        return str(order.get("status") or order.get("order_state"))

    def shop_orders(self, name: str) -> list[dict[str, Any]]:
        """Orders in the books of a simulated shop."""
        orders: list[dict[str, Any]] = self.state("generic_shop")["shops"][name]["orders"]
        return orders

    def buy(self, connector: str, *lines: tuple[str, int], count: int = 1, **options: Any) -> list[str]:
        """Let buyers order: (SKU, units) per line. Returns the orders' references."""
        skus = [{"sku": sku, "price": PRICES.get(sku, "10.00"), "quantity": units} for sku, units in lines]
        wish = {"count": count, "options": {"skus": skus} | options}
        references: list[str] = self.sandbox.post(f"/{connector}/_sandbox/orders", wish)["references"]
        return references

    def orders(self, connection_id: str) -> dict[str, dict[str, Any]]:
        """The console's rows of a connection's orders, by reference."""
        found: dict[str, dict[str, Any]] = {}
        cursor = ""
        while True:
            page = self.console.get(f"/v1/orders?limit=500&connection_id={connection_id}{cursor}")
            found |= {row["reference"]: row for row in page["items"]}
            if page["next_cursor"] is None:
                return found
            cursor = "&cursor=" + page["next_cursor"].replace("|", "%7C").replace("+", "%2B")

    def story(self, connection_id: str, reference: str) -> dict[str, Any]:
        """The story of an order as the console tells it. Waits until the order is known."""
        row = eventually(lambda: self.orders(connection_id).get(reference), f"the console knows order {reference}")
        story: dict[str, Any] = self.console.get(f"/v1/orders/{row['order_id']}/story")
        return story

    def shows(self, connection_id: str, reference: str, status: str) -> dict[str, Any]:
        """Wait until the console shows an order in a status; returns its row."""

        def found() -> dict[str, Any] | None:
            row = self.orders(connection_id).get(reference)
            return row if row is not None and row["status"] == status else None

        return eventually(found, f"order {reference} is {status} in the console")

    def effects(self, order_id: str) -> list[dict[str, Any]]:
        """Effects that any service ever planned for an order."""
        path = f"/v1/operations/effects?order_id={order_id}"
        return [item for name in self.cluster.specs for item in self.cluster.api(name).get(path)["items"]]

    def parked(self, service: str, cause: str, order_id: str) -> dict[str, Any]:
        """Wait until a service has parked an order for a cause; returns the item."""
        path = f"/v1/operations/parked?cause={cause}&order_id={order_id}"
        items = eventually(lambda: self.cluster.api(service).get(path)["items"], f"{service} parks it as {cause}")
        return dict(items[0])

    def has_stock(self, connection_id: str, *skus: str) -> None:
        """Wait until these SKUs are offered with stock on a connection; orders before that would be held."""

        def known() -> bool:
            answer = self.cluster.api("stock-sync").get(f"/v1/offers?limit=1000&connection={connection_id}")
            return {item["offer_sku"] for item in answer["items"] if item["available"] > 0} >= set(skus)

        eventually(known, f"stock of {', '.join(skus)} is known")

    # Accounts

    def shop(
        self,
        name: str,
        *skus: str,
        environment: str = "sandbox",
        pull: bool = False,
        connector_settings: Mapping[str, Any] | None = None,
        secret: str = WEBHOOK_SECRET,
        **script: Any,
    ) -> str:
        """A further shop with its connection, active; `script` as in the simulator's `Behaviour`. Shops of one `secret`
        share their call budgets."""
        address = {
            "delivery": "webhook",
            "webhook_url": f"{self.cluster.url(SANDBOX)}/generic_shop/shops/{name}/webhook",
        }
        connection_id = str(
            self.registry.post(
                "/v1/connections",
                {
                    "tenant": TENANT,
                    "connector": "generic_shop",
                    "label": name,
                    "environment": environment,
                    "connector_settings": {"delivery": "pull"} if pull else address,
                    "credentials": {"webhook_secret": secret},
                },
            )["connection_id"]
        )
        key = self.registry.post(f"/v1/connections/{connection_id}/api-keys", {"label": name})["api_key"]
        behaviour = {
            "shop_name": name,
            "hub_url": self.cluster.url("shop-gateway"),
            "connection_id": connection_id,
            "api_key": key,
            "webhook_secret": secret,
            "carriers": list(CARRIERS),
            "prices": {sku: PRICES.get(sku, "10.00") for sku in skus},
            "stock": dict.fromkeys(skus, STOCK),
            "pull": pull,
        }
        self.scripts[name] = behaviour | script
        self.behave(name)
        self.switch_on(connection_id)
        return connection_id

    def behave(self, name: str, **changes: Any) -> None:
        """Change the script of a shop; it then states its stock and prices again."""
        self.scripts[name] |= changes
        self.sandbox.put("/generic_shop/_sandbox/behaviour", self.scripts[name])

    def manomano(
        self, contract: int, shop: str, *, on: bool = True, environment: str = "sandbox", **settings: Any
    ) -> str:
        """A further ManoMano connection: one contract of the simulator, routed to `shop`, with a key of its own."""
        common: dict[str, Any] = {
            "routing": [{"name": "everything", "shop_connection_id": shop}],
            "carriers": {"default_carriers": [{"carrier_name": "DPD", "carrier_code": None}]},
            "orders": {"import_from": ago(hours=1), "poll_seconds": 1},
            "refunds": {"refund_on": "received", "default_reason": "CUSTOMER_WITHDRAWAL"},
            "sku": {"link_mode": "pass_through"},
        }
        connection_id = self.bare_manomano(contract, environment=environment)
        wished = {
            name: {**common.get(name, {}), **given} if name == "orders" else given for name, given in settings.items()
        }
        self.registry.patch(f"/v1/connections/{connection_id}", {"settings": common | wished})
        if on:
            self.switch_on(connection_id)
        return connection_id

    def bare_manomano(self, contract: int, *, environment: str = "sandbox") -> str:
        """A ManoMano connection of which nothing is set but the way to the simulator."""
        manifest = self.registry.get("/v1/connectors/manomano")
        body = {
            "tenant": TENANT,
            "connector": "manomano",
            "label": f"contract {contract}",
            "environment": environment,
            "base_url": f"{self.cluster.url(SANDBOX)}/manomano",
            "connector_settings": {"seller_contract_id": contract, "country": "FR"},
            "credentials": {"api_key": key_of(contract)},
            "budgets": {budget["operation"]: GENEROUS for budget in manifest["budgets"]},
        }
        return str(self.registry.post("/v1/connections", body)["connection_id"])

    def shop_api(self, name: str) -> Api:
        """The hub's API as a shop that was opened here may use it, with the shop's own key."""
        return Api(self.cluster.url("shop-gateway"), self.scripts[name]["api_key"])

    def switch_on(self, connection_id: str) -> None:
        """Verify and activate, as a person would."""
        result = self.registry.post(f"/v1/connections/{connection_id}/verify")
        assert result["ok"], result["detail"]
        self.registry.post(f"/v1/connections/{connection_id}/activate")

    def refusal(self, call: Callable[[], object]) -> ApiError:
        """The refusal of a call that must not be taken."""
        try:
            answer = call()
        except ApiError as error:
            return error
        raise AssertionError(f"was taken: {answer}")


def key_of(contract: int) -> str:
    """The simulator's key of a contract: one key per connection, because a key's connections share a quota."""
    return f"manomano-key-{contract}"


def references(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    """Order references in a simulator's record."""
    return {str(entry["reference"]).split("/")[0] for entry in entries}
