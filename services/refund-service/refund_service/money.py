"""Exact parts of exact amounts. Rounding happens here only, half up, to the currency's smallest unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from hub_contracts.orders import Tax, TaxMode

ZERO = Decimal(0)
USUAL_DIGITS = 2
DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "XAF"), 0),
    **dict.fromkeys(("XOF", "XPF", "VUV"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217: currencies whose smallest unit is not a hundredth."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Units, money of the goods and money of the shipping that go together."""

    quantity: int = 0
    amount: Decimal = ZERO
    shipping: Decimal = ZERO

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.quantity + other.quantity, self.amount + other.amount, self.shipping + other.shipping)

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.quantity - other.quantity, self.amount - other.amount, self.shipping - other.shipping)

    def __bool__(self) -> bool:
        return bool(self.quantity or self.amount or self.shipping)

    @property
    def floored(self) -> Sums:
        """The same with nothing below zero."""
        return Sums(max(0, self.quantity), max(ZERO, self.amount), max(ZERO, self.shipping))


@dataclass(frozen=True, slots=True)
class TaxShare:
    """The part of a tax that goes back with a refund."""

    code: str
    amount: Decimal


def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency, e.g. 0.01 EUR."""
    return Decimal(1).scaleb(-DIGITS.get(currency, USUAL_DIGITS))


def is_payable(amount: Decimal, currency: str) -> bool:
    """Whether an amount has no digits beyond the currency's smallest unit."""
    return amount == amount.quantize(minor_unit(currency), ROUND_HALF_UP)


def shown(amount: Decimal, currency: str) -> str:
    """An amount for people and JSON, with the currency's usual digits; nothing is ever rounded away."""
    return format(amount.quantize(minor_unit(currency)) if is_payable(amount, currency) else amount, "f")


def part(total: Decimal, share: Decimal | int, of: Decimal | int, currency: str) -> Decimal:
    """`total × share ÷ of`, rounded half up; `of` must not be 0. The whole is never rounded."""
    if share == of:
        return total
    return (total * share / of).quantize(minor_unit(currency), ROUND_HALF_UP)


def shipping_part(
    shipping: Decimal, open_shipping: Decimal, units: int, before: int, bought: int, currency: str
) -> Decimal:
    """Shipping that goes back with `units` of a line after `before` units went back already.

    Proportional to the units; what rounding left over goes with the last unit; never more than is open. Shipping that
    earlier units did not get back on purpose is not given to the last one.
    """
    if bought <= 0 or units <= 0:
        return ZERO
    share = part(shipping, min(units, bought), bought, currency)
    if before + units >= bought:
        left_by_rounding = minor_unit(currency) * before
        if abs(open_shipping - share) <= left_by_rounding:
            return open_shipping
    return min(share, open_shipping)


def tax_parts(
    taxes: Sequence[Tax], tax_mode: TaxMode, before: Decimal, now: Decimal, whole: Decimal, currency: str
) -> tuple[TaxShare, ...]:
    """Taxes that must be stated with a refund of `now`, when `before` of `whole` went back already.

    Mirakl OR28: needed when prices exclude taxes, and for taxes whose rule is `NONE`; others it prorates itself. The
    parts of several refunds add up to the tax exactly.
    """
    if whole <= 0 or now <= 0:
        return ()
    until = min(before + now, whole)
    shares = []
    for tax in taxes:
        if tax_mode is TaxMode.EXCLUDED or (tax.rule or "").upper() == "NONE":
            amount = part(tax.amount, until, whole, currency) - part(tax.amount, min(before, whole), whole, currency)
            shares.append(TaxShare(tax.code, amount))
    return tuple(shares)
