"""Shows what a change of rules would do to past parcels, before it is saved.

A rule that looks right may take parcels from another carrier; seen only live, it has already been sent to marketplaces.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from carrier_mapper.domain import decide_carrier
from carrier_mapper.known import KnownCarriers
from carrier_mapper.model import (
    CarrierDecision,
    CarrierSettings,
    DefaultCarrier,
    MarketplaceCarrier,
    Outcome,
    ParcelFacts,
)
from carrier_mapper.rules import CarrierRule, order_rules


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """Everything a decision depends on beside the parcel and the rules."""

    default_carrier: DefaultCarrier
    marketplace_carriers: Sequence[MarketplaceCarrier] | None
    settings: CarrierSettings = field(default_factory=CarrierSettings)
    known: KnownCarriers | None = None


@dataclass(frozen=True, slots=True)
class ParcelChange:
    """A parcel that would be sent otherwise: carrier, numbers, link, or waiting instead of sent (or the reverse)."""

    parcel_id: str
    before: CarrierDecision
    after: CarrierDecision


@dataclass(frozen=True, slots=True)
class DryRun:
    """`transitions` counts (before, after) labels of changed parcels: a carrier, or `parked:<cause>`.

    `rule_hits_after`: parcels decided per rule id with the new rules. `idle_rules`: enabled ones that decided none.
    """

    parcels: int
    changes: tuple[ParcelChange, ...]
    newly_mapped: int
    newly_parked: int
    mapped_before: int
    mapped_after: int
    transitions: Mapping[tuple[str, str], int]
    rule_hits_after: Mapping[str, int]
    idle_rules: tuple[str, ...]


def dry_run(
    rules_before: Iterable[CarrierRule],
    rules_after: Iterable[CarrierRule],
    parcels: Iterable[ParcelFacts],
    context: DecisionContext,
    context_after: DecisionContext | None = None,
) -> DryRun:
    """Decides each past parcel under both rule sets. Pure; `context_after` when the default or settings change too."""
    before, after = order_rules(rules_before), order_rules(rules_after)
    changes: list[ParcelChange] = []
    hits: Counter[str] = Counter()
    count = mapped_before = mapped_after = 0
    for parcel in parcels:
        old, new = _decide(parcel, before, context), _decide(parcel, after, context_after or context)
        count += 1
        mapped_before += old.outcome is Outcome.MAPPED
        mapped_after += new.outcome is Outcome.MAPPED
        hits.update([new.rule_id] if new.rule_id is not None else [])
        if _what_is_sent(old) != _what_is_sent(new):
            changes.append(ParcelChange(parcel.parcel_id, old, new))
    return DryRun(
        parcels=count,
        changes=tuple(changes),
        newly_mapped=sum(_turned(change, Outcome.MAPPED) for change in changes),
        newly_parked=sum(_turned(change, Outcome.PARKED) for change in changes),
        mapped_before=mapped_before,
        mapped_after=mapped_after,
        transitions=Counter((_label(change.before), _label(change.after)) for change in changes),
        rule_hits_after=hits,
        idle_rules=tuple(rule.id for rule in after if rule.enabled and rule.id not in hits),
    )


def _decide(parcel: ParcelFacts, rules: Sequence[CarrierRule], context: DecisionContext) -> CarrierDecision:
    return decide_carrier(
        parcel,
        rules,
        context.default_carrier,
        context.marketplace_carriers,
        context.settings,
        context.known,
    )


def _what_is_sent(decision: CarrierDecision) -> tuple[object, ...]:
    """Only what the marketplace or the operator would notice; another rule that leads to the same is no change."""
    values = tuple(number.value for number in decision.numbers)
    carrier = (decision.carrier_code, decision.carrier_name)
    return decision.outcome, decision.cause, carrier, decision.tracking_url, values


def _turned(change: ParcelChange, into: Outcome) -> bool:
    return change.before.outcome is not into and change.after.outcome is into


def _label(decision: CarrierDecision) -> str:
    if decision.outcome is Outcome.PARKED:
        return f"parked:{decision.cause}"
    return decision.carrier_code or decision.carrier_name or ""
