"""Examples of `hub.acceptances` and `hub.routes`."""

from __future__ import annotations

from decimal import Decimal

from hub_contracts.acceptances import (
    AnswerRejected,
    DecidedBy,
    Decision,
    LineDecision,
    LosingOption,
    OrderAcceptanceDecided,
    OrderAccepted,
    OrderRefused,
    RuleTrace,
)
from hub_contracts.examples.world import (
    BULB_LINE,
    BULB_SHOP_SKU,
    BULB_SKU,
    LAMP_LINE,
    LAMP_SHOP_SKU,
    LAMP_SKU,
    ORDER,
    ORDER_REFERENCE,
    PIXMANIA,
    ROUTE,
    SHOP,
    Example,
    at,
    euros,
)
from hub_contracts.ids import effect_id_for
from hub_contracts.orders import Environment
from hub_contracts.routes import OrderRouted, Route, RouteCancelled, RouteLine

_ACCEPT = effect_id_for(f"accept:{ORDER}")
_REFUSE = effect_id_for(f"refuse:{ORDER}")
_ALL_ACCEPTED = (LineDecision(line_id=LAMP_LINE, accepted=True), LineDecision(line_id=BULB_LINE, accepted=True))

_DECIDED = OrderAcceptanceDecided(
    order_id=ORDER,
    connection_id=PIXMANIA,
    decision=Decision.ACCEPT,
    decided_by=DecidedBy.POLICY,
    reason="every rule of the policy passed",
    lines=_ALL_ACCEPTED,
    rules=(
        RuleTrace(
            rule="require_stock",
            outcome="passed",
            reason="enough units for every line",
            inputs={LAMP_SKU: "2 of 14", BULB_SKU: "1 of 40"},
        ),
        RuleTrace(
            rule="price_tolerance_percent",
            outcome="passed",
            reason="no line is below the known price",
            inputs={"tolerance": "5", LAMP_SKU: "34.90 of 34.90", BULB_SKU: "12.50 of 12.50"},
        ),
    ),
    losing_options=(LosingOption(option="hold", why_not="no rule failed"),),
    policy_version=7,
    accept_by=at(days=2),
)

_ROUTED = OrderRouted(
    order_id=ORDER,
    connection_id=PIXMANIA,
    connector="mirakl",
    environment=Environment.PRODUCTION,
    marketplace_reference=ORDER_REFERENCE,
    order_number=ORDER_REFERENCE,
    channel="pixmania-fr",
    currency="EUR",
    products_price=Decimal("82.30"),
    shipping_price=Decimal("4.90"),
    total_price=Decimal("87.20"),
    shipping_method="STANDARD",
    ship_by=at(days=4),
    routes=(
        Route(
            route_id=ROUTE,
            shop_connection_id=SHOP,
            warehouse="lyon",
            lines=(
                RouteLine(
                    line_id=LAMP_LINE,
                    offer_sku=LAMP_SKU,
                    shop_sku=LAMP_SHOP_SKU,
                    title="Lampe de chevet Opaline, verre blanc",
                    quantity=2,
                    unit_price=euros("34.90"),
                    shipping_price=euros("4.90"),
                ),
                RouteLine(
                    line_id=BULB_LINE,
                    offer_sku=BULB_SKU,
                    shop_sku=BULB_SHOP_SKU,
                    title="Ampoule LED E27 8 W, lot de 3",
                    quantity=1,
                    unit_price=euros("12.50"),
                    shipping_price=euros("0.00"),
                ),
            ),
        ),
    ),
    rules=(RuleTrace(rule="everything from Lyon", outcome="passed", reason="destination is FR"),),
    losing_options=(LosingOption(option="warehouse lille", why_not="a rule before it matched"),),
)

EXAMPLES: tuple[Example, ...] = (
    Example(_DECIDED, key=str(ORDER), time=at(seconds=1), after="order.received.v1"),
    Example(
        OrderAccepted(
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_ACCEPT,
            lines=_ALL_ACCEPTED,
            released=False,
            confirmed_by="answer",
        ),
        key=str(ORDER),
        time=at(seconds=2),
        version=2,
        after="order.acceptance_decided.v1",
    ),
    Example(
        OrderRefused(
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_REFUSE,
            reason="the last two lamps were broken in the warehouse",
            confirmed_by="probe",
        ),
        key=str(ORDER),
        time=at(hours=5),
        version=2,
    ),
    Example(
        AnswerRejected(
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=_ACCEPT,
            decision=Decision.ACCEPT,
            reason="the order is no longer waiting for acceptance",
        ),
        key=str(ORDER),
        time=at(seconds=2),
        version=2,
        after="order.acceptance_decided.v1",
    ),
    Example(_ROUTED, key=str(ORDER), time=at(hours=1, seconds=22), after="order.status_changed.v1"),
    Example(
        RouteCancelled(
            order_id=ORDER, connection_id=PIXMANIA, route_ids=(ROUTE,), reason="the marketplace cancelled the order"
        ),
        key=str(ORDER),
        time=at(hours=6),
        version=2,
        after="order.status_changed.v1",
    ),
)
