"""Order-router on a real PostgreSQL: one marketplace connection, shops as a test wants them, facts in any order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest

from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.acceptances import LineDecision, OrderAccepted, OrderRefused
from hub_contracts.base import EventData, Money
from hub_contracts.connections import (
    ConnectionChanged,
    ConnectionKind,
    ConnectionState,
    HubSettings,
    RoutingRule,
    SkuLinked,
    SkuSettings,
)
from hub_contracts.ids import order_id_for
from hub_contracts.orders import (
    Environment,
    LineStatus,
    OrderChanged,
    OrderLine,
    OrderReceived,
    OrderSnapshot,
    OrderStatusChanged,
)
from hub_contracts.status import OrderStatus
from hub_contracts.stock import OfferChanged
from order_router.main import SPEC

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SHIP_BY = NOW + timedelta(days=2)
Told = TypeVar("Told", bound=EventData)
Fed = tuple[str | UUID, EventData]


class World:
    """Makes facts, feeds them, reads what was told."""

    def __init__(self, h: Harness) -> None:
        self.h = h
        self.market, self.shop_a, self.shop_b = uuid4(), uuid4(), uuid4()

    def connection(
        self,
        mode: str = "pass_through",
        *rules: RoutingRule,
        source: str = "offer_sku",
        environment: Environment = Environment.SANDBOX,
        connector: str = "nowhere",
    ) -> Fed:
        sku = SkuSettings.model_validate({"link_mode": mode, "sku_source": source})
        return self.market, ConnectionChanged(
            connection_id=self.market,
            connector=connector,
            kind=ConnectionKind.MARKETPLACE,
            label="market",
            environment=environment,
            state=ConnectionState.ACTIVE,
            settings=HubSettings(sku=sku, routing=rules),
            credential_ref="m",
        )

    def shop(
        self,
        shop_id: UUID | None = None,
        state: ConnectionState = ConnectionState.ACTIVE,
        environment: Environment = Environment.SANDBOX,
    ) -> Fed:
        shop_id = shop_id or self.shop_a
        return shop_id, ConnectionChanged(
            connection_id=shop_id,
            connector="generic_shop",
            kind=ConnectionKind.SHOP,
            label={self.shop_a: "shop A", self.shop_b: "shop B"}.get(shop_id, "another shop"),
            environment=environment,
            state=state,
            credential_ref=str(shop_id),
        )

    def link(self, offer_sku: str, shop_id: UUID, shop_sku: str, active: bool = True) -> Fed:
        return f"{self.market}:{offer_sku}", SkuLinked(
            connection_id=self.market,
            offer_sku=offer_sku,
            shop_connection_id=shop_id,
            shop_sku=shop_sku,
            active=active,
        )

    def offer(self, shop_id: UUID, shop_sku: str, on_hand: int, minutes: int = 0) -> Fed:
        return f"{self.market}:{shop_sku}", OfferChanged(
            connection_id=self.market,
            environment=Environment.SANDBOX,
            offer_sku=shop_sku,
            shop_connection_id=shop_id,
            shop_sku=shop_sku,
            on_hand=on_hand,
            reserved=0,
            buffer=0,
            available=on_hand,
            changed_at=NOW + timedelta(minutes=minutes),
        )

    def line(
        self, sku: str, quantity: int = 1, price: str = "10.00", shipping: str = "1.50", **changes: Any
    ) -> OrderLine:
        values: dict[str, Any] = {
            "line_id": f"L-{sku}",
            "offer_sku": sku,
            "title": f"Thing {sku}",
            "quantity": quantity,
            "unit_price": Money(amount=Decimal(price), currency="EUR"),
            "line_price": Money(amount=Decimal(price), currency="EUR").times(quantity),
            "shipping_price": Money(amount=Decimal(shipping), currency="EUR"),
            "status": OrderStatus.PENDING,
            "marketplace_status": "PENDING",
        }
        return OrderLine(**(values | changes))

    def order(self, *lines: OrderLine, reference: str = "M1", **changes: Any) -> OrderSnapshot:
        lines = lines or (self.line("A"),)
        products = sum((line.line_price.amount for line in lines), Decimal(0))
        shipping = sum((line.shipping_price.amount for line in lines), Decimal(0))
        values: dict[str, Any] = {
            "order_id": order_id_for(self.market, reference),
            "connection_id": self.market,
            "connector": "nowhere",
            "environment": Environment.SANDBOX,
            "marketplace_reference": reference,
            "order_number": reference,
            "status": OrderStatus.PENDING,
            "marketplace_status": "PENDING",
            "currency": "EUR",
            "products_price": products,
            "shipping_price": shipping,
            "total_price": products + shipping,
            "lines": lines,
            "destination_country": "FR",
            "created_at": NOW - timedelta(hours=1),
            "marketplace_updated_at": NOW,
            "ship_by": SHIP_BY,
        }
        return OrderSnapshot(**(values | changes))

    def received(self, order: OrderSnapshot) -> Fed:
        return order.order_id, OrderReceived(order=order, snapshot_id=uuid4())

    def changed(self, order: OrderSnapshot) -> Fed:
        return order.order_id, OrderChanged(order=order, changed_fields=("lines",), snapshot_id=uuid4())

    def accepted(self, order: OrderSnapshot, *refused: str, released: bool = True) -> Fed:
        lines = tuple(LineDecision(line_id=x.line_id, accepted=x.line_id not in refused) for x in order.lines)
        return order.order_id, OrderAccepted(
            order_id=order.order_id,
            connection_id=order.connection_id,
            effect_id=uuid4(),
            lines=lines,
            released=released,
            confirmed_by="answer",
        )

    def refused(self, order: OrderSnapshot) -> Fed:
        return order.order_id, OrderRefused(
            order_id=order.order_id,
            connection_id=order.connection_id,
            effect_id=uuid4(),
            reason="no stock",
            confirmed_by="answer",
        )

    def status(
        self, order: OrderSnapshot, to: OrderStatus, *, word: str = "", lines: dict[str, OrderStatus] | None = None
    ) -> Fed:
        shown = {line.line_id: to for line in order.lines} if lines is None else lines
        return order.order_id, OrderStatusChanged(
            order_id=order.order_id,
            connection_id=order.connection_id,
            environment=order.environment,
            from_status=order.status,
            to_status=to,
            trigger="test",
            marketplace_status=word or to.value,
            lines=tuple(LineStatus(line_id=k, status=v, marketplace_status=v.value) for k, v in shown.items()),
            marketplace_updated_at=NOW,
        )

    async def told(self, kind: type[Told]) -> list[Told]:
        """Events of one type told since the last call; the outbox is emptied."""
        return [event.data for event in await self.h.emitted() if isinstance(event.data, kind)]

    async def causes(self) -> list[str]:
        """Causes of what is parked now."""
        return sorted(item["cause"] for item in await self.h.parked())

    async def client(self) -> httpx.AsyncClient:
        """A client of the service's API, logged in as admin."""
        return httpx.AsyncClient(
            base_url=await self.h.serve(), headers={"authorization": f"Bearer {OPERATOR_TOKEN}"}, trust_env=False
        )


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with Harness(SPEC, database) as h:
        yield World(h)
