"""Rebuilding: orders come back from what was told of them, step by step, never from reading the marketplace again.

Raw answers are where the hub's knowledge begins. They are given, with how far the readings are; an order that was told
must follow from its events alone, or other services would know another order than this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.envelope import Event, Origin
from hub_contracts.orders import (
    OrderChanged,
    OrderCustomerErased,
    OrderReceived,
    OrderSnapshot,
    OrderStatusChanged,
)
from order_ingest import erasure_store

RECEIVED = """
INSERT INTO orders (order_id, connection_id, reference, tenant, order_number, status, marketplace_status, snapshot,
                    snapshot_id, raw_sha256, has_address, origin, is_test, received, created_at,
                    marketplace_updated_at, fetched_at, traceparent, first_seen_at)
SELECT t.order_id, t.connection_id, t.reference, t.tenant, t.order_number, t.status, t.marketplace_status, t.snapshot,
       t.snapshot_id, coalesce(r.sha256, ''), t.country IS NOT NULL, t.origin, t.is_test, true, t.created_at,
       t.updated_at, t.told_at, t.traceparent, t.told_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::jsonb[],
            $9::uuid[], $10::text[], $11::text[], $12::bool[], $13::timestamptz[], $14::timestamptz[],
            $15::timestamptz[], $16::text[])
     AS t(order_id, connection_id, reference, tenant, order_number, status, marketplace_status, snapshot, snapshot_id,
          country, origin, is_test, created_at, updated_at, told_at, traceparent)
LEFT JOIN raw_orders r ON r.snapshot_id = t.snapshot_id
ON CONFLICT DO NOTHING
"""

RESTATED = """
UPDATE orders o SET status = t.status, marketplace_status = t.marketplace_status, snapshot = t.snapshot,
    marketplace_updated_at = t.updated_at, snapshot_id = coalesce(t.snapshot_id, o.snapshot_id),
    raw_sha256 = coalesce(r.sha256, o.raw_sha256)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[], $6::uuid[])
     AS t(order_id, status, marketplace_status, snapshot, updated_at, snapshot_id)
LEFT JOIN raw_orders r ON r.snapshot_id = t.snapshot_id
WHERE o.order_id = t.order_id
"""

Restated = tuple[OrderSnapshot, UUID | None]


async def on_received(tx: Tx, events: Sequence[Event[OrderReceived]]) -> None:
    """The order as it was first told."""
    rows = [_row(event) for event in events]
    await tx.conn.execute(RECEIVED, *(list(column) for column in zip(*rows, strict=True)))


def _row(event: Event[OrderReceived]) -> tuple[Any, ...]:
    order, meta = event.data.order, event.meta
    # What came over the topic live counts as replayed here; what was backfilled stays so.
    origin = Origin.LIVE if meta.origin is Origin.REPLAY else meta.origin
    return (
        order.order_id,
        order.connection_id,
        order.marketplace_reference,
        meta.tenant,
        order.order_number,
        order.status.value,
        order.marketplace_status,
        order.model_dump_json(),
        event.data.snapshot_id,
        order.destination_country,
        origin.value,
        order.is_test,
        order.created_at,
        order.marketplace_updated_at,
        meta.time,
        meta.traceparent,
    )


async def on_changed(tx: Tx, events: Sequence[Event[OrderChanged]]) -> None:
    """The order as it was told anew."""
    await _restate(tx, {event.data.order.order_id: (event.data.order, event.data.snapshot_id) for event in events})


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Each step of the status, with where the lines stood after the last one."""
    ids = list({event.data.order_id for event in events})
    rows = await tx.conn.fetch("SELECT order_id, snapshot FROM orders WHERE order_id = ANY($1)", ids)
    orders = {row["order_id"]: OrderSnapshot.model_validate_json(row["snapshot"]) for row in rows}
    for event in events:
        if event.data.order_id in orders:
            orders[event.data.order_id] = stepped(orders[event.data.order_id], event.data)
    await _restate(tx, {order_id: (order, None) for order_id, order in orders.items()})


def stepped(order: OrderSnapshot, change: OrderStatusChanged) -> OrderSnapshot:
    """The order after one step of its status."""
    told = {line.line_id: line for line in change.lines}
    lines = tuple(
        line.model_copy(
            update={
                "status": told[line.line_id].status,
                "marketplace_status": told[line.line_id].marketplace_status,
            }
        )
        if line.line_id in told
        else line
        for line in order.lines
    )
    return order.model_copy(
        update={
            "status": change.to_status,
            "marketplace_status": change.marketplace_status,
            "marketplace_updated_at": change.marketplace_updated_at,
            "lines": lines,
        }
    )


async def _restate(tx: Tx, orders: dict[UUID, Restated]) -> None:
    found = list(orders.values())
    await tx.conn.execute(
        RESTATED,
        list(orders),
        [order.status.value for order, _ in found],
        [order.marketplace_status for order, _ in found],
        [order.model_dump_json() for order, _ in found],
        [order.marketplace_updated_at for order, _ in found],
        [snapshot_id for _, snapshot_id in found],
    )


async def on_erased(tx: Tx, events: Sequence[Event[OrderCustomerErased]]) -> None:
    """Whose buyers were erased: without it, the next reading would tell of them again."""
    rows = [
        (e.data.order_id, e.data.connection_id, e.meta.tenant, e.data.why, e.data.requested_by, "", e.data.erased_at)
        for e in events
    ]
    await erasure_store.add(tx.conn, rows)


OWN_ROUTES: Routes = {
    OrderCustomerErased: on_erased,
    OrderReceived: on_received,
    OrderChanged: on_changed,
    OrderStatusChanged: on_status_changed,
    **PARKED_ROUTES,
}

_READING = "a reading that changed nothing is not told; the next one begins where the last told one ended"
_PROGRESS = "how far the marketplace was read for it; a wish that is heard again is not read again"
_BUYER = "the buyer's data is told on hub.order-customers alone, which forgets it"

REPLAY = ReplayPlan(
    tables=(
        Compared(
            "orders",
            ignore={
                "customer_sha256": _BUYER,
                "has_address": _BUYER,
                "erased_at": "says the same as `erasures`, and is set anew by the next look",
                "first_seen_at": "an order that was passed over at first was seen before it was told",
                **dict.fromkeys(("snapshot_id", "raw_sha256", "fetched_at", "version"), _READING),
                "marketplace_updated_at": _READING,
            },
            instead={"snapshot": "snapshot - 'marketplace_updated_at'"},
            where="NOT (NOT received)",
        ),
        Compared(
            "backfills",
            ignore=dict.fromkeys(
                (
                    *("next_from", "state", "chunks_done", "orders_seen", "orders_received", "orders_parked"),
                    *("last_error", "updated_at", "export_ticket", "export_asked_at", "export_until"),
                    *("export_attempts", "export_given_up", "exports_asked", "exports_read", "exports_failed"),
                ),
                _PROGRESS,
            ),
        ),
        Compared("erasures", ignore={"reason": "people's own words, which no event has"}),
        CONNECTIONS,
        PARKED,
    ),
    own=OWN_ROUTES,
    given=(
        Given("raw_orders", "marketplaces' answers, byte for byte, with the personal data that is in them"),
        Given("orders", "marketplaces showed them, and they were passed over and never told", where="NOT received"),
        Given("order_numbers", "short numbers that were drawn, also for orders that were never told"),
        Given("poll_state", "up to where each marketplace has answered, and polls that people asked for"),
        Given("rereads", "orders that a notice or a comparison asked for, and what the marketplace said to that"),
        Given("erasure_wishes", "people asked for it, and how far it is"),
        Given("notices", "what marketplaces pushed, byte for byte"),
    ),
)
