"""The conformance suite of the kit on the ManoMano connector and its simulator."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from connector_kit.conformance import FaultNames, Held, MarketplaceConformance, Subject
from connector_kit.conformance.world import World
from connector_kit.offers import ChannelPrice, PublishOffer
from connector_manomano.connector import CONNECTOR
from connector_manomano.sandbox.world import SimOffer
from hub_contracts.base import Money

KEY = "canary-77ab01-of-the-toolbox"
CONTRACT = 11781522
MANY = 2_100
"""Offers of which the connector asks for 1,000 a page, online and offline apart."""
NO_PARCELS = "ManoMano shows neither parcels nor refunds, only the order's status"


async def offers(world: World, count: int) -> Sequence[PublishOffer]:
    """Offers as a French contract must state them."""
    prices = (ChannelPrice(price=Money(amount=Decimal("12.34"), currency="EUR")),)
    attributes, grids = {"eco_participation": "0.10"}, (("Standard", 2, 5),)
    return [
        PublishOffer(offer_sku=f"C-{at}", prices=prices, quantity=5, attributes=attributes, carrier_grids=grids)
        for at in range(count)
    ]


async def standing(world: World, count: int) -> Sequence[Held]:
    """Offers that stand there, with stock and without."""
    held = world.simulator.world.offers
    skus = [f"HELD-{len(held) + at:05d}" for at in range(count)]
    for at, sku in enumerate(skus):
        held[CONTRACT, sku] = SimOffer(sku, Decimal("19.90"), 5 if count < MANY or at % 2 else 0)
    return [Held(sku) for sku in skus]


class TestManoMano(MarketplaceConformance):
    """Every case that the manifest's capabilities call for."""

    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parent.parent,
            credentials={"api_key": KEY},
            settings={"seller_contract_id": CONTRACT, "country": "FR", "carrier_grids": "Standard", "page_limit": "10"},
            sandbox={"api_keys": [KEY]},
            stages={
                "new": {"status": "PENDING"},
                "to_ship": {"status": "PREPARATION"},
                "shipped": {"status": "SHIPPED", "lines": 1},
            },
            many=25,
            carrier=(None, "GLS"),
            refund_reason="CUSTOMER_WITHDRAWAL",
            requests={"publish_offer": offers},
            facts={"offers": standing},
            many_of={"offers": MANY},
            fault_operations={"publish_offer": ["put_offers"], "release_offer": ["unfreeze"]},
            not_applicable={
                "test_outcomes_stand_in_the_order_of_the_requests[publish_offer]": "stating an unknown SKU creates it",
                "test_outcomes_stand_in_the_order_of_the_requests[release_offer]": "unknown SKUs are passed over",
            },
            undecided={"refund": NO_PARCELS, "upload_invoice": "documents cannot be read back"},
            faults=FaultNames(
                rate_limited="rate_limit_gateway",
                timeout_after="timeout_after_effect",
                error_after="error_500_after_effect",
                error_before="error_500_before_effect",
                html="html_answer",
                page_shift="page_shift",
                unknown_status="unknown_status",
                missing_item="missing_item_207",
                failed_item="item_500",
                string_amounts="string_amounts",
                null_address="null_address",
            ),
        )
