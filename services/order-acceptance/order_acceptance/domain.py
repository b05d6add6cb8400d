"""The decision on one order: pure, with every rule that was tried, its inputs and the options that lost.

An order is accepted only when every condition that the seller set holds. What fails is never quietly ignored: it is
held for a person or refused, by the connection's policy, and the trace says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from hub_contracts.acceptances import DecidedBy, Decision, LineDecision, LosingOption, RuleTrace
from hub_contracts.base import Money
from hub_contracts.connections import AcceptancePolicy
from hub_contracts.orders import OrderLine, OrderSnapshot

PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class KnownOffer:
    """What stock-sync knows of an offer. `free` already excludes what earlier accepted orders will take."""

    free: int
    price: Money | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the decision may look at besides the order and the policy."""

    now: datetime
    offers: Mapping[str, KnownOffer]
    linked_skus: frozenset[str]
    pass_through: bool
    line_acceptance: bool
    address_shown: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of the rules."""

    decision: Decision
    reason: str
    lines: tuple[LineDecision, ...]
    rules: tuple[RuleTrace, ...]
    losing_options: tuple[LosingOption, ...]


@dataclass(slots=True)
class _Trial:
    """Rules as they are tried. `bad_lines` are lines that fail a rule about lines; `whole` names failed order rules."""

    rules: list[RuleTrace] = field(default_factory=list)
    bad_lines: dict[str, str] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    must_hold: list[str] = field(default_factory=list)

    def tell(self, rule: str, outcome: str, reason: str, **inputs: object) -> None:
        shown = {name: str(value) for name, value in inputs.items()}
        self.rules.append(RuleTrace(rule=rule, outcome=outcome, reason=reason, inputs=shown))


def decide(order: OrderSnapshot, policy: AcceptancePolicy, facts: Facts) -> Verdict:
    """Accept, refuse or hold an order that waits for our answer."""
    trial = _Trial()
    _auto_accept(trial, policy)
    _data_consistent(trial, order)
    _order_age(trial, order, policy, facts.now)
    _address(trial, order, policy, facts)
    _shipping_price(trial, order, policy)
    taken: Counter[str] = Counter()
    for line in order.lines:
        _linked(trial, line, policy, facts)
        _stock(trial, line, policy, facts, taken)
        _price(trial, order, line, policy, facts)
    return _conclude(order, policy, facts, trial)


def _auto_accept(trial: _Trial, policy: AcceptancePolicy) -> None:
    if policy.auto_accept:
        trial.tell("auto_accept", "passed", "the connection accepts by itself")
    else:
        trial.tell("auto_accept", "failed", "the connection leaves the decision to a person")
        trial.must_hold.append("auto_accept")


def _data_consistent(trial: _Trial, order: OrderSnapshot) -> None:
    if order.data_alerts:
        trial.tell("data_consistent", "failed", "; ".join(order.data_alerts), alerts=len(order.data_alerts))
        trial.must_hold.append("data_consistent")
    else:
        trial.tell("data_consistent", "passed", "the marketplace's figures add up")


def _order_age(trial: _Trial, order: OrderSnapshot, policy: AcceptancePolicy, now: datetime) -> None:
    if policy.max_order_age_hours is None:
        trial.tell("order_age", "skipped", "no maximum age is set")
        return
    age = now - order.created_at
    inputs = {"created_at": order.created_at.isoformat(), "max_hours": policy.max_order_age_hours}
    if age <= timedelta(hours=policy.max_order_age_hours):
        trial.tell("order_age", "passed", "young enough", **inputs)
    else:
        trial.tell("order_age", "failed", f"the order is {age.total_seconds() / 3600:.1f} h old", **inputs)
        trial.whole.append("order_age")


def _address(trial: _Trial, order: OrderSnapshot, policy: AcceptancePolicy, facts: Facts) -> None:
    missing = order.missing_address_fields
    if not policy.require_complete_address:
        trial.tell("address_complete", "skipped", "not required by the connection")
    elif missing and not facts.address_shown and order.destination_country is None:
        trial.tell("address_complete", "skipped", "the marketplace shows the address only after acceptance")
    elif missing:
        trial.tell("address_complete", "failed", f"missing: {', '.join(missing)}", missing=", ".join(missing))
        trial.whole.append("address_complete")
    else:
        trial.tell("address_complete", "passed", "every field that the shop needs is there")


def _shipping_price(trial: _Trial, order: OrderSnapshot, policy: AcceptancePolicy) -> None:
    expected = policy.expected_shipping_price
    if expected is None:
        trial.tell("shipping_price", "skipped", "no shipping price is expected")
        return
    lowest = expected * (PERCENT - policy.shipping_tolerance_percent) / PERCENT
    inputs = {"charged": order.shipping_price, "expected": expected, "lowest": lowest}
    if order.shipping_price >= lowest:
        trial.tell("shipping_price", "passed", "within tolerance", **inputs)
    else:
        trial.tell("shipping_price", "failed", "the buyer is charged less for shipping than expected", **inputs)
        trial.whole.append("shipping_price")


def _linked(trial: _Trial, line: OrderLine, policy: AcceptancePolicy, facts: Facts) -> None:
    inputs = {"line": line.line_id, "sku": line.offer_sku}
    if not policy.require_linked_skus:
        trial.tell("sku_linked", "skipped", "not required by the connection", **inputs)
    elif facts.pass_through:
        trial.tell("sku_linked", "passed", "SKUs are passed through", **inputs)
    elif line.offer_sku in facts.linked_skus:
        trial.tell("sku_linked", "passed", "a link exists", **inputs)
    else:
        trial.tell("sku_linked", "failed", "no shop SKU is linked", **inputs)
        trial.bad_lines[line.line_id] = "sku_linked"


def _stock(trial: _Trial, line: OrderLine, policy: AcceptancePolicy, facts: Facts, taken: Counter[str]) -> None:
    """`taken`: units that earlier lines of the order take; an order may name a SKU on several lines."""
    inputs: dict[str, object] = {"line": line.line_id, "sku": line.offer_sku, "wanted": line.quantity}
    offer = facts.offers.get(line.offer_sku)
    if not policy.require_stock:
        trial.tell("stock_available", "skipped", "not required by the connection", **inputs)
        return
    if offer is None:
        trial.tell("stock_available", "failed", "nothing is known about the stock of this SKU", **inputs)
        trial.bad_lines.setdefault(line.line_id, "stock_available")
        return
    free = offer.free - taken[line.offer_sku]
    if free >= line.quantity:
        taken[line.offer_sku] += line.quantity
        trial.tell("stock_available", "passed", "enough is free", free=free, **inputs)
    else:
        trial.tell("stock_available", "failed", f"only {max(0, free)} free", free=free, **inputs)
        trial.bad_lines.setdefault(line.line_id, "stock_available")


def _price(trial: _Trial, order: OrderSnapshot, line: OrderLine, policy: AcceptancePolicy, facts: Facts) -> None:
    offer = facts.offers.get(line.offer_sku)
    inputs: dict[str, object] = {"line": line.line_id, "sku": line.offer_sku, "paid": line.unit_price.amount}
    if order.is_test:
        trial.tell("price_within_tolerance", "skipped", "nobody pays the price of a test order", **inputs)
        return
    if offer is None or offer.price is None:
        trial.tell("price_within_tolerance", "skipped", "no price is known for this SKU", **inputs)
        return
    inputs |= {"known": offer.price.amount, "tolerance_percent": policy.price_tolerance_percent}
    if offer.price.currency != line.unit_price.currency:
        reason = f"paid in {line.unit_price.currency}, known in {offer.price.currency}"
        trial.tell("price_within_tolerance", "failed", reason, **inputs)
        trial.bad_lines.setdefault(line.line_id, "price_within_tolerance")
        return
    lowest = offer.price.amount * (PERCENT - policy.price_tolerance_percent) / PERCENT
    if line.unit_price.amount >= lowest:
        trial.tell("price_within_tolerance", "passed", f"at least {lowest:f}", **inputs)
    else:
        trial.tell("price_within_tolerance", "failed", f"below {lowest:f}", **inputs)
        trial.bad_lines.setdefault(line.line_id, "price_within_tolerance")


def _conclude(order: OrderSnapshot, policy: AcceptancePolicy, facts: Facts, trial: _Trial) -> Verdict:
    everything = tuple(LineDecision(line_id=line.line_id, accepted=True) for line in order.lines)
    nothing = tuple(LineDecision(line_id=line.line_id, accepted=False) for line in order.lines)
    failed = [*trial.must_hold, *trial.whole, *sorted(set(trial.bad_lines.values()))]
    rules = tuple(trial.rules)
    if not failed:
        holds = "every condition holds"
        return Verdict(Decision.ACCEPT, holds, everything, rules, (_lost("refuse", holds), _lost("hold", holds)))
    why = f"failed: {', '.join(failed)}"
    not_all = _lost("accept", why)
    if trial.must_hold:
        reason = f"a person must decide: {', '.join(trial.must_hold)}"
        return Verdict(Decision.HOLD, reason, everything, rules, (not_all, _lost("refuse", "never refused for this")))
    partly = policy.partial_acceptance and facts.line_acceptance and not trial.whole
    if partly and len(trial.bad_lines) < len(order.lines):
        lines = tuple(
            LineDecision(line_id=line.line_id, accepted=line.line_id not in trial.bad_lines) for line in order.lines
        )
        others = (_lost("refuse", "some lines can be served"), _lost("hold", "lines are decided one by one"))
        reason = f"without {len(trial.bad_lines)} line(s); {why}"
        return Verdict(Decision.ACCEPT, reason, lines, rules, (not_all, *others))
    chosen = policy.when_conditions_fail
    rest = [option for option in (Decision.HOLD, Decision.REFUSE) if option is not chosen]
    losing: tuple[LosingOption, ...] = (
        *(() if chosen is Decision.ACCEPT else (not_all,)),
        *(_lost(option.value, f"the connection's policy is to {chosen}") for option in rest),
    )
    lines = nothing if chosen is Decision.REFUSE else everything
    return Verdict(chosen, why, lines, rules, losing)


def _lost(option: str, why_not: str) -> LosingOption:
    return LosingOption(option=option, why_not=why_not)


def by_person(
    order: OrderSnapshot, decision: Decision, refused_lines: Sequence[str], reason: str, by: DecidedBy
) -> Verdict:
    """A decision that no rule took: an operator's, or the last resort before the deadline.

    Raises `ValueError` naming a line that the order does not have.
    """
    known = {line.line_id for line in order.lines}
    for line_id in refused_lines:
        if line_id not in known:
            raise ValueError(f"refused_lines: the order has no line {line_id!r}")
    accepted = decision is not Decision.REFUSE
    lines = tuple(
        LineDecision(line_id=line.line_id, accepted=accepted and line.line_id not in refused_lines)
        for line in order.lines
    )
    if decision is Decision.ACCEPT and not any(line.accepted for line in lines):
        raise ValueError("refused_lines: every line is refused; decide refuse instead")
    rule = RuleTrace(rule=by.value, outcome="passed", reason=reason, inputs={})
    others = [option for option in Decision if option is not decision]
    losing = tuple(_lost(option.value, f"{by.value} chose {decision}") for option in others)
    return Verdict(decision, reason, lines, (rule,), losing)
