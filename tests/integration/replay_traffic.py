"""A day of a hub in half a minute: all that leaves traces in some service, so that a replay has to restore it."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from hub_tools.demo.setting import PRICES, SOLD_OUT, UNLINKED
from hub_tools.run.api import ApiError

from .hub import Hub, eventually, of_type

MARKETPLACES = ("manomano", "mirakl")
RETURNED, WITHDRAWN, STATED = "RETURN-01", "CANCEL-01", "STATED-01"
OUT_OF_STOCK = "35"
"""The simulated operator's reason for a cancellation by the seller."""
BACK_OFFICE = {"verdict": "applied", "evidence": "seen in the simulated back office"}


def play(hub: Hub) -> None:
    """Orders that are shipped in parts, refused, held and decided by a person, withdrawn, given back with and without
    a doubt about the refund; stock and prices that move, also by file."""
    _shops(hub)
    skus, doubtful = sorted(PRICES), _lose_the_answer(hub)
    ordinary = [
        (connector, reference)
        for number, connector in enumerate(MARKETPLACES)
        for reference in hub.buy(connector, (skus[number], 2), (skus[number + 2], 1), count=3)
    ]
    refused = hub.buy("manomano", (SOLD_OUT, 1))[0]
    withdrawn = hub.buy("mirakl", (WITHDRAWN, 2))[0]
    returned = hub.buy("mirakl", (RETURNED, 1))[0]
    held = hub.buy("mirakl", (UNLINKED, 1))[0]
    _stock(hub)
    _decide(hub, held)
    for connector, reference in ordinary:
        hub.shows(hub.setting.connections[connector], reference, "SHIPPED")
    hub.shows(hub.setting.connections["manomano"], refused, "REFUSED")
    hub.shows(hub.setting.connections["mirakl"], held, "REFUSED")
    hub.shows(hub.setting.connections["mirakl"], withdrawn, "CANCELLED")
    _told(hub, "mirakl", returned, "refund.confirmed.v1")
    _settle(hub, doubtful)


def _shops(hub: Hub) -> None:
    """A shop whose buyers send everything back, one that withdraws every order, one whose stock moves."""
    scripts: dict[str, dict[str, Any]] = {
        RETURNED: {"return_every_n": 1, "return_after_seconds": 0.3},
        WITHDRAWN: {"cancel_every_n": 1},
        STATED: {},
    }
    shops = {
        sku: hub.shop(f"replayed-{sku.lower()}", sku, secret=_secret(sku), **script) for sku, script in scripts.items()
    }
    mirakl = f"/v1/connections/{hub.setting.connections['mirakl']}"
    links = [{"offer_sku": sku, "shop_connection_id": shop, "shop_sku": sku} for sku, shop in shops.items()]
    hub.registry.put(f"{mirakl}/sku-links", {"links": links})
    hub.registry.patch(mirakl, {"settings": {"refunds": {"cancel_default_reason": OUT_OF_STOCK}}})
    special = [
        {"name": f"replayed {sku}", "sku_prefixes": [sku], "shop_connection_id": shop} for sku, shop in shops.items()
    ]
    for connector in MARKETPLACES:
        path = f"/v1/connections/{hub.setting.connections[connector]}"
        rules = hub.registry.get(path)["settings"]["routing"]
        hub.registry.patch(path, {"settings": {"routing": special + rules}})
        hub.has_stock(hub.setting.connections[connector], *shops)


def _secret(sku: str) -> str:
    """One of its own, and so budgets of its own: other tests use those of the others up."""
    return "whsec_" + b64encode(f"of the shop that sells {sku}".encode()).decode()


def _stock(hub: Hub) -> None:
    """The shop states another level and another price, which the marketplace takes."""
    hub.behave(f"replayed-{STATED.lower()}", stock={STATED: 432}, prices={STATED: "23.45"})
    eventually(lambda: hub.state("mirakl")["offers"][STATED]["quantity"] == 432, "the marketplace shows 432 units")


def _decide(hub: Hub, reference: str) -> None:
    """A person refuses what is held."""
    row = hub.shows(hub.setting.connections["mirakl"], reference, "PENDING")
    hub.parked("order-acceptance", "acceptance_held", row["order_id"])
    path = f"/v1/orders/{row['order_id']}/decision"
    hub.cluster.api("order-acceptance").post(path, {"decision": "refuse", "reason": "no longer sold"})


def _lose_the_answer(hub: Hub) -> str:
    """The answer to a refund will be lost; returns its order."""
    rule = {"fault": "timeout_after_effect", "operation": "refund", "times": 1}
    hub.sandbox.put("/manomano/_sandbox/faults", [rule])
    return hub.buy("manomano", (RETURNED, 1))[0]


def _settle(hub: Hub, reference: str) -> None:
    """A person looks in the back office and says what is true, before the probe does."""
    refunds = hub.cluster.api("refund-service")

    def doubtful() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = refunds.get("/v1/operations/effects?state=UNKNOWN")["items"]
        return [item for item in items if item["request"]["order_reference"] == reference]

    (effect,) = eventually(doubtful, f"nobody knows whether the refund of {reference} took place")
    refunds.post(f"/v1/operations/effects/{effect['effect_id']}/settle", BACK_OFFICE)
    _told(hub, "manomano", reference, "refund.confirmed.v1")


def _told(hub: Hub, connector: str, reference: str, kind: str) -> None:
    connection_id = hub.setting.connections[connector]

    def told() -> bool:
        try:
            return bool(of_type(hub.story(connection_id, reference), kind))
        except ApiError:
            return False

    eventually(told, f"{kind} of {reference} is told")
