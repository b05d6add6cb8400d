"""What the simulated marketplace holds and the rules by which it changes: statuses, units, offers, documents.

Every effect is written to the record at the moment it is applied, whatever answer the caller gets afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import Now
from connector_kit.simulator import Record
from connector_manomano.sandbox.options import OrderOptions, SandboxSettings


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one item of an action."""

    code: int
    app_code: str = ""
    message: str = ""

    @property
    def good(self) -> bool:
        """Applied."""
        return 200 <= self.code < 300

    def body(self) -> dict[str, Any]:
        """The `result` of a mixed answer."""
        if self.good:
            return {"http_code": self.code}
        return {"http_code": self.code, "error": {"app_code": self.app_code, "message": self.message}}


DONE = Result(204)


@dataclass(slots=True)
class SimLine:
    """One line. Lines are told apart by their place only, as at the real marketplace."""

    sku: str
    title: str
    quantity: int
    price: Decimal
    shipping: Decimal
    carrier: str


@dataclass(slots=True)
class SimOrder:
    """One order with what happened to it."""

    reference: str
    contract: int
    status: str
    created_at: datetime
    updated_at: datetime
    country: str
    currency: str
    vat_rate: Decimal
    lines: list[SimLine]
    buyer: dict[str, Any]
    options: OrderOptions
    rank: int = 0
    """Place in listings before the date: an order that moved goes to the end."""
    shipped: dict[str, int] = field(default_factory=dict)
    refunded: dict[str, int] = field(default_factory=dict)
    parcels: list[dict[str, Any]] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    refund_ends_at: datetime | None = None

    def ordered(self) -> dict[str, int]:
        """Units per SKU."""
        units: dict[str, int] = {}
        for line in self.lines:
            units[line.sku] = units.get(line.sku, 0) + line.quantity
        return units

    def remaining(self, done: Mapping[str, int]) -> dict[str, int]:
        """Units per SKU that `done` does not cover yet."""
        left = {sku: count - done.get(sku, 0) for sku, count in self.ordered().items()}
        return {sku: count for sku, count in left.items() if count > 0}


@dataclass(slots=True)
class SimOffer:
    """One offer of a contract."""

    sku: str
    price: Decimal
    stock: int
    retail_price: Decimal | None = None
    frozen_price: bool = False
    frozen_stock: bool = False
    errors: list[str] = field(default_factory=list)
    stated: dict[str, Any] = field(default_factory=dict)
    """The last whole statement of the offer; it replaces the one before."""


class World:
    """Everything behind the simulated API."""

    def __init__(self, settings: SandboxSettings, clock: Now, record: Record) -> None:
        self.settings = settings
        self.clock = clock
        self.record = record
        self.orders: dict[tuple[int, str], SimOrder] = {}
        self.offers: dict[tuple[int, str], SimOffer] = {}
        self._moves = 0
        self.clear()

    def clear(self) -> None:
        """Forget all orders; offers go back to those of the settings."""
        self.orders.clear()
        self.offers.clear()
        for contract in self.settings.contracts:
            for wish in self.settings.offers:
                self.offers[contract, wish.sku] = SimOffer(wish.sku, wish.price, wish.stock)

    def pass_time(self) -> None:
        """Apply what the clock alone brings about: overdue orders are refused, refunds are completed."""
        now = self.clock.now()
        window = timedelta(hours=self.settings.accept_within_hours)
        for order in self.orders.values():
            if order.status == "PENDING" and now >= order.created_at + window:
                self.move(order, "REFUSED", order.created_at + window)
            if order.status == "REFUNDING" and order.refund_ends_at is not None and now >= order.refund_ends_at:
                whole = not order.remaining(order.refunded)
                self.move(order, "REFUNDED" if whole else self.settings.partial_refund_ends, order.refund_ends_at)
                order.refund_ends_at = None

    def move(self, order: SimOrder, status: str, at: datetime | None = None) -> None:
        """Give an order a status; it goes to the end of listings, which is how pages drift."""
        self._moves += 1
        order.status, order.rank = status, self._moves
        order.updated_at = max(order.updated_at, at or self.clock.now())

    def find(self, contract: int, reference: str) -> SimOrder | None:
        """An order of this contract; the same reference under another contract is not found."""
        self.pass_time()
        return self.orders.get((contract, reference))

    def listed(self, contract: int) -> list[SimOrder]:
        """Orders of a contract in listing order."""
        self.pass_time()
        mine = (order for (owner, _), order in self.orders.items() if owner == contract)
        return sorted(mine, key=lambda order: (order.rank, order.created_at, order.reference))
