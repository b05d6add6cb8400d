"""Whose data is held where: a buyer's orders found by keyed digests, and what each owning service holds of them.

The console keeps nothing of a buyer in clear. What it shows and exports is fetched from the owners at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hub_common.database import Conn
from hub_common.web import Problem
from ops_console.accounts import User
from ops_console.buyer_terms import TermKeys
from ops_console.services import Services
from ops_console.store_orders import Wish, search

OWNERS = ("order-ingest", "shop-gateway", "message-service")
"""Services that hold personal data in clear; docs/privacy.md has their tables."""
MOST = 50
"""Orders shown and worked on at once."""
AT_ONCE = 8

PICKED = """
SELECT o.order_id, o.order_number, o.reference, o.tenant, o.status, o.created_at, o.connector,
       coalesce(c.body ->> 'label', o.connector) AS label
FROM orders o LEFT JOIN connections c USING (connection_id)
WHERE o.order_id = ANY($1) AND ($2::text[] IS NULL OR o.tenant = ANY($2)) ORDER BY o.created_at DESC
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of the buyer of one order: service → what → how many. `missing`: services that did not say."""

    order: dict[str, Any]
    holds: dict[str, dict[str, int]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    erased_at: str | None = None

    @property
    def total(self) -> int:
        """How many pieces, of all services."""
        return sum(sum(found.values()) for found in self.holds.values())


async def find(conn: Conn, keys: TermKeys, text: str, tenants: list[str] | None, now: Any) -> list[dict[str, Any]]:
    """Orders of buyers who can be looked for by this (last name, full name, e-mail, phone), and orders of that name."""
    wish = Wish(tenants, text=text, buyer=keys.of_question(text), tests="with", limit=MOST)
    return (await search(conn, wish, now))[:MOST]


async def picked(conn: Conn, order_ids: Sequence[UUID], tenants: list[str] | None) -> list[dict[str, Any]]:
    """These orders. Raises `Problem` 404 when one is not known, or not this person's business."""
    wanted = set(order_ids)
    rows = [dict(row) for row in await conn.fetch(PICKED, list(wanted), tenants)]
    if not wanted or len(rows) != len(wanted):
        raise Problem("order-unknown", "No such order", 404, "Choose orders that are shown.")
    return rows


async def digests_of(conn: Conn, order_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many digests the console itself keeps, by order."""
    rows = await conn.fetch(
        "SELECT order_id, count(*) AS n FROM customer_terms WHERE order_id = ANY($1) GROUP BY order_id", list(order_ids)
    )
    return {row["order_id"]: row["n"] for row in rows}


async def look(services: Services, user: User, orders: Sequence[dict[str, Any]]) -> list[Held]:
    """What the owners hold of these orders' buyers, counted and not shown."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(order: dict[str, Any]) -> Held:
        async with gate:
            path = f"/v1/orders/{order['order_id']}/personal-data"
            told = await services.look(user, OWNERS, path, counts_only=True)
        return Held(
            order,
            {each.service: each.data["holds"] for each in told if not each.error},
            {each.service: each.error for each in told if each.error},
            next((e.data["erased"]["erased_at"] for e in told if not e.error and e.data["erased"]), None),
        )

    return list(await asyncio.gather(*(one(order) for order in orders)))


async def export(services: Services, user: User, orders: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Everything that is held of these orders' buyers. Raises `Problem` 502 rather than leave anything out."""
    found: list[dict[str, Any]] = []
    for order in orders:
        told = await services.look(user, OWNERS, f"/v1/orders/{order['order_id']}/personal-data")
        missing = [f"{each.service}: {each.error}" for each in told if each.error]
        if missing:
            words = f"Nothing was exported, for it would not be everything. {' '.join(missing)}"
            raise Problem("export-incomplete", "Not everything was there", 502, words)
        found.append(order | {"held": {e.service: {"erased": e.data["erased"]} | e.data["data"] for e in told}})
    return found
