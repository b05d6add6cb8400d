"""From single events to an order's story: pure. Personal data never gets this far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from hub_contracts.base import EventData, Pii
from hub_contracts.orders import OrderCustomerRecorded
from hub_contracts.topics import ORDERS


def order_id_of(data: EventData) -> UUID | None:
    """The order that an event is about; None for stock, connections and feeds."""
    found = getattr(data, "order_id", None)
    if found is None:
        found = getattr(getattr(data, "order", None), "order_id", None)
    return found if isinstance(found, UUID) else None


def masked(data: EventData) -> dict[str, Any]:
    """The event's body without personal data. Of a customer only the names of the fields that are filled are kept."""
    if isinstance(data, OrderCustomerRecorded):
        return {"order_id": str(data.order_id), "fields_present": sorted(_filled(data)), "locale": data.locale}
    body = data.model_dump(mode="json")
    _drop_marked(data, body)
    body.pop("credentials", None)
    body.pop("api_key_hashes", None)
    return body


def _filled(model: BaseModel, prefix: str = "") -> list[str]:
    names: list[str] = []
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            names += _filled(value, f"{prefix}{name}.")
        elif value not in (None, "", ()):
            names.append(f"{prefix}{name}")
    return names


def _drop_marked(model: BaseModel, body: dict[str, Any]) -> None:
    """Remove fields that carry the personal-data mark, at any depth."""
    for name, info in type(model).model_fields.items():
        if any(isinstance(mark, Pii) for mark in info.metadata):
            body.pop(name, None)
            continue
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            _drop_marked(value, body[name])
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for part, part_body in zip(value, body[name], strict=True):
                _drop_marked(part, part_body)


def timeline(events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Events in an order in which every cause stands before what it caused, else by time.

    Each entry gets `number` and `caused_by` (the number of its cause, None when that is not part of this story).
    """
    # Of what was told in one instant, the order itself is read first.
    waiting = sorted(events, key=lambda e: (e["at"], e["topic"] != ORDERS, e["topic"], e["version"]))
    ids = {str(event["event_id"]) for event in waiting}
    placed: dict[str, int] = {}
    ordered: list[dict[str, Any]] = []
    while waiting:
        ready = next((e for e in waiting if _cause_is_placed(e, ids, placed)), waiting[0])
        waiting.remove(ready)
        number = len(ordered) + 1
        placed[str(ready["event_id"])] = number
        cause = ready["causation_id"]
        ordered.append({"number": number, "caused_by": placed.get(cause) if cause else None, **ready})
    return ordered


def _cause_is_placed(event: Mapping[str, Any], ids: set[str], placed: Mapping[str, int]) -> bool:
    cause = event["causation_id"]
    return cause is None or cause not in ids or cause in placed


def summary(events: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """What an order's events add up to: decisions, routes, parcels with units told, money, waiting, deadlines."""
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        by_type.setdefault(str(event["type"]), []).append(event)

    def bodies(name: str) -> list[dict[str, Any]]:
        return [dict(event["data"]) for event in by_type.get(name, [])]

    received = [*bodies("order.received.v1"), *bodies("order.changed.v1")]
    order = received[-1]["order"] if received else {}
    return {
        "order": order,
        "decisions": [
            {k: body[k] for k in ("decision", "decided_by", "actor", "reason", "rules", "losing_options")}
            for body in bodies("order.acceptance_decided.v1")
        ],
        "routes": [route for body in bodies("order.routed.v1") for route in body["routes"]],
        "parcels": _parcels(bodies),
        "money": _money(order, bodies),
        "deadlines": _deadlines(order, now),
    }


def _parcels(bodies: Any) -> list[dict[str, Any]]:
    told = {body["parcel_id"] for body in bodies("shipment.notified.v1")}
    mapped = {body["parcel_id"]: body for body in bodies("parcel.carrier_mapped.v1")}
    parcels: dict[str, dict[str, Any]] = {}
    for body in bodies("parcel.handed_over.v1"):
        carrier = mapped.get(body["parcel_id"], {})
        parcels[body["parcel_id"]] = {
            "parcel_id": body["parcel_id"],
            "lines": body["lines"],
            "shop_carrier": body["carrier_name"] or body["carrier_code"],
            "marketplace_carrier": carrier.get("carrier_name"),
            "mapped_by": carrier.get("mapped_by"),
            "tracking_number": body["tracking_number"],
            "marketplace_knows": body["parcel_id"] in told,
        }
    return list(parcels.values())


def _money(order: Mapping[str, Any], bodies: Any) -> dict[str, Any]:
    def lines(name: str) -> list[dict[str, Any]]:
        return [{"refund_id": body["refund_id"], "lines": body["lines"]} for body in bodies(name)]

    return {
        "currency": order.get("currency"),
        "total_price": order.get("total_price"),
        "shipping_price": order.get("shipping_price"),
        "refunds_requested": lines("refund.requested.v1"),
        "refunds_confirmed": lines("refund.confirmed.v1"),
        "refunds_rejected": [body["refund_id"] for body in bodies("refund.rejected.v1")],
    }


def _deadlines(order: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
    found = []
    for name in ("accept_by", "ship_by", "deliver_by"):
        due = order.get(name)
        if due:
            left = (datetime.fromisoformat(due) - now).total_seconds()
            found.append({"kind": name, "due_at": due, "seconds_left": int(left)})
    return found
