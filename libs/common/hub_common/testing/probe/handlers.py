"""Reactions of the probe service: note the level, tell it on."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.errors import Permanent, Transient
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.orders import Environment
from hub_contracts.shop_activity import ParcelHandedOver, PriceReported, StockReported
from hub_contracts.stock import OfferChanged

UPSERT = """
INSERT INTO notes (sku, quantity, times)
SELECT sku, (array_agg(quantity ORDER BY ord))[count(*)], count(*)
FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS t(sku, quantity, ord) GROUP BY sku ORDER BY sku
ON CONFLICT (sku) DO UPDATE SET quantity = excluded.quantity, times = notes.times + excluded.times
"""

POISON_SKU = "POISON"
FLAKY_SKU = "FLAKY"
failing: set[str] = set()
"""SKUs that fail for a passing reason while they are in here; tests put them in and take them out."""


async def on_stock(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """Note the last level per SKU and tell the offer that follows from it, so that a relay has something to send."""
    for event in events:
        if event.data.shop_sku == POISON_SKU:
            raise Permanent("this SKU can never be noted")
        if event.data.shop_sku in failing:
            raise Transient("this SKU cannot be noted yet")
    await tx.conn.execute(UPSERT, [e.data.shop_sku for e in events], [e.data.quantity for e in events])
    for event in events:
        tx.emit(_offer(event.data), key=event.key, cause=event.meta)


def _offer(data: StockReported) -> OfferChanged:
    return OfferChanged(
        connection_id=data.shop_connection_id,
        environment=Environment.SANDBOX,
        offer_sku=data.shop_sku,
        shop_connection_id=data.shop_connection_id,
        shop_sku=data.shop_sku,
        on_hand=data.quantity,
        reserved=0,
        buffer=0,
        available=data.quantity,
        changed_at=data.reported_at,
    )


async def on_price(tx: Tx, events: Sequence[Event[PriceReported]]) -> None:
    """Count a price as a note of its own, to see handlers of several types in one batch."""
    await tx.conn.execute(UPSERT, ["price:" + e.data.shop_sku for e in events], [0] * len(events))


async def on_parcel(tx: Tx, events: Sequence[Event[ParcelHandedOver]]) -> None:
    """Nothing: a type that is routed and leaves no trace."""


ROUTES: Routes = {StockReported: on_stock, PriceReported: on_price, ParcelHandedOver: on_parcel}
