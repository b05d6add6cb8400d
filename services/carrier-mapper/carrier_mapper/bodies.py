"""What people send to carrier-mapper, and how a broken rule is told back: field by field, nothing guessed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from carrier_mapper.rules import CarrierRule, RuleKind, RuleProblem
from hub_common.web import FieldError, Problem

MAX_RULES = 2_000
"""Rules of one connection. Each decision tries all of them; more would make a batch of parcels last for seconds."""


class RuleBody(BaseModel):
    """A rule as a person writes it. Lengths, patterns and templates are checked by the rules of `rules.py`."""

    model_config = ConfigDict(extra="forbid")
    kind: RuleKind
    priority: int
    carrier_code: str | None = None
    carrier_name: str | None = None
    shop_carrier: str | None = None
    pattern: str | None = None
    destination_country: str | None = None
    strip_marker: str | None = None
    tracking_url_template: str | None = None
    enabled: bool = True

    def rule(self, connection_id: UUID, rule_id: str, version: int) -> CarrierRule:
        """The rule that this body describes."""
        values = self.model_dump(exclude={"version", "id"})
        return CarrierRule(id=rule_id, connection_id=str(connection_id), version=version, **values)


class ChangedRule(RuleBody):
    """A rule to replace. With `version`, only if the rule still has it."""

    version: int | None = None


class ProposedRule(RuleBody):
    """A rule of a proposed set; rules that exist keep their id."""

    id: str | None = None


class DryRunBody(BaseModel):
    """The proposed rules, whole, and over how many of the last parcels they are tried."""

    model_config = ConfigDict(extra="forbid")
    rules: list[ProposedRule] = Field(max_length=MAX_RULES)
    parcels: int = Field(default=500, ge=1, le=2_000)


class CarrierByHand(BaseModel):
    """A person's choice for one parcel that waits."""

    model_config = ConfigDict(extra="forbid")
    carrier_code: str | None = Field(default=None, min_length=1, max_length=200)
    carrier_name: str | None = Field(default=None, min_length=1, max_length=200)
    tracking_url: str | None = Field(default=None, max_length=2_000)
    remember_as_rule: bool = False
    """Also make an explicit rule from the shop's carrier to this one."""


def refuse(problems: Iterable[RuleProblem], prefix: str = "#") -> None:
    """Raise a problem that names every field and the rule it breaks; nothing when there is none."""
    errors = [FieldError(f"{prefix}/{p.field}", f"{p.rule}: {p.message}") for p in problems]
    if errors:
        raise Problem("rule-refused", "The rule is refused", 422, f"{len(errors)} rule(s) broken.", errors=errors)


def rule_view(rule: CarrierRule) -> dict[str, Any]:
    """A rule as it is shown."""
    return {
        "id": rule.id,
        "kind": rule.kind,
        "priority": rule.priority,
        "carrier_code": rule.carrier_code,
        "carrier_name": rule.carrier_name,
        "shop_carrier": rule.shop_carrier,
        "pattern": rule.pattern,
        "destination_country": rule.destination_country,
        "strip_marker": rule.strip_marker,
        "tracking_url_template": rule.tracking_url_template,
        "enabled": rule.enabled,
        "version": rule.version,
    }
