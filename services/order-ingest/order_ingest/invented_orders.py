"""A test order as a marketplace would show it: invented, marked, and recognisable to people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from connector_kit.manifest import Manifest
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionChanged, TestOrderRequested
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Address, OrderCustomerRecorded, OrderLine, OrderSnapshot
from hub_contracts.status import OrderStatus
from order_ingest.domain import accept_by
from order_ingest.numbers import short_code

PREFIX = "TEST-"
UNIT_PRICE = Decimal("10.00")
"""The hub does not know what the offer costs here; acceptance does not compare prices of test orders."""


@dataclass(frozen=True, slots=True)
class TestOrder:
    """Both halves of an invented order."""

    __test__ = False
    snapshot: OrderSnapshot
    customer: OrderCustomerRecorded


def reference_of(request: TestOrderRequested) -> str:
    """Nine characters short enough for every shop, the same however often the wish is read."""
    return PREFIX + short_code(9, "test-order", request.test_order_id)


def build_test_order(request: TestOrderRequested, connection: ConnectionChanged, manifest: Manifest) -> TestOrder:
    """Invent the order that was asked for. Its reference has 14 characters, so no setting has to shorten it."""
    reference = reference_of(request)
    order_id = order_id_for(request.connection_id, reference)
    word = next((w for w, status in manifest.status_map.items() if status is OrderStatus.PENDING), "PENDING")
    price = Money(amount=UNIT_PRICE, currency=manifest.currency_default)
    free = Money(amount=Decimal("0.00"), currency=manifest.currency_default)
    line = OrderLine(
        line_id="1",
        offer_sku=request.offer_sku,
        product_sku=request.offer_sku,
        title="Test order: do not ship",
        quantity=request.quantity,
        unit_price=price,
        line_price=price.times(request.quantity),
        shipping_price=free,
        status=OrderStatus.PENDING,
        marketplace_status=word,
    )
    snapshot = OrderSnapshot(
        order_id=order_id,
        connection_id=request.connection_id,
        connector=connection.connector,
        environment=connection.environment,
        is_test=True,
        marketplace_reference=reference,
        order_number=reference,
        status=OrderStatus.PENDING,
        marketplace_status=word,
        currency=manifest.currency_default,
        products_price=line.line_price.amount,
        shipping_price=free.amount,
        total_price=line.line_price.amount,
        lines=(line,),
        destination_country=request.country,
        created_at=request.requested_at,
        marketplace_updated_at=request.requested_at,
    )
    own = connection.settings.acceptance.accept_within_hours
    hours = manifest.accept_within_hours(connection.connector_settings) if own is None else own
    snapshot = snapshot.model_copy(update={"accept_by": accept_by(snapshot, hours)})
    return TestOrder(snapshot, _customer(order_id, request, reference))


def _customer(order_id: object, request: TestOrderRequested, reference: str) -> OrderCustomerRecorded:
    address = Address(
        first_name="Test",
        last_name="Order",
        company="Test order, do not ship",
        street_1="1 Example Street",
        postal_code="00000",
        city="Exampletown",
        country_code=request.country,
        phone="+10000000000",
        email=f"{reference.lower()}@example.invalid",
    )
    return OrderCustomerRecorded.model_validate(
        {"order_id": order_id, "connection_id": request.connection_id, "shipping": address, "billing": address}
    )
