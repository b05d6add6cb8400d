"""Decides which of the marketplace's carriers a parcel is reported with.

A wrong carrier makes the tracking invalid at the marketplace, a missing one leaves the order unshipped there. So the
most trusted source decides, everything else is kept as an option that lost, and where nothing fits the parcel is parked
with what to do next: never a guess by the number's shape, never "Other" in silence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from carrier_mapper.candidates import (
    Candidate,
    Desk,
    default_candidates,
    explicit_candidates,
    known_pattern_candidates,
    name_candidates,
    pattern_candidates,
)
from carrier_mapper.known import KnownCarriers, built_in_carriers
from carrier_mapper.marketplace import find_target
from carrier_mapper.model import (
    NEXT_STEP,
    CarrierDecision,
    CarrierSettings,
    DefaultCarrier,
    MarketplaceCarrier,
    Option,
    Outcome,
    ParcelFacts,
    ParkCause,
    SentNumber,
    Source,
    Warned,
)
from carrier_mapper.outgoing import check_numbers, known_as, sent_numbers, tracking_link
from carrier_mapper.rules import CarrierRule, CarrierTarget, order_rules
from carrier_mapper.tracking import parse_tracking_field

_DEFAULT_SETTINGS = CarrierSettings()


def decide_carrier(
    parcel: ParcelFacts,
    rules: Iterable[CarrierRule],
    default_carrier: DefaultCarrier,
    marketplace_carriers: Sequence[MarketplaceCarrier] | None,
    settings: CarrierSettings = _DEFAULT_SETTINGS,
    known: KnownCarriers | None = None,
) -> CarrierDecision:
    """The carrier of one parcel, or why it is parked. Pure and total: bad data parks or warns, nothing raises.

    `rules` of other connections are ignored; their order does not matter. `marketplace_carriers` is the marketplace's
    list as fetched, None when it never was (then only rules and the default can decide, unverified, with a warning).
    """
    tracking = parse_tracking_field(parcel.tracking_field, parcel.order_references, settings.placeholders)
    desk = Desk(parcel, tracking, marketplace_carriers, settings, known or built_in_carriers())
    if tracking.rejected:
        ignored = ", ".join(f"{r.original!r} ({r.reason})" for r in tracking.rejected)
        desk.warn(Warned.VALUE_IGNORED, f"not used as tracking number: {ignored}")
    if not tracking.numbers:
        if settings.tracking_number_required:
            unusable = ParkCause.TRACKING_NUMBER_UNUSABLE
            return _park(desk, unusable if tracking.rejected else ParkCause.TRACKING_NUMBER_MISSING)
        desk.warn(Warned.NO_TRACKING_NUMBER, "the parcel is sent without tracking number")
    candidates = _candidates(desk, rules, default_carrier)
    if not candidates:
        return _park(desk, _cause(desk))
    return _settle(desk, candidates)


def decide_by_hand(
    parcel: ParcelFacts,
    target: CarrierTarget,
    marketplace_carriers: Sequence[MarketplaceCarrier] | None,
    settings: CarrierSettings = _DEFAULT_SETTINGS,
    known: KnownCarriers | None = None,
) -> CarrierDecision:
    """The decision when a person names the carrier of this one parcel; also without a usable number, with a warning.

    Parked when the marketplace does not list the carrier: a person can be wrong about a code as well as a rule can.
    """
    tracking = parse_tracking_field(parcel.tracking_field, parcel.order_references, settings.placeholders)
    desk = Desk(parcel, tracking, marketplace_carriers, settings, known or built_in_carriers())
    if tracking.rejected:
        ignored = ", ".join(f"{r.original!r} ({r.reason})" for r in tracking.rejected)
        desk.warn(Warned.VALUE_IGNORED, f"not used as tracking number: {ignored}")
    if not tracking.numbers:
        desk.warn(Warned.NO_TRACKING_NUMBER, "the parcel is sent without tracking number")
    desk.tried("operator", True, "a person chose the carrier of this parcel", shop_named=desk.shop_named)
    return _settle(desk, [Candidate(Source.OPERATOR, target)])


def _candidates(desk: Desk, rules: Iterable[CarrierRule], default: DefaultCarrier) -> list[Candidate]:
    ordered = order_rules(rule for rule in rules if rule.connection_id == desk.parcel.connection_id)
    found = explicit_candidates(desk, ordered)
    found += name_candidates(desk)
    found += pattern_candidates(desk, ordered)
    if found or not desk.disagree:
        found += known_pattern_candidates(desk)
        found += default_candidates(desk, default)
    return found


def _cause(desk: Desk) -> ParkCause:
    if desk.disagree:
        return ParkCause.NUMBERS_DISAGREE
    if desk.ambiguous:
        return ParkCause.CARRIER_AMBIGUOUS
    if desk.shop_names and desk.marketplace is None:
        return ParkCause.MARKETPLACE_CARRIERS_UNKNOWN
    return ParkCause.CARRIER_UNMAPPED if desk.shop_names else ParkCause.NO_DEFAULT_CARRIER


def _settle(desk: Desk, candidates: Sequence[Candidate]) -> CarrierDecision:
    winner, *others = candidates
    for other in others:
        rule_id = other.rule.id if other.rule else None
        why = "a more trusted source decided" if other.source is not winner.source else "an earlier rule decided"
        desk.losers.append(Option(other.source, rule_id, other.target.carrier_code, other.target.carrier_name, why))
    if winner.source is Source.DEFAULT and desk.shop_names:
        desk.warn(
            Warned.DEFAULT_FOR_UNMAPPED_NAME, f"{' / '.join(desk.shop_names)!r} is not mapped; default carrier used"
        )
    listed, cause = _at_marketplace(desk, winner)
    if cause is not None:
        lost = Option(
            winner.source,
            winner.rule.id if winner.rule else None,
            winner.target.carrier_code,
            winner.target.carrier_name,
            f"cannot be sent: {cause}",
        )
        desk.losers.insert(0, lost)
        return _park(desk, cause)
    return _map(desk, winner, listed)


def _at_marketplace(desk: Desk, winner: Candidate) -> tuple[MarketplaceCarrier | None, ParkCause | None]:
    if winner.listed is not None:
        return winner.listed, None
    if desk.marketplace is None:
        desk.warn(Warned.MARKETPLACE_LIST_UNKNOWN, "the carrier could not be compared with the marketplace's list")
        return None, None
    found = find_target(winner.target, desk.marketplace)
    if len(found) == 1:
        return found[0], None
    if found:
        return None, ParkCause.CARRIER_AMBIGUOUS
    if winner.target.carrier_code is None and desk.settings.unregistered_carriers_allowed:
        desk.warn(Warned.UNREGISTERED_CARRIER, f"{winner.target.carrier_name!r} is not in the marketplace's list")
        return None, None
    return None, ParkCause.CARRIER_NOT_AT_MARKETPLACE


def _map(desk: Desk, winner: Candidate, listed: MarketplaceCarrier | None) -> CarrierDecision:
    carriers = known_as(desk, winner, listed)
    numbers = sent_numbers(desk, winner, carriers)
    check_numbers(desk, numbers, carriers)
    link = tracking_link(desk, winner, listed, carriers, numbers)
    return replace(
        _record(desk, numbers),
        outcome=Outcome.MAPPED,
        carrier_code=listed.code if listed else winner.target.carrier_code,
        carrier_name=listed.label if listed else winner.target.carrier_name or winner.target.carrier_code,
        tracking_url=link,
        source=winner.source,
        rule_id=winner.rule.id if winner.rule else None,
        rule_version=winner.rule.version if winner.rule else None,
    )


def _park(desk: Desk, cause: ParkCause) -> CarrierDecision:
    numbers = tuple(SentNumber(n.original, n.normalised, n.original) for n in desk.tracking.numbers)
    return replace(_record(desk, numbers), cause=cause, next_step=NEXT_STEP[cause])


def _record(desk: Desk, numbers: tuple[SentNumber, ...]) -> CarrierDecision:
    """What every decision keeps, whatever its outcome."""
    return CarrierDecision(
        outcome=Outcome.PARKED,
        parcel_id=desk.parcel.parcel_id,
        connection_id=desk.parcel.connection_id,
        numbers=numbers,
        rejected_values=desk.tracking.rejected,
        trials=tuple(desk.trials),
        losing_options=tuple(desk.losers),
        warnings=tuple(desk.warnings),
    )
