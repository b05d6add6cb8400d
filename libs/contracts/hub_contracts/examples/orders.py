"""Examples of `hub.orders` and `hub.order-customers`: two lamps and a pack of bulbs, bought at Pixmania."""

from __future__ import annotations

from decimal import Decimal

from hub_contracts.examples.world import (
    BULB_LINE,
    BULB_SKU,
    COMMERCIAL_REFERENCE,
    LAMP_LINE,
    LAMP_SKU,
    ORDER,
    ORDER_REFERENCE,
    PIXMANIA,
    SNAPSHOT,
    Example,
    at,
    euros,
)
from hub_contracts.orders import (
    Address,
    Environment,
    LineStatus,
    ObservedRefund,
    OrderChanged,
    OrderCustomerErased,
    OrderCustomerRecorded,
    OrderLine,
    OrderReceived,
    OrderSnapshot,
    OrderStatusChanged,
    Tax,
)
from hub_contracts.status import OrderStatus


def _vat(amount: str) -> tuple[Tax, ...]:
    return (Tax(code="TVA", amount=Decimal(amount), rate=Decimal("20.0")),)


def _lines(status: OrderStatus, word: str) -> tuple[OrderLine, ...]:
    lamp = OrderLine(
        line_id=LAMP_LINE,
        offer_sku=LAMP_SKU,
        product_sku="PXM-7730418",
        title="Lampe de chevet Opaline, verre blanc",
        quantity=2,
        unit_price=euros("34.90"),
        line_price=euros("69.80"),
        shipping_price=euros("4.90"),
        taxes=_vat("11.63"),
        shipping_taxes=_vat("0.82"),
        status=status,
        marketplace_status=word,
        refundable=status is OrderStatus.SHIPPED,
    )
    bulb = OrderLine(
        line_id=BULB_LINE,
        offer_sku=BULB_SKU,
        product_sku="PXM-5512960",
        title="Ampoule LED E27 8 W, lot de 3",
        quantity=1,
        unit_price=euros("12.50"),
        line_price=euros("12.50"),
        shipping_price=euros("0.00"),
        taxes=_vat("2.08"),
        status=status,
        marketplace_status=word,
        refundable=status is OrderStatus.SHIPPED,
    )
    return lamp, bulb


_PENDING = OrderSnapshot(
    order_id=ORDER,
    connection_id=PIXMANIA,
    connector="mirakl",
    environment=Environment.PRODUCTION,
    marketplace_reference=ORDER_REFERENCE,
    commercial_reference=COMMERCIAL_REFERENCE,
    order_number=ORDER_REFERENCE,
    channel="pixmania-fr",
    locale="fr_FR",
    status=OrderStatus.PENDING,
    marketplace_status="WAITING_ACCEPTANCE",
    currency="EUR",
    products_price=Decimal("82.30"),
    shipping_price=Decimal("4.90"),
    total_price=Decimal("87.20"),
    lines=_lines(OrderStatus.PENDING, "WAITING_ACCEPTANCE"),
    shipping_method="STANDARD",
    missing_address_fields=("street_1", "phone"),
    created_at=at(minutes=-4),
    marketplace_updated_at=at(minutes=-4),
    accept_by=at(days=2),
)

_REFUNDED_ONE = _PENDING.model_copy(
    update={
        "status": OrderStatus.SHIPPED,
        "marketplace_status": "SHIPPED",
        "lines": _lines(OrderStatus.SHIPPED, "SHIPPED"),
        "destination_country": "FR",
        "missing_address_fields": (),
        "data_alerts": ("line_total_mismatch",),
        "refunds": (
            ObservedRefund(
                refund_reference="1188",
                line_id=LAMP_LINE,
                quantity=1,
                amount=Decimal("34.90"),
                shipping_amount=Decimal("0.00"),
                state="REFUNDED",
            ),
        ),
        "marketplace_updated_at": at(days=9),
        "accept_by": None,
        "ship_by": at(days=4),
        "deliver_by": at(days=8),
    }
)

_HOME = Address(
    first_name="Camille",
    last_name="Exemple",
    company="Studio Exemple",
    street_1="12 rue de l'Exemple",
    street_2="Bâtiment B",
    postal_code="69000",
    city="Lyon",
    country_code="FR",
    country_name="France",
    phone="+33199005512",
    email="camille.exemple@example.invalid",
    instructions="Sonner deux fois",
)

EXAMPLES: tuple[Example, ...] = (
    Example(OrderReceived(order=_PENDING, snapshot_id=SNAPSHOT), key=str(ORDER), time=at()),
    Example(
        OrderChanged(order=_REFUNDED_ONE, changed_fields=("refunds", "data_alerts"), snapshot_id=SNAPSHOT),
        key=str(ORDER),
        time=at(days=9, minutes=1),
        version=6,
    ),
    Example(
        OrderStatusChanged(
            order_id=ORDER,
            connection_id=PIXMANIA,
            environment=Environment.PRODUCTION,
            from_status=OrderStatus.ACCEPTED,
            to_status=OrderStatus.PREPARATION,
            trigger="released",
            marketplace_status="SHIPPING",
            lines=(
                LineStatus(line_id=LAMP_LINE, status=OrderStatus.PREPARATION, marketplace_status="SHIPPING"),
                LineStatus(line_id=BULB_LINE, status=OrderStatus.PREPARATION, marketplace_status="SHIPPING"),
            ),
            marketplace_updated_at=at(hours=1),
            ship_by=at(days=4),
        ),
        key=str(ORDER),
        time=at(hours=1, seconds=20),
        version=3,
    ),
    Example(
        OrderCustomerRecorded(
            order_id=ORDER,
            connection_id=PIXMANIA,
            customer_reference="C-553018",
            shipping=_HOME,
            billing=_HOME.model_copy(update={"street_2": None, "instructions": None}),
            fiscal_number="EXAMPLE-FISCAL-0001",
            professional=True,
            locale="fr_FR",
        ),
        key=str(ORDER),
        time=at(hours=1, seconds=21),
        version=2,
        after="order.status_changed.v1",
    ),
    Example(
        OrderCustomerErased(
            order_id=ORDER,
            connection_id=PIXMANIA,
            erased_at=at(days=30),
            why="request",
            requested_by="j.example",
        ),
        key=str(ORDER),
        time=at(days=30),
        version=7,
    ),
)
