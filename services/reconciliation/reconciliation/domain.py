"""What does not agree between an order as the hub holds it and as the marketplace shows it. Pure.

Each rule names one way in which two ledgers drift apart in silence. Nothing here knows the time except by the instants
it is given, and nothing young is judged: a marketplace publishes later than it answers, and a false alarm teaches
people to ignore the true one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from hub_contracts.orders import FulfilledBy, ObservedRefund, OrderSnapshot
from hub_contracts.reconciliations import DifferenceKind, Repair
from hub_contracts.refunds import RefundLine
from hub_contracts.status import OPEN, OrderStatus
from reconciliation.steps import Finding, finding

NOT_SHIPPED = frozenset({OrderStatus.PENDING, OrderStatus.ACCEPTED, OrderStatus.PREPARATION})
SHIPPED = frozenset({OrderStatus.SHIPPED, OrderStatus.DELIVERED})
GONE_BY_REFUND = frozenset({OrderStatus.REFUNDING, OrderStatus.REFUNDED})


@dataclass(frozen=True, slots=True)
class Rules:
    """When something is old enough to be judged. `at` is when the marketplace was asked, UTC."""

    at: datetime
    settle: timedelta
    work: timedelta
    """Work under way excuses a difference for so long; work that never ends is one itself."""

    @property
    def horizon(self) -> datetime:
        """What changed after this instant is not judged yet."""
        return self.at - self.settle


@dataclass(frozen=True, slots=True)
class OwnRefund:
    """A refund that the hub asked for. `confirmed` = the marketplace took it."""

    confirmed: bool
    lines: tuple[RefundLine, ...]
    references: tuple[str, ...]

    @property
    def total(self) -> Decimal:
        """Products and shipping together."""
        return sum((line.amount + line.shipping_amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class Belief:
    """An order as the hub holds it, from events. `answer` is `accept` or `refuse` once the marketplace took it."""

    snapshot: OrderSnapshot
    fact_at: datetime
    """When the hub last learnt something about it."""
    answer: str | None = None
    parcels: int = 0
    parcels_complete: bool = False
    refunds: tuple[OwnRefund, ...] = ()
    first_refunds: frozenset[str] = frozenset()
    """Refunds that existed before the hub knew the order: nobody here asked for them, and that is right."""
    busy_since: datetime | None = None
    """Since when work on it is under way or in doubt."""


@dataclass(frozen=True, slots=True)
class Import:
    """Which orders the hub takes in at all, by the connection's settings."""

    import_from: datetime | None
    activated_at: datetime | None
    statuses: frozenset[OrderStatus] = frozenset()


def settled(belief: Belief, seen_updated_at: datetime | None, rules: Rules) -> bool:
    """Whether both sides have been still for long enough to be compared."""
    if belief.fact_at > rules.horizon or (seen_updated_at is not None and seen_updated_at > rules.horizon):
        return False
    return belief.busy_since is None or belief.busy_since <= rules.at - rules.work


def young(seen: OrderSnapshot, rules: Rules) -> bool:
    """Whether the marketplace changed it so recently that the hub need not know yet."""
    return max(seen.created_at, seen.marketplace_updated_at) > rules.horizon


def expected_here(seen: OrderSnapshot, imports: Import) -> bool:
    """Whether the hub should have received an order that it does not know. Mirrors what the import leaves out."""
    if imports.import_from is not None and seen.created_at < imports.import_from:
        return False
    if imports.statuses and seen.status not in imports.statuses:
        return False
    # What was over before the connection was switched on is left out by its first reading.
    before = imports.activated_at is not None and seen.created_at < imports.activated_at
    return seen.status in OPEN or not before


def missing(seen: OrderSnapshot) -> Finding:
    """The marketplace shows an order that the hub has never received."""
    return finding(DifferenceKind.ORDER_MISSING, seen, hub="not known", marketplace=_status(seen), repair=Repair.REREAD)


def vanished(held: OrderSnapshot) -> Finding:
    """The marketplace, asked for this very order, says that it has none."""
    return finding(
        DifferenceKind.ORDER_VANISHED, held, hub=_status(held), marketplace="not known", repair=Repair.OPERATOR
    )


def compare_order(belief: Belief, seen: OrderSnapshot) -> list[Finding]:
    """Everything that does not agree; both sides must be `settled`."""
    found = [*_status_differs(belief.snapshot, seen), *_lines_differ(belief.snapshot, seen)]
    found += _total_differs(belief.snapshot, seen)
    if belief.snapshot.fulfilled_by is FulfilledBy.SELLER:
        found += [*_answer_missing(belief, seen), *_parcels_differ(belief, seen)]
    found += _refunds_differ(belief, seen)
    return found


def _status(order: OrderSnapshot) -> str:
    return f"{order.status} ({order.marketplace_status})"


def _status_differs(held: OrderSnapshot, seen: OrderSnapshot) -> Iterator[Finding]:
    if held.status is not seen.status:
        yield finding(DifferenceKind.STATUS, seen, hub=_status(held), marketplace=_status(seen), repair=Repair.REREAD)


def _lines_differ(held: OrderSnapshot, seen: OrderSnapshot) -> Iterator[Finding]:
    ours = {line.line_id: f"{line.quantity} × {line.offer_sku}" for line in held.lines}
    theirs = {line.line_id: f"{line.quantity} × {line.offer_sku}" for line in seen.lines}
    for line_id in sorted(ours.keys() | theirs.keys()):
        if ours.get(line_id) != theirs.get(line_id):
            yield finding(
                DifferenceKind.LINES,
                seen,
                hub=ours.get(line_id, "no such line"),
                marketplace=theirs.get(line_id, "no such line"),
                repair=Repair.REREAD,
                line_id=line_id,
            )


def _total_differs(held: OrderSnapshot, seen: OrderSnapshot) -> Iterator[Finding]:
    if (held.total_price, held.currency) != (seen.total_price, seen.currency):
        yield finding(
            DifferenceKind.PAID_TOTAL,
            seen,
            hub=money(held.total_price, held.currency),
            marketplace=money(seen.total_price, seen.currency),
            repair=Repair.REREAD,
        )


def _answer_missing(belief: Belief, seen: OrderSnapshot) -> Iterator[Finding]:
    if belief.answer is not None and seen.status is OrderStatus.PENDING:
        yield finding(
            DifferenceKind.ANSWER_MISSING,
            seen,
            hub=f"{belief.answer}: taken by the marketplace",
            marketplace=_status(seen),
            repair=Repair.OPERATOR,
        )


def _parcels_differ(belief: Belief, seen: OrderSnapshot) -> Iterator[Finding]:
    if belief.parcels_complete and seen.status in NOT_SHIPPED:
        yield finding(
            DifferenceKind.PARCEL_MISSING,
            seen,
            hub=f"{belief.parcels} parcel(s) taken by the marketplace, the order is complete",
            marketplace=_status(seen),
            repair=Repair.OPERATOR,
        )
    if belief.answer == "accept" and not belief.parcels and seen.status in SHIPPED:
        yield finding(
            DifferenceKind.STATUS,
            seen,
            hub="no parcel told",
            marketplace=_status(seen),
            repair=Repair.OPERATOR,
            part="shipped_elsewhere",
        )


def _refunds_differ(belief: Belief, seen: OrderSnapshot) -> Iterator[Finding]:
    """By reference where the marketplace names one; by line and money where it does not.

    A marketplace that shows no refunds at all (ManoMano) proves nothing either way, so nothing is claimed of it.
    """
    shown = {each.refund_reference: each for each in _distinct(seen.refunds)}
    ours = [refund for refund in belief.refunds if refund.confirmed]
    named = {reference for refund in ours for reference in refund.references}
    if seen.status not in GONE_BY_REFUND or shown:
        for refund in ours:
            yield from _one_refund(refund, shown, seen)
    loose = [line for refund in belief.refunds if not refund.references for line in refund.lines]
    for reference, each in sorted(shown.items()):
        if reference in named or reference in belief.first_refunds or _take(loose, each):
            continue
        yield finding(
            DifferenceKind.REFUND_UNKNOWN,
            seen,
            hub="not asked for",
            marketplace=f"{money(each.amount + each.shipping_amount, seen.currency)} ({each.state or 'no state'})",
            repair=Repair.OPERATOR,
            line_id=each.line_id,
            part=f"refund:{reference}",
        )


def _one_refund(refund: OwnRefund, shown: dict[str, ObservedRefund], seen: OrderSnapshot) -> Iterator[Finding]:
    if not refund.references:
        return
    present = [shown[reference] for reference in refund.references if reference in shown]
    there = sum((each.amount + each.shipping_amount for each in present), Decimal(0))
    if len(present) == len(refund.references) and there == refund.total:
        return
    yield finding(
        DifferenceKind.REFUND_MISSING,
        seen,
        hub=f"{money(refund.total, seen.currency)} taken by the marketplace",
        marketplace=f"{money(there, seen.currency)} in {len(present)} of {len(refund.references)} refund(s)",
        repair=Repair.OPERATOR,
        part=f"refund:{','.join(sorted(refund.references))}",
    )


def _distinct(refunds: Sequence[ObservedRefund]) -> Iterable[ObservedRefund]:
    """One entry per reference: a reference that shows on several lines counts with its sum."""
    found: dict[str, ObservedRefund] = {}
    for each in refunds:
        before = found.get(each.refund_reference)
        if before is not None:
            sums = {
                "amount": before.amount + each.amount,
                "shipping_amount": before.shipping_amount + each.shipping_amount,
                "quantity": before.quantity + each.quantity,
            }
            found[each.refund_reference] = before.model_copy(update=sums)
        else:
            found[each.refund_reference] = each
    return found.values()


def _take(loose: list[RefundLine], shown: ObservedRefund) -> bool:
    """Take a line of ours that tells no reference and fits; quantity is informative only at some marketplaces."""
    for line in loose:
        same_money = (line.amount, line.shipping_amount) == (shown.amount, shown.shipping_amount)
        if line.line_id == shown.line_id and same_money:
            loose.remove(line)
            return True
    return False


def money(amount: Decimal, currency: str) -> str:
    """An amount for people."""
    return f"{amount:.2f} {currency}" if amount == round(amount, 2) else f"{amount:f} {currency}"
