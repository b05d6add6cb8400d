"""Walmart Marketplace against the kit's conformance suite and its own simulator."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from connector_kit.conformance import FaultNames, MarketplaceConformance, PushedNotices, Subject

from connector_walmart.connector import CONNECTOR

ACCOUNT = {"client_id": "canary-client-id-0123", "client_secret": "canary-client-secret-0123"}
SECRET = "canary-notice-secret-0123"
SWITCHES = ("rate_limited", "timeout_after", "timeout_before", "error_after", "error_before", "html", "page_shift")


def notice(world: Any, references: Sequence[str]) -> bytes:
    source = {"eventType": "PO_CREATED", "eventTime": world.clock.now().isoformat(), "eventId": "1"}
    return json.dumps({"source": source, "payload": {"purchaseOrderId": references[0]}}).encode()


def proof(world: Any, body: bytes) -> Mapping[str, str]:
    return {"x-walmart-signature": base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()}


class TestWalmart(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parents[1],
            credentials={**ACCOUNT, "notice_secret": SECRET},
            sandbox=ACCOUNT,
            settings={"page_size": 10},
            faults=FaultNames(**{name: name for name in SWITCHES}),
            stages={"new": {}, "to_ship": {"status": "Acknowledged"}},
            recorded={"refuse": "cancel"},
            notice=PushedNotices(notice, proof),
            not_applicable={
                "test_good_notice_names_its_orders[3]": "a notice is about one order",
                "test_late_notice_is_refused": "the proof covers no time, and what a repeat causes is one read",
            },
        )
