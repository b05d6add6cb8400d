"""Stop calling what does not answer, and try again with one call at a time, so that a sick system can recover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hub_common.clock import Clock


class BreakerState(StrEnum):
    """`half_open`: one call is let through as a trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When to open and for how long, in seconds. Each failed trial doubles the wait."""

    failures: int = 5
    cool_down: float = 15.0
    longest: float = 300.0
    """A marketplace that is back must be noticed well within the shortest deadline (hours)."""
    jitter: float = 0.25
    """Share of the wait that is added at random, so that replicas do not try in step."""


class Breaker:
    """State for one connection and operation. `jitter(seconds)` gives a random share of `seconds` (`Ids.jitter`)."""

    def __init__(self, clock: Clock, jitter: Callable[[float], float], rules: BreakerRules | None = None) -> None:
        self._clock = clock
        self._jitter = jitter
        self._rules = rules or BreakerRules()
        self._failures = 0
        self._openings = 0
        self._until: float | None = None
        self._trial = False

    @property
    def state(self) -> BreakerState:
        """As a call would find it now."""
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock.monotonic() < self._until else BreakerState.HALF_OPEN

    def admit(self) -> float:
        """0 = call now (then `success`, `failure` or `release` must follow), else seconds to wait."""
        if self._until is None:
            return 0.0
        left = self._until - self._clock.monotonic()
        if left > 0:
            return left
        if self._trial:
            return self._rules.cool_down
        self._trial = True
        return 0.0

    def success(self) -> None:
        """The outside answered sensibly."""
        self._failures = self._openings = 0
        self._until, self._trial = None, False

    def failure(self) -> None:
        """No connection, no complete answer, or a 5xx."""
        was_trial = self.state is BreakerState.HALF_OPEN
        self._trial = False
        self._failures += 1
        if not was_trial and (self._until is not None or self._failures < self._rules.failures):
            return
        wait = min(self._rules.cool_down * 2.0**self._openings, self._rules.longest)
        self._openings = min(self._openings + 1, 30)
        self._until = self._clock.monotonic() + wait + self._jitter(wait * self._rules.jitter)

    def release(self) -> None:
        """The admitted call told nothing (not made after all, cancelled, 429): another may be the trial."""
        self._trial = False


class RetryBudget:
    """Limits in-call repeats to a share of all calls, so that repeats cannot double the load of a failing system."""

    def __init__(self, share: float = 0.1, most: float = 10.0) -> None:
        self._share = share
        self._most = most
        self._saved = 0.0

    def called(self) -> None:
        """Count a first attempt."""
        self._saved = min(self._saved + self._share, self._most)

    def take(self) -> bool:
        """Whether one repeat may be made now."""
        if self._saved < 1.0 - 1e-9:
            return False
        self._saved -= 1.0
        return True
