"""The conformance suite of the kit on the generic shop connector and its simulated shop."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connector_generic_shop.connector import CONNECTOR
from connector_kit.aftersales import FetchInvoice
from connector_kit.conformance import FaultNames, ShopConformance, Subject
from connector_kit.conformance.kinds import shop_order
from connector_kit.conformance.world import World

SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-blue-shop").decode()
SHOP = "http://outside.example.invalid/shops/blue"
DROPPED = "the shop drops a webhook-id that it knows; that is the contract of the signed messages"


async def invoice_of(world: World, there: bool) -> FetchInvoice:
    """The shop takes an order; it has invoices at once, or after a shipment that never comes here."""
    shop = world.simulator.shop("blue")
    shop.behaviour = shop.behaviour.model_copy(update={"invoice": "at_once" if there else "after_shipment"})
    order = shop_order(world.next_number())
    [outcome] = await world.connection.create_order([order])
    assert outcome.state == "done", f"create_order before fetch_invoice: {outcome}"
    return FetchInvoice(order_id=order.order_id, route_id=order.route_id, order_number=order.order_number)


class TestGenericShop(ShopConformance):
    """Every case that the manifest's capabilities call for."""

    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parent.parent,
            credentials={"webhook_secret": SECRET},
            settings={"webhook_url": f"{SHOP}/webhook", "invoice_url": f"{SHOP}/invoice"},
            sandbox={"shops": [{"webhook_secret": SECRET, "shop_name": "blue"}], "slow_seconds": 0},
            invoice=invoice_of,
            repeat_harmless={"create_order": DROPPED, "cancel_order": DROPPED},
            faults=FaultNames(
                rate_limited="rate_limit",
                timeout_after="timeout_after_effect",
                timeout_before="timeout_before_effect",
                error_after="error_500_after_effect",
                error_before="error_500_before_effect",
            ),
        )
