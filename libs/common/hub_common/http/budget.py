"""Call budgets: a marketplace that is called more often than it allows blocks the account, and then deadlines pass.

The count of a credential as one process sees it. Whether another process counts the same calls is settled in
`budget_shared`, which keeps the count in the database.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector_kit.http import Lane
from connector_kit.manifest import Budget
from hub_common.clock import Clock
from hub_common.http.budget_bucket import Bucket, Penalty

EVERYTHING = "*"
"""Name under which the state keeps what holds for the whole credential; no operation is named so."""


class BudgetAway(Exception):
    """The count cannot be read or written now, so no call may be made."""


class CallBudget:
    """Budgets of one credential in one service.

    `overrides` are calls per hour and operation (`ConnectionChanged.budgets`); they replace the manifest's rate and
    keep its burst and reserve. `shared_quota`: a refusal of one operation means all of them. Times are from the
    injected clock.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        clock: Clock,
        overrides: Mapping[str, int] | None = None,
        *,
        shared_quota: bool = False,
    ) -> None:
        self._clock = clock
        self._declared = {budget.operation: budget for budget in budgets}
        self._overrides = dict(overrides or {})
        self._shared_quota = shared_quota
        self._buckets: dict[str, Bucket] = {}
        self._all = Penalty()
        self._planned: dict[str, float] = {}

    def _now(self) -> float:
        return self._clock.now().timestamp()

    @property
    def operations(self) -> tuple[str, ...]:
        """Operations that have a budget."""
        return tuple(self._declared)

    def used_buckets(self) -> Iterator[tuple[str, Bucket]]:
        """Operations that have been asked for so far, with their counts."""
        yield from list(self._buckets.items())

    def bucket(self, operation: str) -> Bucket:
        """The count of an operation. Raises `KeyError` for an operation without a budget."""
        found = self._buckets.get(operation)
        if found is None:
            if operation not in self._declared:
                raise KeyError(f"operation {operation!r} has no call budget")
            found = Bucket(self._declared[operation], self._overrides.get(operation), self._now())
            found.planned_per_hour = self._planned.get(operation, 0.0)
            if self._all.until > self._now():
                self._restrain(found)
            self._buckets[operation] = found
        return found

    def plan(self, operation: str, per_hour: float) -> None:
        """Calls of the live lane that will come: lower lanes leave room for them. Unknown operations are ignored."""
        self._planned[operation] = per_hour
        if operation in self._buckets:
            self._buckets[operation].planned_per_hour = per_hour

    async def take(self, operation: str, lane: Lane) -> float:
        """Like `try_take`. Raises `BudgetAway` where the count is kept elsewhere and cannot be reached."""
        return self.try_take(operation, lane)

    async def settle(self) -> None:
        """Write down what must not be forgotten (penalties), where the count is kept elsewhere."""

    def try_take(self, operation: str, lane: Lane) -> float:
        """Take one call: 0 = granted, else seconds until it is worth asking again.

        Only `Lane.DEADLINE` may use the reserve; who is told to wait goes before lower lanes. Raises `KeyError` for an
        operation without a budget.
        """
        wait = self.ask(operation, lane)
        if wait <= 0:
            bucket, now = self.bucket(operation), self._now()
            bucket.take(now)
            bucket.made(lane, now)
        return wait

    def ask(self, operation: str, lane: Lane) -> float:
        """Seconds that a call would have to wait; one that has to has the next turn of its lane."""
        bucket, now = self.bucket(operation), self._now()
        wait = max(bucket.wait(now, lane), self._all.until - now)
        if wait <= 0:
            return 0.0
        wait = math.ceil(wait * 1000) / 1000
        bucket.refused(lane, now, wait)
        return wait

    def available(self, operation: str, lane: Lane) -> int:
        """Calls that this lane could make at once. Raises `KeyError` for an operation without a budget."""
        bucket, now = self.bucket(operation), self._now()
        return 0 if self._all.until > now else bucket.available(now, lane)

    def penalised_until(self, operation: str) -> float:
        """Instant (seconds since 1970) until which nothing is granted; in the past when something is."""
        return max(self.bucket(operation).penalty.until, self._all.until)

    def penalise(self, operation: str, seconds: float) -> None:
        """Grant nothing for `seconds` (capped at six hours): the outside asked to wait.

        Where the quota is shared the whole credential waits.
        """
        penalty = self._all if self._shared_quota else self.bucket(operation).penalty
        penalty.extend(self._now(), seconds)

    def refused(self, operation: str, seconds: float | None, *, everything: bool = False) -> None:
        """The outside said 429. `seconds` None = without a hint: the wait doubles with each, up to ten minutes.

        `everything`: all operations are meant, whatever the quota. Afterwards calls begin one by one.
        """
        bucket, now = self.bucket(operation), self._now()
        wide = everything or self._shared_quota
        penalty = self._all if wide else bucket.penalty
        penalty.extend(now, penalty.guess(now) if seconds is None else seconds)
        if penalty.until > now:
            for each in self._buckets.values() if wide else (bucket,):
                self._restrain(each)

    def answered(self, operation: str) -> None:
        """The outside took a call: refusals are counted from the beginning again."""
        self.bucket(operation).penalty.strikes = self._all.strikes = 0

    def _restrain(self, bucket: Bucket) -> None:
        bucket.slow_start(max(bucket.penalty.until, self._all.until))

    def export_state(self) -> dict[str, Any]:
        """State as JSON-able data (instants as seconds since 1970)."""
        state: dict[str, Any] = {name: bucket.export() for name, bucket in self._buckets.items()}
        if self._all.until > self._now() or self._all.strikes:
            state[EVERYTHING] = self._all.export()
        return state

    def import_state(self, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Continue where another process stopped. Unknown operations are ignored.

        Returns the operations whose state could not be read: they start with an empty bucket, which errs on the
        side of calling too little, and is no reason to stop a connection.
        """
        now, unreadable = self._now(), []
        for name in [EVERYTHING, *self._declared]:
            if name not in state:
                continue
            try:
                if name == EVERYTHING:
                    self._all.restore(state[name], now)
                else:
                    self.bucket(name).restore(state[name], now, self._all.until)
            except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
                if name != EVERYTHING:
                    self.bucket(name).tokens, self.bucket(name).at = 0.0, now
                unreadable.append(name)
        return tuple(unreadable)
