"""What people are shown of an order's routing, as plain data; reading only."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel

from hub_common.connections import load_connections
from order_router import lookup, store
from order_router.deciding import facts_of, judge
from order_router.domain import Verdict
from order_router.standing import Standing, stand
from order_router.store import Conn
from order_router.telling import routes_of


async def order_view(conn: Conn, order_id: UUID) -> dict[str, Any] | None:
    """Routes, the trace that led to them and what is waited for; None for an order nobody has heard of."""
    row = await conn.fetchrow("SELECT * FROM orders WHERE order_id = $1", order_id)
    if row is None:
        return None
    order = store.order_of(row)
    routes = await conn.fetch("SELECT * FROM routes WHERE order_id = $1 ORDER BY route_id", order_id)
    waits = await conn.fetch("SELECT line_id, cause, sku, detail FROM waits WHERE order_id = $1", order_id)
    choices = await conn.fetch("SELECT * FROM choices WHERE order_id = $1 ORDER BY line_id", order_id)
    return {
        "order_id": order_id,
        "connection_id": order.connection_id,
        "order_number": order.snapshot.order_number if order.snapshot else None,
        "is_test": bool(order.snapshot and order.snapshot.is_test),
        "status": order.status,
        "released": order.released,
        "routed_at": order.routed_at,
        "routed_by": row["routed_by"],
        "closed_at": row["closed_at"],
        "closed_reason": row["closed_reason"],
        "routes": [dict(route) | {"lines": orjson.loads(route["lines"])} for route in routes],
        "rules": orjson.loads(row["rules"]) if row["rules"] else [],
        "losing_options": orjson.loads(row["losing_options"]) if row["losing_options"] else [],
        "waiting": [dict(wait) for wait in waits],
        "choices": [dict(choice) for choice in choices],
    }


async def preview(conn: Conn, order_id: UUID, changes: dict[str, str]) -> dict[str, Any] | None:
    """How the order would be routed now, with these fields of it changed; nothing is written or told."""
    row = await conn.fetchrow("SELECT * FROM orders WHERE order_id = $1 AND snapshot IS NOT NULL", order_id)
    if row is None:
        return None
    order = store.order_of(row)
    assert order.snapshot is not None, "only orders with a snapshot were asked for"
    snapshot = order.snapshot.model_copy(update=changes)
    known = await load_connections(conn, [order.connection_id])
    facts = facts_of(order, known.get(order.connection_id))
    inputs = await lookup.load_facts(conn, [order], known)
    standing = stand(facts)
    by_hand = standing is Standing.BY_HAND
    verdict = judge(snapshot, facts, inputs.get(order_id), by_hand=by_hand)
    told = await conn.fetch("SELECT route_id, line_ids FROM routes WHERE order_id = $1", order_id)
    now = {route.route_id: [line.line_id for line in route.lines] for route in routes_of(snapshot, verdict)}
    then = {each["route_id"]: list(each["line_ids"]) for each in told}
    return {
        "order_id": order_id,
        "standing": standing,
        "routed_at": order.routed_at,
        "would_route": bool(verdict.served) and not verdict.waits,
        "differs_from_routed": now != then if told else None,
        **_verdict(verdict),
        "routes": _plain(routes_of(snapshot, verdict)),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "waiting": [
            {"line_id": wait.line_id, "cause": wait.cause, "sku": wait.sku, "detail": wait.detail}
            for wait in verdict.waits
        ],
        "rules": _plain(verdict.rules),
        "losing_options": _plain(verdict.losing_options),
    }


def _plain(values: tuple[BaseModel, ...]) -> list[dict[str, Any]]:
    return [value.model_dump(mode="json") for value in values]
