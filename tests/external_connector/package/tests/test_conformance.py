"""Lantern Bay against the kit's conformance suite and its own simulator."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from connector_kit.conformance import FaultNames, MarketplaceConformance, PushedNotices, Subject
from connector_kit.conformance.world import World

from connector_lantern_bay.connector import CONNECTOR

CREDENTIALS = {
    "client_id": "canary-client-id-0123",
    "client_secret": "canary-client-secret-0123",
    "notice_secret": "canary-notice-secret-0123",
}


def proof(world: World, body: bytes) -> dict[str, str]:
    """What Lantern Bay sends along."""
    key = CREDENTIALS["notice_secret"].encode()
    return {"content-type": "application/json", "x-lantern-signature": hmac.new(key, body, hashlib.sha256).hexdigest()}


NOTICE = PushedNotices(body=lambda world, named: json.dumps({"order_ids": list(named)}).encode(), headers=proof)


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
            notice=NOTICE,
            not_applicable={
                "test_late_notice_is_refused": "the proof covers no time; a repeated notice causes a read, no more",
            },
            stages={"new": {}, "to_ship": {"status": "accepted"}, "shipped": {"status": "shipped"}},
        )
