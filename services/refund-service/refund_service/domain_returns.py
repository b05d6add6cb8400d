"""What a return still has to give back: pure. A return is refunded once, however often it is told.

A return is restated at every stage (created, received, inspected). Each line keeps the last word said about it at its
highest stage; only the difference to what was already asked for this return is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hub_contracts.connections import RefundSettings
from hub_contracts.shop_activity import ReturnLine
from refund_service.domain import WAIT, Ask, Balance, Obstacle, Order, Want, fit_level, price
from refund_service.money import Sums

STAGES = {"created": 1, "received": 2, "inspected": 3}


@dataclass(frozen=True, slots=True)
class Stated:
    """The last word on one line of a return."""

    stage: str
    quantity: int
    amount: Decimal | None
    """Money for the units whose money was given."""
    unpriced: int
    """Units without money of their own: what the buyer paid for them."""
    reason: str | None

    def as_json(self) -> dict[str, Any]:
        """Plain data for the database."""
        amount = None if self.amount is None else format(self.amount, "f")
        return {
            "stage": self.stage,
            "quantity": self.quantity,
            "amount": amount,
            "unpriced": self.unpriced,
            "reason": self.reason,
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Stated:
        """The opposite of `as_json`."""
        amount = None if data["amount"] is None else Decimal(data["amount"])
        return cls(data["stage"], data["quantity"], amount, data["unpriced"], data["reason"])


def rank(stage: str) -> int:
    """Order of stages; an unknown one reaches no policy."""
    return STAGES.get(stage, 0)


def merged(known: Mapping[str, Stated], stage: str, lines: Iterable[ReturnLine]) -> dict[str, Stated]:
    """`known` after a further statement. A statement of a lower stage than a line's own changes nothing of it."""
    groups: dict[str, list[ReturnLine]] = {}
    for line in lines:
        groups.setdefault(line.line_id, []).append(line)
    result = dict(known)
    for line_id, parts in groups.items():
        before = result.get(line_id)
        if before is None or rank(stage) >= rank(before.stage):
            result[line_id] = _stated(stage, parts)
    return result


def _stated(stage: str, parts: Sequence[ReturnLine]) -> Stated:
    """Several entries of one line become one; the reason is that of most units."""
    given = [part.amount for part in parts if part.amount is not None]
    reasons = [part for part in parts if part.reason]
    main = max(reasons, key=lambda part: part.quantity) if reasons else None
    return Stated(
        stage=stage,
        quantity=sum(part.quantity for part in parts),
        amount=sum(given, Decimal(0)) if given else None,
        unpriced=sum(part.quantity for part in parts if part.amount is None),
        reason=main.reason if main else None,
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What the connection and its marketplace say."""

    settings: RefundSettings
    level: str
    refund_codes: frozenset[str] | None
    """Codes that the marketplace takes; None where it has no list or it was not fetched yet."""


@dataclass(slots=True)
class Outcome:
    """What is asked for now, what waits by itself, and what needs a person."""

    asks: list[Ask] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)


def choose_reason(rules: Rules, line_id: str, shop_reason: str | None) -> str | Obstacle:
    """The marketplace's code for a shop's reason: mapped, else the connection's default."""
    settings = rules.settings
    mapped = settings.reason_map.get(shop_reason) if shop_reason else None
    if mapped is None and shop_reason:
        folded = {name.strip().casefold(): code for name, code in settings.reason_map.items()}
        mapped = folded.get(shop_reason.strip().casefold())
    code = mapped or settings.default_reason
    if not code:
        said = f"the shop's reason {shop_reason[:60]!r}" if shop_reason else "a return without a reason"
        return Obstacle("reason_unmapped", line_id, f"{said} has no code of the marketplace", "reason_code")
    return known_code(rules.refund_codes, line_id, code) or code


def known_code(codes: frozenset[str] | None, line_id: str, code: str) -> Obstacle | None:
    """An obstacle when the marketplace has a list of reasons and this code is not in it."""
    if codes is None or code in codes:
        return None
    listed = ", ".join(sorted(codes)[:20]) or "none"
    return Obstacle("reason_unknown", line_id, f"the marketplace does not list {code[:40]!r}; it lists {listed}")


def decide(
    order: Order,
    books: Mapping[str, Balance],
    lines: Mapping[str, Stated],
    refund_shipping: bool,
    asked: Mapping[str, Sums],
    rules: Rules,
    *,
    answered: bool = False,
) -> Outcome:
    """Everything of this return that can be asked for now. `asked` is what was asked for it before, rejected or not.

    `answered`: a person refunded units of it; what that person gave for them is the last word on their money.
    """
    outcome = Outcome()
    for line_id, stated in lines.items():
        if rank(stated.stage) < rank(rules.settings.refund_on):
            outcome.waits.append(f"{line_id}: is {stated.stage}, refunded when {rules.settings.refund_on}")
            continue
        want = _difference(stated, line_id, order, refund_shipping, asked.get(line_id, Sums()))
        if want is not None and answered:
            want = Want(line_id, want.quantity, None, want.shipping, want.reason) if want.quantity else None
        if want is None:
            continue
        result = price(order, books.get(line_id, Balance()), want)
        _sort(outcome, result, rules)
    _fit(outcome, order, books, rules)
    return outcome


def _sort(outcome: Outcome, result: Ask | Obstacle, rules: Rules) -> None:
    if isinstance(result, Ask):
        code = choose_reason(rules, result.line_id, result.reason)
        if isinstance(code, Obstacle):
            outcome.obstacles.append(code)
        else:
            outcome.asks.append(with_code(result, code))
    elif result.cause == WAIT:
        outcome.waits.append(f"{result.line_id}: {result.text}")
    elif result.cause != "nothing_to_refund":
        outcome.obstacles.append(result)


def with_code(ask: Ask, code: str) -> Ask:
    """The same with the marketplace's reason code."""
    return Ask(ask.line_id, ask.offer_sku, ask.sums, ask.taxes, ask.shipping_taxes, ask.reason, code)


def _fit(outcome: Outcome, order: Order, books: Mapping[str, Balance], rules: Rules) -> None:
    if rules.level == "order" and outcome.waits:
        outcome.asks = []  # a whole order is asked for at once or not at all
    unfit = fit_level(rules.level, order, books, outcome.asks)
    outcome.obstacles += unfit
    names = {obstacle.line_id for obstacle in unfit}
    outcome.asks = [ask for ask in outcome.asks if ask.line_id not in names]


def _difference(stated: Stated, line_id: str, order: Order, shipping: bool, asked: Sums) -> Want | None:
    units = max(0, stated.quantity - asked.quantity)
    if stated.amount is None:
        if units:
            return Want(line_id, units, None, shipping, stated.reason)
        return _late_shipping(line_id, shipping, asked, stated.reason)
    line = order.lines.get(line_id)
    total = stated.amount + (line.unit_price * stated.unpriced if line else Decimal(0))
    amount = total - asked.amount
    if amount <= 0 and not units:
        return _late_shipping(line_id, shipping, asked, stated.reason)
    return Want(line_id, units, max(Decimal(0), amount), shipping and units > 0, stated.reason)


def _late_shipping(line_id: str, shipping: bool, asked: Sums, reason: str | None) -> Want | None:
    """Goods went back at an earlier stage and the shop says only now that shipping goes back too."""
    if not shipping or asked.shipping or not asked.quantity:
        return None
    return Want(line_id, 0, Decimal(0), True, reason, shipping_units=asked.quantity)
