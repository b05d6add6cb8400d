"""What goes into a carrier decision and what comes out.

The decision carries every rule tried, its inputs and the options that lost, so that "why did my rule not fire" is
answered from the event alone and never by guessing afterwards. Inputs kept in trials never hold the postcode (personal
data); only `tracking_url` and links among the rejected values can carry one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from carrier_mapper.folding import country_code
from carrier_mapper.rules import CarrierTarget
from carrier_mapper.tracking import DEFAULT_PLACEHOLDERS, RejectedValue


class Outcome(StrEnum):
    """`mapped`: can be sent. `parked`: waits for a person or a missing fact."""

    MAPPED = "mapped"
    PARKED = "parked"


class Source(StrEnum):
    """What decided. `rule`: explicit or pattern rule of the seller. `pattern`: built-in format with check digit.

    `operator`: a person, for this one parcel.
    """

    RULE = "rule"
    NAME = "name"
    DEFAULT = "default"
    PATTERN = "pattern"
    OPERATOR = "operator"


class ParkCause(StrEnum):
    """Why a parcel waits."""

    TRACKING_NUMBER_MISSING = "tracking_number_missing"
    TRACKING_NUMBER_UNUSABLE = "tracking_number_unusable"
    CARRIER_UNMAPPED = "carrier_unmapped"
    CARRIER_AMBIGUOUS = "carrier_ambiguous"
    CARRIER_NOT_AT_MARKETPLACE = "carrier_not_at_marketplace"
    MARKETPLACE_CARRIERS_UNKNOWN = "marketplace_carriers_unknown"
    NO_DEFAULT_CARRIER = "no_default_carrier"
    NUMBERS_DISAGREE = "numbers_disagree"


NEXT_STEP: Mapping[ParkCause, str] = {
    ParkCause.TRACKING_NUMBER_MISSING: "Enter the tracking number in the shop, or allow parcels without one in the "
    "connection's settings.",
    ParkCause.TRACKING_NUMBER_UNUSABLE: "Replace the value in the shop by the carrier's tracking number.",
    ParkCause.CARRIER_UNMAPPED: "Add an explicit rule from the shop's carrier to one of the marketplace's carriers.",
    ParkCause.CARRIER_AMBIGUOUS: "Add an explicit rule that says which of the listed carriers is meant.",
    ParkCause.CARRIER_NOT_AT_MARKETPLACE: "Point the rule or default at a carrier the marketplace lists, or allow "
    "unregistered carriers if the marketplace does.",
    ParkCause.MARKETPLACE_CARRIERS_UNKNOWN: "Fetch the marketplace's carrier list, or add an explicit rule.",
    ParkCause.NO_DEFAULT_CARRIER: "Choose a default carrier for the connection, or add a rule that fits this number.",
    ParkCause.NUMBERS_DISAGREE: "Split the parcel so that each number has its own, or name the carrier in the shop.",
}


class Warned(StrEnum):
    """Things a person should look at although the parcel is sent."""

    CHECK_DIGIT_WRONG = "check_digit_wrong"
    FORMAT_UNKNOWN_TO_CARRIER = "format_unknown_to_carrier"
    FITS_OTHER_CARRIER = "fits_other_carrier"
    VALUE_IGNORED = "value_ignored"
    NO_TRACKING_NUMBER = "no_tracking_number"
    NO_TRACKING_LINK = "no_tracking_link"
    LINK_FOR_FIRST_NUMBER = "link_for_first_number"
    SHOP_LINK_REFUSED = "shop_link_refused"
    MARKER_NOT_FOUND = "marker_not_found"
    MARKETPLACE_LIST_UNKNOWN = "marketplace_list_unknown"
    UNREGISTERED_CARRIER = "unregistered_carrier"
    DEFAULT_FOR_UNMAPPED_NAME = "default_for_unmapped_name"
    RULE_BROKEN = "rule_broken"


@dataclass(frozen=True, slots=True)
class ParcelFacts:
    """What is known of a parcel. `connection_id` is the marketplace connection it will be reported to.

    `tracking_field` is the shop's field untouched; `carrier_code`/`carrier_name`/`tracking_url` are the shop's words.
    """

    parcel_id: str
    connection_id: str
    tracking_field: str | None = None
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_url: str | None = None
    shop_platform: str | None = None
    destination_country: str | None = None
    destination_postcode: str | None = field(default=None, repr=False)
    order_references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MarketplaceCarrier:
    """One carrier of the marketplace's own list (Mirakl SH21; ManoMano: code and label are the display name)."""

    code: str
    label: str
    standard_code: str | None = None
    tracking_url: str | None = None


@dataclass(frozen=True, slots=True)
class DefaultCarrier:
    """Default of a connection, chosen by hand: per destination country (ISO alpha-2), then general."""

    general: CarrierTarget | None = None
    by_country: Mapping[str, CarrierTarget] = field(default_factory=dict)

    def for_country(self, destination: str | None) -> CarrierTarget | None:
        """The default for a destination, else the general one; None when neither was chosen."""
        return self.by_country.get(country_code(destination) or "", self.general)


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """Choices of a connection.

    `use_known_patterns`: a built-in format may decide if exactly one known carrier fits, with a right check digit.
    `default_for_unknown_names`: the default also serves parcels whose shop named a carrier nobody mapped.
    `unregistered_carriers_allowed`: a name outside the marketplace's list may be sent (some Mirakl operators
    forbid it). `tracking_number_required`: a parcel without usable number waits. `marketplace_platform`: which column
    of the known names holds the marketplace's spelling.
    """

    use_known_patterns: bool = False
    default_for_unknown_names: bool = False
    unregistered_carriers_allowed: bool = False
    tracking_number_required: bool = True
    marketplace_platform: str | None = None
    placeholders: frozenset[str] = DEFAULT_PLACEHOLDERS


@dataclass(frozen=True, slots=True)
class SentNumber:
    """A number and what is sent for it: the normalised form when it is a format of the carrier, else as written."""

    original: str
    normalised: str
    value: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing tried: step, rule and version if any, its inputs, whether it offered a carrier, and why (not)."""

    step: str
    rule_id: str | None
    rule_version: int | None
    inputs: tuple[tuple[str, str], ...]
    applied: bool
    why: str


@dataclass(frozen=True, slots=True)
class Option:
    """A carrier that was possible and lost, with the reason."""

    source: Source
    rule_id: str | None
    carrier_code: str | None
    carrier_name: str | None
    why_lost: str


@dataclass(frozen=True, slots=True)
class CarrierWarning:
    """`code` is stable for filters, `message` is for people."""

    code: Warned
    message: str


@dataclass(frozen=True, slots=True)
class CarrierDecision:
    """The answer for one parcel. `mapped` has a source and a name (the code where no name is known).

    `parked` has a cause and a next step, and no carrier.
    """

    outcome: Outcome
    parcel_id: str
    connection_id: str
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_url: str | None = None
    source: Source | None = None
    rule_id: str | None = None
    rule_version: int | None = None
    cause: ParkCause | None = None
    next_step: str | None = None
    numbers: tuple[SentNumber, ...] = ()
    rejected_values: tuple[RejectedValue, ...] = ()
    trials: tuple[Trial, ...] = ()
    losing_options: tuple[Option, ...] = ()
    warnings: tuple[CarrierWarning, ...] = ()
