"""What is told once an order is decided: the routes with their money, from the order as the marketplace shows it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub_contracts.ids import route_id_for
from hub_contracts.orders import OrderLine, OrderSnapshot
from hub_contracts.routes import OrderRouted, Route, RouteLine
from order_router.domain import Served, Verdict
from order_router.standing import totals


def routed(order: OrderSnapshot, verdict: Verdict, ship_by: datetime | None) -> OrderRouted:
    """The event for an order whose every line is served. Lines that one shop and warehouse serve are one route."""
    served = tuple(each.line for each in verdict.served)
    money = totals(order, served)
    return OrderRouted(
        order_id=order.order_id,
        connection_id=order.connection_id,
        connector=order.connector,
        environment=order.environment,
        is_test=order.is_test,
        marketplace_reference=order.marketplace_reference,
        order_number=order.order_number,
        channel=order.channel,
        currency=order.currency,
        tax_mode=order.tax_mode,
        products_price=money.products,
        shipping_price=money.shipping,
        total_price=money.total,
        shipping_method=order.shipping_method,
        carrier_wish=_wish(served),
        ship_by=ship_by,
        routes=routes_of(order, verdict),
        rules=verdict.rules,
        losing_options=verdict.losing_options,
    )


def routes_of(order: OrderSnapshot, verdict: Verdict) -> tuple[Route, ...]:
    """Routes in the order in which their first line stands in the order."""
    groups: dict[tuple[UUID, str | None], list[Served]] = {}
    for each in verdict.served:
        groups.setdefault((each.shop_connection_id, each.warehouse), []).append(each)
    return tuple(
        Route(
            route_id=route_id_for(order.order_id, shop, warehouse),
            shop_connection_id=shop,
            warehouse=warehouse,
            lines=tuple(_line(each) for each in group),
        )
        for (shop, warehouse), group in groups.items()
    )


def _line(each: Served) -> RouteLine:
    line = each.line
    return RouteLine(
        line_id=line.line_id,
        offer_sku=line.offer_sku,
        shop_sku=each.shop_sku,
        title=line.title,
        quantity=line.quantity,
        unit_price=line.unit_price,
        shipping_price=line.shipping_price,
    )


def _wish(lines: tuple[OrderLine, ...]) -> str | None:
    """The buyer's carrier wish; only when every line that has one has the same."""
    wishes = {line.carrier_wish for line in lines if line.carrier_wish}
    return wishes.pop() if len(wishes) == 1 else None
