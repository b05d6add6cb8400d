"""Converging on carriers: decide every parcel that can be decided now, tell what is new, park what waits.

A parcel that waits in silence is an order that the marketplace counts as late. So each has exactly one of three ends:
told, parked with a cause and a next step, or told before with the same content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from carrier_mapper import store, store_rules
from carrier_mapper.domain import decide_carrier
from carrier_mapper.dry_run import DecisionContext
from carrier_mapper.model import CarrierDecision, Outcome, ParcelFacts
from carrier_mapper.rules import CarrierRule
from carrier_mapper.store import Recorded, StoredParcel
from carrier_mapper.translate import context_of, facts_of, listed_carriers, mapped_event, told_of
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import OrderTraits
from hub_common.connections import Connection, load_connections
from hub_common.database import Conn
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.ids import parked_id_for

AT_ONCE = 500
"""Parcels decided in one transaction, about half a second of work; the rest of a great many follow by a duty."""

ORDER_UNKNOWN = "order_unknown"
CONNECTION_UNKNOWN = "connection_unknown"
ENVIRONMENT_MISMATCH = "environment_mismatch"

NEXT_STEP = {
    ORDER_UNKNOWN: "Nothing, if the order arrives by itself; else check why order-ingest has not told it.",
    CONNECTION_UNKNOWN: "Nothing, if the connection arrives by itself; else check connection-registry.",
    ENVIRONMENT_MISMATCH: "Correct the shop's connection: sandbox and production never mix.",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What decisions at one connection rest on."""

    connection: Connection
    context: DecisionContext
    rules: Sequence[CarrierRule]
    traits: OrderTraits
    shop_connectors: dict[UUID, str]

    def facts(self, stored: StoredParcel) -> ParcelFacts:
        """The parcel as the decision sees it."""
        shop = self.shop_connectors.get(stored.parcel.shop_connection_id)
        return facts_of(stored.parcel, stored.references, stored.country, shop)

    def decide(self, stored: StoredParcel) -> CarrierDecision:
        """The decision by rules, names and default."""
        context = self.context
        return decide_carrier(
            self.facts(stored),
            self.rules,
            context.default_carrier,
            context.marketplace_carriers,
            context.settings,
            context.known,
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of one parcel: its decision, or why none could be made."""

    stored: StoredParcel
    decision: CarrierDecision | None
    cause: str | None
    next_step: str = ""
    codes: bool = False


def traits_of(connection: Connection) -> OrderTraits:
    """How orders behave at this marketplace; the careful default for a connector that is not installed here."""
    try:
        return connector(connection.data.connector).manifest.orders
    except UnknownConnector:
        return OrderTraits()


async def open_desks(conn: Conn, parcels: Iterable[StoredParcel], also: Iterable[UUID] = ()) -> dict[UUID, Desk]:
    """Desks of the connections of these parcels (and of `also`), for those that are known."""
    parcels = list(parcels)
    ids = {stored.parcel.connection_id for stored in parcels} | set(also)
    shops = {stored.parcel.shop_connection_id for stored in parcels}
    known = await load_connections(conn, ids | shops)
    rules = await store_rules.load_rules(conn, ids)
    lists = await store_rules.load_lists(conn, ids)
    connectors = {each: known[each].data.connector for each in shops if each in known}
    desks: dict[UUID, Desk] = {}
    for each in ids & known.keys():
        data = known[each].data
        context = context_of(data.settings.carriers, data.connector, listed_carriers(lists.get(each)))
        desks[each] = Desk(known[each], context, rules[each], traits_of(known[each]), connectors)
    return desks


async def advance(tx: Tx, parcel_ids: Iterable[UUID]) -> None:
    """Decide those of these parcels that are undecided. The caller holds the deciding or changing lock."""
    parcels = await store.undecided(tx.conn, parcel_ids)
    if not parcels:
        return
    desks = await open_desks(tx.conn, parcels)
    await conclude(tx, [_rule(stored, desks.get(stored.parcel.connection_id)) for stored in parcels])


def _rule(stored: StoredParcel, desk: Desk | None) -> Ruling:
    if desk is None:
        return Ruling(stored, None, CONNECTION_UNKNOWN, NEXT_STEP[CONNECTION_UNKNOWN])
    if not stored.order_known:
        return Ruling(stored, None, ORDER_UNKNOWN, NEXT_STEP[ORDER_UNKNOWN])
    if stored.parcel.environment is not desk.connection.data.environment:
        return Ruling(stored, None, ENVIRONMENT_MISMATCH, NEXT_STEP[ENVIRONMENT_MISMATCH])
    return ruling_of(stored, desk.decide(stored), desk)


def ruling_of(stored: StoredParcel, decision: CarrierDecision, desk: Desk) -> Ruling:
    """The ruling that a decision leads to."""
    codes = desk.traits.carriers == "codes"
    if decision.outcome is Outcome.MAPPED:
        return Ruling(stored, decision, None, codes=codes)
    assert decision.cause is not None, "a parked decision has a cause"
    return Ruling(stored, decision, decision.cause.value, decision.next_step or "", codes)


async def conclude(tx: Tx, rulings: Sequence[Ruling], *, actor: str | None = None) -> None:
    """Write rulings down, tell mapped parcels that are new or changed, park and resume."""
    records: list[Recorded] = []
    resumed: dict[str, list[UUID]] = {"mapped": [], "waits for another reason now": []}
    for ruling in rulings:
        told = _tell(tx, ruling) if ruling.cause is None else None
        records.append(_recorded(ruling, told))
        before = ruling.stored.cause_of_parking
        if before is not None and before != ruling.cause:
            parcel = str(ruling.stored.parcel.parcel_id)
            resolution = "mapped" if ruling.cause is None else "waits for another reason now"
            resumed[resolution].append(parked_id_for(tx.service, "parcel", parcel, before))
    await store.record(tx.conn, records, tx.now, actor)
    for resolution, parked_ids in resumed.items():
        await resume(tx, parked_ids, resolution=resolution, actor=actor)
    await park(tx, [_parked(ruling) for ruling in rulings if ruling.cause is not None and _is_news(ruling)])


def _is_news(ruling: Ruling) -> bool:
    """Another cause or a correction; else what a person closed by hand would come back with every further event."""
    return ruling.stored.corrected or ruling.stored.cause_of_parking != ruling.cause


def _tell(tx: Tx, ruling: Ruling) -> dict[str, object] | None:
    assert ruling.decision is not None, "only decided parcels are told"
    event = mapped_event(ruling.stored.parcel, ruling.decision, codes=ruling.codes)
    told = told_of(event)
    if told == ruling.stored.told:
        return None
    tx.emit(event, key=event.order_id, cause=ruling.stored.why)
    return told


def _recorded(ruling: Ruling, told: dict[str, object] | None) -> Recorded:
    decision = ruling.decision
    return Recorded(
        parcel_id=ruling.stored.parcel.parcel_id,
        outcome="mapped" if ruling.cause is None else "parked",
        cause=ruling.cause,
        mapped_by=decision.source.value if decision and decision.source else None,
        decision=orjson.dumps(decision).decode() if decision else None,
        told=told,
    )


def _parked(ruling: Ruling) -> Park:
    stored, parcel = ruling.stored, ruling.stored.parcel
    named = parcel.carrier_name or parcel.carrier_code
    words = [
        f"Parcel {parcel.shop_parcel_reference}: {str(ruling.cause).replace('_', ' ')}",
        f"carrier named by the shop: {named or 'none'}",
        f"tracking: {parcel.tracking_number or 'none'}",
    ]
    return Park(
        subject_kind="parcel",
        subject_id=str(parcel.parcel_id),
        cause=str(ruling.cause),
        detail="; ".join(words),
        next_step=ruling.next_step,
        event_key=str(parcel.order_id),
        why=stored.why,
        order_id=parcel.order_id,
        connection_id=parcel.connection_id,
        is_test=parcel.is_test,
        due_at=stored.ship_by,
    )


async def decide_again(tx: Tx, connection_ids: Sequence[UUID]) -> int:
    """Something that decisions rest on changed: decide again what it may change. The caller holds the changing lock.

    Returns how many parcels are affected; beyond `AT_ONCE` they stay undecided and the duty goes on with them.
    """
    known = await load_connections(tx.conn, connection_ids)
    needing_links = [each for each, connection in known.items() if traits_of(connection).requires_tracking_url]
    affected = await store.reopen(tx.conn, connection_ids, needing_links, tx.now)
    await advance(tx, affected[:AT_ONCE])
    return len(affected)
