"""Rebuilding: what marketplaces took is in our own events; whether an order is live is not in a replayed one.

A rebuilt parcel counts as not live and is set aside, so that no marketplace hears of it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

import orjson

from hub_common import deadlines
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_deadlines import DEADLINE_ROUTES, DEADLINES
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, on_parked, on_resumed
from hub_common.tx import Tx
from hub_contracts.envelope import Event, Origin
from hub_contracts.orders import OrderChanged, OrderReceived
from hub_contracts.shipments import InvoiceRejected, InvoiceUploaded, ShipmentNotified, ShipmentRejected
from hub_contracts.status import FINAL
from hub_contracts.work import DeadlineKind, WorkParked, WorkResumed
from shipment_notifier.domain import REJECTED
from shipment_notifier.effects_invoice import REJECTED as INVOICE_REJECTED
from shipment_notifier.invoicing import MISSING
from shipment_notifier.telling import advance

NOTIFIED = """
UPDATE parcels p SET state = 'notified', effect_id = t.effect_id, live = true,
       told = coalesce(t.told, jsonb_build_object('carrier_code', p.body->'carrier_code',
              'carrier_name', p.body->'carrier_name', 'tracking_number', p.body->'tracking_number',
              'tracking_url', p.body->'tracking_url')) || jsonb_build_object('lines', t.lines)
FROM unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::jsonb[]) AS t(parcel_id, effect_id, told, lines)
WHERE p.parcel_id = t.parcel_id
"""

NOT_TAKEN = """
UPDATE parcels p SET state = 'rejected', effect_id = t.effect_id
FROM unnest($1::uuid[], $2::uuid[]) AS t(parcel_id, effect_id) WHERE p.parcel_id = t.parcel_id
"""

# By the lines as they are now: an order is also complete when what was not told of it is cancelled.
COMPLETE = """
WITH told AS (
    SELECT p.order_id, l.key AS line_id, sum(l.value::int) AS units
    FROM parcels p, jsonb_each_text(p.told -> 'lines') AS l
    WHERE p.order_id = ANY($1) AND p.state = 'notified' GROUP BY p.order_id, l.key
)
SELECT o.order_id FROM order_lines o LEFT JOIN told t USING (order_id, line_id)
WHERE o.order_id = ANY($1) AND o.status <> ALL($2::text[])
GROUP BY o.order_id HAVING bool_and(coalesce(t.units, 0) >= o.quantity)
"""

WANTED = """
INSERT INTO invoices (order_id, route_id, connection_id, shop_connection_id, tenant, wanted_at, next_fetch_at, alarm_at,
                      traceparent, causation_id)
SELECT DISTINCT ON (p.order_id, p.body->>'route_id') p.order_id, (p.body->>'route_id')::uuid, p.connection_id,
       (p.body->>'shop_connection_id')::uuid, p.tenant, t.at, t.at, t.alarm_at, p.traceparent, p.causation_id
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS t(order_id, at, alarm_at)
JOIN parcels p USING (order_id) WHERE p.state = 'notified'
ORDER BY p.order_id, p.body->>'route_id', p.handed_over_at
ON CONFLICT (order_id, route_id) DO NOTHING
"""

INVOICE_ENDED = """
UPDATE invoices i SET state = t.state, effect_id = t.effect_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[]) AS t(order_id, route_id, state, effect_id)
WHERE i.order_id = t.order_id AND i.route_id = coalesce(t.route_id, i.route_id) AND i.state <> 'by_hand'
"""

ALARMED = """
UPDATE invoices i SET alarmed_at = t.at FROM unnest($1::text[], $2::timestamptz[]) AS t(subject_id, at)
WHERE i.order_id::text || ':' || i.route_id = t.subject_id AND i.order_id = split_part(t.subject_id, ':', 1)::uuid
  AND i.alarmed_at IS NULL AND i.state <> 'by_hand'
"""

PARCEL_WAITS = """
UPDATE parcels p SET parked_cause = t.cause FROM unnest($1::uuid[], $2::text[]) AS t(parcel_id, cause)
WHERE p.parcel_id = t.parcel_id
"""

PARCEL_GOES_ON = """
UPDATE parcels p SET parked_cause = NULL FROM parked k
WHERE k.parked_id = ANY($1) AND k.subject_kind = 'parcel' AND p.parcel_id = k.subject_id::uuid
  AND p.parked_cause = k.cause
"""


async def on_order(tx: Tx, events: Sequence[Event[OrderReceived | OrderChanged]]) -> None:
    """What was replayed was live once, and so has a clock. Parcels stay what they are: nobody is told of them."""
    live = [event.data.order.order_id for event in events if event.meta.origin is Origin.REPLAY]
    await tx.conn.execute("UPDATE orders SET live = true WHERE order_id = ANY($1)", live)
    await advance(tx, live)


async def on_notified(tx: Tx, events: Sequence[Event[ShipmentNotified]]) -> None:
    """The marketplace knows these parcels. In rounds: what was wanted at an instant follows from those told by then."""
    for round_ in _rounds(events):
        await tx.conn.execute(
            NOTIFIED,
            [event.data.parcel_id for event in round_],
            [event.data.effect_id for event in round_],
            [_told(event.data) for event in round_],
            [orjson.dumps({line.line_id: line.quantity for line in event.data.lines}).decode() for event in round_],
        )
        due = {e.data.order_id: (e.meta.time, e.data.invoice_due_at) for e in round_ if e.data.invoice_due_at}
        await tx.conn.execute(WANTED, list(due), [at for at, _ in due.values()], [by for _, by in due.values()])
    order_ids = list({event.data.order_id for event in events})
    rows = await tx.conn.fetch(COMPLETE, order_ids, [status.value for status in FINAL])
    complete = {row["order_id"] for row in rows} | {e.data.order_id for e in events if e.data.order_complete}
    await deadlines.meet(tx, list(complete), DeadlineKind.SHIP_BY)


def _rounds(events: Sequence[Event[ShipmentNotified]]) -> Iterable[list[Event[ShipmentNotified]]]:
    """Events of one instant per order, each order's instants in their order."""
    seen: dict[UUID, Counter[object]] = {}
    rounds: dict[int, list[Event[ShipmentNotified]]] = {}
    for event in events:
        instants = seen.setdefault(event.data.order_id, Counter())
        instants[event.meta.time] += 1
        rounds.setdefault(list(instants).index(event.meta.time), []).append(event)
    return rounds.values()


def _told(data: ShipmentNotified) -> str | None:
    if data.carrier_name is None:
        return None
    names = {"carrier_code", "carrier_name", "tracking_number", "tracking_url"}
    return data.model_dump_json(include=names)


async def on_not_taken(tx: Tx, events: Sequence[Event[ShipmentRejected]]) -> None:
    """The marketplace would not take these parcels."""
    last = {event.data.parcel_id: event.data.effect_id for event in events}
    await tx.conn.execute(NOT_TAKEN, list(last), list(last.values()))


async def on_invoice(tx: Tx, events: Sequence[Event[InvoiceUploaded] | Event[InvoiceRejected]]) -> None:
    """How putting invoices at the marketplace ended."""
    last = {(event.data.order_id, event.data.route_id): event.data for event in events}
    await tx.conn.execute(
        INVOICE_ENDED,
        [order_id for order_id, _ in last],
        [route_id for _, route_id in last],
        ["uploaded" if isinstance(data, InvoiceUploaded) else "rejected" for data in last.values()],
        [data.effect_id for data in last.values()],
    )


async def on_waiting(tx: Tx, events: Sequence[Event[WorkParked]]) -> None:
    """Parcels that need a person, invoices that do not come."""
    parcels = {UUID(e.data.subject_id): e.data.cause for e in events if e.data.subject_kind == "parcel"}
    await tx.conn.execute(PARCEL_WAITS, list(parcels), list(parcels.values()))
    missing = {event.data.subject_id: event.meta.time for event in events if event.data.cause == MISSING}
    await tx.conn.execute(ALARMED, list(missing), list(missing.values()))


async def on_going_on(tx: Tx, events: Sequence[Event[WorkResumed]]) -> None:
    """Parcels that wait no longer."""
    await tx.conn.execute(PARCEL_GOES_ON, [event.data.parked_id for event in events])


_OPEN = "EXISTS (SELECT 1 FROM parked k WHERE k.resolved_at IS NULL AND k.cause = {cause} AND k.subject_id = {subject})"
_PARCEL_WAITS = _OPEN.format(cause="t.parked_cause", subject="t.parcel_id::text")
_NOT_TAKEN = f"t.state = 'rejected' AND t.parked_cause = '{REJECTED}' AND {_PARCEL_WAITS}"
_INVOICE_NOT_TAKEN = "t.state = 'rejected' AND " + _OPEN.format(
    cause=f"'{INVOICE_REJECTED}'", subject="t.order_id::text || ':' || t.route_id"
)
_ASKING = "how far asking the shop is, and what it said; no event has it"

BY_HAND = "state = 'by_hand'"

REPLAY = ReplayPlan(
    tables=(
        Compared(
            "orders",
            ignore={"shipped_elsewhere_at": "whether something was on its way at that moment; only shown to people"},
        ),
        Compared("order_lines"),
        Compared(
            "parcels",
            ignore={
                "live": "a replayed parcel counts as not live, so that no marketplace hears of it again",
                "reason": "in words, what state, cause and parked item say",
                "parked_for": "the content it waited with; the cause is compared while it waits",
                "revision": "how often telling it was planned; what was taken back unsent is not told",
            },
            # What is on its way is in no event, nor that a refused parcel was looked at again.
            instead={
                "state": f"CASE WHEN t.state = 'notified' OR {_NOT_TAKEN} THEN t.state END",
                "effect_id": "CASE WHEN t.state = 'notified' THEN t.effect_id END",
                "told": "CASE WHEN t.state = 'notified' THEN t.told END",
                "parked_cause": f"CASE WHEN {_PARCEL_WAITS} THEN t.parked_cause END",
            },
        ),
        Compared(
            "invoices",
            ignore={
                "next_fetch_at": _ASKING,
                "fetches": _ASKING,
                "reason": _ASKING,
                "file_name": _ASKING,
                "revision": _ASKING,
                "settled_at": "noted by the database's clock",
                "traceparent": "of the parcel as it was then; it may have been corrected since",
                "causation_id": "of the parcel as it was then; it may have been corrected since",
            },
            instead={
                "state": f"CASE WHEN t.state = 'uploaded' OR {_INVOICE_NOT_TAKEN} THEN t.state END",
                "effect_id": "CASE WHEN t.state = 'uploaded' THEN t.effect_id END",
            },
            where=f"NOT ({BY_HAND})",
        ),
        Compared("shop_references"),
        DEADLINES,
        CONNECTIONS,
        PARKED,
    ),
    own={
        ShipmentNotified: on_notified,
        ShipmentRejected: on_not_taken,
        InvoiceUploaded: on_invoice,
        InvoiceRejected: on_invoice,
        WorkParked: (on_parked, on_waiting),
        WorkResumed: (on_resumed, on_going_on),
        **DEADLINE_ROUTES,
    },
    also={OrderReceived: on_order, OrderChanged: on_order},
    given=(Given("invoices", "people said that they put them at the marketplace by hand", where=BY_HAND),),
)
