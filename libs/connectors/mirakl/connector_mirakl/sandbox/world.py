"""What the simulated operator holds. Plain data; time moves it only through `clockwork`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from connector_mirakl.sandbox.aftersales import SimExport, SimReturn, SimThread


@dataclass
class SimTax:
    """One tax of a line."""

    code: str
    amount: Decimal
    rate: Decimal
    rule: str = "PROPORTIONAL_TO_AMOUNT"


@dataclass
class SimMoneyBack:
    """A refund or a cancelation of a line."""

    id: str
    group_id: str
    amount: Decimal
    shipping_amount: Decimal
    quantity: int
    reason_code: str
    created: datetime
    taxes: list[dict[str, Any]] = field(default_factory=list)
    shipping_taxes: list[dict[str, Any]] = field(default_factory=list)
    settled: bool = False


@dataclass
class SimLine:
    """One line of an order."""

    id: str
    index: int
    sku: str
    title: str
    quantity: int
    unit_price: Decimal
    shipping_price: Decimal
    state: str
    offer_id: int
    taxes: list[SimTax] = field(default_factory=list)
    shipping_taxes: list[SimTax] = field(default_factory=list)
    refunds: list[SimMoneyBack] = field(default_factory=list)
    cancelations: list[SimMoneyBack] = field(default_factory=list)
    shipped: int = 0
    shipped_at: datetime | None = None
    received_at: datetime | None = None

    @property
    def price(self) -> Decimal:
        """Unit price times quantity, shipping excluded."""
        return self.unit_price * self.quantity

    @property
    def money_left(self) -> tuple[Decimal, Decimal]:
        """Products and shipping that were neither refunded nor cancelled."""
        gone = [*self.refunds, *self.cancelations]
        products = self.price - sum((item.amount for item in gone), Decimal(0))
        return products, self.shipping_price - sum((item.shipping_amount for item in gone), Decimal(0))

    @property
    def exhausted(self) -> bool:
        """Whether no money is left on the line."""
        return not any(self.money_left)

    @property
    def units_left(self) -> int:
        """Units still to ship."""
        return self.quantity - self.shipped - sum(item.quantity for item in self.cancelations)


@dataclass
class SimOrder:
    """One order. `look` holds wishes about how it is shown (null address, odd dates…)."""

    id: str
    commercial_id: str
    state: str
    created: datetime
    updated: datetime
    lines: list[SimLine]
    buyer: dict[str, Any]
    currency: str = "EUR"
    tax_mode: str = "TAX_INCLUDED"
    workflow: str = "PAY_ON_ACCEPTANCE"
    channel: str | None = None
    center: str = "DEFAULT"
    pudo: str | None = None
    shipping_type: str = "STD"
    shipping_deadline: datetime | None = None
    decided: datetime | None = None
    accepted_at: datetime | None = None
    debited: datetime | None = None
    shipped_at: datetime | None = None
    debit_refused: bool = False
    tracking: dict[str, Any] = field(default_factory=dict)
    look: dict[str, Any] = field(default_factory=dict)
    restless: bool = True
    """Whether time alone may still change the order; spares walking through thousands of finished ones."""

    def touch(self, now: datetime) -> None:
        """Remember that something about the order changed."""
        self.updated = now
        self.restless = True

    def line(self, line_id: str) -> SimLine | None:
        """The line of this id."""
        return next((line for line in self.lines if line.id == line_id), None)

    def live_lines(self) -> list[SimLine]:
        """Lines that were neither refused nor cancelled nor refunded whole."""
        return [line for line in self.lines if line.state not in ("REFUSED", "CANCELED", "REFUNDED")]

    def set_state(self, state: str, now: datetime) -> None:
        """Move the order and its live lines."""
        for line in self.live_lines():
            line.state = state
        self.state = state
        self.touch(now)


@dataclass
class SimShipment:
    """One ST01 shipment."""

    id: str
    order_id: str
    status: str
    created: datetime
    lines: list[dict[str, Any]]
    tracking: dict[str, Any]
    shipped_at: datetime | None


@dataclass
class SimPrice:
    """One price of an offer, for all channels when `channels` is empty."""

    price: Decimal
    discount: Decimal | None = None
    discount_start: str = ""
    discount_end: str = ""
    channels: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    ranges: tuple[tuple[int, Decimal], ...] = ()
    groups: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    discount_ranges: tuple[tuple[int, Decimal], ...] = ()


@dataclass
class SimOffer:
    """One offer of the shop."""

    id: int
    sku: str
    product_sku: str
    title: str
    quantity: int
    prices: list[SimPrice]
    state_code: str
    warehouses: dict[str, int] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    """Fields that OF24 resets when they are left out: description, leadtime_to_ship, logistic_class…"""


@dataclass
class SimImport:
    """An import that is worked on over time."""

    id: str
    kind: str
    """`stock`, `price` or `offers`."""
    created: datetime
    rows: list[dict[str, Any]]
    fails: bool = False
    status: str = "WAITING"
    errors: list[tuple[int, str]] = field(default_factory=list)
    updated: int = 0
    inserted: int = 0
    mode: str = "NORMAL"


@dataclass
class SimProductImport:
    """A product file that is transformed and then looked at by the operator. Rows are numbered from 2."""

    id: int
    created: datetime
    header: list[str]
    rows: list[list[str]]
    fails: bool = False
    status: str = "TRANSFORMATION_WAITING"
    errors: dict[int, list[str]] = field(default_factory=dict)
    warnings: dict[int, list[str]] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)


@dataclass
class SimDocument:
    """A document of an order."""

    id: int
    order_id: str
    file_name: str
    type_code: str
    size: int
    uploaded: datetime


@dataclass
class World:
    """Everything the operator holds."""

    orders: dict[str, SimOrder] = field(default_factory=dict)
    shipments: dict[str, SimShipment] = field(default_factory=dict)
    offers: dict[str, SimOffer] = field(default_factory=dict)
    imports: dict[str, SimImport] = field(default_factory=dict)
    product_imports: dict[int, SimProductImport] = field(default_factory=dict)
    products: set[str] = field(default_factory=set)
    """Products that imports added to the operator's catalogue."""
    deleted: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Deleted offers: product and when."""
    documents: list[SimDocument] = field(default_factory=list)
    returns: dict[str, SimReturn] = field(default_factory=dict)
    threads: dict[str, SimThread] = field(default_factory=dict)
    exports: dict[str, SimExport] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    """Orders that the fault `page_shift` keeps out of a listing until it is begun again."""
    last_calls: dict[str, datetime] = field(default_factory=dict)
    counter: int = 0

    def number(self) -> int:
        """The next number, never repeated."""
        self.counter += 1
        return self.counter
