"""One turn of one connection's comparison: read outside, compare page by page, stop when calls or time run out.

A small call budget must still cover everything in turn. So the position is written down after every part, a listing
that runs out of calls goes on where it stopped, and what could not be read is counted and said, never taken for
agreement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from connector_kit.capabilities import MappingError, OrderWindow, RawOrder
from connector_kit.http import CallError, HttpCaller, Lane, NotSent
from connector_kit.manifest import Capability, Manifest
from hub_common.connections import Connection
from hub_common.connectors import ConnectorBook, supports
from hub_common.errors import is_storage_down
from hub_common.runtime import Runtime
from hub_contracts.ids import order_id_for
from hub_contracts.orders import OrderSnapshot
from hub_contracts.status import OPEN
from reconciliation import store_differences, store_rounds
from reconciliation.comparing import Desk, compare_offers, compare_orders
from reconciliation.config import ReconciliationServiceSettings
from reconciliation.domain import Rules
from reconciliation.life import Sighting
from reconciliation.offers import Pushing
from reconciliation.recording import Recorder
from reconciliation.store_rounds import Rest, Round

IDLE, ORDERS, ORDERS_REST, OFFERS = "idle", "orders", "orders_rest", "offers"
OFFERS_REST, CLOSING = "offers_rest", "closing"
GIVE_UP_AFTER = 3
"""Failures in a row after which a round goes on without the orders, or the offers, and says so."""
SMALLEST_WINDOW = 3600
"""Seconds. A window that cannot be listed within `LONGEST_LISTING` is cut in half, down to this."""
LONGEST_LISTING = 7200.0
"""Seconds. Answers that are older are no longer compared with what the hub holds now."""
SINGLES_AT_ONCE = 10
"""Orders read one by one per transaction."""
OFFERS_AT_ONCE = 50
"""Offers asked for by SKU at once."""
FIRST_BACK_OFF = 60.0
LONGEST_HOLD = 3600.0
OPEN_WORDS = tuple(sorted(status.value for status in OPEN))

StillOurs = Callable[[], bool]


class _Stop(Exception):
    """The turn ends here: the lease was lost, the service stops, or the others want their turn."""


@dataclass(slots=True)
class Turn:
    """What one turn works with."""

    connection: Connection
    manifest: Manifest
    speaker: Any
    recorder: Recorder
    state: Round
    ends_at: float
    still_ours: StillOurs

    @property
    def wants_orders(self) -> bool:
        """Orders are compared here."""
        data = self.connection.data.settings
        return data.reconciliation.compare_orders and supports(self.manifest, data.capabilities_off, Capability.ORDERS)

    @property
    def wants_offers(self) -> bool:
        """Offers are compared here."""
        data = self.connection.data.settings
        return data.reconciliation.compare_offers and supports(self.manifest, data.capabilities_off, Capability.OFFERS)

    @property
    def pushing(self) -> Pushing:
        """What of offers the hub tells this marketplace."""
        data = self.connection.data.settings
        return Pushing(
            data.stock.push_stock and supports(self.manifest, data.capabilities_off, Capability.STOCK),
            data.stock.push_price and supports(self.manifest, data.capabilities_off, Capability.PRICE),
        )


class Rounds:
    """Compares connections, a turn at a time."""

    def __init__(self, runtime: Runtime, settings: ReconciliationServiceSettings) -> None:
        self._runtime, self._settings, self._clock = runtime, settings, runtime.clock
        self._recorders: dict[UUID, Recorder] = {}
        self.book = ConnectorBook(
            runtime.connections, callers=self._caller, credentials=runtime.open_credentials, clock=runtime.clock
        )

    def _caller(self, connection: Connection, manifest: Manifest, base_url: str | None) -> HttpCaller:
        made = Recorder(self._runtime.caller(connection, manifest, base_url), self._clock)
        self._recorders[connection.connection_id] = made
        return made

    async def turn(self, connection: Connection, state: Round, still_ours: StillOurs) -> Round:
        """Go on with a connection until its calls or its time are used up; returns where it stands, written down.

        Raises storage errors only; what the marketplace does is a state.
        """
        cid = connection.connection_id
        ends_at = self._clock.monotonic() + self._settings.slice_seconds
        if state.phase == IDLE:
            state = await self._begin(connection, state)
        speaker = self.book.connector(cid, Lane.BULK)
        recorder = self._recorders[cid]
        turn = Turn(connection, self.book.manifest(cid), speaker, recorder, state, ends_at, still_ours)
        try:
            while turn.state.phase != IDLE:
                await self._phase(turn)
        except _Stop:
            turn.state = replace(turn.state, next_at=self._clock.now())
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            turn.state = self._failed(turn.state, error)
        await self._save(turn.state)
        return turn.state

    async def _begin(self, connection: Connection, state: Round) -> Round:
        now, wanted = self._clock.now(), connection.data.settings.reconciliation
        imports = connection.data.settings.orders
        since = imports.import_from or connection.data.activated_at
        start = now - timedelta(days=max(wanted.window_days, 1))
        window_from = min(max(start, since) if since else start, now)
        whole = max(int((now - window_from).total_seconds()) + 1, SMALLEST_WINDOW)
        begun = replace(
            state,
            round=state.round + 1,
            phase=ORDERS,
            started_at=now,
            window_from=window_from,
            next_from=window_from,
            until=now,
            chunk_seconds=min(state.chunk_seconds * 2, whole) if state.chunk_seconds else whole,
            orders_unreadable=0,
            last_error="",
            gaps="",
        )
        await self._save(begun, now)
        return begun

    async def _phase(self, turn: Turn) -> None:
        self._check(turn)
        phase = turn.state.phase
        if phase == ORDERS:
            await self._list_orders(turn)
        elif phase == ORDERS_REST:
            await self._read_orders(turn)
        elif phase == OFFERS:
            await self._list_offers(turn)
        elif phase == OFFERS_REST:
            await self._read_offers(turn)
        else:
            await self._finish(turn)

    async def _list_orders(self, turn: Turn) -> None:
        state = turn.state
        if not turn.wants_orders:
            turn.state = replace(state, phase=OFFERS)
            return
        assert state.next_from is not None
        assert state.until is not None
        assert state.chunk_seconds is not None
        end = min(state.next_from + timedelta(seconds=state.chunk_seconds), state.until)
        at, unreadable = turn.recorder.rewind(), 0
        source = turn.speaker.list_orders(OrderWindow(created_from=state.next_from, created_until=end))
        try:
            async for page in _pages(source):
                unreadable += await self._compare_raw(turn, at, page)
                self._check(turn)
        except (NotSent, _Stop):
            if turn.recorder.full or turn.recorder.age_seconds() > LONGEST_LISTING:
                turn.recorder.forget()
                turn.state = replace(state, chunk_seconds=max(state.chunk_seconds // 2, SMALLEST_WINDOW))
            raise
        turn.recorder.forget()
        last = end >= state.until
        turn.state = turn.state.counted(orders_unreadable=unreadable)
        turn.state = replace(turn.state, next_from=end, phase=ORDERS_REST if last else ORDERS).well()
        await self._save(turn.state)

    async def _compare_raw(
        self, turn: Turn, at: datetime, raws: Sequence[RawOrder], gone: Sequence[tuple[UUID, str]] = ()
    ) -> int:
        """Compare raw orders; returns how many could not be understood."""
        seen: list[OrderSnapshot] = []
        unreadable: list[UUID] = []
        for raw in raws:
            try:
                seen.append(turn.speaker.map_order(raw).snapshot)
            except MappingError:
                unreadable.append(order_id_for(turn.connection.connection_id, raw.reference))
        async with self._runtime.transactions.begin() as tx:
            await compare_orders(tx, self._desk(turn, at), seen, gone)
            await store_rounds.mark_orders(tx.conn, unreadable, [], turn.state.round, at)
        return len(unreadable)

    async def _read_orders(self, turn: Turn) -> None:
        """What the listing did not show: an absent page proves nothing, so each is asked for by its reference."""
        state, rest = turn.state, self._rest(turn)
        async with self._runtime.pool.acquire() as conn:
            wanted = await store_rounds.unseen_orders(conn, rest, SINGLES_AT_ONCE)  # type: ignore[arg-type]
            cid = turn.connection.connection_id
            lost = await store_differences.unseen_missing(conn, cid, state.round, SINGLES_AT_ONCE)  # type: ignore[arg-type]
        wanted += [(order_id_for(cid, reference), reference) for reference in lost]
        if not wanted or self._late(turn):
            turn.state = replace(state, phase=OFFERS)
            return
        at, found, gone = self._clock.now(), [], []
        held: Exception | None = None
        for order_id, reference in wanted:
            try:
                self._check(turn)
                turn.recorder.forget()
                raw = await turn.speaker.read_order(reference)
            except (CallError, _Stop) as error:
                held = error
                break
            if raw is None:
                gone.append((order_id, reference))
            else:
                found.append(raw)
        asked = wanted[: len(found) + len(gone)]
        if asked:
            unreadable = await self._compare_raw(turn, at, found, gone)
            turn.state = turn.state.counted(orders_unreadable=unreadable)
            async with self._runtime.transactions.begin() as tx:
                await store_rounds.mark_orders(tx.conn, [order_id for order_id, _ in asked], [], state.round, at)
                await store_differences.met(tx.conn, cid, [reference for _, reference in asked], state.round)
        if held is not None:
            raise held

    async def _list_offers(self, turn: Turn) -> None:
        """All offers at once; what that does not show is then asked for by SKU."""
        if not turn.wants_offers:
            turn.state = replace(turn.state, phase=CLOSING)
            return
        await self._compare_pages(turn, turn.speaker.list_offers())
        turn.state = replace(turn.state, phase=OFFERS_REST).well()
        await self._save(turn.state)

    async def _read_offers(self, turn: Turn) -> None:
        async with self._runtime.pool.acquire() as conn:
            skus = await store_rounds.unseen_offers(conn, self._rest(turn), OFFERS_AT_ONCE)  # type: ignore[arg-type]
        if not skus or self._late(turn):
            turn.state = replace(turn.state, phase=CLOSING)
            return
        at = turn.recorder.rewind()
        seen = await self._compare_pages(turn, turn.speaker.list_offers(skus))
        gone = [sku for sku in skus if sku not in seen]
        async with self._runtime.transactions.begin() as tx:
            await compare_offers(tx, self._desk(turn, at), [], turn.pushing, gone)

    async def _compare_pages(self, turn: Turn, source: AsyncIterator[Any]) -> set[str]:
        seen: set[str] = set()
        if turn.recorder.age_seconds() > LONGEST_LISTING:
            turn.recorder.forget()
        at = turn.recorder.rewind()
        async for page in _pages(source):
            seen |= {offer.offer_sku for offer in page}
            async with self._runtime.transactions.begin() as tx:
                await compare_offers(tx, self._desk(turn, at), page, turn.pushing)
            self._check(turn)
        turn.recorder.forget()
        return seen

    async def _finish(self, turn: Turn) -> None:
        """The round ends: say what it covered, and when the next one begins."""
        state, now, rest = turn.state, self._clock.now(), self._rest(turn)
        assert state.started_at is not None
        async with self._runtime.pool.acquire() as conn:
            orders = await store_rounds.count_unseen_orders(conn, rest) if turn.wants_orders else 0  # type: ignore[arg-type]
            offers = await store_rounds.count_unseen_offers(conn, rest) if turn.wants_offers else 0  # type: ignore[arg-type]
            met = await store_rounds.counts(conn, rest, state.started_at)  # type: ignore[arg-type]
        every = timedelta(minutes=max(turn.connection.data.settings.reconciliation.every_minutes, 1))
        report = {
            "started_at": state.started_at.isoformat(),
            **met,
            "orders_unreadable": state.orders_unreadable,
            "orders_left": orders,
            "offers_left": offers,
            "gaps": state.gaps,
            "complete": not (orders or offers or state.orders_unreadable or state.gaps),
        }
        turn.state = replace(
            state,
            phase=IDLE,
            next_at=max(state.started_at + every, now),
            finished_at=now,
            finished_started_at=state.started_at,
            last_report=report,
            failures=0,
        )

    def _failed(self, state: Round, error: Exception) -> Round:
        """Calls not allowed yet are waited for; what fails is tried again ever later, from where it stopped."""
        now = self._clock.now()
        if isinstance(error, NotSent) and error.retry_after is not None:
            wait = min(max(error.retry_after, 1.0), LONGEST_HOLD)
            return replace(state, next_at=now + timedelta(seconds=wait), last_error=f"waits for calls: {error}"[:500])
        text = str(error)[:500] if isinstance(error, CallError) else f"failed: {type(error).__name__}"
        self._runtime.log.warning("comparison_failed", connection_id=str(state.connection_id), error=text)
        failures = state.failures + 1
        wait = min(FIRST_BACK_OFF * 2.0 ** min(failures - 1, 10), self._settings.backoff_max_seconds)
        again = now + timedelta(seconds=wait)
        if failures < GIVE_UP_AFTER:
            return replace(state, next_at=again, failures=failures, last_error=text)
        # What cannot be read must not keep the rest from being compared; the report says what is missing.
        part, phase = ("orders", OFFERS) if state.phase in (ORDERS, ORDERS_REST) else ("offers", CLOSING)
        gaps = "; ".join(filter(None, (state.gaps, f"{part} could not be read to the end: {text}")))[:500]
        return replace(state, phase=phase, next_at=again, failures=0, last_error=text, gaps=gaps)

    def _rest(self, turn: Turn) -> Rest:
        state = turn.state
        assert state.window_from is not None
        assert state.started_at is not None
        settle = timedelta(minutes=turn.connection.data.settings.reconciliation.settle_minutes)
        return Rest(
            turn.connection.connection_id,
            turn.connection.data.environment.value,
            state.round,
            state.started_at - settle,
            state.window_from,
            OPEN_WORDS,
        )

    def _desk(self, turn: Turn, at: datetime) -> Desk:
        wanted = turn.connection.data.settings.reconciliation
        rules = Rules(at, timedelta(minutes=wanted.settle_minutes), timedelta(hours=self._settings.work_hours))
        sight = Sighting(
            turn.connection.connection_id,
            turn.connection.tenant,
            turn.state.round,
            at,
            self._settings.confirmations,
            self._settings.repair_attempts,
        )
        return Desk(turn.connection, sight, rules)

    def _late(self, turn: Turn) -> bool:
        """Reading one by one ends when the next round is due: its listing must not wait for the rest of this one."""
        every = timedelta(minutes=max(turn.connection.data.settings.reconciliation.every_minutes, 1))
        return turn.state.started_at is not None and self._clock.now() >= turn.state.started_at + 2 * every

    def _check(self, turn: Turn) -> None:
        if self._clock.monotonic() >= turn.ends_at or not turn.still_ours():
            raise _Stop

    async def _save(self, state: Round, taken_up: datetime | None = None) -> None:
        async with self._runtime.transactions.begin() as tx:
            await store_rounds.save(tx.conn, state, taken_up)


async def _pages(source: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The pages of a listing; the listing is closed however its reading ends."""
    try:
        async for page in source:
            yield page
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
