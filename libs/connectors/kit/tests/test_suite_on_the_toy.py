"""A connector without faults passes the suite: else nobody would believe the failures."""

from __future__ import annotations

import pytest

from connector_kit.conformance import MarketplaceConformance, Subject

from .toy_subject import toy_subject


class TestToy(MarketplaceConformance):
    """Every case on the toy."""

    @pytest.fixture
    def subject(self) -> Subject:
        return toy_subject()
