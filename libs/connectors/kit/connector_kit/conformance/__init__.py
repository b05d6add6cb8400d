"""The conformance suite: what every connector must do, as tests that a file of about twenty lines inherits.

    class TestMine(MarketplaceConformance):
        @pytest.fixture
        def subject(self) -> Subject:
            return Subject(connector=CONNECTOR, credentials={"api_key": "canary-0123456789"}, ...)

Which cases run follows from the manifest's capabilities. A case that makes no sense for a connector is named in
`Subject.not_applicable` with a reason; one that it fails today is named in MATURITY.toml under `[failing]` with a
reason, and fails the suite as soon as it passes.
"""

import pytest

for _module in (
    *("base", "world", "kinds", "effects", "troubles", "listing", "mapping", "manifest", "simulator", "shop"),
    *("upkeep", "verifying", "readings", "alter", "reading", "exports", "documents", "notices", "invoices"),
):
    pytest.register_assert_rewrite(f"connector_kit.conformance.{_module}")

from connector_kit.conformance.subject import (  # noqa: E402
    Builder,
    FactMaker,
    FaultNames,
    Held,
    InvoiceMaker,
    PushedNotices,
    Subject,
)
from connector_kit.conformance.suites import MarketplaceConformance, ShopConformance  # noqa: E402

__all__ = [
    "Builder",
    "FactMaker",
    "FaultNames",
    "Held",
    "InvoiceMaker",
    "MarketplaceConformance",
    "PushedNotices",
    "ShopConformance",
    "Subject",
]
