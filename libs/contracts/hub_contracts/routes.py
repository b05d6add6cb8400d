"""Facts about which shop serves which lines (`hub.routes`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.acceptances import LosingOption, RuleTrace
from hub_contracts.base import Amount, Currency, EventData, Fact, Instant, Money
from hub_contracts.orders import Environment, TaxMode


class RouteLine(Fact):
    """A line, or part of its quantity, as the shop will see it."""

    line_id: str
    offer_sku: str
    shop_sku: str
    title: str = ""
    quantity: int
    unit_price: Money
    """What the buyer paid; the shop's catalogue price must not replace it."""
    shipping_price: Money


class Route(Fact):
    """One shop (and warehouse) that serves some lines."""

    route_id: UUID
    shop_connection_id: UUID
    warehouse: str | None = None
    lines: tuple[RouteLine, ...]


class OrderRouted(EventData):
    """Shops were chosen for every line; the shops' orders can be created."""

    TYPE: ClassVar[str] = "order.routed.v1"
    TOPIC: ClassVar[str] = topics.ROUTES
    order_id: UUID
    connection_id: UUID
    connector: str
    environment: Environment
    is_test: bool = False
    marketplace_reference: str
    order_number: str
    channel: str | None = None
    currency: Currency
    tax_mode: TaxMode = TaxMode.INCLUDED
    products_price: Amount
    shipping_price: Amount
    total_price: Amount
    shipping_method: str | None = None
    carrier_wish: str | None = None
    ship_by: Instant | None = None
    routes: tuple[Route, ...]
    rules: tuple[RuleTrace, ...] = ()
    losing_options: tuple[LosingOption, ...] = ()


class RouteCancelled(EventData):
    """The shop must stop: the order was cancelled or refused at the marketplace."""

    TYPE: ClassVar[str] = "route.cancelled.v1"
    TOPIC: ClassVar[str] = topics.ROUTES
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    route_ids: tuple[UUID, ...]
    reason: str
