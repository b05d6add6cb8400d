"""Sends effects: claim, commit IN_FLIGHT, call, record the outcome and its event in one transaction.

The claim is committed before the call, so a crash leaves a trace: an effect that is IN_FLIGHT past its time becomes
UNKNOWN and is probed, never sent again blindly. One process at a time works for a credential (lease), so call budgets
and order per key hold over all replicas.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

from connector_kit.http import Lane
from connector_kit.outcome import Outcome, OutcomeState
from hub_common.connectors import ConnectorBook
from hub_common.effects import store
from hub_common.effects.batching import Holds, Waiting
from hub_common.effects.gates import Gates
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.effects.probing import Prober
from hub_common.errors import is_storage_down
from hub_common.leases import LeaseKeeper
from hub_common.logs import get_logger
from hub_common.parked import Park, park, resume
from hub_common.trace import use
from hub_common.tracing_work import Attempts
from hub_common.transactions import Transactions
from hub_common.tx import Tx
from hub_contracts.work import EffectInDoubt

LEASE = "credential:"
EXPRESS = "express:"
CONCURRENT_CALLS = 4
"""Calls in the air per credential: enough to hide latency, few enough not to look like an attack."""
CONCURRENT_CREDENTIALS = 16
RETRY_FIRST_SECONDS = 1.0
RETRY_MAX_SECONDS = 300.0
RETRY_MAX_DEADLINE_SECONDS = 30.0
"""An answer with a deadline is never left alone for minutes."""
STUCK_ATTEMPTS = 8
"""After this many refused attempts a person is told; trying goes on."""

STATE_OF = {
    OutcomeState.DONE: EffectState.DONE,
    OutcomeState.SENT: EffectState.SENT,
    OutcomeState.RETRY: EffectState.RETRY,
    OutcomeState.REJECTED: EffectState.REJECTED,
    OutcomeState.UNKNOWN: EffectState.UNKNOWN,
}


ShortOfCalls = Callable[[UUID, str], bool]
"""Whether the forecast says that calls for effects of a kind at a connection may not last."""


def _never_short(_connection_id: UUID, _kind: str) -> bool:
    return False


class EffectWorker:
    """The effect lanes of one service in one process."""

    def __init__(
        self,
        transactions: Transactions,
        book: ConnectorBook,
        leases: LeaseKeeper,
        kinds: Sequence[EffectKind],
        *,
        flight_seconds: float,
        short_of_calls: ShortOfCalls = _never_short,
    ) -> None:
        self._transactions = transactions
        self._book = book
        self._leases = leases
        self._kinds: Mapping[str, EffectKind] = {kind.kind: kind for kind in kinds}
        self._flight = flight_seconds
        self._short_of_calls = short_of_calls
        self._gates = Gates(transactions.clock)
        self._holds = Holds(transactions.clock)
        self._prober = Prober(transactions, book, self._kinds)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._log = get_logger(transactions.service)
        self.stopping = False

    async def step(self) -> int:
        """Start work for every credential that has some and is leased to us; returns how many are being worked on.

        A credential whose calls in the air are slow gets a second hand for the deadline lane alone.
        """
        active = self._book.active_ids()
        if not active or self.stopping:
            return len(self._running)
        rows = await self._transactions.pool.fetch(store.DUE_CONNECTIONS, active)
        due: dict[str, bool] = {}
        for row in rows:
            ref = self._book.connection(row["connection_id"]).data.credential_ref
            due[ref] = due.get(ref, False) or row["urgent"]
        for ref, urgent in sorted(due.items(), key=lambda item: (not item[1], item[0])):
            if ref not in self._running:
                if len(self._running) < CONCURRENT_CREDENTIALS:
                    self._start(ref, ref, tuple(Lane))
            elif urgent and EXPRESS + ref not in self._running:
                self._start(EXPRESS + ref, ref, (Lane.DEADLINE,))
        return len(self._running)

    def _start(self, name: str, ref: str, lanes: tuple[Lane, ...]) -> None:
        if self._leases.holds(LEASE + ref) is not None:
            task = asyncio.create_task(self._drain_safely(ref, lanes), name=f"effects {name}")
            self._running[name] = task
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, _: asyncio.Task[None]) -> None:
        self._running.pop(name, None)

    async def finish(self, seconds: float) -> None:
        """Take nothing new and wait for what is in the air; what is then still running stays IN_FLIGHT."""
        self.stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=seconds)
        for task in self._running.values():
            task.cancel()

    async def _drain_safely(self, ref: str, lanes: tuple[Lane, ...]) -> None:
        try:
            await self.drain(ref, lanes)
        except Exception as error:  # noqa: BLE001  one credential's failure must not stop the others
            if not is_storage_down(error):
                self._log.exception("effects_failed")
            else:
                self._log.warning("effects_wait_for_database", error=type(error).__name__)

    async def drain(self, ref: str, lanes: Sequence[Lane] = tuple(Lane)) -> None:
        """Work for one credential until nothing is due in these lanes or the lease is gone."""
        everything = len(lanes) == len(Lane)
        if everything:
            await self._lose_stale(ref)
        while not self.stopping and (lease := self._leases.holds(LEASE + ref)) is not None:
            claimed = await self._claim(ref, lease.fence, lanes)
            probed = await self._prober.step(ref) if everything else 0
            if claimed:
                await self._send(claimed)
            elif not probed:
                return

    async def _lose_stale(self, ref: str) -> None:
        """Effects of a worker that died: their time in the air is over and nobody recorded an answer."""
        async with self._transactions.begin() as tx:
            rows = await tx.conn.fetch(store.LOSE, self._book.active_ids(ref))
            for row in rows:
                self._tell_doubt(tx, store.effect_of(row), "no answer was recorded: the worker stopped")

    async def _claim(self, ref: str, fence: int, lanes: Sequence[Lane]) -> list[Effect]:
        connection_ids = self._book.active_ids(ref)
        pairs = [pair for pair in self._gates.open_pairs(connection_ids, list(self._kinds)) if pair[1] in lanes]
        if not pairs or not connection_ids:
            return []
        held = await self._held(connection_ids)
        limit = max(self._book.policy(each, kind).batch_size for each in connection_ids for kind in self._kinds)
        rows = await self._transactions.pool.fetch(
            store.CLAIM,
            connection_ids,
            [kind for kind, _ in pairs],
            [int(lane) for _, lane in pairs],
            limit * CONCURRENT_CALLS,
            fence,
            self._flight,
            [connection_id for connection_id, _ in held],
            [kind for _, kind in held],
        )
        effects = [store.effect_of(row) for row in rows]
        return sorted(effects, key=lambda e: (e.lane, e.deadline is None, e.deadline or e.effect_id.int))

    async def _held(self, connection_ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
        """What waits for a fuller batch. Where calls last nothing does, and nothing is asked."""
        pairs = [
            (each, kind)
            for each in connection_ids
            for kind in self._kinds
            if self._book.policy(each, kind).batch_size > 1 and self._short_of_calls(each, kind)
        ]
        if not pairs:
            return []
        rows = await self._transactions.pool.fetch(store.WAITING, [each for each, _ in pairs], [k for _, k in pairs])
        sizes = {pair: self._book.policy(*pair).batch_size for pair in pairs}
        return self._holds.held([Waiting(**row) for row in rows], lambda *pair: sizes[pair], pairs)

    async def _send(self, effects: Sequence[Effect]) -> None:
        size = self._book.policy(effects[0].connection_id, effects[0].kind).batch_size
        groups: dict[tuple[UUID, int], list[Effect]] = defaultdict(list)
        for effect in effects:
            groups[effect.connection_id, int(effect.lane)].append(effect)
        chunks = [group[i : i + size] for group in groups.values() for i in range(0, len(group), size)]
        slots = asyncio.Semaphore(CONCURRENT_CALLS)

        async def one(chunk: list[Effect]) -> None:
            async with slots:
                await self._call_and_record(chunk)

        await asyncio.gather(*(one(chunk) for chunk in chunks))

    async def _call_and_record(self, chunk: list[Effect]) -> None:
        attempts = Attempts(self._transactions.tracing, chunk, *self._names(chunk[0]))
        try:
            with use(attempts.trace(chunk)):
                await self._call_and_record_in_trace(chunk, attempts)
        finally:
            attempts.abandon()

    def _names(self, effect: Effect) -> tuple[str, str]:
        return self._book.connection(effect.connection_id).data.connector, self._kinds[effect.kind].operation

    async def _call_and_record_in_trace(self, chunk: list[Effect], attempts: Attempts) -> None:
        clock = self._transactions.clock
        started, began = clock.now(), clock.monotonic()
        outcomes = await self._call(chunk)
        seconds = clock.monotonic() - began
        async with self._transactions.begin() as tx:
            if tx.spans is not None:
                tx.spans.settle(attempts.steps)
            await self._record(tx, chunk, outcomes)
            await store.write_attempts(
                tx.conn,
                [
                    (e.effect_id, e.attempts, "call", started, seconds, o.state.value, o.reason[:2000], o.answer)
                    for e, o in zip(chunk, outcomes, strict=True)
                ],
            )
        attempts.end(outcomes)

    async def _call(self, chunk: list[Effect]) -> Sequence[Outcome]:
        kind = self._kinds[chunk[0].kind]
        try:
            async with asyncio.timeout(self._flight * 0.8):
                connector = self._book.connector(chunk[0].connection_id, chunk[0].lane)
                outcomes = await kind.execute(connector, chunk)
        except TimeoutError:
            return [Outcome.unknown("the call took longer than an effect may be in the air")] * len(chunk)
        except Exception as error:  # noqa: BLE001
            # A defect after sending must not look like "nothing happened"; its text may hold secrets, its type not.
            self._log.exception("connector_failed", cause=chunk[0].kind)
            return [Outcome.unknown(f"the connector failed: {type(error).__name__}")] * len(chunk)
        if len(outcomes) != len(chunk):
            return [Outcome.unknown("the connector did not account for every effect")] * len(chunk)
        return outcomes

    async def _record(self, tx: Tx, chunk: Sequence[Effect], outcomes: Sequence[Outcome]) -> None:
        delays = [self._delay(effect, outcome) for effect, outcome in zip(chunk, outcomes, strict=True)]
        rows = await tx.conn.fetch(
            store.RECORD,
            [e.effect_id for e in chunk],
            [e.attempts for e in chunk],
            [STATE_OF[o.state].value for o in outcomes],
            [store.dumps(o.answer) for o in outcomes],
            [o.reason[:2000] for o in outcomes],
            delays,
            [o.retry_if_not_applied for o in outcomes],
        )
        recorded = {row["effect_id"] for row in rows}
        settled: list[Settled] = []
        for effect, outcome in zip(chunk, outcomes, strict=True):
            if effect.effect_id not in recorded:
                self._log.warning("outcome_too_late", cause=effect.kind)
                continue
            state = STATE_OF[outcome.state]
            if state in (EffectState.DONE, EffectState.REJECTED):
                settled.append(Settled(effect, state, effect.answer | outcome.answer, outcome.reason, "answer"))
            elif state is EffectState.UNKNOWN:
                self._tell_doubt(tx, effect, outcome.reason)
            elif state is EffectState.RETRY:
                await self._after_retry(tx, effect, outcome)
        if settled:
            await self._kinds[chunk[0].kind].settled(tx, settled)
            await resume(tx, [stuck(s.effect, "").parked_id(tx.service) for s in settled], resolution="effect settled")

    async def _after_retry(self, tx: Tx, effect: Effect, outcome: Outcome) -> None:
        if outcome.retry_after is not None:
            self._gates.close(effect.connection_id, effect.kind, effect.lane, outcome.retry_after)
        if effect.attempts == STUCK_ATTEMPTS:
            await park(tx, [stuck(effect, outcome.reason)])

    def _delay(self, effect: Effect, outcome: Outcome) -> float:
        if outcome.state is OutcomeState.UNKNOWN:
            return self._book.policy(effect.connection_id, effect.kind).settle_seconds
        if outcome.retry_after is not None:
            return outcome.retry_after
        if outcome.state is not OutcomeState.RETRY:
            return 0.0
        ceiling = RETRY_MAX_DEADLINE_SECONDS if effect.deadline else RETRY_MAX_SECONDS
        delay = min(ceiling, RETRY_FIRST_SECONDS * 2.0 ** min(effect.attempts, 12))
        return delay / 2 + self._transactions.ids.jitter(delay / 2)

    def _tell_doubt(self, tx: Tx, effect: Effect, reason: str) -> None:
        tx.emit(
            EffectInDoubt(
                effect_id=effect.effect_id,
                owner=tx.service,
                kind=effect.kind,
                natural_key=effect.natural_key,
                order_id=effect.order_id,
                connection_id=effect.connection_id,
                reason=reason[:500],
                needs_operator=False,
            ),
            key=effect.order_id or effect.order_key,
            cause=effect.cause,
        )


def stuck(effect: Effect, reason: str) -> Park:
    """An effect that keeps being refused for passing reasons: somebody should look at the connection."""
    return Park(
        subject_kind="effect",
        subject_id=str(effect.effect_id),
        cause="effect_stuck",
        detail=f"{effect.kind} was tried {effect.attempts} times: {reason[:300]}",
        next_step="Check the connection's credentials and address; sending goes on by itself.",
        event_key=str(effect.order_id or effect.order_key),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
        due_at=effect.deadline,
    )
