"""Examples of `hub.connections`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from hub_contracts.connections import (
    AcceptancePolicy,
    BackfillRequested,
    CarrierSettings,
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    DefaultCarrier,
    HubSettings,
    ImportSettings,
    RefundSettings,
    RoutingRule,
    SealedCredentials,
    SkuLinked,
    SkuSettings,
    StockSettings,
    TestOrderRequested,
)
from hub_contracts.examples.world import BULB_SKU, LAMP_SHOP_SKU, LAMP_SKU, MANOMANO, PIXMANIA, SHOP, Example, at
from hub_contracts.orders import Environment

_TEST_ORDER = UUID("019cadfd-4e60-7d05-a4c8-6b1f30e97d52")
_BACKFILL = UUID("019cae08-03c0-7b4e-8f17-c25d90a1e634")

_SETTINGS = HubSettings(
    acceptance=AcceptancePolicy(
        price_tolerance_percent=Decimal(5),
        shipping_tolerance_percent=Decimal(100),
        expected_shipping_price=Decimal("4.90"),
        max_order_age_hours=72,
        accept_within_hours=48,
    ),
    carriers=CarrierSettings(
        default_carriers=(DefaultCarrier(carrier_name="Colissimo", carrier_code="colissimo", country="FR"),),
        use_known_patterns=True,
    ),
    routing=(RoutingRule(name="everything from Lyon", shop_connection_id=SHOP, warehouse="lyon", countries=("FR",)),),
    sku=SkuSettings(link_mode="linked"),
    orders=ImportSettings(import_from=datetime(2026, 3, 1, tzinfo=UTC), poll_seconds=60),
    stock=StockSettings(buffer=2, max_listed=50),
    refunds=RefundSettings(default_reason="RETURN", reason_map={"damaged": "ITEM_DAMAGED"}),
)

_CONNECTION = ConnectionChanged(
    connection_id=PIXMANIA,
    connector="mirakl",
    kind=ConnectionKind.MARKETPLACE,
    label="Pixmania France",
    environment=Environment.PRODUCTION,
    state=ConnectionState.ACTIVE,
    verified=True,
    base_url="https://pixmania.marketplace.example.invalid",
    settings=_SETTINGS,
    connector_settings={"shop_id": 2041, "locale": "fr_FR"},
    credentials=SealedCredentials(
        key_id="2026-01", nonce="YXRlbGllci1sdW1l", ciphertext="bm90IGEgc2VjcmV0LCBvbmx5IGFuIGV4YW1wbGU="
    ),
    credential_ref="mirakl:pixmania:2041",
    budgets={"list_orders": 60, "accept": 600, "ship": 600},
    activated_at=at(hours=-2),
)

EXAMPLES: tuple[Example, ...] = (
    Example(_CONNECTION, key=str(PIXMANIA), time=at(hours=-2), version=7),
    Example(
        SkuLinked(connection_id=PIXMANIA, offer_sku=LAMP_SKU, shop_connection_id=SHOP, shop_sku=LAMP_SHOP_SKU),
        key=f"{PIXMANIA}:{LAMP_SKU}",
        time=at(hours=-1),
    ),
    Example(
        TestOrderRequested(
            test_order_id=_TEST_ORDER,
            connection_id=PIXMANIA,
            offer_sku=BULB_SKU,
            quantity=3,
            country="FR",
            requested_at=at(minutes=-30),
            requested_by="operator-3",
        ),
        key=f"test:{_TEST_ORDER}",
        time=at(minutes=-30),
    ),
    Example(
        BackfillRequested(
            backfill_id=_BACKFILL,
            connection_id=MANOMANO,
            created_from=datetime(2026, 2, 1, tzinfo=UTC),
            created_until=datetime(2026, 3, 1, tzinfo=UTC),
            requested_at=at(minutes=-20),
            requested_by="operator-3",
        ),
        key=f"backfill:{_BACKFILL}",
        time=at(minutes=-20),
    ),
)
