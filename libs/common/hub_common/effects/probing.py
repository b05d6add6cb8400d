"""Finds out what became of effects in doubt, by re-reading the outside system, and settles them.

"Not applied" is believed only after the settle time and as many times in a row as the connector demands: a slow
server may still be working on our first call, and sending again then would do it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from connector_kit.http import CallError
from connector_kit.manifest import EffectPolicy
from connector_kit.outcome import ProbeResult, ProbeState
from hub_common.connectors import ConnectorBook
from hub_common.effects import store
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.logs import get_logger
from hub_common.parked import Park, park, resume
from hub_common.trace import parse, use
from hub_common.tracing import Step
from hub_common.tracing_work import probing
from hub_common.transactions import Transactions
from hub_common.tx import Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.work import EffectInDoubt, EffectSettled

PROBE_SECONDS = 30
PROBES_AT_ONCE = 8
FIRST_DELAY_SECONDS = 2.0
MAX_DELAY_SECONDS = 300.0
OPERATOR_DELAY_SECONDS = 900.0
"""When only a person can decide, the outside is still looked at now and then: it may become visible."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe's answer means for the effect."""

    state: EffectState | None
    """None: as it was; the probe could not look."""
    delay: float
    not_applied_seen: int
    needs_operator: bool


def judge(effect: Effect, result: ProbeResult, policy: EffectPolicy) -> Verdict:
    """Decide from what the probe saw. Pure."""
    if result.state is ProbeState.APPLIED:
        return Verdict(EffectState.DONE, 0, 0, False)
    if result.state is ProbeState.REJECTED:
        return Verdict(EffectState.REJECTED, 0, 0, False)
    if result.state is ProbeState.PENDING:
        wait = backoff(effect.probes) if result.check_after is None else result.check_after
        return Verdict(EffectState.SENT, wait, 0, False)
    if result.state is ProbeState.NOT_APPLIED:
        seen = effect.not_applied_seen + 1
        if seen < policy.confirmations:
            return Verdict(EffectState.UNKNOWN, max(policy.settle_seconds, 1.0), seen, False)
        state = EffectState.RETRY if effect.retry_if_not_applied else EffectState.REJECTED
        return Verdict(state, 0, seen, False)
    if policy.on_undecided == "retry":
        return Verdict(EffectState.RETRY, 0, 0, False)
    return Verdict(EffectState.UNKNOWN, OPERATOR_DELAY_SECONDS, effect.not_applied_seen, True)


def backoff(probes: int) -> float:
    """Seconds until the next look, growing with each."""
    return min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(probes, 10))


class Prober:
    """Probes effects of one credential; the caller holds its lease."""

    def __init__(self, transactions: Transactions, book: ConnectorBook, kinds: Mapping[str, EffectKind]) -> None:
        self._transactions = transactions
        self._book = book
        self._kinds = kinds
        self._log = get_logger(transactions.service)

    async def step(self, ref: str) -> int:
        """Probe what is due; returns how many effects were looked at."""
        rows = await self._transactions.pool.fetch(
            store.CLAIM_PROBES, self._book.active_ids(ref), list(self._kinds), PROBES_AT_ONCE
        )
        effects = [store.effect_of(row) for row in rows]
        await asyncio.gather(*(self._probe(effect) for effect in effects))
        return len(effects)

    async def _probe(self, effect: Effect) -> None:
        kind, connector = self._kinds[effect.kind], self._book.connection(effect.connection_id).data.connector
        step = probing(self._transactions.tracing, effect, connector, kind.probe_operation or kind.operation)
        outcome = "not_recorded"
        try:
            with use(step.trace if step is not None else parse(effect.traceparent)):
                outcome = await self._probe_in_trace(effect, step)
        finally:
            if step is not None:
                step.end("" if outcome != "not_recorded" else outcome, {"hub.effect.outcome": outcome})

    async def _probe_in_trace(self, effect: Effect, step: Step | None) -> str:
        clock = self._transactions.clock
        started, began = clock.now(), clock.monotonic()
        policy = self._book.policy(effect.connection_id, effect.kind)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                connector = self._book.connector(effect.connection_id, effect.lane)
                result = await self._kinds[effect.kind].probe(connector, effect)
            verdict = judge(effect, result, policy)
        except (CallError, TimeoutError) as error:
            wait = getattr(error, "retry_after", None) or backoff(effect.probes)
            result = ProbeResult(ProbeState.PENDING, f"the outside could not be read: {type(error).__name__}")
            verdict = Verdict(None, wait, effect.not_applied_seen, False)
        except Exception as error:  # noqa: BLE001  a defect must leave the effect in doubt, not unrecorded
            self._log.exception("probe_failed", cause=effect.kind)
            result = ProbeResult(ProbeState.UNDECIDED, f"the probe failed: {type(error).__name__}")
            verdict = Verdict(EffectState.UNKNOWN, MAX_DELAY_SECONDS, effect.not_applied_seen, True)
        async with self._transactions.begin() as tx:
            if tx.spans is not None:
                tx.spans.settle([step])
            done = await self._record(tx, effect, result, verdict)
            row = (
                effect.effect_id,
                effect.attempts,
                f"probe {effect.probes + 1}",
                started,
                clock.monotonic() - began,
                result.state.value,
                result.evidence[:2000],
                result.answer,
            )
            if done:
                await store.write_attempts(tx.conn, [row])
        return result.state.value

    async def _record(self, tx: Tx, effect: Effect, result: ProbeResult, verdict: Verdict) -> bool:
        return await settle(tx, self._kinds, effect, verdict, result.evidence, result.answer, by="probe")


async def settle(
    tx: Tx,
    kinds: Mapping[str, EffectKind],
    effect: Effect,
    verdict: Verdict,
    evidence: str,
    answer: Mapping[str, Any],
    *,
    by: str,
) -> bool:
    """Record a verdict on an effect in doubt and tell it; False when somebody else settled it meanwhile."""
    updated = await tx.conn.fetchval(
        store.RECORD_PROBE,
        effect.effect_id,
        verdict.state.value if verdict.state else None,
        store.dumps(dict(answer)),
        evidence[:2000],
        verdict.not_applied_seen,
        verdict.delay,
        verdict.needs_operator,
        by,
        effect.attempts,
    )
    if updated is None:
        return False
    key = effect.order_id or effect.order_key
    if verdict.needs_operator:
        if await park(tx, [_for_operator(effect, evidence)]):
            tx.emit(
                EffectInDoubt(
                    effect_id=effect.effect_id,
                    owner=tx.service,
                    kind=effect.kind,
                    natural_key=effect.natural_key,
                    order_id=effect.order_id,
                    connection_id=effect.connection_id,
                    reason=evidence[:500],
                    needs_operator=True,
                ),
                key=key,
                cause=effect.cause,
            )
        return True
    if verdict.state in (EffectState.DONE, EffectState.REJECTED, EffectState.RETRY):
        await resume(tx, _parked_ids(tx.service, effect.effect_id), resolution=f"effect is {verdict.state}", actor=by)
        tx.emit(
            EffectSettled(
                effect_id=effect.effect_id,
                owner=tx.service,
                kind=effect.kind,
                natural_key=effect.natural_key,
                order_id=effect.order_id,
                connection_id=effect.connection_id,
                state=verdict.state.value,
                evidence=evidence[:500],
                settled_by=by,
            ),
            key=key,
            cause=effect.cause,
        )
    if verdict.state in (EffectState.DONE, EffectState.REJECTED):
        reason = effect.reason or evidence
        merged = effect.answer | dict(answer)
        await kinds[effect.kind].settled(tx, [Settled(effect, verdict.state, merged, reason, by)])
    return True


def _parked_ids(service: str, effect_id: UUID) -> list[UUID]:
    return [parked_id_for(service, "effect", str(effect_id), cause) for cause in ("effect_unknown", "effect_stuck")]


def _for_operator(effect: Effect, evidence: str) -> Park:
    return Park(
        subject_kind="effect",
        subject_id=str(effect.effect_id),
        cause="effect_unknown",
        detail=f"{effect.kind} may or may not have been applied: {evidence[:300]}",
        next_step="Look at the marketplace and settle the effect as applied or not applied.",
        event_key=str(effect.order_id or effect.order_key),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
        due_at=effect.deadline,
    )
