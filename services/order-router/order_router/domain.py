"""Which shop serves which line: pure, with everything that was tried and the options that lost.

A line goes where an operator said, else where the first matching rule says, else to the shop of its SKU link, else to
the only shop there is, else to the shop known to have enough. What none of these settles waits; it is never guessed,
because goods sent from the wrong shop cannot be called back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from hub_contracts.acceptances import LosingOption, RuleTrace
from hub_contracts.connections import ConnectionState, RoutingRule, SkuSettings
from hub_contracts.orders import Environment, OrderLine, OrderSnapshot
from order_router.matching import Match, match

WHOLE_ORDER = ""
"""Line id of a wait that concerns every line."""

MODE_UNSET = "sku_link_mode_unset"
CONNECTION_UNKNOWN = "connection_unknown"
REFUND_FIRST = "refund_before_routing"
SKU_UNLINKED = "sku_unlinked"
SKU_MISSING = "sku_missing"
COUNTRY_UNKNOWN = "country_unknown"
NO_SHOP = "no_shop"
SHOP_UNKNOWN = "shop_unknown"
SHOP_INACTIVE = "shop_inactive"
MISMATCH = "environment_mismatch"


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop connection of the tenant."""

    shop_connection_id: UUID
    environment: Environment
    state: ConnectionState
    label: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What an operator chose for a line. Without `shop_sku` the line's own SKU rule applies."""

    shop_connection_id: UUID
    actor: str
    reason: str
    warehouse: str | None = None
    shop_sku: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """The shop and SKU that serve an offer."""

    shop_connection_id: UUID
    shop_sku: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the decision may look at besides the order. `shops` holds all shops of the tenant."""

    sku: SkuSettings
    rules: Sequence[RoutingRule]
    shops: Mapping[UUID, Shop]
    links: Mapping[str, Link] = field(default_factory=dict)
    stock: Mapping[tuple[UUID, str], int] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Served:
    """A line and who serves it."""

    line: OrderLine
    shop_sku: str
    shop_connection_id: UUID
    warehouse: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a line (or, with `WHOLE_ORDER`, the order) cannot be routed. `sku` is the SKU whose facts may end it."""

    line_id: str
    cause: str
    detail: str
    sku: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The order is routed only when nothing waits: a shop's order without some lines surprises shops."""

    served: tuple[Served, ...]
    waits: tuple[Wait, ...]
    rules: tuple[RuleTrace, ...]
    losing_options: tuple[LosingOption, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    shop_connection_id: UUID
    warehouse: str | None
    by: str


Outcome = Literal["passed", "failed", "skipped"]


@dataclass(slots=True)
class _Trial:
    """What was tried. Equal outcomes of many lines are one entry, so that the event stays small."""

    order: OrderSnapshot
    facts: Facts
    wanted: Mapping[str, int]
    tried: dict[tuple[str, Outcome, str, tuple[tuple[str, str], ...]], list[str]] = field(default_factory=dict)
    lost: dict[tuple[str, str], None] = field(default_factory=dict)

    def tell(self, rule: str, outcome: Outcome, reason: str, line: OrderLine, **inputs: object) -> None:
        shown = tuple((name, str(value)) for name, value in inputs.items() if value is not None)
        self.tried.setdefault((rule, outcome, reason, shown), []).append(line.line_id)

    def lose(self, option: str, why_not: str) -> None:
        self.lost[option, why_not] = None

    def rules(self) -> tuple[RuleTrace, ...]:
        return tuple(
            RuleTrace(rule=rule, outcome=outcome, reason=reason, inputs=dict(inputs) | {"lines": ", ".join(lines)})
            for (rule, outcome, reason, inputs), lines in self.tried.items()
        )

    def shop_name(self, shop_connection_id: UUID) -> str:
        shop = self.facts.shops.get(shop_connection_id)
        return f"{shop.label} ({shop_connection_id})" if shop else str(shop_connection_id)


def decide(order: OrderSnapshot, lines: Sequence[OrderLine], facts: Facts) -> Verdict:
    """Choose a shop and a shop SKU for each of `lines`, or say what each waits for."""
    wanted: dict[str, int] = {}
    for line in lines:
        key = _stock_key(line, facts)
        wanted[key] = wanted.get(key, 0) + line.quantity
    trial = _Trial(order, facts, wanted)
    served: list[Served] = []
    waits: dict[tuple[str, str], Wait] = {}
    for line in lines:
        result = _place(trial, line)
        if isinstance(result, Served):
            served.append(result)
        else:
            waits.setdefault((result.line_id, result.cause), result)
    lost = tuple(LosingOption(option=option, why_not=why) for option, why in trial.lost)
    return Verdict(tuple(served), tuple(waits.values()), trial.rules(), lost)


def own_sku(line: OrderLine, sku: SkuSettings) -> str | None:
    """The SKU that a passed-through line has in the shop; None when the marketplace does not give it."""
    return line.product_sku if sku.sku_source == "product_sku" else line.offer_sku


def _stock_key(line: OrderLine, facts: Facts) -> str:
    return own_sku(line, facts.sku) or line.offer_sku


def _place(trial: _Trial, line: OrderLine) -> Served | Wait:
    shop_sku = _shop_sku(trial, line)
    if isinstance(shop_sku, Wait):
        return shop_sku
    target = _target(trial, line, shop_sku)
    if isinstance(target, Wait):
        return target
    return _unusable(trial, line, target) or Served(line, shop_sku, target.shop_connection_id, target.warehouse)


def _shop_sku(trial: _Trial, line: OrderLine) -> str | Wait:
    facts, sku = trial.facts, line.offer_sku
    choice, link = facts.choices.get(line.line_id), facts.links.get(sku)
    if choice is not None and choice.shop_sku is not None:
        trial.tell("shop_sku", "passed", "an operator named it", line, sku=sku, shop_sku=choice.shop_sku)
        return choice.shop_sku
    if facts.sku.link_mode == "pass_through":
        own = own_sku(line, facts.sku)
        if own:
            trial.tell("shop_sku", "passed", f"the {facts.sku.sku_source} is passed through", line)
            return own
        trial.tell("shop_sku", "failed", "the marketplace gives no product SKU", line, sku=sku)
        return Wait(line.line_id, SKU_MISSING, f"offer {sku} came without a product SKU", sku)
    if facts.sku.link_mode == "linked":
        if link is not None:
            trial.tell("shop_sku", "passed", "a link exists", line)
            return link.shop_sku
        trial.tell("shop_sku", "failed", "no shop SKU is linked", line, sku=sku)
        return Wait(line.line_id, SKU_UNLINKED, f"SKU {sku} is not linked to a SKU of a shop", sku)
    trial.tell("shop_sku", "failed", "the connection does not say how SKUs become the shop's", line)
    return Wait(WHOLE_ORDER, MODE_UNSET, "the connection does not say whether SKUs are linked or passed through")


def _target(trial: _Trial, line: OrderLine, shop_sku: str) -> _Target | Wait:
    choice = trial.facts.choices.get(line.line_id)
    if choice is not None:
        trial.tell("operator", "passed", choice.reason, line, by=choice.actor)
        by_hand = _Target(choice.shop_connection_id, choice.warehouse, "an operator's choice")
        chosen = _rules(trial, line, by_hand)
    else:
        chosen = _rules(trial, line, None)
    link = trial.facts.links.get(line.offer_sku) if trial.facts.sku.link_mode == "linked" else None
    if isinstance(chosen, _Target):
        if link is not None and link.shop_connection_id != chosen.shop_connection_id:
            trial.lose(f"linked shop {trial.shop_name(link.shop_connection_id)}", f"{chosen.by} comes first")
        return chosen
    if chosen is not None:
        return chosen
    if link is not None:
        trial.tell("linked_shop", "passed", "no rule matched; the SKU's link names the shop", line)
        return _Target(link.shop_connection_id, None, "the SKU's link")
    return _only_shop(trial, line, shop_sku)


def _rules(trial: _Trial, line: OrderLine, chosen: _Target | None) -> _Target | Wait | None:
    """The first matching rule's shop; later rules that would have matched are told as lost."""
    found: _Target | Wait | None = chosen
    for rule in trial.facts.rules:
        name = f"rule {rule.name}"
        result, reason = match(rule, trial.order, line)
        if found is not None:
            if result is Match.YES and isinstance(found, _Target):
                _lost_rule(trial, rule, found)
            continue
        inputs = {"country": trial.order.destination_country, "channel": trial.order.channel}
        if result is Match.YES:
            trial.tell(name, "passed", reason, line, **inputs)
            found = _Target(rule.shop_connection_id, rule.warehouse, name)
        elif result is Match.NO:
            trial.tell(name, "failed", reason, line, **inputs)
        else:
            trial.tell(name, "skipped", reason, line, **inputs)
            found = Wait(
                line.line_id, COUNTRY_UNKNOWN, f"{name} asks for the destination country, not known yet", line.offer_sku
            )
    return found


def _lost_rule(trial: _Trial, rule: RoutingRule, found: _Target) -> None:
    if (rule.shop_connection_id, rule.warehouse) != (found.shop_connection_id, found.warehouse):
        at = f", warehouse {rule.warehouse}" if rule.warehouse else ""
        option = f"rule {rule.name}: {trial.shop_name(rule.shop_connection_id)}{at}"
        trial.lose(option, f"{found.by} comes first")


def _only_shop(trial: _Trial, line: OrderLine, shop_sku: str) -> _Target | Wait:
    """The only shop there is. A paused one counts: pausing a shop must not move its orders to another."""
    shops = [
        shop
        for shop in sorted(trial.facts.shops.values(), key=lambda shop: str(shop.shop_connection_id))
        if shop.state is not ConnectionState.INACTIVE and shop.environment is trial.order.environment
    ]
    if len(shops) == 1:
        trial.tell("only_shop", "passed", "one shop of this environment exists", line, shop=shops[0].label)
        return _Target(shops[0].shop_connection_id, None, "the only shop")
    if not shops:
        trial.tell("only_shop", "failed", "no active shop of this environment exists", line)
        return Wait(line.line_id, NO_SHOP, "no rule matched and there is no active shop of its environment", shop_sku)
    trial.tell("only_shop", "failed", f"{len(shops)} shops of this environment exist", line)
    return _by_stock(trial, line, shop_sku, shops)


def _by_stock(trial: _Trial, line: OrderLine, shop_sku: str, shops: Sequence[Shop]) -> _Target | Wait:
    """Of several shops, the one with most units, when it has all that the order wants of this SKU."""
    wanted = max(line.quantity, trial.wanted.get(shop_sku, 0))
    known = {shop: trial.facts.stock.get((shop.shop_connection_id, shop_sku)) for shop in shops}
    levels = {f"on_hand_{shop.label}": "unknown" if units is None else units for shop, units in known.items()}
    enough = [(units, shop) for shop, units in known.items() if units is not None and units >= wanted]
    if not enough:
        trial.tell("stock", "failed", "no shop is known to have enough", line, wanted=wanted, **levels)
        detail = f"no rule matched, and none of {len(shops)} shops is known to have {wanted} of {shop_sku}"
        return Wait(line.line_id, NO_SHOP, detail, shop_sku)
    most, best = max(enough, key=lambda pair: pair[0])
    trial.tell("stock", "passed", f"{best.label} has most of what is wanted", line, wanted=wanted, **levels)
    for shop, units in known.items():
        if shop is not best:
            why = "its stock is not known" if units is None else f"it has {units}, {best.label} has {most}"
            trial.lose(f"shop {trial.shop_name(shop.shop_connection_id)} for {shop_sku}", why)
    return _Target(best.shop_connection_id, None, "stock")


def _unusable(trial: _Trial, line: OrderLine, target: _Target) -> Wait | None:
    shop = trial.facts.shops.get(target.shop_connection_id)
    if shop is None:
        cause, why = SHOP_UNKNOWN, "is no shop connection of this seller"
    elif shop.environment is not trial.order.environment:
        cause, why = MISMATCH, f"is {shop.environment}, the order is {trial.order.environment}"
    elif shop.state is ConnectionState.INACTIVE:
        cause, why = SHOP_INACTIVE, "is inactive"
    else:
        trial.tell("shop_usable", "passed", f"{shop.label} is {shop.state}", line)
        return None
    trial.tell("shop_usable", "failed", f"the shop {why}", line, shop=target.shop_connection_id)
    detail = f"{target.by} names {trial.shop_name(target.shop_connection_id)}, which {why}"
    return Wait(line.line_id, cause, detail, line.offer_sku)
