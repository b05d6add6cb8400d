"""Examples of `hub.shop-activity`, `hub.parcels` and `hub.shipments`."""

from __future__ import annotations

from decimal import Decimal

from hub_contracts.acceptances import LosingOption, RuleTrace
from hub_contracts.examples.world import (
    BOTH_LINES,
    BULB_LINE,
    LAMP_LINE,
    LAMP_SHOP_SKU,
    ORDER,
    PARCEL,
    PIXMANIA,
    RETURN,
    ROUTE,
    SHOP,
    SHOP_ORDER_REFERENCE,
    Example,
    at,
    euros,
)
from hub_contracts.ids import cancellation_id_for, effect_id_for
from hub_contracts.orders import Environment
from hub_contracts.parcels import ParcelCarrierMapped
from hub_contracts.shipments import InvoiceUploaded, ShipmentNotified, ShipmentRejected
from hub_contracts.shop_activity import (
    CancellationRequested,
    LineQuantity,
    ParcelHandedOver,
    PriceReported,
    ReturnLine,
    ReturnReported,
    ShippingAddressCorrected,
    ShopOrderAcknowledged,
    ShopOrderCancelled,
    ShopOrderCreated,
    ShopOrderRejected,
    StockReported,
)

_KEY = str(ORDER)
_TRACKING = "CB123456785FR"
"""The form of UPU S10 with a right check digit; not a parcel."""
_TRACKING_URL = f"https://tracking.example.invalid/{_TRACKING}"
_CREATE = effect_id_for(f"create:{ROUTE}")
_SHIP = effect_id_for(f"ship:{PARCEL}")

_HANDED_OVER = ParcelHandedOver(
    parcel_id=PARCEL,
    order_id=ORDER,
    connection_id=PIXMANIA,
    route_id=ROUTE,
    shop_connection_id=SHOP,
    environment=Environment.PRODUCTION,
    shop_parcel_reference="LUM-10452-1",
    shop_order_reference=SHOP_ORDER_REFERENCE,
    lines=BOTH_LINES,
    carrier_name="La Poste Colissimo",
    tracking_number=_TRACKING,
    tracking_url=_TRACKING_URL,
    destination_country="FR",
    handed_over_at=at(days=1),
)

_MAPPED = ParcelCarrierMapped(
    parcel_id=PARCEL,
    order_id=ORDER,
    connection_id=PIXMANIA,
    route_id=ROUTE,
    shop_connection_id=SHOP,
    environment=Environment.PRODUCTION,
    lines=BOTH_LINES,
    carrier_code="colissimo",
    carrier_name="Colissimo",
    tracking_number=_TRACKING,
    tracking_url=_TRACKING_URL,
    mapped_by="rule",
    rules=(
        RuleTrace(rule="La Poste Colissimo", outcome="passed", reason="explicit rule", inputs={"country": "FR"}),
        RuleTrace(rule="default", outcome="skipped", reason="a rule before it passed"),
    ),
    losing_options=(LosingOption(option="default Colissimo", why_not="an explicit rule goes first"),),
    warnings=("tracking number was given with spaces",),
    handed_over_at=at(days=1),
)

_RETURN = ReturnReported(
    return_id=RETURN,
    order_id=ORDER,
    connection_id=PIXMANIA,
    shop_connection_id=SHOP,
    environment=Environment.PRODUCTION,
    route_id=ROUTE,
    shop_return_reference="RET-2291",
    stage="received",
    lines=(ReturnLine(line_id=LAMP_LINE, quantity=1, reason="damaged", amount=Decimal("34.90")),),
    reported_at=at(days=8),
)

_CANCELLATION = CancellationRequested(
    cancellation_id=cancellation_id_for(ORDER, SHOP, "ANN-118"),
    order_id=ORDER,
    connection_id=PIXMANIA,
    shop_connection_id=SHOP,
    environment=Environment.PRODUCTION,
    route_id=ROUTE,
    shop_cancellation_reference="ANN-118",
    lines=(LineQuantity(line_id=BULB_LINE, quantity=1),),
    reason="out_of_stock",
    requested_at=at(hours=3),
)

_STOCK = StockReported(
    shop_connection_id=SHOP, shop_sku=LAMP_SHOP_SKU, warehouse="lyon", quantity=16, reported_at=at(minutes=12)
)
_PRICE = PriceReported(
    shop_connection_id=SHOP,
    shop_sku=LAMP_SHOP_SKU,
    channel="pixmania-fr",
    price=euros("39.90"),
    discount_price=euros("34.90"),
    reported_at=at(minutes=13),
)

EXAMPLES: tuple[Example, ...] = (
    Example(
        ShopOrderCreated(
            order_id=ORDER,
            route_id=ROUTE,
            shop_connection_id=SHOP,
            effect_id=_CREATE,
            shop_order_reference=SHOP_ORDER_REFERENCE,
        ),
        key=_KEY,
        time=at(hours=1, seconds=23),
        after="order.routed.v1",
    ),
    Example(
        ShopOrderAcknowledged(
            order_id=ORDER,
            route_id=ROUTE,
            shop_connection_id=SHOP,
            shop_order_reference=SHOP_ORDER_REFERENCE,
            acknowledged_at=at(hours=1, minutes=1),
        ),
        key=_KEY,
        time=at(hours=1, minutes=2),
        version=2,
    ),
    Example(
        ShopOrderRejected(
            order_id=ORDER, route_id=ROUTE, shop_connection_id=SHOP, reason="the shop does not deliver to this country"
        ),
        key=_KEY,
        time=at(hours=1, seconds=24),
        after="order.routed.v1",
    ),
    Example(
        ShopOrderCancelled(order_id=ORDER, route_id=ROUTE, shop_connection_id=SHOP),
        key=_KEY,
        time=at(hours=6, seconds=5),
        version=3,
        after="route.cancelled.v1",
    ),
    Example(
        ShippingAddressCorrected(
            order_id=ORDER,
            connection_id=PIXMANIA,
            version=1,
            changed_fields=("postal_code", "street_1"),
            actor="operator-3",
            corrected_at=at(hours=4),
        ),
        key=_KEY,
        time=at(hours=4),
        version=3,
    ),
    Example(_HANDED_OVER, key=_KEY, time=at(days=1, seconds=4), version=3),
    Example(_RETURN, key=_KEY, time=at(days=8, seconds=2), version=5),
    Example(_CANCELLATION, key=_KEY, time=at(hours=3, seconds=1), version=3),
    Example(_STOCK, key=LAMP_SHOP_SKU, time=at(minutes=12, seconds=1), version=118),
    Example(_PRICE, key=LAMP_SHOP_SKU, time=at(minutes=13, seconds=1), version=119),
    Example(_MAPPED, key=_KEY, time=at(days=1, seconds=5), after="parcel.handed_over.v1"),
    Example(
        ShipmentNotified(
            order_id=ORDER,
            parcel_id=PARCEL,
            connection_id=PIXMANIA,
            effect_id=_SHIP,
            lines=BOTH_LINES,
            order_complete=True,
            confirmed_by="answer",
            carrier_code=_MAPPED.carrier_code,
            carrier_name=_MAPPED.carrier_name,
            tracking_number=_MAPPED.tracking_number,
            tracking_url=_MAPPED.tracking_url,
            invoice_due_at=at(days=2, seconds=6),
        ),
        key=_KEY,
        time=at(days=1, seconds=6),
        after="parcel.carrier_mapped.v1",
    ),
    Example(
        ShipmentRejected(
            order_id=ORDER,
            parcel_id=PARCEL,
            connection_id=PIXMANIA,
            effect_id=_SHIP,
            reason="the order has not been released yet",
        ),
        key=_KEY,
        time=at(days=1, seconds=6),
        after="parcel.carrier_mapped.v1",
    ),
    Example(
        InvoiceUploaded(
            order_id=ORDER,
            connection_id=PIXMANIA,
            effect_id=effect_id_for(f"invoice:{ORDER}:F-2026-0315"),
            document_reference="40817",
            route_id=ROUTE,
        ),
        key=_KEY,
        time=at(days=1, minutes=3),
        version=2,
    ),
)
