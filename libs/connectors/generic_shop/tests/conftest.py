"""Shared pieces of these tests: a clock that stands still, a connected shop and its simulator."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector_generic_shop.connector import CONNECTOR, GenericShop
from connector_generic_shop.sandbox.simulator import GenericShopSimulator
from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.requests import CancelShopOrder, CreateShopOrder, ShopAddress, ShopCustomer
from hub_contracts.base import Money
from hub_contracts.orders import Environment, TaxMode
from hub_contracts.routes import RouteLine

from .asgi_caller import AsgiCaller

SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-shop-1").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-shop-0").decode()
CONNECTION = UUID("00000000-0000-4000-8000-00000000c0de")


class StillClock:
    """Time moves only when a test says so."""

    def __init__(self) -> None:
        self.present = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.present

    def advance(self, seconds: float) -> None:
        self.present += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def simulator(clock: StillClock) -> GenericShopSimulator:
    script = {"webhook_secret": SECRET, "shop_name": "blue"}
    return CONNECTOR.build_sandbox(SandboxOptions(clock=clock, settings={"shops": [script], "slow_seconds": 0}))


@pytest.fixture
def connect(clock: StillClock, simulator: GenericShopSimulator) -> Callable[..., GenericShop]:
    """Connects a shop; settings and credentials can be replaced, `http` too."""

    def connected(http: Any = None, secrets: tuple[str, ...] = (SECRET,), **settings: Any) -> GenericShop:
        names = ("webhook_secret", "webhook_secret_previous")
        context = ConnectionContext(
            connection_id=CONNECTION,
            tenant="tenant",
            environment=Environment.SANDBOX,
            settings={"webhook_url": "https://shop.example.invalid/shops/blue/webhook", **settings},
            credentials={name: SecretStr(value) for name, value in zip(names, secrets, strict=False)},
            http=http or AsgiCaller(simulator.app),
            clock=clock,
        )
        return CONNECTOR.connect(context)

    return connected


@pytest.fixture
def order() -> Callable[..., CreateShopOrder]:
    """Makes an order with `units` of one SKU; `number` makes it another one."""

    def made(number: int = 1, units: int = 2, **changes: Any) -> CreateShopOrder:
        line = RouteLine(
            line_id="L1",
            offer_sku="OFFER-1",
            shop_sku="SKU-1",
            title="Lamp",
            quantity=units,
            unit_price=Money(amount=Decimal("19.90"), currency="EUR"),
            shipping_price=Money(amount=Decimal("4.90"), currency="EUR"),
        )
        products = Decimal("19.90") * units
        values: dict[str, Any] = {
            "order_id": UUID(int=number),
            "route_id": UUID(int=1_000_000 + number),
            "order_number": f"M{number:05d}",
            "marketplace": "manomano",
            "marketplace_reference": f"MM-{number}",
            "currency": "EUR",
            "tax_mode": TaxMode.INCLUDED,
            "products_price": products,
            "shipping_price": Decimal("4.90"),
            "total_price": products + Decimal("4.90"),
            "ship_by": datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
            "lines": (line,),
            "customer": customer(),
        }
        return CreateShopOrder(**{**values, **changes})

    return made


@pytest.fixture
def cancellation() -> Callable[..., CancelShopOrder]:
    """Makes the cancellation of the order of the same `number`."""

    def made(number: int = 1) -> CancelShopOrder:
        return CancelShopOrder(
            order_id=UUID(int=number),
            route_id=UUID(int=1_000_000 + number),
            order_number=f"M{number:05d}",
            reason="cancelled by the buyer",
        )

    return made


def customer() -> ShopCustomer:
    """An invented buyer."""
    address = ShopAddress(
        first_name="Zoé",
        last_name="Quxmann",
        street_1="7 Rue <Inventée>",
        postal_code="59999",
        city="Nulleville",
        country_code="FR",
        phone="+33000000001",
        email="zoe@example.invalid",
    )
    return ShopCustomer(shipping=address, billing=address, fiscal_number="FR-IMAGINARY-1")
