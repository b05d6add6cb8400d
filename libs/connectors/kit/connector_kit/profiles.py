"""Operator profiles: what one operator of a platform asks beyond the platform's own rules, as data.

Hundreds of operators run the same software with other deadlines, conditions and columns. Written into code paths,
each of them would be a fork; written down here, adding one is adding a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Stated(BaseModel):
    """Base of profile parts: unknown keys are an error, because a misspelt rule would silently not hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Remedy(Stated):
    """A message of the operator and what a seller does about it."""

    says: str
    """Part of the operator's message (compared without case), or its whole code."""
    means: str
    next_step: str


class OfferField(Stated):
    """An additional field of the operator's offers."""

    code: str
    title: str
    kind: Literal["text", "integer", "choice"] = "text"
    choices: tuple[str, ...] = ()
    required: bool = False


class OfferRules(Stated):
    """What an operator takes in offers. Empty = anything."""

    product_id_types: tuple[str, ...] = ()
    states: Mapping[str, str] = Field(default_factory=dict)
    """State code → what it means."""
    channels: tuple[str, ...] = ()
    """Sales channels that may have prices of their own."""
    lead_time_days_max: int | None = Field(default=None, ge=0)
    logistic_classes: tuple[str, ...] = ()
    fields: tuple[OfferField, ...] = ()
    live_after_minutes: Mapping[str, int] = Field(default_factory=dict)
    """How long until a change shows, per channel; "" = the default channel."""


class OperatorProfile(Stated):
    """One operator. What a connection sets itself wins over its profile, and a profile wins over the connector."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")
    title: str
    source: str
    connector_settings: Mapping[str, str] = Field(default_factory=dict)
    """Defaults of connector settings."""
    calls_per_hour: Mapping[str, int] = Field(default_factory=dict)
    """Call budgets by operation where they are not the connector's."""
    poll_seconds: int | None = Field(default=None, gt=0)
    accept_within_hours: int | None = Field(default=None, gt=0)
    deliver_within_days: int | None = Field(default=None, gt=0)
    """Promise to the buyer: the operator refuses or punishes later deliveries."""
    invoice: Literal["none", "on_ship"] = "none"
    tracking_before_hand_over: bool = True
    """False: a tracking number told before the parcel left is punished."""
    offers: OfferRules = OfferRules()
    remedies: tuple[Remedy, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> OperatorProfile:
        codes = [field.code for field in self.offers.fields]
        if len(set(codes)) != len(codes):
            raise ValueError("offers.fields: a code is given twice")
        return self

    def remedy(self, message: str) -> Remedy | None:
        """The first remedy whose words occur in a message of the operator."""
        said = message.lower()
        return next((remedy for remedy in self.remedies if remedy.says.lower() in said), None)


def profile_of(profiles: tuple[OperatorProfile, ...], connector_settings: Mapping[str, Any]) -> OperatorProfile | None:
    """The profile that a connection's connector settings name, None without one or for an unknown name."""
    name = connector_settings.get("operator_profile")
    return next((profile for profile in profiles if profile.name == name), None)
