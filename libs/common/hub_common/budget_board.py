"""What is left of every call budget and whether it will last: for metrics, for operators, for the effect worker.

Counts are those of all replicas (they share rows); demand is what waits in the effects table, what was called in the
last hour, and what the service says it will call.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from connector_kit.http import Lane
from connector_kit.manifest import Manifest
from hub_common.callers import CallerBook
from hub_common.clock import Clock
from hub_common.connections import Connection
from hub_common.connectors import ConnectorBook
from hub_common.effects import store
from hub_common.http import CallBudget
from hub_common.http.budget_forecast import Demand, Forecast, PlannedCalls, Supply, Verdict, forecast

Key = tuple[str, str]
"""Credential and operation (with the service's prefix)."""
PlanCalls = Callable[[], Awaitable[Sequence[PlannedCalls]]]
PLAN_SECONDS = 30.0
"""How old a service's own plan of calls may be: polls and backfills change slowly, and asking goes over all of them."""


def credential_label(credential_ref: str) -> str:
    """Short name of a credential for metrics and people; nothing can be computed back from it."""
    return hashlib.sha256(credential_ref.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One operation of one credential, now."""

    credential_ref: str
    connector: str
    connections: tuple[UUID, ...]
    operation: str
    calls: int
    per_seconds: float
    burst: int
    reserve: int
    used: int
    left: int
    penalised_until: datetime | None
    quota: str
    forecast: Forecast

    @property
    def used_ratio(self) -> float:
        """Share of the window's calls that are used; 1 where none are allowed."""
        return self.used / self.calls if self.calls else 1.0

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        seen = self.forecast
        return {
            "credential": credential_label(self.credential_ref),
            "connections": list(self.connections),
            "connector": self.connector,
            "operation": self.operation,
            "quota": self.quota,
            "calls": self.calls,
            "window_seconds": int(self.per_seconds) if self.per_seconds == int(self.per_seconds) else self.per_seconds,
            "burst": self.burst,
            "reserve": self.reserve,
            "used": self.used,
            "left": self.left,
            "penalised_until": self.penalised_until,
            "verdict": seen.verdict.value,
            "needed_next_hour": seen.needed,
            "allowed_next_hour": seen.allowed,
            "waiting": seen.waiting,
            "bulk_left": seen.bulk,
            "exhausted_at": seen.exhausted_at,
            "bulk_done_at": seen.bulk_done_at,
            "forecast": seen.sentence,
        }


class BudgetBoard:
    """Forecasts of one service. `refresh` reads the demand; everything else is memory."""

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        callers: CallerBook,
        book: ConnectorBook,
        clock: Clock,
        *,
        service: str,
        plan: PlanCalls | None = None,
    ) -> None:
        self._pool, self._callers, self._book, self._clock = pool, callers, book, clock
        self._service, self._plan = service, plan
        self._waiting: dict[Key, int] = {}
        self._bulk: dict[Key, int] = {}
        self._planned: dict[Key, PlannedCalls] = {}
        self._planned_at = -math.inf

    async def refresh(self) -> None:
        """Read what waits, in one statement, and now and then the service's own plan, which budgets learn as well."""
        rows = await self._pool.fetch(store.OPEN_BY_LANE)
        waiting: dict[Key, int] = {}
        bulk: dict[Key, int] = {}
        active = set(self._book.active_ids())
        for row in rows:
            if row["connection_id"] in active:
                key, size = self._key(row["connection_id"], row["kind"])
                kept = bulk if row["bulk"] else waiting
                kept[key] = kept.get(key, 0) + -(-row["count"] // size)
        self._waiting, self._bulk = waiting, bulk
        now = self._clock.monotonic()
        if self._plan is not None and now - self._planned_at >= PLAN_SECONDS:
            prefix = self._callers.operation_prefix
            self._planned = {(each.credential_ref, prefix + each.operation): each for each in await self._plan()}
            self._planned_at = now
            budgets = self._callers.budgets
            for (ref, operation), each in self._planned.items():
                if ref in budgets:
                    budgets[ref].plan(operation, each.per_hour)

    def _key(self, connection_id: UUID, kind: str) -> tuple[Key, int]:
        """Where effects of a kind are counted, and how many one call takes."""
        policy = self._book.policy(connection_id, kind)
        ref = self._book.connection(connection_id).data.credential_ref
        return (ref, self._callers.operation_prefix + policy.operation), policy.batch_size

    def short_of_calls(self, connection_id: UUID, kind: str) -> bool:
        """Whether calls for effects of this kind may not last, as far as is known."""
        (ref, operation), _ = self._key(connection_id, kind)
        budget = self._callers.budget(self._book.connection(connection_id), self._book.manifest(connection_id))
        if operation not in budget.operations:
            return False
        return self._forecast(ref, operation, budget).verdict is not Verdict.OK

    def lines(self, most: int) -> list[BudgetLine]:
        """The budgets that this process has used, those nearest to their end first."""
        now, credentials, budgets = self._clock.now().timestamp(), self._credentials(), self._callers.budgets
        used = (
            (budget.penalised_until(name) > now, bucket.used(now) / max(bucket.calls, 1), ref, name)
            for ref, budget in budgets.items()
            if ref in credentials
            for name, bucket in budget.used_buckets()
        )
        found: list[BudgetLine] = []
        # Forecasts are made for these only: with ten thousand credentials the rest would hold everything up.
        for _, _, ref, name in heapq.nlargest(most, used):
            found += self._lines_of(ref, *credentials[ref], budgets[ref], [name])
        return sorted(found, key=lambda line: (-line.forecast.ratio, -line.used_ratio))

    async def all_lines(self, *, connector: str | None = None, limit: int = 1000) -> list[BudgetLine]:
        """All budgets of this service's operations, of at most `limit` credentials, wherever they are used."""
        await self.refresh()
        chosen = {
            ref: found for ref, found in sorted(self._credentials().items()) if connector in (None, found[1].name)
        }
        chosen = dict(list(chosen.items())[:limit])
        budgets = await self._callers.look((first, manifest) for first, manifest, _ in chosen.values())
        found: list[BudgetLine] = []
        for ref, (first, manifest, ids) in chosen.items():
            used = {name for name, _ in budgets[ref].used_buckets()}
            own = [b.operation for b in manifest.budgets if b.owner == self._service or b.operation in used]
            found += self._lines_of(ref, first, manifest, ids, budgets[ref], own)
        return sorted(found, key=lambda line: (-line.forecast.ratio, -line.used_ratio))

    def _credentials(self) -> dict[str, tuple[Connection, Manifest, tuple[UUID, ...]]]:
        found: dict[str, tuple[Connection, Manifest, tuple[UUID, ...]]] = {}
        for connection_id in self._book.active_ids():
            connection = self._book.connection(connection_id)
            ref = connection.data.credential_ref
            if ref in found:
                first, manifest, ids = found[ref]
                found[ref] = (first, manifest, (*ids, connection_id))
            else:
                found[ref] = (connection, self._book.manifest(connection_id), (connection_id,))
        return found

    def _lines_of(
        self,
        ref: str,
        connection: Connection,
        manifest: Manifest,
        ids: tuple[UUID, ...],
        budget: CallBudget,
        operations: Iterable[str],
    ) -> Iterable[BudgetLine]:
        now = self._clock.now().timestamp()
        for operation in operations:
            bucket, seen = budget.bucket(operation), self._forecast(ref, operation, budget)
            until = budget.penalised_until(operation)
            yield BudgetLine(
                credential_ref=ref,
                connector=manifest.name,
                connections=ids,
                operation=operation,
                calls=bucket.calls,
                per_seconds=bucket.per,
                burst=bucket.burst,
                reserve=bucket.reserve,
                used=bucket.used(now),
                left=0 if until > now else bucket.available(now, Lane.DEADLINE),
                penalised_until=datetime.fromtimestamp(until, UTC) if until > now else None,
                quota=manifest.quota,
                forecast=seen,
            )

    def _forecast(self, ref: str, operation: str, budget: CallBudget) -> Forecast:
        instant = self._clock.now()
        now, bucket, key = instant.timestamp(), budget.bucket(operation), (ref, operation)
        called = bucket.seen_last_hour(now, Lane.BULK)
        plan = self._planned.get(key)
        demand = Demand(
            per_hour=max(float(called), plan.per_hour if plan else 0.0),
            waiting=self._waiting.get(key, 0),
            bulk=self._bulk.get(key, 0) + (plan.bulk if plan else 0),
        )
        # A penalty takes no calls away, it moves them: what is left counts without it, the silence on its own.
        left = max(int(min(bucket.tokens, bucket.calls - bucket.used(now))), 0)
        supply = Supply(
            bucket.calls, bucket.per, bucket.used(now), left, max(budget.penalised_until(operation) - now, 0.0)
        )
        return forecast(supply, demand, instant)
