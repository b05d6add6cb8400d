"""Looks whether marketplaces show what they took, and sends it again where they do not: a few times, then a person.

Reading back is the least of all calls: it goes out on the bulk lane and uses at most half of the budget, so that the
probes of effects in doubt, which share it, always find some left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import CallError, Lane
from connector_kit.manifest import Capability
from connector_kit.offers import MarketplaceOffer, ReadsOffers
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.errors import is_storage_down
from hub_common.parked import Park, park, resume
from hub_common.tx import Cause, Tx
from hub_contracts.ids import parked_id_for
from stock_sync import pushing, store_offers
from stock_sync.readback import MOST_PUSHES, WINDOW, Drift, Step, drifts, next_step, settle_time
from stock_sync.serving import Serving
from stock_sync.store_offers import Offer

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LEASE = "read-back:"
DRIFTS = "offer_drifts"
AT_ONCE = 100
"""Offers per reading: what the connectors ask for in one or two calls."""
CALLS_PER_READING = 2
OPERATION = "read_offers"
UNBUDGETED_SECONDS = 60.0
FAILED_SECONDS = 300.0
IDLE_SECONDS = 5.0


def check_after(connection: Connection | None) -> timedelta | None:
    """How long after a push its offer is looked at; None where offers cannot be read back."""
    if connection is None or not connection.is_marketplace:
        return None
    data = connection.data
    try:
        manifest = connector(data.connector).manifest
    except UnknownConnector:
        return None
    if not supports(manifest, data.settings.capabilities_off, Capability.OFFERS):
        return None
    return settle_time(data.settings.reconciliation.settle_minutes, manifest.profile(data.connector_settings))


def needed_leases(runtime: Runtime) -> set[str]:
    """One lease per credential: its connections share the marketplace's quota."""
    return {LEASE + each.data.credential_ref for each in runtime.connections.all() if _reads(each)}


def _reads(connection: Connection) -> bool:
    return connection.active and check_after(connection) is not None


def pause_after_reading(connection: Connection) -> float:
    """Seconds between readings of one credential that leave half of its budget to others."""
    per_hour: float = connection.data.budgets.get(OPERATION, 0)
    if not per_hour:
        try:
            budget = connector(connection.data.connector).manifest.budget(OPERATION)
        except KeyError:
            return UNBUDGETED_SECONDS
        per_hour = budget.calls * 3600 / budget.per_seconds
    return CALLS_PER_READING * 3600 / (per_hour / 2)


class ReadBack:
    """The duty that looks, one connection at a time."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._not_before: dict[str, datetime] = {}

    async def step(self) -> bool:
        """Look at offers of one connection that are due; False when none are."""
        runtime, now = self._runtime, self._runtime.clock.now()
        mine = {
            each.connection_id: each
            for each in runtime.connections.all()
            if _reads(each)
            and runtime.leases.holds(LEASE + each.data.credential_ref)
            and self._not_before.get(each.data.credential_ref, now) <= now
        }
        due = await store_offers.to_check(runtime.pool, list(mine), now, AT_ONCE) if mine else []
        if not due:
            return False
        connection = mine[due[0].connection_id]
        ref, wanted = connection.data.credential_ref, [o for o in due if o.check_at and o.check_at > now - WINDOW]
        shown: dict[str, MarketplaceOffer] | None = {}
        if wanted:
            shown = await self._read(connection, [offer.offer_sku for offer in wanted])
            pause = FAILED_SECONDS if shown is None else pause_after_reading(connection)
            self._not_before[ref] = max(self._not_before.get(ref, now), now + timedelta(seconds=pause))
        if shown is not None:
            async with runtime.transactions.begin() as tx:
                await judge(tx, due, shown, now)
        return True

    async def _read(self, connection: Connection, skus: Sequence[str]) -> dict[str, MarketplaceOffer] | None:
        ref, found = connection.data.credential_ref, dict[str, MarketplaceOffer]()
        try:
            speaker: ReadsOffers = self._runtime.book.connector(connection.connection_id, Lane.BULK)
            async for page in speaker.list_offers(skus):
                found.update((offer.offer_sku, offer) for offer in page)
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            expected = isinstance(error, CallError | TimeoutError)
            told = f"{type(error).__name__}: {error}" if expected else f"failed: {type(error).__name__}"
            cid = str(connection.connection_id)
            self._runtime.log.warning("offers_not_read_back", connection_id=cid, error=told[:300])
            asked = timedelta(seconds=getattr(error, "retry_after", None) or 0.0)
            self._not_before[ref] = self._runtime.clock.now() + asked
            return None
        return found


async def judge(tx: Tx, due: Sequence[Offer], shown: Mapping[str, MarketplaceOffer], read_at: datetime) -> None:
    """Compare what was shown at `read_at`; offers that were pushed meanwhile, or waited too long, are left alone."""
    offers = await store_offers.offers_by_pair(tx.conn, [offer.pair for offer in due])
    connections = await load_connections(tx.conn, {offer.connection_id for offer in due})
    parks: list[Park] = []
    mended: list[UUID] = []
    looked: list[Offer] = []
    for offer in offers.values():
        if offer.check_at is None or offer.check_at > read_at:
            continue
        looked.append(offer)
        fresh, offer.check_at = offer.check_at > read_at - WINDOW, None
        connection = connections.get(offer.connection_id)
        if not fresh or connection is None or offer.serving in (Serving.UNSERVED, Serving.MISMATCH):
            continue
        seen = shown.get(offer.offer_sku)
        offer.shown, offer.shown_at = (seen.model_dump_json() if seen else None), read_at
        found = drifts(offer, seen, read_at)
        step = next_step(found, offer.drift_seen, offer.drift_pushes)
        if step is Step.FINE and offer.drift_pushes:
            mended.append(parked_id_for(tx.service, "offer", offer.key, DRIFTS))
        elif step is Step.GIVE_UP:
            parks.append(_park(offer, found))
        _follow(tx, offer, step, found, connection)
    await store_offers.save_checks(tx.conn, looked)
    await store_offers.save_figures(tx.conn, looked)
    await resume(tx, mended, resolution="the marketplace shows what it took")
    await park(tx, parks)


def _follow(tx: Tx, offer: Offer, step: Step, found: Sequence[Drift], connection: Connection) -> None:
    if step is Step.FINE:
        offer.drift_seen = offer.drift_pushes = 0
    elif step is Step.LOOK_AGAIN:
        offer.drift_seen, offer.check_at = 1, tx.now + (check_after(connection) or timedelta(hours=1))
    elif step is Step.PUSH_AGAIN:
        offer.drift_seen = 0
        kinds, cause = {each.kind for each in found}, Cause(tenant=offer.tenant)
        if pushing.plan(tx, offer, pushing.channel_of(connection), cause, again=True, only=kinds):
            offer.drift_pushes += 1


def _park(offer: Offer, found: Sequence[Drift]) -> Park:
    said = "; ".join(each.text for each in found)[:400]
    return Park(
        subject_kind="offer",
        subject_id=offer.key,
        cause=DRIFTS,
        detail=f"The marketplace took offer {offer.offer_sku} and shows something else, though it was sent "
        f"{MOST_PUSHES} times more: {said}.",
        next_step="See in the marketplace's own pages who else changes this offer (a feed, a promotion, a second "
        "tool) and stop it; then push the offer again.",
        event_key=offer.key,
        why=Cause(tenant=offer.tenant),
        connection_id=offer.connection_id,
    )
