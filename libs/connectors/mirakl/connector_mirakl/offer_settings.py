"""Settings of the offer side: what an operator takes, where neither Mirakl nor the operator's profile says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector_kit.manifest import InputField
from connector_kit.profiles import OfferRules, OperatorProfile
from connector_mirakl.price_dates import DateStyle

OFFER_FIELDS = (
    InputField(
        name="offer_channels",
        title="Channels with prices of their own",
        required=False,
        help="Codes separated by commas (CH11); empty takes the operator profile's, or any.",
    ),
    InputField(
        name="offer_states",
        title="Conditions of offers",
        required=False,
        help="Codes separated by commas (OF61); empty takes the operator profile's, or any.",
    ),
    InputField(
        name="logistic_classes",
        title="Logistic classes",
        required=False,
        help="Codes separated by commas (SH31); empty takes the operator profile's, or any.",
    ),
    InputField(
        name="offers_import_threshold",
        title="Offers sent as a file from",
        kind="integer",
        default="50",
        help="From this many offers at once a file (OF01) is imported instead of a JSON request (OF24).",
    ),
    InputField(
        name="keep_discounts",
        title="Keep discounts that the hub does not name",
        kind="boolean",
        default="false",
        help="On: discounts made by hand at the operator stay while they are below the price. "
        "Off: a discount that the shop no longer states ends.",
    ),
    InputField(
        name="price_dates",
        title="Dates of discounts in files",
        kind="choice",
        choices=("instant", "day"),
        default="instant",
        help="instant: date and time in UTC. day: the day in the operator's time zone.",
    ),
    InputField(
        name="time_zone",
        title="Operator's time zone",
        default="UTC",
        help="A name like Europe/Paris; only used for dates that are days.",
    ),
)


@dataclass(frozen=True, slots=True)
class OfferSettings:
    """The settings in their proper types. `rules` are the profile's with the connection's own lists put over them."""

    profile: OperatorProfile | None
    rules: OfferRules
    import_threshold: int
    keep_discounts: bool
    dates: DateStyle


def profile_field(profiles: tuple[OperatorProfile, ...]) -> InputField:
    """The setting that names the operator."""
    return InputField(
        name="operator_profile",
        title="Operator",
        kind="choice",
        choices=tuple(profile.name for profile in profiles),
        required=False,
        help="Known operators bring their own deadlines and rules; leave empty for any other.",
    )


def read_offer_settings(values: Mapping[str, Any], profile: OperatorProfile | None) -> OfferSettings:
    """Type checked values. Raises `ValueError` naming the field and the rule it breaks."""
    threshold = values["offers_import_threshold"]
    if threshold < 1:
        raise ValueError("offers_import_threshold: must be 1 or more")
    zone = values["time_zone"]
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("time_zone: must be a name like Europe/Paris") from None
    rules = profile.offers if profile else OfferRules()
    states = {code: rules.states.get(code, code) for code in _codes(values["offer_states"])} or rules.states
    return OfferSettings(
        profile=profile,
        rules=rules.model_copy(
            update={
                "channels": _codes(values["offer_channels"]) or rules.channels,
                "states": states,
                "logistic_classes": _codes(values["logistic_classes"]) or rules.logistic_classes,
            }
        ),
        import_threshold=threshold,
        keep_discounts=values["keep_discounts"],
        dates=DateStyle(values["price_dates"], zone),
    )


def _codes(value: str | None) -> tuple[str, ...]:
    return tuple(code for part in (value or "").split(",") if (code := part.strip()))
