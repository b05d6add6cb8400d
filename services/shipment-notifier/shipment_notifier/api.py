"""What people may ask of shipment-notifier: what the marketplace knows of an order's parcels, and what it does not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson
from fastapi import APIRouter

from hub_common.effects.model import EffectState
from hub_common.web import Problem
from hub_contracts.parcels import ParcelCarrierMapped
from shipment_notifier.api_invoices import INVOICE, invoice_router
from shipment_notifier.desks import content_json, content_of

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

ORDER = ("order_number", "marketplace_reference", "connection_id", "status", "is_test", "fulfilled_by", "ship_by")
EFFECT = ("effect_id", "natural_key", "state", "attempts", "probes", "needs_operator", "reason", "evidence",
          "confirmed_by", "created_at", "settled_at")  # fmt: skip
OPEN = frozenset({EffectState.IN_FLIGHT, EffectState.SENT, EffectState.UNKNOWN, EffectState.PLANNED, EffectState.RETRY})


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/orders`. Effects in doubt are settled by the routes that every service has."""
    router = APIRouter(prefix="/v1/orders", tags=["shipments"])

    @router.get("/{order_id}")
    async def show(order_id: UUID) -> dict[str, Any]:
        pool = runtime.pool
        order = await pool.fetchrow("SELECT * FROM orders WHERE order_id = $1", order_id)
        if order is None:
            raise Problem("order-unknown", "No such order", 404, f"shipment-notifier knows no order {order_id}.")
        lines = await pool.fetch("SELECT * FROM order_lines WHERE order_id = $1 ORDER BY line_id", order_id)
        parcels = await pool.fetch(
            "SELECT * FROM parcels WHERE order_id = $1 ORDER BY handed_over_at, parcel_id", order_id
        )
        effects = await pool.fetch("SELECT * FROM effects WHERE order_id = $1 AND kind = 'ship' ORDER BY seq", order_id)
        clocks = await pool.fetch("SELECT * FROM deadlines WHERE order_id = $1", order_id)
        invoices = await pool.fetch("SELECT * FROM invoices WHERE order_id = $1 ORDER BY route_id", order_id)
        states = {effect["effect_id"]: effect["state"] for effect in effects}
        return {
            "order_id": order_id,
            "known": order["version"] > 0,
            **{name: order[name] for name in ORDER},
            "shipped_elsewhere_at": order["shipped_elsewhere_at"],
            "lines": _lines(lines, parcels, states),
            "parcels": [_parcel(parcel) for parcel in parcels],
            "effects": [{name: effect[name] for name in EFFECT} for effect in effects],
            "deadlines": [dict(clock) for clock in clocks],
            "invoices": [{name: row[name] for name in INVOICE} for row in invoices],
        }

    return [router, invoice_router(runtime)]


def _lines(lines: list[asyncpg.Record], parcels: list[asyncpg.Record], states: dict[UUID, str]) -> list[dict[str, Any]]:
    notified: Counter[str] = Counter()
    underway: Counter[str] = Counter()
    for parcel in parcels:
        state = states.get(parcel["effect_id"], "")
        told = orjson.loads(parcel["told"])["lines"] if parcel["told"] else {}
        if state == EffectState.DONE:
            notified.update(told)
        elif state in OPEN:
            underway.update(told)
    return [
        {
            "line_id": line["line_id"],
            "offer_sku": line["offer_sku"],
            "status": line["status"],
            "quantity": line["quantity"],
            "notified": notified[line["line_id"]],
            "underway": underway[line["line_id"]],
        }
        for line in lines
    ]


def _parcel(row: asyncpg.Record) -> dict[str, Any]:
    event = ParcelCarrierMapped.model_validate_json(row["body"])
    return {
        "parcel_id": row["parcel_id"],
        "state": row["state"],
        "reason": row["reason"],
        "parked_cause": row["parked_cause"],
        "effect_id": row["effect_id"],
        "handed_over_at": row["handed_over_at"],
        "mapped_by": event.mapped_by,
        "content": content_json(content_of(event)),
        "told": orjson.loads(row["told"]) if row["told"] else None,
    }
