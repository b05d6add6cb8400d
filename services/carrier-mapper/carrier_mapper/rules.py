"""Carrier rules of a connection: what a seller configures, checked before it is stored.

A rule that can never match, or whose expression can run for minutes, must be refused with the field named; found only
at shipment time it would park or stall parcels.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from carrier_mapper.folding import country_code, fold_name
from carrier_mapper.links import template_problem
from carrier_mapper.regex_guard import MAX_PATTERN_LENGTH, PatternError, compile_pattern
from carrier_mapper.tracking import normalise_tracking

MAX_TEXT = 200
"""Cap of codes and names; the longest carrier name known has 43 characters."""
MAX_TEMPLATE = 1000
MAX_MARKER = 20
MAX_PRIORITY = 1_000_000


class RuleKind(StrEnum):
    """`explicit`: the shop's carrier code or name. `pattern`: an expression over the whole normalised number."""

    EXPLICIT = "explicit"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class CarrierTarget:
    """A carrier as the marketplace shall receive it: a listed code, or a name alone for an unregistered carrier."""

    carrier_code: str | None
    carrier_name: str | None = None
    tracking_url_template: str | None = None


@dataclass(frozen=True, slots=True)
class CarrierRule:
    """One rule of a marketplace connection. Smaller `priority` is tried first.

    `strip_marker`: text the shop adds at the end (or the beginning) of a number to say the carrier; it is removed from
    what is sent. `destination_country`: ISO alpha-2, None for all. `version` grows with each change and is kept in
    decisions, so that a decision can be explained after the rule has changed.
    """

    id: str
    connection_id: str
    kind: RuleKind
    priority: int
    carrier_code: str | None
    carrier_name: str | None = None
    shop_carrier: str | None = None
    pattern: str | None = None
    destination_country: str | None = None
    strip_marker: str | None = None
    tracking_url_template: str | None = None
    enabled: bool = True
    version: int = 1

    @property
    def target(self) -> CarrierTarget:
        """What the rule sends."""
        return CarrierTarget(self.carrier_code, self.carrier_name, self.tracking_url_template)


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """Why a rule is refused: the field, the rule it breaks (stable word) and a sentence."""

    field: str
    rule: str
    message: str


def order_rules(rules: Iterable[CarrierRule]) -> list[CarrierRule]:
    """The order in which rules are tried: priority, then those for one country before general ones, then id."""
    return sorted(rules, key=lambda rule: (rule.priority, rule.destination_country is None, rule.id))


def applies_to_country(rule: CarrierRule, destination: str | None) -> bool:
    """True for general rules and for rules of this destination; a rule for a country never fits an unknown one."""
    return rule.destination_country is None or country_code(rule.destination_country) == country_code(destination)


def strip_marker(number: str, marker: str | None) -> str | None:
    """The normalised number without its marker, or None when the marker is at neither end (or is all there is).

    The end is looked at first, as codes tagged by shops end in the marker.
    """
    wanted = normalise_tracking(marker or "")
    if not wanted:
        return number
    bare = number.removesuffix(wanted) if number.endswith(wanted) else number.removeprefix(wanted)
    return bare if bare and bare != number else None


def rule_problems(rule: CarrierRule) -> tuple[RuleProblem, ...]:
    """Everything wrong with one rule; empty when it can be stored."""
    return (*_text_problems(rule), *_match_problems(rule), *target_problems(rule.target))


def target_problems(target: CarrierTarget) -> tuple[RuleProblem, ...]:
    """Everything wrong with a target, of a rule or of a default carrier; fields carry the names of the rule's."""
    found = _texts(
        {
            "carrier_code": (target.carrier_code, MAX_TEXT),
            "carrier_name": (target.carrier_name, MAX_TEXT),
            "tracking_url_template": (target.tracking_url_template, MAX_TEMPLATE),
        }
    )
    if target.carrier_code is None and target.carrier_name is None:
        found.append(RuleProblem("carrier_code", "required", "a carrier code, or a name for an unregistered carrier"))
    problem = template_problem(target.tracking_url_template) if target.tracking_url_template else None
    if problem:
        found.append(RuleProblem("tracking_url_template", "template", problem))
    return tuple(found)


def rule_set_problems(rules: Iterable[CarrierRule]) -> dict[str, tuple[RuleProblem, ...]]:
    """Problems per rule id over a whole set, repeated ids included; empty when the set can be stored."""
    found: dict[str, tuple[RuleProblem, ...]] = {}
    seen: set[str] = set()
    for rule in rules:
        problems = rule_problems(rule)
        if rule.id in seen:
            problems = (*problems, RuleProblem("id", "unique", "another rule has this id"))
        seen.add(rule.id)
        if problems:
            found[rule.id] = (*found.get(rule.id, ()), *problems)
    return found


def _text_problems(rule: CarrierRule) -> list[RuleProblem]:
    return _texts(
        {
            "id": (rule.id, MAX_TEXT),
            "connection_id": (rule.connection_id, MAX_TEXT),
            "shop_carrier": (rule.shop_carrier, MAX_TEXT),
            "pattern": (rule.pattern, MAX_PATTERN_LENGTH),
            "strip_marker": (rule.strip_marker, MAX_MARKER),
        }
    )


def _texts(texts: dict[str, tuple[str | None, int]]) -> list[RuleProblem]:
    found = []
    for name, (text, longest) in texts.items():
        if text is None:
            continue
        if not text or text != text.strip():
            found.append(RuleProblem(name, "not_blank", "must not be blank or begin or end with a blank"))
        if not text.isprintable():
            found.append(RuleProblem(name, "printable", "must not contain line breaks or control characters"))
        if len(text) > longest:
            found.append(RuleProblem(name, "too_long", f"at most {longest} characters"))
    return found


def _match_problems(rule: CarrierRule) -> list[RuleProblem]:
    found = []
    if not 0 <= rule.priority <= MAX_PRIORITY:
        found.append(RuleProblem("priority", "range", f"must be between 0 and {MAX_PRIORITY}"))
    if rule.version < 1:
        found.append(RuleProblem("version", "range", "must be at least 1"))
    country = rule.destination_country
    if country is not None and not (
        len(country) == 2 and country.isascii() and country.isalpha() and country.isupper()
    ):
        found.append(RuleProblem("destination_country", "country", "must be an ISO 3166 code of two capital letters"))
    if rule.strip_marker is not None and not normalise_tracking(rule.strip_marker):
        found.append(RuleProblem("strip_marker", "not_blank", "nothing is left after dropping blanks, dots and dashes"))
    explicit = rule.kind is RuleKind.EXPLICIT
    wanted, other = ("shop_carrier", "pattern") if explicit else ("pattern", "shop_carrier")
    if getattr(rule, wanted) is None:
        found.append(RuleProblem(wanted, "required", f"a rule of kind {rule.kind} needs it"))
    if getattr(rule, other) is not None:
        found.append(RuleProblem(other, "not_allowed", f"a rule of kind {rule.kind} does not use it"))
    if explicit and rule.shop_carrier and not fold_name(rule.shop_carrier):
        found.append(RuleProblem("shop_carrier", "letters", "needs at least one letter or digit"))
    if rule.pattern is not None and len(rule.pattern) <= MAX_PATTERN_LENGTH:
        try:
            compile_pattern(rule.pattern)
        except PatternError as error:
            found.append(RuleProblem("pattern", error.rule, str(error)))
    return found
