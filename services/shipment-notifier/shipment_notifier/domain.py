"""What can be told about the parcels of one order, in which order, and why the others wait. Pure.

A marketplace that is told twice, too much or too early closes the order wrongly or refuses everything after. So units
are counted over all parcels, what was sent is never sent again, and each parcel that cannot be told has a reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from hub_contracts.orders import Environment
from hub_contracts.status import FINAL, OrderStatus

MAY_BE_TOLD = frozenset({OrderStatus.PREPARATION, OrderStatus.SHIPPED})
"""Statuses in which a marketplace takes parcels; ManoMano also takes further ones of a shipped order."""
PAST_SHIPPING = frozenset({OrderStatus.DELIVERED, OrderStatus.REFUNDING})
"""Too late to tell by ourselves and not over: a person looks."""


REJECTED = "shipment_rejected"
"""Cause of parcels that the marketplace would not take; the only one that keeps the effect beside the parcel."""


class Sent(StrEnum):
    """How far the telling of a parcel is."""

    FREE = "free"
    """Nothing is planned, or what is planned can still be replaced."""
    OPEN = "open"
    """On its way, or in doubt."""
    DONE = "done"
    REJECTED = "rejected"


class Kind(StrEnum):
    """What happens with a parcel now."""

    WAIT = "wait"
    PARK = "park"
    SET_ASIDE = "set_aside"
    SHIP = "ship"
    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Content:
    """What a marketplace notices of a parcel. `lines`: units per line id."""

    carrier_code: str | None
    carrier_name: str
    tracking_number: str | None
    tracking_url: str | None
    lines: Mapping[str, int]

    def differences(self, other: Content) -> list[str]:
        """Names of what differs."""
        names = ("carrier_code", "carrier_name", "tracking_number", "tracking_url", "lines")
        return [name for name in names if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel. `told`: what its open, done or rejected effect says. `refusal`: the marketplace's word."""

    parcel_id: UUID
    environment: Environment
    content: Content
    live: bool = True
    sent: Sent = Sent.FREE
    told: Content | None = None
    refusal: str = ""

    @property
    def counted(self) -> Content | None:
        """What counts as told: the content that was sent, whatever was corrected since."""
        return self.told if self.sent in (Sent.OPEN, Sent.DONE) else None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the order."""

    line_id: str
    offer_sku: str
    quantity: int
    status: OrderStatus

    @property
    def open(self) -> bool:
        """The buyer still gets it: neither refused nor cancelled nor refunded."""
        return self.status not in FINAL


@dataclass(frozen=True, slots=True)
class Order:
    """The order as the marketplace shows it, and how its connection behaves."""

    status: OrderStatus
    environment: Environment
    lines: Mapping[str, Line]
    is_test: bool = False
    by_seller: bool = True
    connection_environment: Environment | None = None
    ships: bool = True
    """The connector can tell parcels and the connection uses that."""
    partial_shipment: bool = True
    requires_tracking_url: bool = False

    @property
    def owed(self) -> Counter[str]:
        """Units that the buyer is to get, per line."""
        return Counter({line.line_id: line.quantity for line in self.lines.values() if line.open})


@dataclass(frozen=True, slots=True)
class Shipment:
    """One notification: whose content it shows, which parcels it stands for, which units."""

    leading: UUID
    parcel_ids: tuple[UUID, ...]
    content: Content
    lines: Mapping[str, int]
    whole_order: bool
    completes_order: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What happens with one parcel. `cause` and `next_step` are set for parked ones."""

    parcel_id: UUID
    kind: Kind
    reason: str = ""
    cause: str | None = None
    next_step: str = ""


@dataclass(slots=True)
class Plan:
    """Steps of all parcels, and the notifications to be made of those that can be told, in order."""

    steps: dict[UUID, Step] = field(default_factory=dict)
    shipments: list[Shipment] = field(default_factory=list)


def covers(told: Counter[str], owed: Counter[str]) -> bool:
    """Whether every unit owed is told; an order that owes nothing is never covered by telling."""
    return bool(owed) and all(told[line] >= quantity for line, quantity in owed.items())


def notified_units(parcels: Sequence[Parcel]) -> Counter[str]:
    """Units that the marketplace confirmed, per line."""
    units: Counter[str] = Counter()
    for parcel in parcels:
        if parcel.sent is Sent.DONE and parcel.told is not None:
            units.update(parcel.told.lines)
    return units


def plan(order: Order, parcels: Sequence[Parcel]) -> Plan:
    """Decide about all parcels of an order, given in the order in which they were handed over."""
    made = Plan()
    told: Counter[str] = Counter()
    for parcel in parcels:
        if parcel.counted is not None:
            told.update(parcel.counted.lines)
    claimed = Counter(told)
    ready: list[Parcel] = []
    for parcel in parcels:
        step = _sent(parcel) or _blocked(order, parcel, claimed)
        if step is None:
            claimed.update(parcel.content.lines)
            ready.append(parcel)
            step = Step(parcel.parcel_id, Kind.SHIP)
        made.steps[parcel.parcel_id] = step
    if order.partial_shipment:
        made.shipments = _one_by_one(order, ready, told)
    elif covers(claimed, order.owed) and ready:
        made.shipments = [_joined(ready, told)]
    else:
        for parcel in ready:
            reason = "the marketplace takes one shipment per order: waits until every unit has left"
            made.steps[parcel.parcel_id] = Step(parcel.parcel_id, Kind.WAIT, reason)
    return made


def _one_by_one(order: Order, ready: Sequence[Parcel], told: Counter[str]) -> list[Shipment]:
    shipments = []
    before = Counter(told)
    for parcel in ready:
        alone = not before.total()
        before.update(parcel.content.lines)
        complete = covers(before, order.owed)
        lines = parcel.content.lines
        shipments.append(
            Shipment(parcel.parcel_id, (parcel.parcel_id,), parcel.content, lines, alone and complete, complete)
        )
    return shipments


def _joined(ready: Sequence[Parcel], told: Counter[str]) -> Shipment:
    """One notification for all: the last parcel's carrier and number, because it is the last to arrive."""
    units: Counter[str] = Counter()
    for parcel in ready:
        units.update(parcel.content.lines)
    last = ready[-1]
    ids = tuple(parcel.parcel_id for parcel in ready)
    return Shipment(last.parcel_id, ids, last.content, dict(units), not told.total(), True)


def _sent(parcel: Parcel) -> Step | None:
    """The step of a parcel that was sent; None when it is free to be told."""
    if parcel.sent is Sent.OPEN:
        return Step(parcel.parcel_id, Kind.OPEN)
    if parcel.told is None or parcel.sent is Sent.FREE:
        return None
    changed = parcel.content.differences(parcel.told)
    if parcel.sent is Sent.REJECTED:
        if changed:
            return None
        return _park(
            parcel,
            REJECTED,
            f"the marketplace would not take it: {parcel.refusal[:300]}",
            "Correct the parcel in the shop or its carrier in the hub and it is sent again; else tell the marketplace "
            "in its back office and close this.",
        )
    if changed:
        return _park(
            parcel,
            "tracking_changed",
            f"corrected after the marketplace was told: {', '.join(changed)}",
            "Correct the shipment in the marketplace's back office, then close this; the hub does not tell it again.",
        )
    return Step(parcel.parcel_id, Kind.DONE)


def _blocked(order: Order, parcel: Parcel, claimed: Counter[str]) -> Step | None:
    """Why a free parcel cannot be told now; None when it can."""
    aside = _aside(order, parcel)
    if aside:
        return Step(parcel.parcel_id, Kind.SET_ASIDE, aside)
    environments = {parcel.environment, order.environment, order.connection_environment or order.environment}
    if len(environments) > 1:
        return _park(
            parcel,
            "environment_mismatch",
            f"the parcel is of the {parcel.environment}, the order of the {order.environment} environment",
            "Correct the shop's connection: sandbox and production never mix.",
        )
    if order.status in FINAL:
        return _after_cancellation(parcel, f"the order is {order.status}")
    if order.status in PAST_SHIPPING:
        return _park(
            parcel,
            "order_past_shipping",
            f"the order is {order.status} and this parcel was never told",
            "Look at the order in the marketplace's back office; it is told by itself if the order is SHIPPED again.",
        )
    if order.status not in MAY_BE_TOLD:
        return Step(parcel.parcel_id, Kind.WAIT, f"the order is {order.status}: not released for shipping yet")
    return _bad_units(order, parcel, claimed) or _no_link(order, parcel)


def _aside(order: Order, parcel: Parcel) -> str:
    if not parcel.live:
        return "not live: learnt by a replay or a backfill"
    if order.is_test:
        return "test order: never told to the marketplace"
    if not order.by_seller:
        return "the marketplace ships this order itself"
    return "" if order.ships else "telling parcels is switched off for this connection"


def _bad_units(order: Order, parcel: Parcel, claimed: Counter[str]) -> Step | None:
    units = parcel.content.lines
    if not units or any(quantity < 1 for quantity in units.values()):
        return _park(
            parcel,
            "parcel_empty",
            "the parcel does not say which units it holds",
            "Correct the parcel in the shop: each line needs a quantity of at least 1.",
        )
    closed = [line for line in units if line in order.lines and not order.lines[line].open]
    if closed:
        return _after_cancellation(parcel, f"line(s) {', '.join(closed)} are {order.lines[closed[0]].status}")
    over = []
    for line_id, quantity in units.items():
        has = order.lines[line_id].quantity if line_id in order.lines else 0
        if claimed[line_id] + quantity > has:
            over.append(f"line {line_id}: {claimed[line_id]} told or planned + {quantity}, the order has {has}")
    if not over:
        return None
    return _park(
        parcel,
        "shipped_too_many",
        "; ".join(over),
        "Correct the parcel's lines in the shop, or the earlier parcel's; it is then looked at again.",
    )


def _no_link(order: Order, parcel: Parcel) -> Step | None:
    if not order.requires_tracking_url or parcel.content.tracking_url:
        return None
    return _park(
        parcel,
        "tracking_url_missing",
        f"the marketplace demands a tracking link and none is known for {parcel.content.carrier_name}",
        "Give the carrier's rule or default a link template in carrier-mapper, or send the link with the parcel.",
    )


def _after_cancellation(parcel: Parcel, why: str) -> Step:
    return _park(
        parcel,
        "shipped_after_cancellation",
        f"it left although {why}",
        "Call the parcel back or ask the buyer to return it; the marketplace is not told. Then close this.",
    )


def _park(parcel: Parcel, cause: str, reason: str, next_step: str) -> Step:
    return Step(parcel.parcel_id, Kind.PARK, reason, cause, next_step)
