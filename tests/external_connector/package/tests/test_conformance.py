"""Lantern Bay against the kit's conformance suite and its own simulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from connector_kit.conformance import FaultNames, MarketplaceConformance, Subject

from connector_lantern_bay.connector import CONNECTOR

CREDENTIALS = {
    "client_id": "canary-client-id-0123",
    "client_secret": "canary-client-secret-0123",
    "notice_secret": "canary-notice-secret-0123",
}


class TestLanternBay(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parents[1],
            credentials=CREDENTIALS,
            sandbox={name: CREDENTIALS[name] for name in ("client_id", "client_secret")},
            settings={"page_size": 10},
            faults=FaultNames(
                rate_limited="rate_limited",
                timeout_after="timeout_after",
                timeout_before="timeout_before",
                error_after="error_after",
                error_before="error_before",
                html="html",
                page_shift="page_shift",
            ),
            stages={"new": {}, "to_ship": {"status": "accepted"}, "shipped": {"status": "shipped"}},
        )
