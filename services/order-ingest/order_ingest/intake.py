"""One page of raw orders → stored orders and events, in one transaction and a fixed number of statements.

The raw bytes go in first: an order that nobody can understand is kept and seen, and everything else goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from connector_kit.capabilities import MappedOrder, MappingError, RawOrder
from connector_kit.discovery import connector
from hub_common.connections import Connection
from hub_common.metrics import Metrics
from hub_common.parked import Park, park, resume
from hub_common.trace import new_trace
from hub_common.tx import Cause, Tx
from hub_contracts.envelope import Origin
from hub_contracts.ids import order_id_for
from hub_contracts.orders import OrderSnapshot
from order_ingest import erasure_store, store
from order_ingest.domain import Finding, Rules, Seen, Verdict, accept_by, judge
from order_ingest.numbers import candidate, full_number
from order_ingest.store import Head, OrderRow, Raw

Mapper = Callable[[RawOrder], MappedOrder]
NUMBER_ATTEMPTS = 8
"""Two of 2^70 codes colliding once is luck; eight times in a row means that the table is not what it should be."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Orders as answered, and how to read them. `first_run` and `backfill` as in `Rules`."""

    connection: Connection
    mapper: Mapper
    raws: Sequence[RawOrder]
    fetched_at: datetime
    first_run: bool = False
    backfill: bool = False


@dataclass(slots=True)
class Taken:
    """What a page, or several, brought."""

    seen: int = 0
    received: int = 0
    changed: int = 0
    skipped: int = 0
    parked: int = 0
    newest_update: datetime | None = None

    def add(self, other: Taken) -> None:
        """Add what another page brought."""
        self.seen += other.seen
        self.received += other.received
        self.changed += other.changed
        self.skipped += other.skipped
        self.parked += other.parked
        if other.newest_update is not None:
            self.saw(other.newest_update)

    def saw(self, updated_at: datetime) -> None:
        """Remember the newest update time of the marketplace."""
        self.newest_update = max(self.newest_update or updated_at, updated_at)


def count_received(metrics: Metrics, connection_id: UUID, taken: Taken) -> None:
    """Count new orders once they are committed; a marketplace that falls silent is seen by this. Not for backfills."""
    metrics.orders_received.labels(str(connection_id)).inc(taken.received)


@dataclass(slots=True)
class _Page:
    """One page on its way into the database: what is known, what is going to be written."""

    tx: Tx
    batch: Batch
    known: dict[UUID, Head] = field(default_factory=dict)
    snapshots: dict[tuple[UUID, bytes], UUID] = field(default_factory=dict)
    rows: list[OrderRow] = field(default_factory=list)
    parks: list[Park] = field(default_factory=list)
    erased: set[UUID] = field(default_factory=set)
    """Orders that go on without their buyer: what the marketplace still shows of him is neither kept nor told."""
    good: dict[UUID, bool] = field(default_factory=dict)
    """Orders whose snapshot was understood and stored; True when the status fits as well."""

    def understand(self, raws: Sequence[Raw]) -> list[tuple[Raw, MappedOrder]]:
        """Map; what cannot be mapped is going to be parked."""
        found: list[tuple[Raw, MappedOrder]] = []
        for raw in raws:
            try:
                mapped = self.batch.mapper(RawOrder(raw.reference, raw.body))
                if mapped.snapshot.order_id != raw.order_id:
                    raise MappingError("reference", "the listing and the order itself name different references")
            except MappingError as error:
                self.parks.append(_unreadable(self.batch, raw, error, self._snapshot_id(raw)))
            except Exception as error:  # noqa: BLE001  a fault in one mapping must not stop the page; it is parked
                fault = MappingError("(order)", f"the connector failed on it: {type(error).__name__}")
                self.parks.append(_unreadable(self.batch, raw, fault, self._snapshot_id(raw)))
            else:
                found.append((raw, replace(mapped, customer=None) if raw.order_id in self.erased else mapped))
        return found

    def judge(self, raw: Raw, mapped: MappedOrder, number: str, taken: Taken) -> None:
        """Compare with what is stored; emit and note down what follows."""
        head = self.known.get(raw.order_id)
        snapshot = _completed(self.batch.connection, mapped.snapshot, number)
        seen = Seen(snapshot, mapped.customer, self._snapshot_id(raw), self.batch.fetched_at)
        verdict = judge(head.stored if head else None, seen, _rules(self.batch))
        taken.saw(min(snapshot.marketplace_updated_at, self.batch.fetched_at))
        taken.received += verdict.finding is Finding.RECEIVED
        taken.changed += verdict.finding is Finding.CHANGED
        taken.skipped += verdict.finding is Finding.SKIPPED and head is None
        if verdict.snapshot is None:
            return
        trace = (head.traceparent if head else None) or new_trace(self._random).traceparent
        follows = trace
        if self.tx.spans is not None and verdict.events:
            told = head is not None and head.stored is not None and head.stored.received
            follows = self.tx.spans.read(trace, new=not told)
        why = Cause(self.batch.connection.tenant, verdict.origin, follows)
        for event in verdict.events:
            self.tx.emit(event, key=raw.order_id, cause=why)
        if verdict.regressed is not None:
            self.parks.append(_regressed(verdict, why))
        self.good[raw.order_id] = verdict.regressed is None
        self.rows.append(self._row(raw, verdict, verdict.snapshot, trace))

    def _row(self, raw: Raw, verdict: Verdict, snapshot: OrderSnapshot, trace: str) -> OrderRow:
        return OrderRow(
            snapshot=snapshot,
            snapshot_id=self._snapshot_id(raw),
            tenant=self.batch.connection.tenant,
            raw_sha256=raw.sha256,
            customer_sha256=verdict.customer_sha256,
            has_address=verdict.has_address,
            origin=verdict.origin,
            received=verdict.received,
            skip_reason=verdict.skip_reason,
            fetched_at=self.batch.fetched_at,
            traceparent=trace,
        )

    def _snapshot_id(self, raw: Raw) -> UUID:
        return self.snapshots[raw.order_id, raw.sha256]

    def _random(self, size: int) -> bytes:
        return self.tx.ids.new().bytes[-size:]


async def take(tx: Tx, batch: Batch) -> Taken:
    """Store and tell everything that a page shows. The caller holds the lock on the connection's poll state."""
    taken, page = Taken(seen=len(batch.raws)), _Page(tx, batch)
    raws = _unique(batch)
    if not raws:
        return taken
    latest = {raw.order_id: raw for raw in raws}
    problems = await store.open_problems(tx.conn, list(latest))
    shas = {order_id: raw.sha256 for order_id, raw in latest.items()}
    page.known = await store.heads(tx.conn, shas, [row["order_id"] for row in problems])
    for head in page.known.values():
        taken.saw(min(head.marketplace_updated_at, batch.fetched_at))
    fresh = [raw for raw in raws if not _settled(page.known.get(raw.order_id), raw)]
    if not fresh:
        return taken
    page.erased = await erasure_store.erased_of(tx.conn, list(latest))
    bodies = [replace(raw, body=erasure_store.ERASED) if raw.order_id in page.erased else raw for raw in fresh]
    kept = [(raw, batch.connection.connection_id, tx.ids.new()) for raw in bodies]
    page.snapshots = await store.save_raw(tx.conn, kept, batch.fetched_at)
    understood = page.understand([raw for raw in fresh if latest[raw.order_id] is raw])
    numbers = await _numbers(tx, batch.connection, [mapped for _, mapped in understood], page.known)
    for raw, mapped in understood:
        page.judge(raw, mapped, numbers[raw.order_id], taken)
    await store.save_orders(tx.conn, page.rows, tx.now)
    taken.parked = len(await park(tx, page.parks))
    ended = [row["parked_id"] for row in problems if _ended(row["cause"], page.good.get(row["order_id"]))]
    await resume(tx, ended, resolution="a later snapshot of the order is understood")
    return taken


def _settled(head: Head | None, raw: Raw) -> bool:
    """The very bytes that were understood last time: nothing to read again."""
    return head is not None and head.stored is None and head.raw_sha256 == raw.sha256


def _ended(cause: str, status_fits: bool | None) -> bool:
    return status_fits is True if cause == "status_regressed" else status_fits is not None


def _unique(batch: Batch) -> list[Raw]:
    """The page's bodies, each once. Orders whose reference cannot be read share the order id of the empty reference."""
    found: dict[tuple[UUID, bytes], Raw] = {}
    for raw in batch.raws:
        order_id = order_id_for(batch.connection.connection_id, raw.reference)
        digest = hashlib.sha256(raw.body).digest()
        found.pop((order_id, digest), None)
        found[order_id, digest] = Raw(order_id, raw.reference, digest, raw.body)
    return list(found.values())


def _unreadable(batch: Batch, raw: Raw, error: MappingError, snapshot_id: UUID) -> Park:
    origin = Origin.BACKFILL if batch.backfill else Origin.LIVE
    return Park(
        subject_kind="order",
        subject_id=str(raw.order_id),
        cause=error.cause if error.cause in store.PROBLEMS else "order_unreadable",
        detail=f"order {raw.reference or '(without a reference)'}: {error.field}: {error.rule}"[:500],
        next_step="Look at the raw snapshot; the order goes on by itself once a snapshot is understood "
        "(corrected at the marketplace, or by a newer connector).",
        event_key=str(raw.order_id),
        why=Cause(batch.connection.tenant, origin),
        order_id=raw.order_id,
        connection_id=batch.connection.connection_id,
        data={"snapshot_id": str(snapshot_id)},
    )


async def _numbers(
    tx: Tx, connection: Connection, orders: Sequence[MappedOrder], known: dict[UUID, Head]
) -> dict[UUID, str]:
    """The number of each order: stored orders keep theirs, new ones get one."""
    given = {order_id: head.order_number for order_id, head in known.items()}
    settings = connection.data.settings.orders
    full = {
        mapped.snapshot.order_id: full_number(mapped.snapshot, settings.order_number_source)
        for mapped in orders
        if mapped.snapshot.order_id not in known
    }
    if not settings.shorten_order_number:
        return given | full
    for attempt in range(NUMBER_ATTEMPTS):
        wanted = {key: candidate(number, key, attempt) for key, number in full.items() if key not in given}
        if not wanted:
            return given
        given |= {key: wanted[key] for key in await store.take_numbers(tx.conn, wanted)}
    raise RuntimeError(f"no free short order number after {NUMBER_ATTEMPTS} attempts")


def _rules(batch: Batch) -> Rules:
    settings = batch.connection.data.settings.orders
    return Rules(
        import_from=settings.import_from or batch.connection.data.activated_at,
        statuses=frozenset(settings.statuses),
        first_run=batch.first_run,
        backfill=batch.backfill,
    )


def _completed(connection: Connection, snapshot: OrderSnapshot, number: str) -> OrderSnapshot:
    """The snapshot with what only the connection knows: environment, number, accept-by window."""
    own = connection.data.settings.acceptance.accept_within_hours
    manifest = connector(connection.data.connector).manifest
    hours = manifest.accept_within_hours(connection.data.connector_settings) if own is None else own
    return snapshot.model_copy(
        update={
            "environment": connection.data.environment,
            "order_number": number,
            "accept_by": accept_by(snapshot, hours),
        }
    )


def _regressed(verdict: Verdict, why: Cause) -> Park:
    assert verdict.snapshot is not None
    order = verdict.snapshot
    return Park(
        subject_kind="order",
        subject_id=str(order.order_id),
        cause="status_regressed",
        detail=f"order {order.marketplace_reference}: {verdict.regressed}",
        next_step="Compare with the marketplace. The order keeps its last good status and goes on by itself when the "
        "marketplace shows one that can follow.",
        event_key=str(order.order_id),
        why=why,
        order_id=order.order_id,
        connection_id=order.connection_id,
        is_test=order.is_test,
        due_at=order.ship_by,
    )
