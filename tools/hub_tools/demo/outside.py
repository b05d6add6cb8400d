"""What the simulated outside holds, read from its own record: the other side of the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hub_tools.run.api import Api

ONCE = {"accept", "refuse", "create_order", "cancel_order", "invoice"}
"""Kinds that may happen once per reference."""
SHIPPED = {"SHIPPED", "RECEIVED", "CLOSED", "TO_COLLECT", "REFUNDED", "REFUNDING"}
REFUSED = {"REFUSED", "CANCELED"}


@dataclass
class Outside:
    """Status per order and marketplace, and how often each effect really took place."""

    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    effects: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    refunds_by_order: Counter[str] = field(default_factory=Counter)
    split_orders: int = 0

    def shipped(self) -> set[tuple[str, str]]:
        """Orders that the marketplaces show as shipped (or beyond)."""
        return {order for order, status in self.statuses.items() if status in SHIPPED}

    @property
    def refunds(self) -> int:
        """Refunds given at all marketplaces."""
        return sum(self.refunds_by_order.values())

    def applied(self, kind: str) -> Counter[str]:
        """How often each effect of a kind took place, by what it was done to."""
        if kind == "refund":
            return self.refunds_by_order
        found: Counter[str] = Counter()
        for (_, name, what), count in self.effects.items():
            if name == kind:
                found[what] += count
        return found

    def doubles(self) -> list[str]:
        """Effects that took place more than once."""
        return [f"{kind} of {what} at {where}: {n} times" for (where, kind, what), n in self.effects.items() if n > 1]


def look_outside(sandbox: Api) -> Outside:
    """Read the state and record of all simulators."""
    outside = Outside()
    for marketplace in ("manomano", "mirakl"):
        orders: dict[str, dict[str, Any]] = sandbox.get(f"/{marketplace}/_sandbox/state")["orders"]
        for reference, order in orders.items():
            outside.statuses[marketplace, reference] = str(order.get("status") or order.get("order_state"))
        _count(outside, marketplace, sandbox.get(f"/{marketplace}/_sandbox/record")["entries"])
    _count(outside, "generic_shop", sandbox.get("/generic_shop/_sandbox/record")["entries"])
    return outside


def _count(outside: Outside, where: str, entries: list[dict[str, Any]]) -> None:
    parcels: Counter[str] = Counter()
    for entry in entries:
        kind, reference, detail = entry["kind"], str(entry["reference"]), entry["detail"]
        if kind in ONCE:
            outside.effects[where, kind, reference] += 1
        elif kind == "ship":
            order = reference.split("/")[0]
            parcels[order] += 1
            outside.effects[where, kind, f"{order} parcel {_tracking(detail)}"] += 1
        elif kind == "refund":
            outside.refunds_by_order[reference.split("/")[0]] += 1
    outside.split_orders += sum(1 for count in parcels.values() if count > 1)


def _tracking(detail: dict[str, Any]) -> str:
    tracking = detail.get("tracking")
    if isinstance(tracking, dict):
        detail = tracking
    return str(detail.get("tracking_number"))
