"""What may be refunded of one line, now and at all: pure. Every refund, whoever asks for it, goes through `price`.

The rule that must never break: what was asked for and not rejected, with what the marketplace shows as given back by
others, never exceeds what the buyer paid, in units, goods and shipping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from hub_contracts.orders import Environment, FulfilledBy, Tax, TaxMode
from hub_contracts.status import OrderStatus
from refund_service.money import Sums, TaxShare, is_payable, part, shipping_part, tax_parts

SENT = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED})
DEAD = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUSED})

NOTHING = Sums()
WAIT = "not_refundable_yet"
"""The marketplace will take the refund later: no person is needed."""


@dataclass(frozen=True, slots=True)
class BoughtLine:
    """A line as the marketplace shows it."""

    line_id: str
    offer_sku: str
    quantity: int
    unit_price: Decimal
    line_price: Decimal
    shipping_price: Decimal
    taxes: tuple[Tax, ...]
    shipping_taxes: tuple[Tax, ...]
    status: OrderStatus
    refundable: bool | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order as far as money is concerned."""

    order_id: UUID
    connection_id: UUID
    tenant: str
    environment: Environment
    is_test: bool
    fulfilled_by: FulfilledBy
    reference: str
    order_number: str
    currency: str
    tax_mode: TaxMode
    status: OrderStatus
    lines: Mapping[str, BoughtLine]
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Balance:
    """One line's ledger, added up."""

    paid: Sums = NOTHING
    requested: Sums = NOTHING
    """Asked for and not rejected."""
    confirmed: Sums = NOTHING
    cancelled: Sums = NOTHING
    observed: tuple[Sums, ...] = ()
    """Refunds that the marketplace shows and the hub did not make."""

    @property
    def taken(self) -> Sums:
        """What no longer can be given back."""
        return sum(self.observed, self.requested + self.cancelled)

    @property
    def open(self) -> Sums:
        """What still can be given back."""
        return (self.paid - self.taken).floored

    def with_request(self, sums: Sums) -> Balance:
        """The balance after a further request."""
        return Balance(self.paid, self.requested + sums, self.confirmed, self.cancelled, self.observed)


@dataclass(frozen=True, slots=True)
class Want:
    """Money wanted back for one line. `amount` None = what the buyer paid for these units."""

    line_id: str
    quantity: int
    amount: Decimal | None = None
    shipping: bool = False
    reason: str | None = None
    shipping_units: int | None = None
    """Units whose shipping goes back, where they are not `quantity` (goods went back before)."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A refund of one line that the ledger allows."""

    line_id: str
    offer_sku: str
    sums: Sums
    taxes: tuple[TaxShare, ...]
    shipping_taxes: tuple[TaxShare, ...]
    reason: str | None
    reason_code: str = ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why something cannot be done (now). `cause` is a machine word, `text` is for people."""

    cause: str
    line_id: str
    text: str
    field: str = ""


def price(order: Order, balance: Balance, want: Want, *, by_person: bool = False) -> Ask | Obstacle:
    """The refund of one line in money, or what stands against it.

    A person may refund beside a refund that looks the same at the marketplace; a policy may not.
    """
    line = order.lines.get(want.line_id)
    if line is None:
        return Obstacle("line_unknown", want.line_id, "the order has no such line", "line_id")
    wrong = _unsound(order, want) or _dead(order, line)
    if wrong is not None:
        return wrong
    sums = _sums(order, line, balance, want)
    return (
        _against_ledger(line, balance, sums, by_person=by_person)
        or _refunded(order, line)
        or _not_yet(order, line)
        or _ask(order, line, balance, want, sums)
    )


def _unsound(order: Order, want: Want) -> Obstacle | None:
    if want.quantity < 0:
        return Obstacle("quantity_invalid", want.line_id, "quantity must not be negative", "quantity")
    if want.amount is None:
        return None
    if want.amount < 0:
        return Obstacle("amount_unsupported", want.line_id, "amount must not be negative", "amount")
    if not is_payable(want.amount, order.currency):
        text = f"amount has digits below the smallest unit of {order.currency}"
        return Obstacle("amount_unsupported", want.line_id, text, "amount")
    return None


def _dead(order: Order, line: BoughtLine) -> Obstacle | None:
    if order.status in DEAD:
        return Obstacle("order_cancelled", line.line_id, f"the order is {order.status}: nothing was paid for it")
    if line.status in DEAD:
        return Obstacle("order_cancelled", line.line_id, f"the line is {line.status}: nothing was paid for it")
    return None


def _sums(order: Order, line: BoughtLine, balance: Balance, want: Want) -> Sums:
    amount = want.amount
    if amount is None:
        whole = want.quantity == line.quantity and not balance.taken
        amount = line.line_price if whole else line.unit_price * want.quantity
    units = want.quantity if want.shipping_units is None else want.shipping_units
    before = balance.taken.quantity - (units - want.quantity)
    shipping = Decimal(0)
    if want.shipping:
        bought, left = balance.paid.quantity, balance.open.shipping
        shipping = shipping_part(balance.paid.shipping, left, units, max(0, before), bought, order.currency)
    return Sums(want.quantity, amount, shipping)


def _against_ledger(line: BoughtLine, balance: Balance, sums: Sums, *, by_person: bool) -> Obstacle | None:
    left = balance.open
    foreign = sum(balance.observed, NOTHING)
    cause = "refunded_elsewhere" if foreign else "exceeds_paid"
    shown = f"; {foreign.amount} were given back outside of the hub" if foreign else ""
    if sums.quantity > left.quantity:
        text = f"{sums.quantity} units wanted, {left.quantity} of {balance.paid.quantity} are left{shown}"
        return Obstacle(cause, line.line_id, text, "quantity")
    if sums.amount > left.amount:
        text = f"{sums.amount} wanted, {left.amount} of {balance.paid.amount} are left{shown}"
        return Obstacle(cause, line.line_id, text, "amount")
    if not by_person and any(each.amount == sums.amount and each.amount > 0 for each in balance.observed):
        text = f"the marketplace shows a refund of {sums.amount} that the hub did not make; it may be this one"
        return Obstacle("refunded_elsewhere", line.line_id, text)
    if not (sums.amount or sums.shipping):
        return Obstacle("nothing_to_refund", line.line_id, "there is no money to give back", "amount")
    return None


def _refunded(order: Order, line: BoughtLine) -> Obstacle | None:
    if OrderStatus.REFUNDED in (order.status, line.status):
        text = "the marketplace shows it as refunded although the ledger has money left"
        return Obstacle("refunded_elsewhere", line.line_id, text)
    return None


def _not_yet(order: Order, line: BoughtLine) -> Obstacle | None:
    """Mirakl says itself whether a line can be refunded; elsewhere it must have been sent. Test orders never are."""
    if order.is_test:
        return None
    if line.refundable is False:
        return Obstacle(WAIT, line.line_id, "the marketplace does not take refunds of this line yet")
    if line.refundable or line.status in SENT or order.status in SENT:
        return None
    return Obstacle(WAIT, line.line_id, f"the line is {line.status}; refunds are taken once it was sent")


def _ask(order: Order, line: BoughtLine, balance: Balance, want: Want, sums: Sums) -> Ask:
    taken, paid = balance.taken, balance.paid
    return Ask(
        line_id=line.line_id,
        offer_sku=line.offer_sku,
        sums=sums,
        taxes=tax_parts(line.taxes, order.tax_mode, taken.amount, sums.amount, paid.amount, order.currency),
        shipping_taxes=tax_parts(
            line.shipping_taxes, order.tax_mode, taken.shipping, sums.shipping, paid.shipping, order.currency
        ),
        reason=want.reason,
    )


def fit_level(level: str, order: Order, books: Mapping[str, Balance], asks: Sequence[Ask]) -> list[Obstacle]:
    """What the marketplace's way of refunding (manifest `refund_level`) cannot express. `books` are before the asks."""
    if level == "none":
        return [Obstacle("refund_unsupported", ask.line_id, "this marketplace takes no refunds") for ask in asks]
    if level == "order":
        asked = {ask.line_id: ask.sums for ask in asks}
        alive = [line for line in order.lines.values() if line.status not in DEAD]
        whole = all(
            line.line_id in asked and asked[line.line_id] == books.get(line.line_id, Balance()).paid for line in alive
        )
        text = "this marketplace refunds whole orders only"
        return [] if whole else [Obstacle("partial_refund_unsupported", ask.line_id, text, "quantity") for ask in asks]
    if level == "line_quantity":
        return [obstacle for ask in asks if (obstacle := _whole_units(order.lines[ask.line_id], ask)) is not None]
    return []


def _whole_units(line: BoughtLine, ask: Ask) -> Obstacle | None:
    expected = line.unit_price * ask.sums.quantity
    if ask.sums.quantity >= 1 and ask.sums.amount == expected:
        return None
    text = f"this marketplace refunds whole units: {ask.sums.quantity} × {line.unit_price}, not {ask.sums.amount}"
    return Obstacle("amount_unsupported", line.line_id, text, "amount")


def cancellable(order: Order, balance: Balance, line: BoughtLine, quantity: int | None) -> Ask | Obstacle:
    """Units of a line that were not sent yet, in money. `quantity` None = all that are left."""
    if line.status in DEAD:
        return Obstacle("order_cancelled", line.line_id, f"the line is {line.status} already")
    if line.status in SENT or line.status in (OrderStatus.REFUNDING, OrderStatus.REFUNDED):
        return Obstacle("already_shipped", line.line_id, f"the line is {line.status}")
    left = balance.open
    units = left.quantity if quantity is None else quantity
    if units < 1 or units > left.quantity:
        text = f"{units} units wanted, {left.quantity} of {balance.paid.quantity} are left"
        return Obstacle("quantity_invalid", line.line_id, text, "quantity")
    if units == left.quantity:
        sums = left
    else:
        shipping = shipping_part(
            balance.paid.shipping,
            left.shipping,
            units,
            balance.taken.quantity,
            balance.paid.quantity,
            order.currency,
        )
        amount = min(part(line.line_price, units, line.quantity, order.currency), left.amount)
        sums = Sums(units, amount, shipping)
    return _ask(order, line, balance, Want(line.line_id, units), sums)
