"""What differs from operator to operator, as data: order prefixes, channels, conditions, carriers, reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Carrier:
    """A registered carrier (SH21)."""

    code: str
    label: str
    standard_code: str
    tracking_url: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason (RE01)."""

    code: str
    label: str
    type: str
    shop: bool


@dataclass(frozen=True, slots=True)
class ShippingType:
    """A shipping type (SH12)."""

    code: str
    label: str
    mandatory_tracking: bool = False
    click_and_collect: bool = False


SHIPPING_TYPES = (
    ShippingType("STD", "Standard"),
    ShippingType("EXP", "Express, tracked", mandatory_tracking=True),
    ShippingType("CLC", "Collected in the store", click_and_collect=True),
)


@dataclass(frozen=True, slots=True)
class OperatorProfile:
    """One operator."""

    name: str
    prefix: str
    channels: tuple[str, ...]
    offer_states: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    reasons: tuple[Reason, ...]
    documents: tuple[str, ...] = ("CUSTOMER_INVOICE", "DELIVERY_NOTE")
    longest_leadtime: int = 60
    """Days; more is an invalid lead time."""
    field_choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Additional fields of offers that are lists."""
    fields: tuple[tuple[str, str], ...] = ()
    """Additional fields that invented offers have: `(code, value)`."""
    currency: str = "EUR"
    shipping_types: tuple[ShippingType, ...] = SHIPPING_TYPES


CARRIERS = (
    Carrier("DPD", "DPD", "DPD", "https://tracking.example.invalid/dpd/{trackingId}"),
    Carrier("CHRONO", "Chronopost", "CHRONOPOST", "https://tracking.example.invalid/chrono/{trackingId}"),
    Carrier("COLISSIMO", "Colissimo", "LA_POSTE", "https://tracking.example.invalid/colissimo/{trackingId}"),
    Carrier("MR", "Mondial Relay", "MONDIAL_RELAY", "https://tracking.example.invalid/mr/{trackingId}"),
    Carrier("UPS", "UPS", "UPS", "https://tracking.example.invalid/ups/{trackingId}"),
)

REASONS = (
    Reason("14", "No answer from the seller", "REFUND", False),
    Reason("15", "Out of stock", "REFUND", True),
    Reason("16", "Cancelled before shipping", "REFUND", True),
    Reason("17", "Product returned", "REFUND", True),
    Reason("18", "Product not received", "REFUND", True),
    Reason("19", "Agreement with the seller", "REFUND", True),
    Reason("34", "Cancelled by the customer", "CANCELATION", True),
    Reason("35", "Out of stock", "CANCELATION", True),
    Reason("40", "Product is defective", "INCIDENT_OPEN", False),
    Reason("50", "Question about the order", "ORDER_MESSAGING", True),
    Reason("51", "The operator's own question", "ORDER_MESSAGING", False),
    Reason("RETURN_REJECTION_WINDOW_CLOSED", "Too late to return", "RETURN_REJECTION", True),
    Reason("RETURN_NON_COMPLIANT_DAMAGED_PRODUCT", "Came back damaged", "RETURN_NON_COMPLIANT", True),
)
"""Codes as one operator has them (fact sheet 2.8); every operator has its own."""

DEFAULT_OPERATOR = "pixmania"

PROFILES: dict[str, OperatorProfile] = {
    "pixmania": OperatorProfile(
        name="Pixmania (simulated)",
        prefix="PX",
        channels=("FR_B2C", "ES_B2C"),
        offer_states=("11", "10", "12", "13"),
        longest_leadtime=9,
        field_choices={"warehouselocation": ("France", "Espana", "Europe", "Hors_Zone_EU")},
        fields=(("warranty", "24"), ("warehouselocation", "France")),
        carriers=CARRIERS,
        reasons=REASONS,
    ),
    "generic": OperatorProfile(
        name="Operator (simulated)",
        prefix="OP",
        channels=(),
        offer_states=("11",),
        carriers=CARRIERS[:3],
        reasons=REASONS,
    ),
}
