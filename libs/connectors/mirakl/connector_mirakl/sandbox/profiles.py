"""What differs from operator to operator, as data: order prefixes, channels, conditions, carriers, reasons."""

from __future__ import annotations

from dataclasses import dataclass


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
class OperatorProfile:
    """One operator."""

    name: str
    prefix: str
    channels: tuple[str, ...]
    offer_states: tuple[str, ...]
    carriers: tuple[Carrier, ...]
    reasons: tuple[Reason, ...]
    documents: tuple[str, ...] = ("CUSTOMER_INVOICE", "DELIVERY_NOTE")
    currency: str = "EUR"


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
)
"""Codes as one operator has them (fact sheet 2.8); every operator has its own."""

PROFILES: dict[str, OperatorProfile] = {
    "pixmania": OperatorProfile(
        name="Pixmania (simulated)",
        prefix="PX",
        channels=("FR_B2C", "ES_B2C"),
        offer_states=("11", "10", "12", "13"),
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
