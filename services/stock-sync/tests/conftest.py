"""stock-sync on a database of its own, with marketplaces and shops to sell at, and simulators to push to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector_kit.capabilities import SandboxOptions
from connector_kit.discovery import connector
from connector_kit.simulator import FaultRule
from hub_common.clock import ManualClock
from hub_common.testing import Harness
from hub_common.web import WebServer
from hub_contracts.base import EventData, Money
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    RoutingRule,
    SkuLinked,
    SkuSettings,
    StockSettings,
)
from hub_contracts.envelope import Origin
from hub_contracts.ids import order_id_for, route_id_for
from hub_contracts.orders import (
    Environment,
    FulfilledBy,
    LineStatus,
    OrderLine,
    OrderReceived,
    OrderSnapshot,
    OrderStatusChanged,
)
from hub_contracts.shop_activity import PriceReported, ShopOrderCancelled, ShopOrderCreated, StockReported
from hub_contracts.status import OrderStatus
from stock_sync.main import SPEC
from stock_sync.moments import PriceMoments

MARKET, OTHER_MARKET = UUID(int=11), UUID(int=12)
SHOP, OTHER_SHOP = UUID(int=21), UUID(int=22)
CONTRACT = 11781522
OFFERS = [{"sku": sku, "stock": 25} for sku in ("A", "B", "C")] + [{"sku": f"S{n}", "stock": 1} for n in range(40)]
SETTINGS: dict[str, dict[str, Any]] = {
    "manomano": {"seller_contract_id": CONTRACT, "country": "FR"},
    "mirakl": {},
    "generic_shop": {"delivery": "pull"},
}


@dataclass
class Stage:
    """Everything a test needs."""

    h: Harness
    stack: AsyncExitStack
    urls: dict[str, str] = field(default_factory=dict)
    simulators: dict[str, Any] = field(default_factory=dict)

    @property
    def clock(self) -> ManualClock:
        clock = self.h.clock
        assert isinstance(clock, ManualClock)
        return clock

    def at(self, minutes: float = 0) -> datetime:
        return self.clock.now() + timedelta(minutes=minutes)

    async def open(self, name: str, **settings: Any) -> Any:
        """Start a marketplace's simulator."""
        simulator = connector(name).build_sandbox(SandboxOptions(clock=self.h.clock, settings=settings))
        server = WebServer(simulator.app, drain_seconds=0)
        await server.start()
        self.stack.push_async_callback(server.stop)
        self.urls[name], self.simulators[name] = server.url, simulator
        return simulator

    def connection(self, connection_id: UUID, name: str = "manomano", **changes: Any) -> ConnectionChanged:
        stock = StockSettings(**changes.pop("stock", {}))
        sku = SkuSettings(**{"link_mode": "linked", **changes.pop("sku", {})})
        routing = tuple(
            RoutingRule(name=f"rule {n}", shop_connection_id=shop) for n, shop in enumerate(changes.pop("prefers", ()))
        )
        shop = name == "generic_shop"
        off = changes.pop("off", ())
        values: dict[str, Any] = {
            "connection_id": connection_id,
            "connector": name,
            "kind": ConnectionKind.SHOP if shop else ConnectionKind.MARKETPLACE,
            "label": name,
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.urls.get(name),
            "settings": HubSettings(stock=stock, sku=sku, routing=routing, capabilities_off=off),
            "connector_settings": SETTINGS[name],
            "credentials": self.h.runtime.keyring.seal(connection_id, {"api_key": SecretStr(f"{name}-sandbox-key")}),
            "credential_ref": f"ref-{connection_id}",
            "budgets": dict.fromkeys(
                (
                    "set_offers",
                    "read_offers",
                    "set_stock",
                    "set_price",
                    "read_stock_import",
                    "read_stock_report",
                    "read_price_import",
                    "read_price_report",
                ),
                1_000_000,
            ),
        }
        return ConnectionChanged(**(values | changes))

    async def connect(self, connection_id: UUID, name: str = "manomano", **changes: Any) -> None:
        origin = changes.pop("tenant", None)
        event = self.connection(connection_id, name, **changes)
        await self.h.feed((connection_id, event), **({"tenant": origin} if origin else {}))

    async def stand(self, **market: Any) -> None:
        """One ManoMano connection and one shop."""
        if "manomano" not in self.urls:
            await self.open("manomano", offers=OFFERS)
        await self.connect(SHOP, "generic_shop")
        await self.connect(MARKET, **market)

    async def link(
        self, offer_sku: str, shop_sku: str, *, market: UUID = MARKET, shop: UUID = SHOP, **more: Any
    ) -> None:
        data = SkuLinked(connection_id=market, offer_sku=offer_sku, shop_connection_id=shop, shop_sku=shop_sku, **more)
        await self.h.feed((f"{market}:{offer_sku}", data))

    def stock_event(
        self, shop_sku: str, quantity: int, *, at: float = 0, warehouse: str | None = None, shop: UUID = SHOP
    ) -> tuple[str, EventData]:
        return f"{shop}:{shop_sku}", StockReported(
            shop_connection_id=shop, shop_sku=shop_sku, warehouse=warehouse, quantity=quantity, reported_at=self.at(at)
        )

    async def stock(self, shop_sku: str, quantity: int, **more: Any) -> None:
        origin = {"origin": more.pop("origin")} if "origin" in more else {}
        await self.h.feed(self.stock_event(shop_sku, quantity, **more), **origin)

    async def price(
        self,
        shop_sku: str,
        amount: str,
        discount: str | None = None,
        *,
        at: float = 0,
        channel: str | None = None,
        days: tuple[float | None, float | None] = (None, None),
        currency: str = "EUR",
        origin: Origin = Origin.LIVE,
    ) -> None:
        """State a price; `days` from now on bound its discount."""
        since, until = (None if day is None else self.at(day * 24 * 60) for day in days)
        data = PriceReported(
            shop_connection_id=SHOP,
            shop_sku=shop_sku,
            channel=channel,
            price=Money(amount=amount, currency=currency),
            discount_price=Money(amount=discount, currency=currency) if discount else None,
            discount_from=since,
            discount_until=until,
            reported_at=self.at(at),
        )
        await self.h.feed((f"{SHOP}:{shop_sku}", data), origin=origin)

    def order(
        self, reference: str, *lines: tuple[str, int], market: UUID = MARKET, status: str = "PENDING", **changes: Any
    ) -> OrderReceived:
        nothing = Money(amount="0", currency="EUR")
        line_status = changes.pop("line_status", status)
        product_sku = changes.pop("product_sku", None)
        values: dict[str, Any] = {
            "order_id": order_id_for(market, reference),
            "connection_id": market,
            "connector": "manomano",
            "environment": Environment.SANDBOX,
            "marketplace_reference": reference,
            "order_number": reference,
            "fulfilled_by": FulfilledBy.SELLER,
            "status": OrderStatus(status),
            "marketplace_status": status,
            "currency": "EUR",
            "products_price": "0",
            "shipping_price": "0",
            "total_price": "0",
            "lines": tuple(
                OrderLine(
                    line_id=f"{reference}-{n}",
                    offer_sku=sku,
                    product_sku=product_sku,
                    quantity=quantity,
                    unit_price=nothing,
                    line_price=nothing,
                    shipping_price=nothing,
                    status=OrderStatus(line_status),
                    marketplace_status=line_status,
                )
                for n, (sku, quantity) in enumerate(lines)
            ),
            "created_at": self.at(),
            "marketplace_updated_at": self.at(),
        }
        return OrderReceived(order=OrderSnapshot(**(values | changes)), snapshot_id=UUID(int=1))

    async def sell(self, reference: str, *lines: tuple[str, int], **changes: Any) -> UUID:
        event = self.order(reference, *lines, **changes)
        await self.h.feed((event.order.order_id, event))
        return event.order.order_id

    async def becomes(self, order_id: UUID, status: str, *, lines: dict[str, str] | None = None) -> None:
        data = OrderStatusChanged(
            order_id=order_id,
            connection_id=MARKET,
            environment=Environment.SANDBOX,
            from_status=OrderStatus.PENDING,
            to_status=OrderStatus(status),
            trigger="test",
            marketplace_status=status,
            lines=tuple(
                LineStatus(line_id=line, status=OrderStatus(word), marketplace_status=word)
                for line, word in (lines or {}).items()
            ),
            marketplace_updated_at=self.at(),
        )
        await self.h.feed((order_id, data))

    async def taken(self, order_id: UUID, *, shop: UUID = SHOP, cancelled: bool = False) -> None:
        kind = ShopOrderCancelled if cancelled else ShopOrderCreated
        data = kind(order_id=order_id, route_id=route_id_for(order_id, shop, None), shop_connection_id=shop)
        await self.h.feed((order_id, data))

    async def told(self, kind: type[Any], *, clear: bool = True) -> list[Any]:
        return [event.data for event in await self.h.emitted(clear=clear) if isinstance(event.data, kind)]

    async def offer(self, sku: str, market: UUID = MARKET) -> dict[str, Any]:
        row = await self.h.runtime.pool.fetchrow(
            "SELECT * FROM offers WHERE connection_id = $1 AND offer_sku = $2", market, sku
        )
        assert row is not None, f"no offer {sku}"
        return dict(row)

    async def figures(self, sku: str, market: UUID = MARKET) -> tuple[int, int, int]:
        """On hand, reserved, available."""
        row = await self.offer(sku, market)
        return row["on_hand"], row["reserved"], row["available"]

    async def push(self) -> None:
        self.clock.advance(1)  # calls come back to the budget by this clock
        await self.h.run_effects()

    async def later(self, days: float) -> None:
        """Let time pass, and the duty that watches over it do its work."""
        self.clock.advance(days * 24 * 3600)
        while await PriceMoments(self.h.runtime).step():
            pass

    def applied(self, kind: str, name: str = "manomano") -> list[tuple[str, Any]]:
        """What really took place at the marketplace, in order."""
        key = {"stock": "quantity", "price": "price"}[kind]
        entries = self.simulators[name].record.entries
        return [(e.reference, e.detail.get(key, e.detail)) for e in entries if e.kind == kind]

    def fault(self, fault: str, operation: str, times: int | None = 1, name: str = "manomano") -> None:
        self.simulators[name].faults.set([FaultRule(fault=fault, operation=operation, times=times)])


@pytest.fixture
async def stage(database: str) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack, Harness(SPEC, database, call_timeout_seconds=5) as harness:
        yield Stage(harness, stack)
