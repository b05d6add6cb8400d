"""How the simulated shop talks to the hub: REST posts or signed webhooks, kept until taken; pulling of open orders.

This side plays the outside world, which is why it uses an HTTP client of its own and not the hub's.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from connector_generic_shop.sandbox.receiving import SANDBOX_SECRET, apply, secrets_of
from connector_generic_shop.sandbox.store import BadMessage, OutgoingPost, ShopState
from connector_generic_shop.signing import sign
from hub_contracts.base import rfc3339

if TYPE_CHECKING:
    from connector_generic_shop.sandbox.simulator import GenericShopSimulator

RESOURCES = {
    "acknowledgement": "acknowledgements",
    "shipment": "shipments",
    "return": "returns",
    "cancellation": "cancellations",
    "stock": "stock",
    "price": "prices",
}
WEBHOOK_TYPES = {
    "acknowledgement": "order.acknowledged",
    "shipment": "shipment.created",
    "cancellation": "order.cancel_requested",
    "stock": "stock.changed",
    "price": "price.changed",
}

MAX_ATTEMPTS = 10
LONGEST_PAUSE_SECONDS = 60
FINAL = frozenset({400, 405, 410, 413, 415, 422})
"""Answers that will be the same next time. Everything else is tried again."""

STALE_SECONDS = 3_600
MAX_PAGES = 100
"""Pages pulled in one step."""


async def send_posts(simulator: GenericShopSimulator, shop: ShopState) -> dict[str, int]:
    """Try every post that is due. Returns how many the hub took and how many are given up or still wait."""
    now = simulator.clock.now()
    ready = [post for post in shop.outbox if post.next_at is None or post.next_at <= now]
    if ready and simulator.faults.strikes("reordered_posts", "posts"):
        ready.reverse()
    taken = 0
    async with httpx.AsyncClient(transport=simulator.transport, timeout=10, trust_env=False) as client:
        for post in ready:
            taken += await _send(simulator, shop, client, post, now)
    return {"taken": taken, "waiting": len(shop.outbox), "failed": len(shop.failed)}


async def _send(
    simulator: GenericShopSimulator, shop: ShopState, client: httpx.AsyncClient, post: OutgoingPost, now: datetime
) -> int:
    times = 2 if simulator.faults.strikes("duplicate_posts", post.kind) else 1
    failure: str | None = None
    status = 0
    for _ in range(times):
        try:
            response = await client.send(_request(simulator, shop, client, post, now))
            status = response.status_code
            failure = None if 200 <= status < 300 else f"HTTP {status} {response.text[:500]}"
        except httpx.HTTPError as error:
            status, failure = 0, type(error).__name__
    post.attempts += 1
    post.failure = failure
    if failure is None:
        shop.outbox.remove(post)
        return 1
    if status in FINAL or post.attempts >= MAX_ATTEMPTS:
        shop.outbox.remove(post)
        shop.failed.append(post)
    post.next_at = now + timedelta(seconds=min(2 ** (post.attempts - 1), LONGEST_PAUSE_SECONDS))
    return 0


def _request(
    simulator: GenericShopSimulator, shop: ShopState, client: httpx.AsyncClient, post: OutgoingPost, now: datetime
) -> httpx.Request:
    wrong = simulator.faults.strikes("wrong_signature_posts", post.kind)
    if shop.behaviour.mode == "rest":
        headers = {**_bearer(shop, wrong=wrong), "idempotency-key": post.post_id}
        url = f"{_base(shop)}/{RESOURCES[post.kind]}"
        return client.build_request("POST", url, content=_json(post.data), headers=headers)
    kind = WEBHOOK_TYPES.get(post.kind, f"return.{post.stage}")
    body = _json({"type": kind, "timestamp": rfc3339(post.occurred_at), "data": post.data})
    if simulator.faults.strikes("stale_timestamp_posts", post.kind):
        now -= timedelta(seconds=STALE_SECONDS)
    secrets = [SecretStr(SANDBOX_SECRET[:-4] + "bm90")] if wrong else secrets_of(shop)
    headers = {"content-type": "application/json", **sign(secrets, post.post_id, now, body)}
    return client.build_request("POST", f"{_base(shop)}/webhooks", content=body, headers=headers)


async def pull_orders(simulator: GenericShopSimulator, shop: ShopState) -> int:
    """Read the hub's order list from where the last reading ended. Returns how many entries were read."""
    read = 0
    async with httpx.AsyncClient(transport=simulator.transport, timeout=10, trust_env=False) as client:
        for _ in range(MAX_PAGES):
            params = {} if shop.cursor is None else {"cursor": shop.cursor}
            try:
                response = await client.get(f"{_base(shop)}/orders", params=params, headers=_bearer(shop))
                page = response.raise_for_status().json()
            except (httpx.HTTPError, ValueError):
                return read
            if not isinstance(page, dict) or not page.keys() >= {"orders", "next_cursor", "has_more"}:
                return read
            for entry in page["orders"]:
                _take(simulator, shop, entry)
                read += 1
            shop.cursor = str(page["next_cursor"])
            if not page["has_more"]:
                break
    return read


def _take(simulator: GenericShopSimulator, shop: ShopState, entry: dict[str, Any]) -> None:
    """Same books and same defence against repeats as for webhooks."""
    order = entry["order"]
    try:
        apply(simulator, shop, f"order_{order['route_id']}", "create_order", order)
        if entry["state"] == "cancelled":
            apply(simulator, shop, f"cancel_{order['route_id']}", "cancel_order", order)
    except BadMessage as error:
        failure = OutgoingPost(f"pull_{order.get('route_id')}", "pull", {}, simulator.clock.now(), failure=str(error))
        shop.failed.append(failure)


def _base(shop: ShopState) -> str:
    return f"{(shop.behaviour.hub_url or '').rstrip('/')}/v1/shops/{shop.behaviour.connection_id}"


def _bearer(shop: ShopState, *, wrong: bool = False) -> dict[str, str]:
    key = shop.behaviour.api_key.get_secret_value() if shop.behaviour.api_key else ""
    return {"authorization": f"Bearer {'wrong' if wrong else key}", "content-type": "application/json"}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
