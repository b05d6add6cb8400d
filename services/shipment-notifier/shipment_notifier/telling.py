"""Converging on told parcels: plan what can be told now, take back what no longer holds, park what needs a person.

Corrections come while earlier words are still on their way. What was not sent is replaced; what was sent or may have
been sent is never sent again, whatever comes afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from connector_kit.http import Lane
from connector_kit.requests import ShipParcel
from hub_common import deadlines
from hub_common.deadlines import NewDeadline
from hub_common.effects.model import PlannedEffect
from hub_common.effects.store import insert_effects
from hub_common.logs import get_logger
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.status import OrderStatus
from hub_contracts.work import DeadlineKind
from shipment_notifier import store
from shipment_notifier.desks import Desk, Stored, content_json, context_of, open_desks, request_of
from shipment_notifier.domain import REJECTED, Kind, Plan, Sent, Shipment, Step, plan
from shipment_notifier.store import ParcelRecord

SHIPPED_OR_OVER = frozenset(
    {
        OrderStatus.SHIPPED,
        OrderStatus.DELIVERED,
        OrderStatus.REFUNDED,
        OrderStatus.REFUSED,
        OrderStatus.CANCELLED,
    }
)
"""Statuses in which nothing is left to be shipped in time. Not REFUNDING: it may be part of an order still awaited."""

UNSENT = {Kind.WAIT: "waiting", Kind.SET_ASIDE: "set_aside", Kind.PARK: "parked"}
SENT = {Sent.OPEN: "planned", Sent.DONE: "notified", Sent.REJECTED: "rejected"}
"""Words of the column `state`, for parcels of which nothing was sent and of which something was."""


@dataclass(slots=True)
class Work:
    """What comes out of looking at some orders; written in one go."""

    records: list[ParcelRecord] = field(default_factory=list)
    withdrawn: list[UUID] = field(default_factory=list)
    effects: list[PlannedEffect] = field(default_factory=list)
    parks: list[Park] = field(default_factory=list)
    resumed: dict[str, list[UUID]] = field(default_factory=dict)

    def resume(self, resolution: str, parked_id: UUID) -> None:
        """Close a parked item."""
        self.resumed.setdefault(resolution, []).append(parked_id)


async def advance(tx: Tx, order_ids: Iterable[UUID]) -> None:
    """Do everything that is possible now for these orders. The caller holds the telling or changing lock."""
    desks = await open_desks(tx.conn, order_ids)
    work = Work()
    for desk in desks:
        if desk.parcels and desk.connection is not None:
            _look(tx, desk, work)
    await _write(tx, work)
    await _clocks(tx, desks)


async def _write(tx: Tx, work: Work) -> None:
    await store.withdraw(tx.conn, work.withdrawn, "the parcel or its order changed before it was sent")
    if work.effects:
        tx.plan(*work.effects)
        # At once, not only at the end: a later event of this batch may concern the same order and must see them.
        await insert_effects(tx.conn, work.effects)
    await store.record(tx.conn, work.records)
    for resolution, parked_ids in work.resumed.items():
        await resume(tx, parked_ids, resolution=resolution)
    await park(tx, work.parks)


def _look(tx: Tx, desk: Desk, work: Work) -> None:
    made = plan(desk.order, [stored.parcel for stored in desk.parcels])
    revisions = {stored.parcel.parcel_id: stored.row["revision"] for stored in desk.parcels}
    effects = _plan_effects(tx, desk, made, revisions, work)
    for stored in desk.parcels:
        step = made.steps[stored.parcel.parcel_id]
        _parking(tx, desk, stored, step, work)
        work.records.append(_record(stored, step, effects, revisions))
        if step.kind is Kind.SET_ASIDE and stored.row["reason"] != step.reason:
            get_logger(tx.service).info(
                "parcel_set_aside",
                order_id=str(desk.order_id),
                parcel_id=str(step.parcel_id),
                reason=step.reason,
            )


def _plan_effects(tx: Tx, desk: Desk, made: Plan, revisions: dict[UUID, int], work: Work) -> dict[UUID, UUID]:
    """Keep planned effects while they say what is to be said, in that order; replace all from the first that does not.

    Effects of one order go out one after the other and `completes_order` counts on those before, so a replacement in
    the middle takes the later ones along. Returns the effect of each parcel that is to be told.
    """
    wanted = [(shipment, request_of(desk, shipment)) for shipment in made.shipments]
    kept = 0
    for planned, (shipment, request) in zip(desk.planned, wanted, strict=False):
        if planned.request != request.model_dump(mode="json") or planned.parcel_ids != shipment.parcel_ids:
            break
        kept += 1
    effects: dict[UUID, UUID] = {}
    for planned in desk.planned[:kept]:
        effects.update(dict.fromkeys(planned.parcel_ids, planned.effect_id))
    for planned in desk.planned[kept:]:
        work.withdrawn.append(planned.effect_id)
        stuck = parked_id_for(tx.service, "effect", str(planned.effect_id), "effect_stuck")
        work.resume("the effect was taken back", stuck)
    for shipment, request in wanted[kept:]:
        revisions[shipment.leading] += 1
        effect = _effect(desk, shipment, request, revisions[shipment.leading])
        work.effects.append(effect)
        effects.update(dict.fromkeys(shipment.parcel_ids, effect.effect_id))
    return effects


def _effect(desk: Desk, shipment: Shipment, request: ShipParcel, revision: int) -> PlannedEffect:
    assert desk.connection is not None, "orders of unknown connections are not looked at"
    [leading] = [stored for stored in desk.parcels if stored.parcel.parcel_id == shipment.leading]
    key = f"ship:{desk.connection.connection_id}:{desk.row['marketplace_reference']}:{shipment.leading}"
    return PlannedEffect(
        kind="ship",
        natural_key=key if revision == 1 else f"{key}:v{revision}",
        connection_id=desk.connection.connection_id,
        credential_ref=desk.connection.data.credential_ref,
        request=request,
        cause=leading.why,
        order_key=f"ship:{desk.order_id}",
        lane=Lane.LIVE,
        order_id=desk.order_id,
        deadline=desk.row["ship_by"],
        context=context_of(desk, shipment),
    )


def _record(stored: Stored, step: Step, effects: dict[UUID, UUID], revisions: dict[UUID, int]) -> ParcelRecord:
    parcel, row = stored.parcel, stored.row
    effect_id, told = row["effect_id"], orjson.loads(row["told"]) if row["told"] else None
    if step.kind is Kind.SHIP:
        state, effect_id, told = "planned", effects[parcel.parcel_id], content_json(parcel.content)
    elif parcel.sent is Sent.FREE or (parcel.sent is Sent.REJECTED and step.cause != REJECTED):
        state, effect_id, told = UNSENT[step.kind], None, None
    else:
        state = SENT[parcel.sent]
    return ParcelRecord(
        parcel_id=parcel.parcel_id,
        state=state,
        reason=step.reason,
        parked_cause=step.cause,
        parked_for=_parked_for(stored, step),
        effect_id=effect_id,
        revision=revisions[parcel.parcel_id],
        told=told,
    )


def _parked_for(stored: Stored, step: Step) -> str | None:
    if step.cause is None:
        return None
    content = orjson.dumps(content_json(stored.parcel.content), option=orjson.OPT_SORT_KEYS).decode()
    return f"{step.cause} {content}"


def _parking(tx: Tx, desk: Desk, stored: Stored, step: Step, work: Work) -> None:
    """Park once per cause and content, so that what a person closed is not opened again by an unrelated event."""
    before, parcel_id = stored.row["parked_cause"], str(step.parcel_id)
    if before is not None and before != step.cause:
        resolution = "waits for another reason now" if step.cause else "goes on"
        work.resume(resolution, parked_id_for(tx.service, "parcel", parcel_id, before))
    if step.cause is None or stored.row["parked_for"] == _parked_for(stored, step):
        return
    work.parks.append(
        Park(
            subject_kind="parcel",
            subject_id=parcel_id,
            cause=step.cause,
            detail=f"Order {desk.row['order_number']}, tracking {stored.parcel.content.tracking_number}: {step.reason}",
            next_step=step.next_step,
            event_key=str(desk.order_id),
            why=stored.why,
            order_id=desk.order_id,
            connection_id=desk.row["connection_id"],
            is_test=desk.order.is_test,
            due_at=desk.row["ship_by"],
        )
    )


async def _clocks(tx: Tx, desks: Sequence[Desk]) -> None:
    """Run the ship-by clock of orders that are to be shipped by us; stop it when all is told or nothing is owed.

    Test orders have none: they are never told, so nothing could stop it.
    """
    met = [desk.order_id for desk in desks if desk.complete or desk.order.status in SHIPPED_OR_OVER]
    await deadlines.meet(tx, met, DeadlineKind.SHIP_BY)
    await deadlines.start(tx, [_clock(desk) for desk in desks if _is_due(desk) and desk.order_id not in met])


def _is_due(desk: Desk) -> bool:
    mine = desk.row["live"] and desk.order.by_seller and not desk.order.is_test
    return bool(mine and desk.row["ship_by"] and desk.order.status is OrderStatus.PREPARATION)


def _clock(desk: Desk) -> NewDeadline:
    row = desk.row
    return NewDeadline(
        order_id=desk.order_id,
        kind=DeadlineKind.SHIP_BY,
        connection_id=row["connection_id"],
        tenant=row["tenant"],
        is_test=False,
        starts_at=row["prepared_at"] or row["created_at"],
        due_at=row["ship_by"],
    )
