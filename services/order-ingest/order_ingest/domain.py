"""What a snapshot of an order means beside what is stored: first sight, change, repeat, or a step that cannot be.

Without one place for this, a page read late would push an order back, a filter would lose an order for good, and a
backfill of last month would ask the shop to ship it again. Pure: no clock, no database.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub_contracts.base import EventData
from hub_contracts.envelope import Origin
from hub_contracts.orders import LineStatus, OrderCustomerRecorded, OrderReceived, OrderSnapshot, OrderStatusChanged
from hub_contracts.status import OPEN, OrderStatus, TransitionNotAllowed
from order_ingest.changes import changed_event, steps


class Skip(StrEnum):
    """Why an order is stored and counted, and not told to the hub."""

    BEFORE_IMPORT = "before_import_from"
    CLOSED = "closed_before_import"
    STATUS_EXCLUDED = "status_excluded"


class Finding(StrEnum):
    """What a snapshot turned out to be."""

    RECEIVED = "received"
    CHANGED = "changed"
    REPEATED = "repeated"
    SKIPPED = "skipped"
    STALE = "stale"
    """Read before the one that is stored; a later reading has overtaken it."""
    KNOWN = "known"
    """Met by a backfill and already received: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How snapshots of one listing are judged. `backfill` = read because a person asked for a past window."""

    import_from: datetime | None = None
    statuses: frozenset[OrderStatus] = frozenset()
    first_run: bool = False
    backfill: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of an order."""

    snapshot: OrderSnapshot
    received: bool
    skip_reason: Skip | None
    origin: Origin
    customer_sha256: bytes | None
    has_address: bool
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot just read and understood. `fetched_at` is when its page arrived, UTC."""

    snapshot: OrderSnapshot
    customer: OrderCustomerRecorded | None
    snapshot_id: UUID
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to store and to tell. Without `snapshot` the stored order stays untouched."""

    finding: Finding
    snapshot: OrderSnapshot | None = None
    received: bool = False
    skip_reason: Skip | None = None
    origin: Origin = Origin.LIVE
    events: tuple[EventData, ...] = ()
    customer_sha256: bytes | None = None
    has_address: bool = False
    regressed: str | None = None
    """Set when the status cannot follow from the stored one: the order is parked and keeps its last good status."""


def customer_digest(customer: OrderCustomerRecorded) -> bytes:
    """SHA-256 that tells whether the customer's data changed, without storing it a second time."""
    return hashlib.sha256(customer.model_dump_json().encode()).digest()


def accept_by(snapshot: OrderSnapshot, within_hours: int | None) -> datetime | None:
    """The marketplace's own instant, else `within_hours` since the order was created. UTC."""
    if snapshot.accept_by is not None or within_hours is None:
        return snapshot.accept_by
    return snapshot.created_at + timedelta(hours=within_hours)


def skip_reason(snapshot: OrderSnapshot, rules: Rules, before: Skip | None) -> Skip | None:
    """Why an order that is not received yet stays so. `before` is why it was skipped last time."""
    if rules.import_from is not None and snapshot.created_at < rules.import_from:
        return Skip.BEFORE_IMPORT
    if snapshot.status not in OPEN and (rules.first_run or before is Skip.CLOSED):
        return Skip.CLOSED
    if rules.statuses and snapshot.status not in rules.statuses:
        return Skip.STATUS_EXCLUDED
    return None


def judge(stored: Stored | None, seen: Seen, rules: Rules) -> Verdict:
    """Decide what one snapshot means."""
    if stored is None or not stored.received:
        return _first_sight(stored, seen, rules)
    if rules.backfill:
        return Verdict(Finding.KNOWN)
    if seen.fetched_at < stored.fetched_at:
        return Verdict(Finding.STALE)
    return _later_sight(stored, seen)


def _first_sight(stored: Stored | None, seen: Seen, rules: Rules) -> Verdict:
    """An open order of the live range is live whoever meets it first: a backfill must not fence it off for ever."""
    snapshot = seen.snapshot
    before_import = rules.import_from is not None and snapshot.created_at < rules.import_from
    live = not rules.backfill or (snapshot.status in OPEN and not before_import)
    reason = skip_reason(snapshot, rules, stored.skip_reason if stored else None) if live else None
    if reason is not None:
        return Verdict(Finding.SKIPPED, snapshot, skip_reason=reason)
    customer = (seen.customer,) if seen.customer else ()
    return Verdict(
        Finding.RECEIVED,
        snapshot,
        received=True,
        origin=Origin.LIVE if live else Origin.BACKFILL,
        events=(OrderReceived(order=snapshot, snapshot_id=seen.snapshot_id), *customer),
        customer_sha256=customer_digest(seen.customer) if seen.customer else None,
        has_address=_has_address(seen.customer),
    )


def _later_sight(stored: Stored, seen: Seen) -> Verdict:
    hidden = stored.has_address and not _has_address(seen.customer)
    snapshot = _carried_over(stored.snapshot, seen.snapshot, hidden=hidden)
    regressed: str | None = None
    events: list[EventData] = []
    try:
        events += _status_events(stored.snapshot, snapshot)
    except TransitionNotAllowed as error:
        regressed = f"{error}; the marketplace's word is {snapshot.marketplace_status[:60]!r}"
        snapshot = snapshot.model_copy(
            update={"status": stored.snapshot.status, "marketplace_status": stored.snapshot.marketplace_status}
        )
    changed = changed_event(stored.snapshot, snapshot, seen.snapshot_id)
    events += [changed] if changed else []
    digest, address = stored.customer_sha256, stored.has_address
    if seen.customer is not None and not hidden and (fresh := customer_digest(seen.customer)) != digest:
        events.append(seen.customer)
        digest, address = fresh, _has_address(seen.customer)
    return Verdict(
        Finding.CHANGED if events else Finding.REPEATED,
        snapshot,
        received=True,
        origin=stored.origin,
        events=tuple(events),
        customer_sha256=digest,
        has_address=address,
        regressed=regressed,
    )


def _has_address(customer: OrderCustomerRecorded | None) -> bool:
    return customer is not None and customer.shipping is not None


def _carried_over(old: OrderSnapshot, new: OrderSnapshot, *, hidden: bool) -> OrderSnapshot:
    """Keep what must not move: the number people know, the deadline that was told, an address hidden after the sale."""
    kept: dict[str, object] = {"order_number": old.order_number, "accept_by": new.accept_by or old.accept_by}
    if hidden:
        kept |= {"destination_country": old.destination_country, "missing_address_fields": old.missing_address_fields}
    return new.model_copy(update=kept)


def _status_events(old: OrderSnapshot, new: OrderSnapshot) -> list[OrderStatusChanged]:
    """One event per edge; the last one says where the lines stand. Raises `TransitionNotAllowed`."""
    edges = steps(old.status, new.status)
    lines = tuple(
        LineStatus(line_id=line.line_id, status=line.status, marketplace_status=line.marketplace_status)
        for line in new.lines
    )
    return [
        OrderStatusChanged(
            order_id=new.order_id,
            connection_id=new.connection_id,
            environment=new.environment,
            is_test=new.is_test,
            from_status=edge.source,
            to_status=edge.target,
            trigger=edge.trigger,
            marketplace_status=new.marketplace_status,
            lines=lines if edge is edges[-1] else (),
            marketplace_updated_at=new.marketplace_updated_at,
            accept_by=new.accept_by,
            ship_by=new.ship_by,
        )
        for edge in edges
    ]
