"""Collects the carriers a parcel could have, most trusted first, and writes down everything tried.

Order of trust: explicit rules, the shop's own word, pattern rules, built-in formats, default carrier. Each function
returns candidates and records why a rule offered none; a rule that is skipped without a trace cannot be explained.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from carrier_mapper.folding import fold_name
from carrier_mapper.known import Fit, KnownCarrier, KnownCarriers
from carrier_mapper.marketplace import find_by_names
from carrier_mapper.model import (
    CarrierSettings,
    CarrierWarning,
    DefaultCarrier,
    MarketplaceCarrier,
    Option,
    ParcelFacts,
    Source,
    Trial,
    Warned,
)
from carrier_mapper.regex_guard import PatternError, compile_pattern
from carrier_mapper.rules import CarrierRule, CarrierTarget, RuleKind, applies_to_country
from carrier_mapper.tracking import TrackingField


@dataclass(frozen=True, slots=True)
class Candidate:
    """A carrier on offer. `listed` is set when the marketplace's entry is already known, else `target` is looked up.

    `markers`: what to strip, per normalised number.
    """

    source: Source
    target: CarrierTarget
    rule: CarrierRule | None = None
    listed: MarketplaceCarrier | None = None
    markers: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class Desk:
    """One parcel on the table: its facts, and what is learnt while deciding."""

    parcel: ParcelFacts
    tracking: TrackingField
    marketplace: Sequence[MarketplaceCarrier] | None
    settings: CarrierSettings
    known: KnownCarriers
    trials: list[Trial] = field(default_factory=list)
    losers: list[Option] = field(default_factory=list)
    warnings: list[CarrierWarning] = field(default_factory=list)
    named: KnownCarrier | None = None
    ambiguous: bool = False
    disagree: bool = False

    @property
    def shop_names(self) -> tuple[str, ...]:
        """The shop's carrier code and name, blank ones left out."""
        return tuple(v for v in (self.parcel.carrier_code, self.parcel.carrier_name) if v and fold_name(v))

    @property
    def shop_named(self) -> str | None:
        """The shop's words for display, None when it named no carrier."""
        return " / ".join(self.shop_names) or None

    def tried(self, step: str, applied: bool, why: str, rule: CarrierRule | None = None, **inputs: str | None) -> None:
        """Records one trial; inputs that are absent are left out."""
        known = tuple((name, value) for name, value in inputs.items() if value is not None)
        rule_id, version = (rule.id, rule.version) if rule else (None, None)
        self.trials.append(Trial(step, rule_id, version, known, applied, why))

    def warn(self, code: Warned, message: str) -> None:
        """Records a warning."""
        self.warnings.append(CarrierWarning(code, message))


def explicit_candidates(desk: Desk, rules: Iterable[CarrierRule]) -> list[Candidate]:
    """Enabled explicit rules whose shop carrier equals (folded) the shop's code or name."""
    wanted = {fold_name(name) for name in desk.shop_names}
    found = []
    for rule in rules:
        if rule.kind is not RuleKind.EXPLICIT:
            continue
        why = _not_considered(desk, rule)
        if why is None and not wanted:
            why = "the shop named no carrier"
        if why is None and fold_name(rule.shop_carrier) not in wanted:
            why = "the shop named another carrier"
        verdict = why or "equals the shop's carrier"
        desk.tried("explicit", why is None, verdict, rule, shop_carrier=rule.shop_carrier, shop_named=desk.shop_named)
        if why is None:
            markers = {n.normalised: rule.strip_marker for n in desk.tracking.numbers}
            found.append(Candidate(Source.RULE, rule.target, rule, markers=markers))
    return found


def pattern_candidates(desk: Desk, rules: Iterable[CarrierRule]) -> list[Candidate]:
    """Pattern rules in order; first match wins per number.

    With several numbers in one parcel all must lead to one carrier, else `desk.disagree` is set and none is offered.
    """
    numbers = [n.normalised for n in desk.tracking.numbers]
    hits = [(rule, matched) for rule in rules if (matched := _matched_numbers(desk, rule, numbers))]
    firsts = {number: rule for rule, matched in reversed(hits) for number in matched}
    targets = {(rule.carrier_code, rule.carrier_name) for rule in firsts.values()}
    if hits and (len(firsts) < len(numbers) or len(targets) > 1):
        desk.disagree = True
        why = "the parcel's numbers do not all lead to one carrier"
        desk.losers += [Option(Source.RULE, r.id, r.carrier_code, r.carrier_name, why) for r, _ in hits]
        return []
    if not hits:
        return []
    first = firsts[numbers[0]]
    markers = {number: rule.strip_marker for number, rule in firsts.items()}
    later = [Candidate(Source.RULE, rule.target, rule) for rule, _ in hits if rule is not first]
    return [Candidate(Source.RULE, first.target, first, markers=markers), *later]


def name_candidates(desk: Desk) -> list[Candidate]:
    """The shop's word, if it names exactly one of the marketplace's carriers directly or through a known alias."""
    if not desk.shop_names:
        desk.tried("name", False, "the shop named no carrier")
        return []
    hits: dict[str, MarketplaceCarrier] = {}
    families: list[set[str]] = []
    for name in desk.shop_names:
        named = desk.known.named(name, desk.parcel.shop_platform)
        own = {desk.known.family(c).code for c in named}
        families += [own] if own else []
        for listed in _listed_under(desk, name, named if len(own) == 1 else ()):
            hits[listed.code] = listed
        if len(own) > 1 and not find_by_names({fold_name(name)}, desk.marketplace or ()):
            desk.ambiguous = True
        if len(own) == 1 and (desk.named is None or desk.named.parent is None):
            desk.named = max(named, key=lambda c: c.parent is not None)
    contradiction = len(families) > 1 and not set.intersection(*families)
    desk.ambiguous = desk.ambiguous or contradiction or len(hits) > 1
    return _name_verdict(desk, tuple(hits.values()), {code for own in families for code in own})


def known_pattern_candidates(desk: Desk) -> list[Candidate]:
    """Built-in formats: a candidate only if the connection allows it and one single carrier fits, check digit right.

    Any other carrier whose format also fits, even without check digit, blocks the decision; all are kept as options.
    """
    fits = [fitting_families(desk.known, n.normalised) for n in desk.tracking.numbers]
    checked = sorted({code for fit in fits for code, sure in fit.items() if sure})
    alone = len(checked) == 1 and all(fit == {checked[0]: True} for fit in fits)
    if not desk.settings.use_known_patterns:
        why = "built-in formats only warn on this connection"
    elif desk.shop_names:
        why = "the shop named a carrier, which no shape overrules"
    elif not alone:
        why = "not exactly one known carrier fits with a right check digit"
    else:
        carrier = next(c for c in desk.known if c.code == checked[0])
        listed = _listed_as(desk, carrier)
        if len(listed) == 1:
            desk.tried("known_pattern", True, "one known carrier fits, check digit right", carrier=carrier.code)
            return [Candidate(Source.PATTERN, CarrierTarget(listed[0].code, listed[0].label), None, listed[0])]
        why = f"{carrier.name} fits, but is not one of the marketplace's carriers"
    desk.tried("known_pattern", False, why, fitting=" ".join(sorted({c for fit in fits for c in fit})) or None)
    desk.losers += [Option(Source.PATTERN, None, None, code, why) for code in checked]
    return []


def default_candidates(desk: Desk, default: DefaultCarrier) -> list[Candidate]:
    """The connection's default; not for a carrier the shop named and nobody mapped, unless the setting says so."""
    target = default.for_country(desk.parcel.destination_country)
    country = desk.parcel.destination_country
    if target is None:
        desk.tried("default", False, "no default carrier is chosen", destination=country)
        return []
    if desk.shop_names and not desk.settings.default_for_unknown_names:
        why = "the shop named a carrier; the default does not replace it on this connection"
        desk.tried("default", False, why, destination=country)
        desk.losers.append(Option(Source.DEFAULT, None, target.carrier_code, target.carrier_name, why))
        return []
    desk.tried("default", True, "default carrier of the connection", destination=country)
    return [Candidate(Source.DEFAULT, target)]


def fitting_families(known: KnownCarriers, normalised: str) -> dict[str, bool]:
    """Families (codes) with a format the number fits → whether a check digit confirms it."""
    found: dict[str, bool] = {}
    for carrier in known:
        fit = carrier.fit(normalised)
        if fit in (Fit.CHECKED, Fit.SHAPE):
            family = known.family(carrier).code
            found[family] = found.get(family, False) or fit is Fit.CHECKED
    return found


def _not_considered(desk: Desk, rule: CarrierRule) -> str | None:
    if not rule.enabled:
        return "the rule is switched off"
    if not applies_to_country(rule, desk.parcel.destination_country):
        return (
            f"the rule is for {rule.destination_country}, the parcel goes to {desk.parcel.destination_country or '?'}"
        )
    return None


def _matched_numbers(desk: Desk, rule: CarrierRule, numbers: Sequence[str]) -> list[str]:
    if rule.kind is not RuleKind.PATTERN:
        return []
    why = _not_considered(desk, rule)
    matched: list[str] = []
    if why is None:
        try:
            expression = compile_pattern(rule.pattern or "")
            matched = [n for n in numbers if expression.fullmatch(n)]
            why = f"matches {len(matched)} of {len(numbers)} numbers"
        except PatternError as error:
            why = f"the pattern is refused: {error}"
            desk.warn(Warned.RULE_BROKEN, f"rule {rule.id}: {why}")
    desk.tried("pattern", bool(matched), why, rule, pattern=rule.pattern, numbers=" ".join(numbers) or None)
    return matched


def _listed_under(desk: Desk, name: str, named: Sequence[KnownCarrier]) -> tuple[MarketplaceCarrier, ...]:
    own = find_by_names({fold_name(name)}, desk.marketplace or ())
    return own or (_listed_as(desk, named[0]) if named else ())


def _listed_as(desk: Desk, carrier: KnownCarrier) -> tuple[MarketplaceCarrier, ...]:
    names = desk.known.names_at(carrier, desk.settings.marketplace_platform)
    return find_by_names(names, desk.marketplace or ())


def _name_verdict(desk: Desk, hits: tuple[MarketplaceCarrier, ...], families: set[str]) -> list[Candidate]:
    if desk.ambiguous:
        why = "the shop's carrier can mean several carriers"
        desk.losers += [Option(Source.NAME, None, hit.code, hit.label, why) for hit in hits]
        if not hits:
            desk.losers += [Option(Source.NAME, None, None, code, why) for code in sorted(families)]
    elif hits:
        desk.tried("name", True, "names one of the marketplace's carriers", shop_named=desk.shop_named)
        return [Candidate(Source.NAME, CarrierTarget(hits[0].code, hits[0].label), None, hits[0])]
    elif desk.marketplace is None:
        why = "the marketplace's carrier list is not known"
    elif families:
        why = "a known carrier, but not one of the marketplace's"
    else:
        why = "nobody knows this carrier"
    desk.tried("name", False, why, shop_named=desk.shop_named)
    return []
