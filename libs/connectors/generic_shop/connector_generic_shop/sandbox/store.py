"""What one simulated shop holds: orders with the units shipped, parcels, and posts on their way to the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connector_generic_shop.sandbox.behaviour import Behaviour


class BadMessage(ValueError):
    """A message that this shop cannot work with; answered with 422."""


@dataclass
class ShopLine:
    """One line with the units that left."""

    line_id: str
    sku: str
    quantity: int
    shipped: int = 0


@dataclass
class ShopOrder:
    """One order in the shop's own books."""

    reference: str
    route_id: str
    order_number: str
    is_test: bool
    total_price: str
    lines: list[ShopLine]
    created_at: datetime
    state: str = "open"
    """`open`, `shipped`, `cancelled` (by the hub) or `withdrawn` (by the shop)."""
    planned: bool = False
    parcels: list[str] = field(default_factory=list)

    def view(self) -> dict[str, Any]:
        """For `state()`; personal data is never kept."""
        return {
            "shop_order_reference": self.reference,
            "route_id": self.route_id,
            "order_number": self.order_number,
            "is_test": self.is_test,
            "state": self.state,
            "total_price": self.total_price,
            "parcels": list(self.parcels),
            "lines": [
                {"line_id": li.line_id, "sku": li.sku, "quantity": li.quantity, "shipped": li.shipped}
                for li in self.lines
            ],
        }


@dataclass(frozen=True)
class Due:
    """One thing to do for an order at an instant."""

    at: datetime
    number: int
    """Keeps things due at one instant in the order in which they were planned."""
    kind: str
    route_id: str
    units: Mapping[str, int] = field(default_factory=dict)
    stage: str = ""


@dataclass
class OutgoingPost:
    """A fact on its way to the hub; kept until the hub takes it."""

    post_id: str
    kind: str
    data: dict[str, Any]
    occurred_at: datetime
    stage: str = ""
    attempts: int = 0
    next_at: datetime | None = None
    failure: str | None = None


@dataclass
class ShopState:
    """One shop. Orders are keyed by `route_id`, which names the same order on every repeat."""

    name: str
    behaviour: Behaviour
    orders: dict[str, ShopOrder] = field(default_factory=dict)
    cancelled_early: set[str] = field(default_factory=set)
    """Routes cancelled before their order came: it must never start."""
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    """Answer per `webhook-id`: the shop's defence against repeats."""
    due: list[Due] = field(default_factory=list)
    outbox: list[OutgoingPost] = field(default_factory=list)
    failed: list[OutgoingPost] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    cursor: str | None = None
    repeats: int = 0
    """Messages dropped because their id was known."""

    def count(self, what: str) -> int:
        """Next number, from 1, of something counted."""
        self.counters[what] = self.counters.get(what, 0) + 1
        return self.counters[what]

    def turn(self, what: str, every_n: int) -> bool:
        """Whether this is an every-n-th one. Counted also while switched off, so that n can change on the way."""
        number = self.count(what)
        return every_n > 0 and number % every_n == 0

    def view(self) -> dict[str, Any]:
        """For `state()`."""
        return {
            "orders": [order.view() for order in self.orders.values()],
            "cancelled_early": sorted(self.cancelled_early),
            "repeats": self.repeats,
            "stock": dict(self.behaviour.stock),
            "posts_waiting": [post.post_id for post in self.outbox],
            "posts_failed": [{"id": post.post_id, "failure": post.failure} for post in self.failed],
        }


def read_order(shop: ShopState, data: Mapping[str, Any], now: datetime) -> ShopOrder:
    """An order out of the wire's `data`, read as a foreign platform would: by the documented names and nothing else.

    Raises `BadMessage` naming what is missing.
    """
    try:
        lines = [ShopLine(str(line["line_id"]), str(line["sku"]), _units(line["quantity"])) for line in data["lines"]]
        order = ShopOrder(
            reference="",
            route_id=str(data["route_id"]),
            order_number=str(data["order_number"]),
            is_test=bool(data["is_test"]),
            total_price=f"{data['total_price']} {data['currency']}",
            lines=lines,
            created_at=now,
        )
    except KeyError as error:
        raise BadMessage(f"{error.args[0]} is missing") from None
    except (TypeError, ValueError) as error:
        raise BadMessage(str(error)) from None
    if not order.lines:
        raise BadMessage("lines is empty")
    order.reference = f"{shop.name.upper()}-{shop.count('orders'):06d}"
    return order


def _units(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("quantity must be a whole number above 0")
    return value
