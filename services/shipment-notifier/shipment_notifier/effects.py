"""Telling the marketplace about parcels, and what follows when it is known how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from connector_kit.capabilities import ShipsParcels
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import ShipParcel
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.tx import Tx
from hub_contracts.shipments import ShipmentNotified, ShipmentRejected
from shipment_notifier import store
from shipment_notifier.desks import Desk, covered_by, open_desks, told_lines
from shipment_notifier.effects_invoice import invoice_effect
from shipment_notifier.invoicing import alarms, want
from shipment_notifier.telling import advance

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


def request_of(effect: Effect) -> ShipParcel:
    """What was asked, as it was written down."""
    return ShipParcel.model_validate(effect.request)


async def execute(connector: ShipsParcels, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Tell about parcels; the runtime never puts two of one order into one call."""
    return await connector.ship([request_of(effect) for effect in effects])


async def probe(connector: ShipsParcels, effect: Effect) -> ProbeResult:
    """Does the marketplace show the parcel?"""
    return await connector.probe_ship(request_of(effect))


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Tell how it ended, then look at the orders again: corrections may have waited for this."""
    await store.lock_telling(tx.conn, {each.effect.connection_id for each in ended})
    order_ids = [_order_id(each) for each in ended]
    desks = {desk.order_id: desk for desk in await open_desks(tx.conn, order_ids)}
    wanting = await alarms(tx, {each.effect.connection_id for each in ended})
    for each in ended:
        desk = desks[_order_id(each)]
        after = wanting.get(each.effect.connection_id) if desk.row["live"] else None
        _tell(tx, each, desk, tx.now + after if after else None)
    await advance(tx, order_ids)
    await want(tx, order_ids, wanting)


def _order_id(each: Settled) -> UUID:
    assert each.effect.order_id is not None, "parcels are always of an order"
    return each.effect.order_id


def _tell(tx: Tx, each: Settled, desk: Desk, invoice_due_at: datetime | None) -> None:
    effect = each.effect
    parcel_ids = covered_by(effect.context)
    told = {stored.parcel.parcel_id: stored.parcel.told for stored in desk.parcels}
    for parcel_id in parcel_ids:
        event: ShipmentNotified | ShipmentRejected
        if each.state is EffectState.REJECTED:
            event = ShipmentRejected(
                order_id=_order_id(each),
                parcel_id=parcel_id,
                connection_id=effect.connection_id,
                effect_id=effect.effect_id,
                reason=each.reason,
            )
        else:
            content = told[parcel_id]
            assert content is not None, "what was sent is written down with the parcel"
            event = ShipmentNotified(
                order_id=_order_id(each),
                parcel_id=parcel_id,
                connection_id=effect.connection_id,
                effect_id=effect.effect_id,
                lines=told_lines(effect.context, parcel_id),
                order_complete=desk.complete and parcel_id == parcel_ids[-1],
                confirmed_by=each.confirmed_by,
                carrier_code=content.carrier_code,
                carrier_name=content.carrier_name,
                tracking_number=content.tracking_number,
                tracking_url=content.tracking_url,
                invoice_due_at=invoice_due_at,
            )
        tx.emit(event, key=event.order_id, cause=effect.cause)


def build_effects(runtime: Runtime) -> Sequence[EffectKind]:
    """The kinds of this service."""
    return (
        EffectKind("ship", "ship", execute, probe, settled, probe_operation="probe_ship"),
        invoice_effect(runtime),
    )
