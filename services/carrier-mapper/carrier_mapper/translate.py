"""Between the hub's words and those of the decision. Pure.

The decision knows nothing of events, connectors or settings, so that it can be tested and dry-run alone; here is the
one place where the two vocabularies meet, and where a trace that would swell every event is cut to what explains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carrier_mapper.dry_run import DecisionContext
from carrier_mapper.model import (
    CarrierDecision,
    CarrierSettings,
    DefaultCarrier,
    MarketplaceCarrier,
    Option,
    ParcelFacts,
    Trial,
)
from carrier_mapper.rules import CarrierTarget
from hub_contracts.acceptances import LosingOption, RuleTrace
from hub_contracts.connections import CarrierSettings as HubCarrierSettings
from hub_contracts.connections import DefaultCarrier as HubDefaultCarrier
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.shop_activity import ParcelHandedOver

TOLD_TRIALS = 50
"""Rules tried that an event carries; a seller may have thousands, and all of them are kept with the parcel."""


def facts_of(
    parcel: ParcelHandedOver, references: Sequence[str], country: str | None, shop_platform: str | None
) -> ParcelFacts:
    """What the decision may look at. The postcode stays out: personal data never reaches this service."""
    return ParcelFacts(
        parcel_id=str(parcel.parcel_id),
        connection_id=str(parcel.connection_id),
        tracking_field=parcel.tracking_number,
        carrier_code=parcel.carrier_code,
        carrier_name=parcel.carrier_name,
        tracking_url=parcel.tracking_url,
        shop_platform=shop_platform,
        destination_country=parcel.destination_country or country,
        order_references=tuple(references),
    )


def listed_carriers(entries: Sequence[dict[str, Any]] | None) -> tuple[MarketplaceCarrier, ...] | None:
    """The marketplace's list as stored; where it knows names only, the name is the code. None when there is none."""
    if not entries:
        return None
    return tuple(
        MarketplaceCarrier(
            code=entry.get("code") or entry["name"], label=entry["name"], tracking_url=entry.get("tracking_url")
        )
        for entry in entries
    )


def context_of(
    settings: HubCarrierSettings, marketplace: str, carriers: Sequence[MarketplaceCarrier] | None
) -> DecisionContext:
    """The choices of a connection. `marketplace` is its connector's name, which selects the known spellings."""
    general = [_target(each) for each in settings.default_carriers if each.country is None]
    by_country = {each.country.upper(): _target(each) for each in settings.default_carriers if each.country}
    return DecisionContext(
        default_carrier=DefaultCarrier(general[0] if general else None, by_country),
        marketplace_carriers=carriers,
        settings=CarrierSettings(
            use_known_patterns=settings.use_known_patterns,
            default_for_unknown_names=settings.default_for_unknown_names,
            marketplace_platform=marketplace,
        ),
    )


def _target(default: HubDefaultCarrier) -> CarrierTarget:
    return CarrierTarget(default.carrier_code, default.carrier_name, default.tracking_url_template)


def mapped_event(parcel: ParcelHandedOver, decision: CarrierDecision, *, codes: bool) -> ParcelCarrierMapped:
    """What is told of a mapped parcel. `codes`: the marketplace knows codes; elsewhere only the name is sent.

    A marketplace takes one number per parcel: of several, the first is sent and the others are named in a warning.
    """
    assert decision.carrier_name is not None, "a mapped parcel has a carrier"
    assert decision.source is not None, "a mapped parcel has a source"
    warnings = [f"{warning.code}: {warning.message}" for warning in decision.warnings]
    if len(decision.numbers) > 1:
        others = ", ".join(number.value for number in decision.numbers[1:])
        warnings.append(f"several_numbers: only the first number is sent, not {others}")
    return ParcelCarrierMapped(
        parcel_id=parcel.parcel_id,
        order_id=parcel.order_id,
        connection_id=parcel.connection_id,
        route_id=parcel.route_id,
        shop_connection_id=parcel.shop_connection_id,
        environment=parcel.environment,
        is_test=parcel.is_test,
        lines=parcel.lines,
        carrier_code=decision.carrier_code if codes else None,
        carrier_name=decision.carrier_name,
        tracking_number=decision.numbers[0].value if decision.numbers else None,
        tracking_url=decision.tracking_url,
        mapped_by=decision.source.value,
        rules=traces(decision.trials),
        losing_options=tuple(_losing(option) for option in decision.losing_options[:TOLD_TRIALS]),
        warnings=tuple(warnings),
        handed_over_at=parcel.handed_over_at,
    )


def told_of(event: ParcelCarrierMapped) -> dict[str, Any]:
    """The part of the event that a marketplace would notice; why it was decided so is not in it."""
    names = {"lines", "carrier_code", "carrier_name", "tracking_number", "tracking_url"}
    return event.model_dump(mode="json", include=names)


def traces(trials: Sequence[Trial]) -> tuple[RuleTrace, ...]:
    """Rules tried, in order. Of very many: those that applied, the first others, and one that counts the rest."""
    if len(trials) <= TOLD_TRIALS:
        return tuple(_trace(trial) for trial in trials)
    room = TOLD_TRIALS - 1
    kept = {i for i, trial in enumerate(trials) if trial.applied}
    kept = set(sorted(kept)[:room])
    for i in range(len(trials)):
        if len(kept) >= room:
            break
        kept.add(i)
    rest = RuleTrace(
        rule="further_rules",
        outcome="skipped",
        reason=f"{len(trials) - room} further trials are kept with the parcel at carrier-mapper",
    )
    return (*(_trace(trials[i]) for i in sorted(kept)), rest)


def _trace(trial: Trial) -> RuleTrace:
    inputs = dict(trial.inputs)
    if trial.rule_version is not None:
        inputs["rule_version"] = str(trial.rule_version)
    return RuleTrace(
        rule=f"{trial.step}:{trial.rule_id}" if trial.rule_id else trial.step,
        outcome="passed" if trial.applied else "failed",
        reason=trial.why,
        inputs=inputs,
    )


def _losing(option: Option) -> LosingOption:
    carrier = option.carrier_name or option.carrier_code or "?"
    source = f"{option.source}:{option.rule_id}" if option.rule_id else option.source.value
    return LosingOption(option=f"{carrier} ({source})", why_not=option.why_lost)
