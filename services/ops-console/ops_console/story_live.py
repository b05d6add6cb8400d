"""What the owning services know of one order at this moment: effects with their attempts, the ledger, shops' orders.

Asked all at once; what does not answer in time is said on the page instead of holding it up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from hub_common.web import Problem
from ops_console.accounts import User
from ops_console.services import Services

SECONDS = 3.0
WITH_EFFECTS = ("order-acceptance", "shop-gateway", "shipment-notifier", "refund-service", "message-service")
"""Services that change something outside on behalf of an order."""
MAX_EFFECTS = 30
MAX_SKUS = 6


@dataclass
class Live:
    """Answers; `missing` says what could not be learnt."""

    effects: list[dict[str, Any]] = field(default_factory=list)
    ledger: dict[str, Any] | None = None
    reasons: list[dict[str, Any]] = field(default_factory=list)
    shop_orders: list[dict[str, Any]] = field(default_factory=list)
    threads: list[dict[str, Any]] | None = None
    stock: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def look(services: Services, user: User, order: Mapping[str, Any], skus: Sequence[str]) -> Live:
    """Ask everybody about an order."""
    order_id, connection_id = order["order_id"], order["connection_id"]
    live = Live()
    offers = list(dict.fromkeys(skus))[:MAX_SKUS]
    asks: list[tuple[str, str]] = [
        *((name, f"/v1/operations/effects?order_id={order_id}") for name in WITH_EFFECTS),
        ("refund-service", f"/v1/orders/{order_id}/ledger"),
        ("refund-service", f"/v1/connections/{connection_id}/reasons"),
        ("shop-gateway", f"/v1/shop-orders?order_id={order_id}"),
        ("message-service", f"/v1/threads?order_id={order_id}"),
        *(("stock-sync", f"/v1/connections/{connection_id}/offers/{_path(sku)}") for sku in offers),
    ]
    answers = await asyncio.gather(*(_ask(services, user, service, path, live) for service, path in asks))
    lists, (ledger, reasons, shops, threads, *stock) = answers[: len(WITH_EFFECTS)], answers[len(WITH_EFFECTS) :]
    live.ledger, live.reasons = ledger, (reasons or {}).get("reasons") or []
    live.shop_orders = (shops or {}).get("items", [])
    live.threads = threads["items"] if threads else None
    live.stock = [answer for answer in stock if answer]
    found = [
        (name, item)
        for name, answer in zip(WITH_EFFECTS, lists, strict=True)
        for item in (answer or {}).get("items", [])
    ]
    live.effects = await _whole(services, user, found[:MAX_EFFECTS], live)
    live.missing = list(dict.fromkeys(live.missing))
    return live


async def _whole(services: Services, user: User, found: Sequence[tuple[str, Any]], live: Live) -> list[dict[str, Any]]:
    """Effects with every attempt, oldest first."""
    whole = await asyncio.gather(
        *(_ask(services, user, name, f"/v1/operations/effects/{item['effect_id']}", live) for name, item in found)
    )
    effects = [
        dict(more or item | {"ledger": []}) | {"owner": name} for (name, item), more in zip(found, whole, strict=True)
    ]
    return sorted(effects, key=lambda effect: str(effect["created_at"]))


async def _ask(services: Services, user: User, service: str, path: str, live: Live) -> Any:
    """An answer, or None: a 404 is an answer too, the service has nothing."""
    try:
        return await services.call(user, "GET", service, path, seconds=SECONDS)
    except Problem as problem:
        if problem.status != 404:
            live.missing.append(f"{service}: {problem.detail or problem.title}")
        return None


def _path(text: str) -> str:
    return quote(text, safe="")


async def routes_belong(services: Services, user: User, order_id: UUID, route_id: UUID) -> bool:
    """Whether a shop's order belongs to this order."""
    answer = await services.get(user, "shop-gateway", f"/v1/shop-orders?order_id={order_id}")
    return any(str(item["route_id"]) == str(route_id) for item in answer["items"])
