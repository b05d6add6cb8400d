"""Call budgets: a marketplace that is called more often than it allows blocks the account, and then deadlines pass.

Two limits hold together for each operation of a credential: a token bucket (`burst` at once, refilled evenly) and the
promise that no window of `per_seconds` ever sees more than `calls`. A bucket alone would let `calls + burst` through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from connector_kit.http import Lane
from connector_kit.manifest import Budget
from hub_common.clock import Clock

LONGEST_PENALTY = 6 * 3600.0
"""Seconds. A nonsensical Retry-After must not silence a connection for days."""
_GROUPS = 100
"""Grants closer than a hundredth of the window share the latest's stamp: small state, errors on the safe side."""
_TINY = 1e-6


class CallBudget:
    """Budgets of one credential in one service; its state lives beside the credential's lease.

    `overrides` are calls per hour and operation (`ConnectionChanged.budgets`); they replace the manifest's rate and
    keep its burst and reserve. Times are from the injected clock.
    """

    def __init__(self, budgets: Sequence[Budget], clock: Clock, overrides: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        given = overrides or {}
        self._buckets = {b.operation: _Bucket(b, given.get(b.operation), self._now()) for b in budgets}

    def _now(self) -> float:
        return self._clock.now().timestamp()

    @property
    def operations(self) -> tuple[str, ...]:
        """Operations that have a budget."""
        return tuple(self._buckets)

    def try_take(self, operation: str, lane: Lane) -> float:
        """Take one call: 0 = granted, else seconds until it is worth asking again.

        Only `Lane.DEADLINE` may use the reserve. Raises `KeyError` for an operation without a budget.
        """
        bucket, now = self._bucket(operation), self._now()
        wait = bucket.wait(now, lane)
        if wait <= 0:
            bucket.take(now)
            return 0.0
        return math.ceil(wait * 1000) / 1000

    def available(self, operation: str, lane: Lane) -> int:
        """Calls that this lane could make at once. Raises `KeyError` for an operation without a budget."""
        return self._bucket(operation).available(self._now(), lane)

    def penalise(self, operation: str, seconds: float) -> None:
        """Grant nothing for `seconds` (capped at six hours): the outside said 429 or asked to wait."""
        bucket, now = self._bucket(operation), self._now()
        bucket.blocked_until = max(bucket.blocked_until, now + min(max(seconds, 0.0), LONGEST_PENALTY))

    def export_state(self) -> dict[str, Any]:
        """State as JSON-able data (instants as seconds since 1970)."""
        return {name: bucket.export() for name, bucket in self._buckets.items()}

    def import_state(self, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Continue where the last holder of the lease stopped. Unknown operations are ignored.

        Returns the operations whose state could not be read: they start with an empty bucket, which errs on the
        side of calling too little, and is no reason to stop a connection.
        """
        now, unreadable = self._now(), []
        for name, bucket in self._buckets.items():
            if name not in state:
                continue
            try:
                bucket.restore(state[name], now)
            except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
                bucket.tokens, bucket.at = 0.0, now
                unreadable.append(name)
        return tuple(unreadable)

    def _bucket(self, operation: str) -> _Bucket:
        try:
            return self._buckets[operation]
        except KeyError:
            raise KeyError(f"operation {operation!r} has no call budget") from None


class _Bucket:
    def __init__(self, budget: Budget, calls_per_hour: int | None, now: float) -> None:
        self.calls, self.per = budget.calls, float(budget.per_seconds)
        if calls_per_hour is not None and calls_per_hour != budget.calls * 3600 // budget.per_seconds:
            self.calls, self.per = max(calls_per_hour, 0), 3600.0
        self.burst = min(budget.burst, self.calls)
        self.reserve = min(budget.deadline_reserve, max(self.burst - 1, 0))
        self.tokens, self.at = float(self.burst), now
        self.blocked_until = 0.0
        self.grants: list[list[float]] = []
        """`[latest stamp, count, first stamp]` of groups of grants inside the window, oldest first."""

    def wait(self, now: float, lane: Lane) -> float:
        if self.calls == 0:
            return 3600.0
        self._refill(now)
        kept = 0 if lane is Lane.DEADLINE else self.reserve
        missing = 1 + kept - self.tokens
        by_tokens = missing * self.per / self.calls if missing > _TINY else 0.0
        return max(by_tokens, self._window_wait(now, kept), self.blocked_until - now, 0.0)

    def take(self, now: float) -> None:
        self.tokens = max(self.tokens - 1, 0.0)
        last = self.grants[-1] if self.grants else None
        if last is not None and now - last[2] < self.per / _GROUPS:
            last[0], last[1] = max(now, last[0]), last[1] + 1
        else:
            self.grants.append([max(now, last[0]) if last else now, 1, now])

    def available(self, now: float, lane: Lane) -> int:
        if self.calls == 0 or self.blocked_until > now:
            return 0
        self._refill(now)
        kept = 0 if lane is Lane.DEADLINE else self.reserve
        used = sum(count for _, count, _ in self.grants)
        return max(int(min(self.tokens + _TINY, self.calls - used) - kept), 0)

    def _refill(self, now: float) -> None:
        self.tokens = min(self.tokens + max(now - self.at, 0.0) * self.calls / self.per, float(self.burst))
        self.at = max(now, self.at)
        while self.grants and self.grants[0][0] <= now - self.per:
            self.grants.pop(0)

    def _window_wait(self, now: float, kept: int) -> float:
        over = sum(count for _, count, _ in self.grants) + 1 + kept - self.calls
        for stamp, count, _ in self.grants:
            if over <= 0:
                break
            over -= int(count)
            if over <= 0:
                return stamp + self.per - now
        return 0.0

    def export(self) -> dict[str, Any]:
        return {
            "tokens": round(self.tokens, 6),
            "at": self.at,
            "blocked_until": self.blocked_until,
            "grants": [list(group) for group in self.grants],
        }

    def restore(self, state: Mapping[str, Any], now: float) -> None:
        tokens, at, blocked = float(state["tokens"]), float(state["at"]), float(state["blocked_until"])
        grants = [[min(float(a), now), int(n), min(float(b), now)] for a, n, b in state["grants"]]
        if not all(map(math.isfinite, (tokens, at, blocked))):
            raise ValueError("not finite")
        self.tokens, self.at = min(max(tokens, 0.0), float(self.burst)), min(at, now)
        self.blocked_until = min(blocked, now + LONGEST_PENALTY)
        self.grants = sorted(grants)
