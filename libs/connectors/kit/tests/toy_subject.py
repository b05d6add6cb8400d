"""How the suite is told about the toy connector."""

from __future__ import annotations

from connector_kit.conformance import FaultNames, Subject
from connector_kit.manifest import Manifest

from .toy import MANIFEST, TOKEN, Toy, ToyFactory

FAULTS = FaultNames(
    rate_limited="slow_down",
    timeout_after="timeout_after",
    timeout_before="timeout_before",
    error_after="error_after",
    missing_item="missing_item",
    failed_item="failed_item",
    unknown_status="odd_status",
    string_amounts="texts",
    null_address="no_address",
)


def toy_subject(connection: type[Toy] = Toy, manifest: Manifest = MANIFEST) -> Subject:
    """The toy, or a wrong variant of it."""
    return Subject(
        connector=ToyFactory(connection, manifest),
        credentials={"token": TOKEN},
        sandbox={"token": TOKEN},
        stages={"new": {"status": "NEW"}, "to_ship": {"status": "TO_SHIP"}},
        many=14,
        faults=FAULTS,
        not_applicable={"test_no_order_is_lost_when_pages_shift": "the cursor names the last order that was seen"},
    )
