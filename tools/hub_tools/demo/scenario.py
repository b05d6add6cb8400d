"""What happens in the demo: the orders that are invented, and the two cases that a person resolves on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hub_tools.demo.setting import PRICES, SOLD_OUT, UNLINKED, UNLINKED_SHOP_SKU, Setting
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import SANDBOX, Cluster

UNKNOWN_CARRIER = "Unheard-of Couriers"
"""The name that the simulated shop gives to some parcels; no marketplace and no table knows it."""


def shop_script(orders: int) -> dict[str, Any]:
    """How the simulated shop behaves: also among few orders some are returned, and some leave by an unknown carrier."""
    return {
        "carriers": ["DPD", "UPS", "Colissimo"],
        "ship_after_seconds": 1.0,
        "partial_every_n": min(6, orders // 3),
        "unknown_carrier_every_n": min(120, orders // 3),
        "return_every_n": min(100, orders // 4),
        "return_after_seconds": 4.0,
    }


@dataclass
class Story:
    """What has been done so far."""

    references: dict[str, list[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Orders invented."""
        return sum(len(found) for found in self.references.values())


def invent(cluster: Cluster, story: Story, connector: str, count: int, **options: Any) -> list[str]:
    """Let a marketplace's simulator have new orders; returns their references."""
    answer = cluster.api(SANDBOX).post(f"/{connector}/_sandbox/orders", {"count": count, "options": options})
    found = [str(reference) for reference in answer["references"]]
    story.references.setdefault(connector, []).extend(found)
    return found


def ordinary_orders(cluster: Cluster, story: Story, count: int) -> None:
    """Orders with one to three lines of known SKUs, from both marketplaces."""
    skus = sorted(PRICES)
    for number in range(count):
        connector = ("manomano", "mirakl")[number % 2]
        lines = [
            {"sku": skus[(number + step) % len(skus)], "price": PRICES[skus[(number + step) % len(skus)]]}
            | {"quantity": 1 + (number + step) % 3}
            for step in range(1 + number % 3)
        ]
        invent(cluster, story, connector, 1, skus=lines)


def special_orders(cluster: Cluster, story: Story) -> None:
    """One order that must be refused, and one that waits for a SKU link."""
    story.refused += invent(cluster, story, "manomano", 1, skus=[{"sku": SOLD_OUT, "price": "10.00", "quantity": 1}])
    invent(cluster, story, "mirakl", 1, skus=[{"sku": UNLINKED, "price": "10.00", "quantity": 1}])


def resolve_parked(cluster: Cluster, setting: Setting, story: Story) -> None:
    """Do what a person would do about the two parked cases, once each has shown itself."""
    if "sku_link" not in story.resolved and _waits(cluster, "order-acceptance", "acceptance_held"):
        body = {
            "links": [
                {
                    "offer_sku": UNLINKED,
                    "shop_connection_id": setting.connections["generic_shop"],
                    "shop_sku": UNLINKED_SHOP_SKU,
                }
            ]
        }
        cluster.api("connection-registry").put(f"/v1/connections/{setting.connections['mirakl']}/sku-links", body)
        story.resolved.append("sku_link")
    waiting = _waits(cluster, "carrier-mapper", "carrier_unmapped")
    for item in waiting:
        connector = next((n for n, c in setting.connections.items() if c == item["connection_id"]), None)
        name = f"carrier_rule:{connector}"
        if connector in ("manomano", "mirakl") and name not in story.resolved:
            rule = {"kind": "explicit", "shop_carrier": UNKNOWN_CARRIER, "carrier_name": "UPS", "priority": 1}
            if connector == "mirakl":
                rule["carrier_code"] = "UPS"
            path = f"/v1/connections/{item['connection_id']}/carrier-rules"
            cluster.api("carrier-mapper").post(path, rule)
            story.resolved.append(name)


def _waits(cluster: Cluster, service: str, cause: str) -> list[dict[str, Any]]:
    try:
        answer = cluster.api(service).get(f"/v1/operations/parked?cause={cause}")
    except ApiError:
        return []
    items: list[dict[str, Any]] = answer["items"]
    return items
