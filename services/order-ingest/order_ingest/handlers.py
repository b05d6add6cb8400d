"""What order-ingest does with what it hears: test orders, backfills, orders to read again. Polls need no telling."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import Manifest
from hub_common.connections import Connection, load_connections
from hub_common.parked import Park, open_parked, park, resume
from hub_common.routing import Routes
from hub_common.trace import new_trace
from hub_common.tx import Cause, Tx
from hub_contracts.connections import BackfillRequested, ConnectionChanged, TestOrderRequested
from hub_contracts.envelope import Event, Origin
from hub_contracts.orders import OrderReceived
from hub_contracts.reconciliations import DifferenceFound
from order_ingest import progress, store
from order_ingest.domain import customer_digest
from order_ingest.invented_orders import TestOrder, build_test_order
from order_ingest.rereads import on_difference_found
from order_ingest.store import OrderRow, Raw

CONNECTION_UNKNOWN = "connection_unknown"
Wish = tuple[TestOrderRequested, Cause]


async def on_test_order_requested(tx: Tx, events: Sequence[Event[TestOrderRequested]]) -> None:
    """Make test orders; a wish whose connection has not been heard of yet waits for it. Replayed ones were made."""
    await _make(tx, [(event.data, Cause.of(event.meta)) for event in events if event.live])


async def on_connection_changed(tx: Tx, events: Sequence[Event[ConnectionChanged]]) -> None:
    """Make the test orders that waited for these connections."""
    ids = {event.data.connection_id for event in events}
    waiting = [row for row in await open_parked(tx.conn, cause=CONNECTION_UNKNOWN) if row["connection_id"] in ids]
    if not waiting:
        return
    await resume(tx, [row["parked_id"] for row in waiting], resolution="the connection is known now")
    await _make(tx, [_wish(orjson.loads(row["data"]), row["tenant"]) for row in waiting])


async def on_backfill_requested(tx: Tx, events: Sequence[Event[BackfillRequested]]) -> None:
    """Write down the wish; the pollers read it part by part. A replayed wish was fulfilled long ago."""
    rows: list[tuple[Any, ...]] = [
        (
            event.data.backfill_id,
            event.data.connection_id,
            event.meta.tenant,
            event.data.created_from,
            event.data.created_until,
            event.data.requested_at,
            "open" if event.meta.origin is Origin.LIVE else "replayed",
            event.meta.traceparent,
        )
        for event in events
    ]
    await progress.add_backfills(tx.conn, rows)


async def _make(tx: Tx, wishes: Sequence[Wish]) -> None:
    connections = await load_connections(tx.conn, [wish.connection_id for wish, _ in wishes])
    made: list[tuple[TestOrderRequested, TestOrder, Cause, Connection]] = []
    waiting: list[Park] = []
    for wish, cause in wishes:
        connection = connections.get(wish.connection_id)
        manifest = _manifest(connection.data.connector) if connection else None
        if connection is None or manifest is None:
            waiting.append(_waiting(wish, cause, known=connection is not None))
            continue
        made.append((wish, build_test_order(wish, connection.data, manifest), cause, connection))
    await park(tx, waiting)
    await _receive(tx, made)


def _manifest(name: str) -> Manifest | None:
    try:
        return connector(name).manifest
    except UnknownConnector:
        return None


async def _receive(tx: Tx, made: Sequence[tuple[TestOrderRequested, TestOrder, Cause, Connection]]) -> None:
    """Store and tell test orders as if they had been polled; those that exist already stay as they are."""
    raws: dict[Any, Raw] = {}
    for wish, order, _, _ in made:
        body = wish.model_dump_json().encode()
        order_id = order.snapshot.order_id
        raws[order_id] = Raw(order_id, order.snapshot.marketplace_reference, hashlib.sha256(body).digest(), body)
    known = await store.heads(tx.conn, {key: raw.sha256 for key, raw in raws.items()}, [])
    rows: list[OrderRow] = []
    new = {
        order.snapshot.order_id: (order, cause, c)
        for _, order, cause, c in made
        if order.snapshot.order_id not in known
    }
    if not new:
        return
    snapshots = await store.save_raw(
        tx.conn,
        [(raws[key], entry[2].connection_id, tx.ids.new()) for key, entry in new.items()],
        tx.now,
    )
    for key, (order, cause, connection) in new.items():
        snapshot_id = snapshots[key, raws[key].sha256]
        trace = cause.traceparent or new_trace(lambda size: tx.ids.new().bytes[-size:]).traceparent
        follows = trace
        if tx.spans is not None and cause.traceparent is None:
            follows = tx.spans.read(trace, new=True)
        why = Cause(connection.tenant, cause.origin, follows, cause.causation_id)
        tx.emit(OrderReceived(order=order.snapshot, snapshot_id=snapshot_id), key=key, cause=why)
        tx.emit(order.customer, key=key, cause=why)
        rows.append(
            OrderRow(
                snapshot=order.snapshot,
                snapshot_id=snapshot_id,
                tenant=connection.tenant,
                raw_sha256=raws[key].sha256,
                customer_sha256=customer_digest(order.customer),
                has_address=True,
                origin=cause.origin,
                received=True,
                skip_reason=None,
                fetched_at=tx.now,
                traceparent=trace,
            )
        )
    await store.save_orders(tx.conn, rows, tx.now)


def _waiting(wish: TestOrderRequested, cause: Cause, *, known: bool) -> Park:
    lacking = "its connector is not installed" if known else "nothing is known of the connection yet"
    return Park(
        subject_kind="test_order",
        subject_id=str(wish.test_order_id),
        cause=CONNECTION_UNKNOWN,
        detail=f"a test order for connection {wish.connection_id} cannot be made: {lacking}",
        next_step="Nothing, normally: it is made as soon as the connection is heard of.",
        event_key=str(wish.connection_id),
        why=cause,
        connection_id=wish.connection_id,
        is_test=True,
        data={"wish": wish.model_dump(mode="json"), "origin": cause.origin.value, "traceparent": cause.traceparent},
    )


def _wish(data: dict[str, Any], tenant: str) -> Wish:
    return TestOrderRequested.model_validate(data["wish"]), Cause(tenant, Origin(data["origin"]), data["traceparent"])


ROUTES: Routes = {
    ConnectionChanged: on_connection_changed,
    TestOrderRequested: on_test_order_requested,
    BackfillRequested: on_backfill_requested,
    DifferenceFound: on_difference_found,
}
