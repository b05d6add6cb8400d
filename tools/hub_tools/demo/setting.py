"""Sets up the demo's connections through the hub's own API, as a person would: create, verify, fill in, activate."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hub_tools.run.api import Api, ApiError
from hub_tools.run.cluster import SANDBOX, Cluster
from hub_tools.stack.errors import StackError

TENANT = "demo"
SHOP_NAME = "demo-shop"
WEBHOOK_SECRET = "whsec_ZGVtby1zZWNyZXQtb2YtdGhlLWxvY2FsLXNhbmRib3g="  # noqa: S105  known to everybody, sandbox only
GENEROUS = 200_000
"""Calls per hour: the demo is not about quotas, and the simulators' marketplaces do not mind."""

PRICES = {
    "PERC-18V-01": "48.00",
    "LAME-125-X5": "30.00",
    "TEL-PRO-128": "119.90",
    "COQUE-NOIR": "19.99",
    "CASQUE-BT-2": "59.00",
    "CABLE-USBC-2M": "8.95",
}
SOLD_OUT = "SOLD-OUT-01"
UNLINKED = "NEW-ITEM-01"
UNLINKED_SHOP_SKU = "SHOP-NEW-ITEM-01"
CARRIERS = {"manomano": ("DPD", None), "mirakl": ("DPD", "DPD")}
RETURN_REASON = {"manomano": "CUSTOMER_WITHDRAWAL", "mirakl": "17"}
READY_SECONDS = 60.0


@dataclass
class Setting:
    """What the demo has set up: connection ids by connector name."""

    connections: dict[str, str] = field(default_factory=dict)
    started_at: str = ""


def build_setting(cluster: Cluster, *, shop_script: dict[str, Any]) -> Setting:
    """Create and activate a shop and two marketplaces. Raises `ApiError` with what is missing."""
    setting = Setting(started_at=datetime.now(UTC).isoformat())
    registry = cluster.api("connection-registry")
    sandbox = cluster.url(SANDBOX)
    setting.connections["generic_shop"] = _shop(cluster, registry, sandbox, shop_script)
    shop = setting.connections["generic_shop"]
    setting.connections["manomano"] = _marketplace(
        registry,
        "manomano",
        label="ManoMano FR (simulated)",
        base_url=f"{sandbox}/manomano",
        connector_settings={"seller_contract_id": 11781522, "country": "FR"},
        api_key="manomano-sandbox-key",
        settings={"sku": {"link_mode": "pass_through"}, "acceptance": {"when_conditions_fail": "refuse"}},
        shop=shop,
    )
    setting.connections["mirakl"] = _marketplace(
        registry,
        "mirakl",
        label="Pixmania on Mirakl (simulated)",
        base_url=f"{sandbox}/mirakl",
        connector_settings={"operator_profile": "pixmania"},
        api_key="mirakl-sandbox-key",
        settings={"sku": {"link_mode": "linked"}, "acceptance": {"when_conditions_fail": "hold"}},
        shop=shop,
        links={sku: sku for sku in PRICES},
    )
    return setting


def _shop(cluster: Cluster, registry: Api, sandbox: str, script: dict[str, Any]) -> str:
    created = registry.post(
        "/v1/connections",
        {
            "tenant": TENANT,
            "connector": "generic_shop",
            "label": "Demo shop (simulated)",
            "environment": "sandbox",
            "connector_settings": {
                "webhook_url": f"{sandbox}/generic_shop/shops/{SHOP_NAME}/webhook",
                "invoice_url": f"{sandbox}/generic_shop/shops/{SHOP_NAME}/invoice",
                "delivery": "webhook",
            },
            "credentials": {"webhook_secret": WEBHOOK_SECRET},
        },
    )
    connection_id = str(created["connection_id"])
    key = registry.post(f"/v1/connections/{connection_id}/api-keys", {"label": "demo"})
    behaviour = {
        "shop_name": SHOP_NAME,
        "hub_url": cluster.url("shop-gateway"),
        "connection_id": connection_id,
        "api_key": key["api_key"],
        "webhook_secret": WEBHOOK_SECRET,
        "prices": {**PRICES, SOLD_OUT: "10.00", UNLINKED_SHOP_SKU: "10.00"},
        "stock": {**dict.fromkeys(PRICES, 100_000), SOLD_OUT: 0, UNLINKED_SHOP_SKU: 100},
        "loop_seconds": 0.3,
    }
    cluster.api(SANDBOX).put("/generic_shop/_sandbox/behaviour", behaviour | script)
    _verify_and_activate(registry, connection_id)
    return connection_id


def _marketplace(
    registry: Api,
    connector: str,
    *,
    label: str,
    base_url: str,
    connector_settings: dict[str, Any],
    api_key: str,
    settings: dict[str, Any],
    shop: str,
    links: dict[str, str] | None = None,
) -> str:
    name, code = CARRIERS[connector]
    common = {
        "routing": [{"name": "everything to the demo shop", "shop_connection_id": shop}],
        "carriers": {"default_carriers": [{"carrier_name": name, "carrier_code": code}]},
        "orders": {"import_from": (datetime.now(UTC) - timedelta(hours=1)).isoformat(), "poll_seconds": 1},
        "refunds": {"refund_on": "received", "default_reason": RETURN_REASON[connector]},
    }
    manifest = registry.get(f"/v1/connectors/{connector}")
    created = registry.post(
        "/v1/connections",
        {
            "tenant": TENANT,
            "connector": connector,
            "label": label,
            "environment": "sandbox",
            "base_url": base_url,
            "connector_settings": connector_settings,
            "settings": common | settings,
            "credentials": {"api_key": api_key},
            "budgets": {budget["operation"]: GENEROUS for budget in manifest["budgets"]},
        },
    )
    connection_id = str(created["connection_id"])
    if links:
        body = {"links": [{"offer_sku": o, "shop_connection_id": shop, "shop_sku": s} for o, s in links.items()]}
        registry.put(f"/v1/connections/{connection_id}/sku-links", body)
    _verify_and_activate(registry, connection_id)
    return connection_id


def _verify_and_activate(registry: Api, connection_id: str) -> None:
    result = registry.post(f"/v1/connections/{connection_id}/verify")
    if not result.get("ok", result.get("verified", True)):
        raise ApiError(f"verification failed: {result}")
    registry.post(f"/v1/connections/{connection_id}/activate")


def wait_for_stock(cluster: Cluster, setting: Setting) -> None:
    """Wait until stock-sync knows the offers: orders that come earlier would be held or refused for want of stock."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        known = 0
        for connector in ("manomano", "mirakl"):
            answer = cluster.api("stock-sync").get(f"/v1/offers?connection={setting.connections[connector]}")
            known += sum(1 for offer in answer["items"] if offer["offer_sku"] in PRICES and offer["available"] > 0)
        if known >= 2 * len(PRICES):
            return
        if time.monotonic() > deadline:
            raise StackError(f"stock-sync knows only {known} of {2 * len(PRICES)} offers after {READY_SECONDS:.0f} s")
        time.sleep(0.2)
