"""The conformance suite of the kit on the generic shop connector and its simulated shop."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connector_generic_shop.connector import CONNECTOR
from connector_kit.conformance import FaultNames, ShopConformance, Subject

SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-blue-shop").decode()
DROPPED = "the shop drops a webhook-id that it knows; that is the contract of the signed messages"


class TestGenericShop(ShopConformance):
    """Every case that the manifest's capabilities call for."""

    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parent.parent,
            credentials={"webhook_secret": SECRET},
            settings={"webhook_url": "http://outside.example.invalid/shops/blue/webhook"},
            sandbox={"shops": [{"webhook_secret": SECRET, "shop_name": "blue"}], "slow_seconds": 0},
            repeat_harmless={"create_order": DROPPED, "cancel_order": DROPPED},
            faults=FaultNames(
                rate_limited="rate_limit",
                timeout_after="timeout_after_effect",
                timeout_before="timeout_before_effect",
                error_after="error_500_after_effect",
                error_before="error_500_before_effect",
            ),
        )
