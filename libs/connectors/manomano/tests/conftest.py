"""A simulator with a still clock and a connection to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext, RawOrder, SandboxOptions
from connector_kit.requests import AcceptLine, AnswerOrder, RefundLineRequest, RefundOrder, ShipLine, ShipParcel
from connector_kit.simulator import FaultRule
from connector_manomano.connector import CONNECTOR, ManoMano
from connector_manomano.sandbox.options import SANDBOX_CONTRACT, SANDBOX_KEY
from connector_manomano.sandbox.simulator import ManoManoSimulator
from hub_contracts.orders import Environment, TaxMode

from .asgi_caller import AsgiCaller

CONNECTION = UUID("0199f0a0-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Placed(ConnectionContext):
    """A context that also tells where the calls go."""

    base_url: str | None = None


@dataclass
class StillClock:
    """Moves only when told to."""

    present: datetime = field(default_factory=lambda: datetime(2025, 11, 7, 9, 0, tzinfo=UTC))

    def now(self) -> datetime:
        return self.present

    def forward(self, **delta: float) -> None:
        self.present += timedelta(**delta)


class World:
    """Simulator, caller and connections of one test."""

    def __init__(self, **sandbox: Any) -> None:
        self.clock = StillClock()
        simulator = CONNECTOR.build_sandbox(SandboxOptions(clock=self.clock, seed=7, settings=sandbox))
        assert isinstance(simulator, ManoManoSimulator)
        self.sim = simulator
        self.http = AsgiCaller(simulator.app, simulator.faults)

    def connect(
        self,
        *,
        key: str = SANDBOX_KEY,
        environment: str = "sandbox",
        base_url: str | None = None,
        connection_id: UUID = CONNECTION,
        **settings: Any,
    ) -> ManoMano:
        context = Placed(
            connection_id=connection_id,
            tenant="test",
            environment=Environment(environment),
            settings={"seller_contract_id": SANDBOX_CONTRACT, "country": "FR"} | settings,
            credentials={"api_key": SecretStr(key)},
            http=self.http,
            clock=self.clock,
            base_url=base_url,
        )
        return CONNECTOR.connect(context)

    def orders(self, count: int = 1, **options: Any) -> list[str]:
        return self.sim.create_orders(count, options)

    def order(self, **options: Any) -> str:
        return self.orders(1, **options)[0]

    def fault(self, name: str, operation: str = "*", times: int | None = 1) -> None:
        self.sim.faults.set([FaultRule(fault=name, operation=operation, times=times)])

    def applied(self, kind: str) -> list[str]:
        return [entry.reference for entry in self.sim.record.entries if entry.kind == kind]

    def status(self, reference: str) -> str:
        return str(self.sim.state()["orders"][reference]["status"])


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> Callable[..., World]:
    return World


def answer_request(reference: str, *, accepted: bool = True, lines: int = 1) -> AnswerOrder:
    return AnswerOrder(
        order_reference=reference,
        lines=tuple(AcceptLine(line_id=f"L{at}", accepted=accepted) for at in range(lines)),
    )


def parcel(reference: str, *units: tuple[str, int], whole: bool = False, completes: bool = False, **more: Any) -> Any:
    given = {
        "carrier_name": "GLS",
        "tracking_number": "00401234567890",
        "tracking_url": "https://track.example.invalid/00401234567890",
    } | more
    return ShipParcel(
        order_reference=reference,
        parcel_id=UUID(int=1),
        lines=tuple(ShipLine(line_id=sku, offer_sku=sku, quantity=count) for sku, count in units),
        whole_order=whole,
        completes_order=whole or completes,
        **given,
    )


def refund_request(reference: str, *units: tuple[str, int], reason: str = "PRODUCT_DAMAGED", **more: Any) -> Any:
    return RefundOrder(
        order_reference=reference,
        refund_id=UUID(int=2),
        currency="EUR",
        tax_mode=TaxMode.INCLUDED,
        lines=tuple(
            RefundLineRequest(
                line_id=sku, offer_sku=sku, quantity=count, amount="10.00", shipping_amount="0", reason_code=reason
            )
            for sku, count in units
        ),
        refund_shipping=more.get("refund_shipping", False),
    )


def order_body(**changes: Any) -> dict[str, Any]:
    """The documented example order in short, with changes; a change to `...` removes the field."""
    eur = "EUR"
    address = {
        "firstname": "Testa", "lastname": "Exemple", "company": None, "address_line1": "1 rue de l'Essai",
        "address_line2": "Bât. B", "address_line3": None, "zipcode": "69000", "city": "Lyon", "province": None,
        "country": "France", "country_iso": "FR", "phone": "+33100000000", "email": "client-4213@example.invalid",
    }  # fmt: skip
    body: dict[str, Any] = {
        "order_reference": "M2511070004213", "seller_contract_id": SANDBOX_CONTRACT, "status": "PENDING",
        "created_at": "2025-11-07T09:14:22Z", "status_updated_at": "2025-11-07T09:44:25Z",
        "total_price": {"amount": 132.00, "currency": eur}, "products_price": {"amount": 126.00, "currency": eur},
        "shipping_price": {"amount": 6.00, "currency": eur}, "total_discount": {"amount": 0.00, "currency": eur},
        "is_mmf": False, "is_professional": False, "billing_fiscal_number": None,
        "customer": {"firstname": "Testa", "lastname": "Exemple", "fiscal_number": None},
        "addresses": {"shipping": address, "billing": {**address, "recipient_code": None}, "relay": None},
        "products": [product("PERC-18V-01", 2, "48.00", "40.00", "3.00"), product("LAME-125-X5", 1, "30.00", "25.00")],
    }  # fmt: skip
    body |= changes
    return {name: value for name, value in body.items() if value is not ...}


def product(sku: Any, quantity: Any, price: str, without_vat: str, shipping: str = "0.00") -> dict[str, Any]:
    def money(amount: str) -> dict[str, Any]:
        return {"amount": float(amount), "currency": "EUR"}

    return {
        "seller_sku": sku, "title": f"Article {sku}", "product_title": f"Article {sku}", "quantity": quantity,
        "carrier": "GLS", "vat_rate": "20.00", "shipping_vat_rate": "20.00",
        "price": money(price), "price_excluding_vat": money(without_vat),
        "product_price": money(price), "product_price_excluding_vat": money(without_vat),
        "shipping_price": money(shipping), "sum_shipping_price": money(str(float(shipping) * 2)),
    }  # fmt: skip


def raw(body: Any) -> RawOrder:
    return RawOrder("", body if isinstance(body, bytes) else json.dumps(body).encode())
