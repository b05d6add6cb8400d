"""What reconciliation reacts to: it keeps its own copy of what the hub believes, and compares nothing here.

Facts of five topics come in any order, so each is stored by its own key; what they mean together is read when the
marketplace has been read.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson

from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.acceptances import OrderAccepted, OrderRefused
from hub_contracts.catalog import OfferListed, ProductImportEnded
from hub_contracts.envelope import Event
from hub_contracts.messages import MessageSent
from hub_contracts.orders import OrderChanged, OrderReceived, OrderStatusChanged
from hub_contracts.refunds import (
    CancellationConfirmed,
    MarketplaceReturnAnswered,
    RefundConfirmed,
    RefundRejected,
    RefundRequested,
)
from hub_contracts.shipments import InvoiceUploaded, ShipmentNotified
from hub_contracts.stock import OfferChanged, OfferPushed, OfferRejected
from hub_contracts.work import EffectInDoubt, EffectSettled
from reconciliation import store
from reconciliation.store import OfferFact

OFFER_EFFECTS = frozenset({"set_stock", "set_price"})


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """Keep the newest snapshot."""
    rows = [
        (
            e.data.order.order_id,
            e.data.order.connection_id,
            e.data.order.marketplace_reference,
            e.meta.tenant,
            e.data.order.environment.value,
            e.data.order.is_test,
            e.data.order.status.value,
            e.data.order.marketplace_status,
            e.data.order.model_dump_json(),
            e.meta.aggregate_version,
            e.data.order.created_at,
            e.meta.time,
            e.meta.traceparent,
        )
        for e in events
    ]
    await store.save_orders(tx.conn, rows)
    await store.touch(tx.conn, [(e.data.order.connection_id, e.data.order.order_id, e.meta.time) for e in events])


async def on_status_changed(tx: Tx, events: Sequence[Event[OrderStatusChanged]]) -> None:
    """Keep the newest status."""
    rows = [
        (e.data.order_id, e.data.to_status.value, e.data.marketplace_status, e.meta.aggregate_version, e.meta.time)
        for e in events
    ]
    await store.set_statuses(tx.conn, rows)
    await store.touch(tx.conn, [(e.data.connection_id, e.data.order_id, e.meta.time) for e in events])


async def on_answered(tx: Tx, events: Sequence[Event[OrderAccepted | OrderRefused]]) -> None:
    """The marketplace took our answer."""
    kinds = ["accept" if isinstance(e.data, OrderAccepted) else "refuse" for e in events]
    await store.save_answers(
        tx.conn, [(e.data.order_id, kind, e.meta.time) for e, kind in zip(events, kinds, strict=True)]
    )
    await _taken(tx, events, kinds)


async def on_shipped(tx: Tx, events: Sequence[Event[ShipmentNotified]]) -> None:
    """The marketplace took a parcel."""
    await store.save_parcels(
        tx.conn, [(e.data.parcel_id, e.data.order_id, e.data.order_complete, e.meta.time) for e in events]
    )
    await _taken(tx, events, ["ship"] * len(events))


async def on_invoice(tx: Tx, events: Sequence[Event[InvoiceUploaded]]) -> None:
    """The marketplace took an invoice."""
    await _taken(tx, events, ["upload_invoice"] * len(events))


async def on_refund(tx: Tx, events: Sequence[Event[RefundRequested | RefundConfirmed]]) -> None:
    """A refund is on its way, or was given."""
    await store.save_refunds(
        tx.conn,
        [
            (
                e.data.refund_id,
                e.data.order_id,
                "confirmed" if isinstance(e.data, RefundConfirmed) else "requested",
                orjson.dumps([line.model_dump(mode="json") for line in e.data.lines]).decode(),
                list(e.data.refund_references) if isinstance(e.data, RefundConfirmed) else [],
                e.meta.time,
            )
            for e in events
        ],
    )
    await _taken(tx, events, ["refund"] * len(events))


async def on_refund_rejected(tx: Tx, events: Sequence[Event[RefundRejected]]) -> None:
    """A refund will not be given."""
    await store.reject_refunds(tx.conn, [(e.data.refund_id, e.meta.time) for e in events])
    await store.touch(tx.conn, [(e.data.connection_id, e.data.order_id, e.meta.time) for e in events])


async def on_cancelled(tx: Tx, events: Sequence[Event[CancellationConfirmed]]) -> None:
    """The marketplace took a cancellation."""
    await _taken(tx, events, ["cancel"] * len(events))


async def on_return_answered(tx: Tx, events: Sequence[Event[MarketplaceReturnAnswered]]) -> None:
    """The marketplace took our word on a return."""
    await _taken(tx, events, ["answer_return"] * len(events))


OrderEffect = (
    OrderAccepted
    | OrderRefused
    | ShipmentNotified
    | InvoiceUploaded
    | RefundConfirmed
    | CancellationConfirmed
    | MarketplaceReturnAnswered
)


async def _taken(tx: Tx, events: Sequence[Event[OrderEffect | RefundRequested]], kinds: Sequence[str]) -> None:
    """Something became known about these orders; what the marketplace took counts as an effect of the day."""
    await store.touch(tx.conn, [(e.data.connection_id, e.data.order_id, e.meta.time) for e in events])
    await store.take(
        tx.conn,
        [
            # The event of an invoice does not say so, because no test order ever gets one.
            (e.data.effect_id, e.data.connection_id, kind, e.meta.time.date(), getattr(e.data, "is_test", False))
            for e, kind in zip(events, kinds, strict=True)
            if not isinstance(e.data, RefundRequested)
        ],
    )


async def on_listed(tx: Tx, events: Sequence[Event[OfferListed | ProductImportEnded | MessageSent]]) -> None:
    """The marketplace took an offer, a product file or a message: an effect of the day, with nothing to compare."""
    kinds = {OfferListed: "publish_offer", ProductImportEnded: "import_products", MessageSent: "send_message"}
    await store.take(
        tx.conn,
        [
            (
                e.data.effect_id,
                e.data.connection_id,
                kinds[type(e.data)],
                e.meta.time.date(),
                isinstance(e.data, MessageSent) and e.data.is_test,
            )
            for e in events
        ],
    )


async def on_offer(tx: Tx, events: Sequence[Event[OfferChanged | OfferPushed | OfferRejected]]) -> None:
    """Keep what the hub wants the offer to be, what the marketplace took of it, and what it refused."""
    facts: dict[tuple[UUID, str], OfferFact] = {}
    for event in events:
        pair = (event.data.connection_id, event.data.offer_sku)
        before = facts.get(pair)
        fact = before or OfferFact(event.meta.tenant, event.meta.aggregate_version, event.meta.time)
        fact.version, fact.at = max(fact.version, event.meta.aggregate_version), event.meta.time
        _learn(fact, event)
        facts[pair] = fact
    await store.save_offers(tx.conn, facts)
    await store.take(
        tx.conn,
        [
            (
                e.data.effect_id,
                e.data.connection_id,
                "set_price" if e.data.price is not None else "set_stock",
                e.meta.time.date(),
                False,
            )
            for e in events
            if isinstance(e.data, OfferPushed)
        ],
    )


def _learn(fact: OfferFact, event: Event[OfferChanged | OfferPushed | OfferRejected]) -> None:
    data, at = event.data, event.meta.time
    fact.rejected = fact.rejected_at = None
    if isinstance(data, OfferChanged):
        fact.environment, fact.available, fact.price = data.environment.value, data.available, data.price
    elif isinstance(data, OfferRejected):
        fact.rejected, fact.rejected_at = data.reason, at
    else:
        if data.quantity is not None:
            fact.quantity, fact.quantity_at = data.quantity, at
        if data.price is not None:
            fact.pushed_price, fact.price_at = data.price, at


async def on_doubt(tx: Tx, events: Sequence[Event[EffectInDoubt | EffectSettled]]) -> None:
    """Nobody knows whether an effect was applied: what it is about is not judged until somebody does."""
    rows = []
    for event in events:
        data, over = event.data, isinstance(event.data, EffectSettled)
        sku = None
        if data.kind in OFFER_EFFECTS:
            sku = data.natural_key.removeprefix(f"{data.kind}:{data.connection_id}:").rpartition(":")[0]
        at = event.meta.time
        rows.append((data.effect_id, data.order_id, data.connection_id, sku, at, at if over else None))
    await store.save_doubts(tx.conn, rows)


ROUTES: Routes = {
    OrderReceived: on_order,
    OrderChanged: on_order,
    OrderStatusChanged: on_status_changed,
    OrderAccepted: on_answered,
    OrderRefused: on_answered,
    ShipmentNotified: on_shipped,
    InvoiceUploaded: on_invoice,
    RefundRequested: on_refund,
    RefundConfirmed: on_refund,
    RefundRejected: on_refund_rejected,
    CancellationConfirmed: on_cancelled,
    MarketplaceReturnAnswered: on_return_answered,
    OfferListed: on_listed,
    ProductImportEnded: on_listed,
    MessageSent: on_listed,
    OfferChanged: on_offer,
    OfferPushed: on_offer,
    OfferRejected: on_offer,
    EffectInDoubt: on_doubt,
    EffectSettled: on_doubt,
}
