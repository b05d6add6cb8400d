"""Which units of which lines a shop's post speaks of, and what a repeated or corrected post adds: pure decisions.

A shop names lines by id or by its own SKU, may leave them out, repeat itself, or post more than was ordered. Guessing
wrong here tells a buyer that something left which did not, or pays money back twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

STAGES = ("created", "received", "inspected")
"""Stages of a return, in order; a return never goes back."""
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class OrderedLine:
    """A line of a shop's order."""

    line_id: str
    shop_sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class NamedUnits:
    """Units as a post names them: by line id, by the shop's SKU, or by both."""

    line_id: str | None
    sku: str | None
    quantity: int


@dataclass(frozen=True, slots=True)
class TakenUnits:
    """Units of one line that a post turned out to mean; `position` is the place of the post's line."""

    position: int
    line_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why units cannot be taken: `line_unknown` or `too_many`."""

    cause: str
    detail: str


def allocate(
    named: Sequence[NamedUnits], lines: Sequence[OrderedLine], free: Mapping[str, int]
) -> tuple[TakenUnits, ...] | Refusal:
    """Find the lines that a post means, taking no more units of each than are `free`.

    No lines named = every free unit. A SKU that stands on several lines is taken from the first with units left.
    """
    if not named:
        rest = tuple(TakenUnits(i, li.line_id, free[li.line_id]) for i, li in enumerate(lines) if free[li.line_id] > 0)
        return rest or Refusal("too_many", "no units are left")
    left = dict(free)
    taken: list[TakenUnits] = []
    for position, units in enumerate(named):
        fitting = [line for line in lines if _fits(units, line)]
        if not fitting:
            return Refusal("line_unknown", f"line {position} names a line or SKU that this order does not have")
        wanted = units.quantity
        for line in fitting:
            take = min(wanted, max(left[line.line_id], 0))
            if take:
                taken.append(TakenUnits(position, line.line_id, take))
                left[line.line_id] -= take
                wanted -= take
        if wanted:
            possible = units.quantity - wanted
            return Refusal("too_many", f"line {position} names {units.quantity} units, {possible} are left")
    return tuple(taken)


def _fits(units: NamedUnits, line: OrderedLine) -> bool:
    return units.line_id in (None, line.line_id) and units.sku in (None, line.shop_sku)


def per_line(taken: Iterable[TakenUnits]) -> dict[str, int]:
    """Units per line, each line once."""
    return summed({unit.line_id: unit.quantity} for unit in taken)


def summed(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Units per line over several parcels or returns."""
    total: dict[str, int] = {}
    for part in parts:
        for line_id, quantity in part.items():
            total[line_id] = total.get(line_id, 0) + quantity
    return total


def remaining(lines: Sequence[OrderedLine], *used: Mapping[str, int]) -> dict[str, int]:
    """Ordered units less what is used up, per line."""
    return {line.line_id: line.quantity - sum(part.get(line.line_id, 0) for part in used) for line in lines}


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is known of one parcel."""

    lines: Mapping[str, int]
    carrier_code: str | None
    carrier_name: str | None
    tracking_number: str | None
    tracking_url: str | None
    handed_over_at: datetime


def corrected(known: Parcel | None, posted: Parcel) -> Parcel:
    """A parcel after one more post about it: the later word counts, but silence takes nothing back.

    Posts may overtake each other, and a parcel's first post often has no tracking number yet. Were an absent value to
    erase a known one, a late repeat of that first post would make the buyer's tracking number disappear.
    """
    if known is None:
        return posted
    code, name = _carrier(known, posted)
    return replace(
        posted,
        carrier_code=code,
        carrier_name=name,
        tracking_number=posted.tracking_number or known.tracking_number,
        tracking_url=posted.tracking_url or (known.tracking_url if _same_number(known, posted) else None),
    )


def _carrier(known: Parcel, posted: Parcel) -> tuple[str | None, str | None]:
    """Code and name belong together: the code of one carrier with the name of another would be a third."""
    if posted.carrier_code not in (None, known.carrier_code) or posted.carrier_name not in (None, known.carrier_name):
        return posted.carrier_code, posted.carrier_name
    return known.carrier_code or posted.carrier_code, known.carrier_name or posted.carrier_name


def _same_number(known: Parcel, posted: Parcel) -> bool:
    """A link belongs to its number: with another number, the old link would show a stranger's parcel."""
    return posted.tracking_number in (None, known.tracking_number)


def advances(known_stage: str | None, stage: str) -> bool:
    """Whether a return's stage is news: repeats and stages that were passed are not."""
    return known_stage is None or STAGES.index(stage) > STAGES.index(known_stage)


def split_amount(amount: Decimal | None, units: Sequence[int]) -> tuple[Decimal | None, ...]:
    """Share an amount out over units of several lines; the last share takes what rounding leaves."""
    if amount is None:
        return (None,) * len(units)
    total = sum(units)
    shares = [(amount * count / total).quantize(CENT, ROUND_DOWN) for count in units[:-1]]
    return (*shares, amount - sum(shares, Decimal(0)))


def too_far_ahead(at: datetime, now: datetime, seconds: float) -> bool:
    """Whether a shop's instant lies further in the future than clocks differ."""
    return at - now > timedelta(seconds=seconds)
