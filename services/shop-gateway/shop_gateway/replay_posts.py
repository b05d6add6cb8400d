"""Rebuilding what shops posted: parcels, returns, cancellations, stock and prices, from what was told of each post."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from hub_common.tx import Tx
from hub_contracts.envelope import Event
from hub_contracts.shop_activity import (
    CancellationRequested,
    ParcelHandedOver,
    PriceReported,
    ReturnReported,
    StockReported,
)
from shop_gateway.post_store import RETURN_LINES

SHIPPED = """
SELECT o.route_id, o.closed_at, (SELECT sum((l ->> 'quantity')::int) FROM jsonb_array_elements(o.request -> 'lines') l)
       AS ordered,
       coalesce((SELECT jsonb_object_agg(p.parcel_id, (SELECT sum(v::int) FROM jsonb_each_text(p.lines) e(k, v)))
                 FROM parcels p WHERE p.route_id = o.route_id), '{}') AS parcels
FROM shop_orders o WHERE o.route_id = ANY($1)
"""

PARCELS = """
INSERT INTO parcels (parcel_id, route_id, reference, lines, carrier_code, carrier_name, tracking_number, tracking_url,
                     handed_over_at, told_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::timestamptz[], $10::timestamptz[])
ON CONFLICT (parcel_id) DO UPDATE SET lines = excluded.lines, carrier_code = excluded.carrier_code,
    carrier_name = excluded.carrier_name, tracking_number = excluded.tracking_number,
    tracking_url = excluded.tracking_url, handed_over_at = excluded.handed_over_at, told_at = excluded.told_at
"""

LEFT = """
UPDATE shop_orders o SET closed_at = t.closed_at, shop_order_reference = coalesce(o.shop_order_reference, t.reference),
    state = CASE o.state WHEN 'rejected' THEN 'created' ELSE o.state END
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS t(route_id, closed_at, reference)
WHERE o.route_id = t.route_id
"""

RETURNS = """
INSERT INTO returns (return_id, route_id, reference, stage, lines, told_at)
SELECT t.return_id, o.route_id, t.reference, t.stage, t.lines, t.told_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[])
     AS t(return_id, order_id, shop, route_id, reference, stage, lines, told_at)
JOIN LATERAL (SELECT o.route_id FROM shop_orders o WHERE o.order_id = t.order_id AND o.shop_connection_id = t.shop
              AND o.route_id = coalesce(t.route_id, o.route_id) ORDER BY o.route_id LIMIT 1) o ON true
ON CONFLICT (return_id) DO UPDATE SET stage = excluded.stage, lines = excluded.lines, told_at = excluded.told_at
"""

CANCELLATIONS = """
INSERT INTO shop_cancellations (cancellation_id, route_id, reference, lines, told_at)
SELECT t.cancellation_id, o.route_id, t.reference, coalesce(t.lines, o.whole), t.told_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::jsonb[], $7::timestamptz[])
     AS t(cancellation_id, order_id, shop, route_id, reference, lines, told_at)
JOIN LATERAL (SELECT o.route_id, (SELECT jsonb_object_agg(l ->> 'line_id', (l ->> 'quantity')::int)
                                  FROM jsonb_array_elements(o.request -> 'lines') l) AS whole
              FROM shop_orders o WHERE o.order_id = t.order_id AND o.shop_connection_id = t.shop
              AND o.route_id = coalesce(t.route_id, o.route_id) ORDER BY o.route_id LIMIT 1) o ON true
ON CONFLICT DO NOTHING
"""

STOCK = """
INSERT INTO stock_levels (shop_connection_id, shop_sku, warehouse, quantity, reported_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::timestamptz[])
ON CONFLICT (shop_connection_id, shop_sku, warehouse)
DO UPDATE SET quantity = excluded.quantity, reported_at = excluded.reported_at
"""

PRICES = """
INSERT INTO price_levels (shop_connection_id, shop_sku, channel, amount, discount_amount, currency, reported_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::numeric[], $5::numeric[], $6::text[], $7::timestamptz[])
ON CONFLICT (shop_connection_id, shop_sku, channel) DO UPDATE SET amount = excluded.amount,
    discount_amount = excluded.discount_amount, currency = excluded.currency, reported_at = excluded.reported_at
"""


async def on_handed_over(tx: Tx, events: Sequence[Event[ParcelHandedOver]]) -> None:
    """Parcels as they were told last, and orders of which nothing is left to ship."""
    rows = await tx.conn.fetch(SHIPPED, list({event.data.route_id for event in events}))
    ordered = {row["route_id"]: row["ordered"] for row in rows}
    closed: dict[UUID, datetime | None] = {row["route_id"]: row["closed_at"] for row in rows}
    units: dict[UUID, dict[str, int]] = {row["route_id"]: orjson.loads(row["parcels"]) for row in rows}
    references: dict[UUID, str | None] = {}
    for event in events:
        route_id = event.data.route_id
        units[route_id][str(event.data.parcel_id)] = sum(line.quantity for line in event.data.lines)
        everything = sum(units[route_id].values()) == ordered[route_id]
        closed[route_id] = (closed[route_id] or event.meta.time) if everything else None
        references[route_id] = references.get(route_id) or event.data.shop_order_reference
    await _save_parcels(tx, events)
    await tx.conn.execute(LEFT, list(references), [closed[each] for each in references], list(references.values()))


async def _save_parcels(tx: Tx, events: Sequence[Event[ParcelHandedOver]]) -> None:
    last = list({event.data.parcel_id: event for event in events}.values())
    data = [event.data for event in last]
    await tx.conn.execute(
        PARCELS,
        [d.parcel_id for d in data],
        [d.route_id for d in data],
        [d.shop_parcel_reference for d in data],
        [orjson.dumps({line.line_id: line.quantity for line in d.lines}).decode() for d in data],
        [d.carrier_code for d in data],
        [d.carrier_name for d in data],
        [d.tracking_number for d in data],
        [d.tracking_url for d in data],
        [d.handed_over_at for d in data],
        [event.meta.time for event in last],
    )


async def on_return(tx: Tx, events: Sequence[Event[ReturnReported]]) -> None:
    """Returns at the stage that was told last."""
    last = list({event.data.return_id: event for event in events}.values())
    data = [event.data for event in last]
    await tx.conn.execute(
        RETURNS,
        [d.return_id for d in data],
        [d.order_id for d in data],
        [d.shop_connection_id for d in data],
        [d.route_id for d in data],
        [d.shop_return_reference for d in data],
        [d.stage for d in data],
        [RETURN_LINES.dump_json(d.lines).decode() for d in data],
        [event.meta.time for event in last],
    )


async def on_cancellation(tx: Tx, events: Sequence[Event[CancellationRequested]]) -> None:
    """What shops cannot fulfil. No lines = everything that the shop was given."""
    data = [event.data for event in events]
    lines = [{line.line_id: line.quantity for line in d.lines} for d in data]
    await tx.conn.execute(
        CANCELLATIONS,
        [d.cancellation_id for d in data],
        [d.order_id for d in data],
        [d.shop_connection_id for d in data],
        [d.route_id for d in data],
        [d.shop_cancellation_reference or "" for d in data],
        [orjson.dumps(each).decode() if each else None for each in lines],
        [event.meta.time for event in events],
    )


async def on_stock(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """The last count of each SKU."""
    last = {(e.data.shop_connection_id, e.data.shop_sku, e.data.warehouse or ""): e.data for e in events}
    await tx.conn.execute(
        STOCK,
        [shop for shop, _, _ in last],
        [sku for _, sku, _ in last],
        [warehouse for _, _, warehouse in last],
        [data.quantity for data in last.values()],
        [data.reported_at for data in last.values()],
    )


async def on_price(tx: Tx, events: Sequence[Event[PriceReported]]) -> None:
    """The last price of each SKU."""
    last = {(e.data.shop_connection_id, e.data.shop_sku, e.data.channel or ""): e.data for e in events}
    prices = list(last.values())
    await tx.conn.execute(
        PRICES,
        [shop for shop, _, _ in last],
        [sku for _, sku, _ in last],
        [channel for _, _, channel in last],
        [data.price.amount for data in prices],
        [data.discount_price.amount if data.discount_price else None for data in prices],
        [data.price.currency for data in prices],
        [data.reported_at for data in prices],
    )
