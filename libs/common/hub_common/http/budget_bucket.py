"""One operation's count of calls: what is allowed now, to whom, and how long everybody else waits.

Two limits hold together: a token bucket (`burst` at once, refilled evenly) and the promise that no window of
`per_seconds` ever sees more than `calls`. A bucket alone would let `calls + burst` through. All instants are seconds
since 1970 on the injected clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from connector_kit.http import Lane
from connector_kit.manifest import Budget

LONGEST_PENALTY = 6 * 3600.0
"""Seconds. A nonsensical Retry-After must not silence a connection for days."""
HOUR = 3600.0
FIRST_GUESS = 30.0
"""Seconds without calls after a first 429 that does not say how long; doubled with each that follows."""
LONGEST_GUESS = 600.0
"""Seconds. A guess may not cost more than a small part of the shortest deadline (hours)."""
BLOCK_SECONDS = 5.0
"""Longest life of calls that were reserved ahead; their grants are stamped with its end."""
SEEN_SECONDS = 300
"""Calls are counted for the forecast in parts of five minutes…"""
SEEN_PARTS = 12
"""…of the last hour."""
TURN_SECONDS = 5.0
"""How long a lane's turn is kept after the instant it was told to come back: its caller looks every second or so."""
_GROUPS = 100
"""Grants closer than a hundredth of the window share the latest's stamp: small state, errors on the safe side."""
_TINY = 1e-6


class Penalty:
    """Nothing is granted before `until`; `strikes` counts refusals without a hint since the last answer."""

    def __init__(self) -> None:
        self.until = 0.0
        self.strikes = 0

    def extend(self, now: float, seconds: float) -> None:
        """Stay silent for `seconds` (capped at six hours) or longer."""
        self.until = max(self.until, now + min(max(seconds, 0.0), LONGEST_PENALTY))

    def guess(self, now: float) -> float:
        """Seconds to wait where nobody says how long. Answers to calls that were in the air together count once."""
        if self.until > now:
            return self.until - now
        wait = min(FIRST_GUESS * 2.0 ** min(self.strikes, 16), LONGEST_GUESS)
        self.strikes += 1
        return wait

    def export(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {"until": self.until, "strikes": self.strikes}

    def restore(self, state: Mapping[str, Any], now: float) -> None:
        """Raises `ValueError` and the like for anything but exported data."""
        until, strikes = float(state["until"]), int(state["strikes"])
        if not math.isfinite(until):
            raise ValueError("not finite")
        self.until, self.strikes = min(until, now + LONGEST_PENALTY), max(strikes, 0)


class Bucket:
    """The count of one operation of one credential."""

    def __init__(self, budget: Budget, calls_per_hour: int | None, now: float) -> None:
        self.calls, self.per = budget.calls, float(budget.per_seconds)
        if calls_per_hour is not None and calls_per_hour != budget.calls * 3600 // budget.per_seconds:
            self.calls, self.per = max(calls_per_hour, 0), 3600.0
        self.burst = min(budget.burst, self.calls)
        self.reserve = min(budget.deadline_reserve, max(self.burst - 1, 0))
        self.tokens, self.at = float(self.burst), now
        self.penalty = Penalty()
        self.turns: dict[Lane, float] = {}
        """Lanes that were told to wait, and until when lower lanes leave them the next call."""
        self.grants: list[list[float]] = []
        """`[latest stamp, count, first stamp]` of groups of grants inside the window, oldest first."""
        self.planned_per_hour = 0.0
        """Calls of the live lane that the service has said it will make (polls)."""
        self.seen: list[list[int]] = []
        """`[part of time, calls of each lane…]` of the last hour, oldest first."""

    @property
    def per_hour(self) -> float:
        """Calls an hour at the sustained rate."""
        return self.calls * 3600 / self.per

    @property
    def block_seconds(self) -> float:
        """How long calls reserved ahead may be kept: a small part of the window, which they lengthen."""
        return min(BLOCK_SECONDS, self.per / 20)

    def wait(self, now: float, lane: Lane) -> float:
        """Seconds until one call of this lane may be granted, 0 = now."""
        if self.calls == 0:
            return 3600.0
        self._refill(now)
        kept = self._kept(now, lane)
        missing = 1 + kept - self.tokens
        by_tokens = missing * self.per / self.calls if missing > _TINY else 0.0
        by_window = self._window_wait(now, max(kept, self._expected(now, lane)))
        return max(by_tokens, by_window, self.penalty.until - now, 0.0)

    def take(self, now: float, count: int = 1, stamp: float | None = None) -> None:
        """Count calls that were granted, as used at `stamp` (now)."""
        at = now if stamp is None else stamp
        self.tokens = max(self.tokens - count, 0.0)
        last = self.grants[-1] if self.grants else None
        if last is not None and at - last[2] < self.per / _GROUPS:
            last[0], last[1] = max(at, last[0]), last[1] + count
        else:
            self.grants.append([max(at, last[0]) if last else at, count, at])

    def give_back(self, count: int, stamp: float) -> None:
        """Calls reserved with this stamp were not made and will not be."""
        for group in reversed(self.grants):
            if group[0] < stamp - _TINY or count <= 0:
                break
            returned = min(count, int(group[1]))
            group[1], count = group[1] - returned, count - returned
            self.tokens = min(self.tokens + returned, float(self.burst))
        self.grants = [group for group in self.grants if group[1] > 0]

    def refused(self, lane: Lane, now: float, wait: float) -> None:
        """A call was told to come back: lower lanes leave the next grant to it."""
        if lane is not Lane.BULK and self.calls:
            self.turns[lane] = now + wait + TURN_SECONDS

    def made(self, lane: Lane, now: float) -> None:
        """A call goes out: its lane's turn is over, and the forecast learns of it."""
        self.turns.pop(lane, None)
        part = int(now // SEEN_SECONDS)
        if not self.seen or self.seen[-1][0] < part:
            self.seen = [each for each in self.seen if each[0] > part - SEEN_PARTS]
            self.seen.append([part, *(0 for _ in Lane)])
        self.seen[-1][1 + lane] += 1

    def seen_last_hour(self, now: float, below: Lane) -> int:
        """Calls made in the last hour on lanes above this one."""
        first = int(now // SEEN_SECONDS) - SEEN_PARTS
        return sum(sum(each[1 : 1 + below]) for each in self.seen if each[0] > first)

    def seen_last_hour_on(self, now: float, lane: Lane) -> int:
        """Calls made in the last hour on this lane."""
        first = int(now // SEEN_SECONDS) - SEEN_PARTS
        return sum(each[1 + lane] for each in self.seen if each[0] > first)

    def slow_start(self, until: float) -> None:
        """Begin with single calls after a silence: bursts alone can be what the outside objects to."""
        refilled = max(until - self.at, 0.0) * self.calls / self.per
        self.tokens = min(self.tokens + refilled, 1.0)
        self.at = max(self.at, until)

    def others_turn(self, now: float, lane: Lane) -> bool:
        """A higher lane waits for the next call."""
        return any(each < lane and until > now for each, until in self.turns.items())

    def available(self, now: float, lane: Lane) -> int:
        """Calls that this lane could make at once."""
        if self.calls == 0 or self.penalty.until > now:
            return 0
        kept, room = self._kept(now, lane), self.calls - self.used(now)
        return max(int(min(self.tokens + _TINY - kept, room - max(kept, self._expected(now, lane)))), 0)

    def used(self, now: float) -> int:
        """Calls granted within the window that ends now."""
        self._refill(now)
        return int(sum(count for _, count, _ in self.grants))

    def _kept(self, now: float, lane: Lane) -> int:
        """Calls that this lane leaves to higher ones: the declared reserve, one of any burst, one per lane waiting.

        What is always left costs nothing: an unused token does not slow the refill of the others.
        """
        kept = 0 if lane is Lane.DEADLINE else self.reserve
        if lane > Lane.LIVE:
            kept = max(kept, 1 if self.burst > 1 else 0)
        return kept + sum(1 for each, until in self.turns.items() if each < lane and until > now)

    def _expected(self, now: float, lane: Lane) -> int:
        """Calls that higher lanes will make, as planned or at the pace of the last hour, before the window gives one
        back.

        Tokens come back evenly, but a window that began with a burst gives nothing back for a while at its end.
        """
        if lane is Lane.DEADLINE or not self.grants:
            return 0
        gap = max(self.grants[0][0] + self.per - now, 0.0)
        planned = self.planned_per_hour if lane > Lane.LIVE else 0.0
        return min(math.ceil(max(planned, self.seen_last_hour(now, lane)) * gap / HOUR), self.calls - 1)

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
        """As JSON-able data."""
        return {
            "tokens": round(self.tokens, 6),
            "at": self.at,
            "blocked_until": self.penalty.until,
            "strikes": self.penalty.strikes,
            "grants": [list(group) for group in self.grants],
            "turns": {str(int(lane)): until for lane, until in self.turns.items()},
            "seen": [list(each) for each in self.seen],
        }

    def restore(self, state: Mapping[str, Any], now: float, silent_until: float = 0.0) -> None:
        """Go on from exported data. Raises `ValueError` and the like for anything else.

        `silent_until`: end of a penalty of the whole credential. Instants that lie ahead come from a process whose
        clock runs ahead: they are brought back to now, except that reserved calls may be used until the end of their
        block.
        """
        tokens, at = float(state["tokens"]), float(state["at"])
        latest = now + self.block_seconds
        grants = [[min(float(a), latest), int(n), min(float(b), latest)] for a, n, b in state["grants"]]
        turns = {Lane(int(lane)): float(until) for lane, until in state.get("turns", {}).items()}
        seen = [[int(each[i]) for i in range(1 + len(Lane))] for each in state.get("seen", [])]
        if not all(map(math.isfinite, (tokens, at, *turns.values()))):
            raise ValueError("not finite")
        self.penalty.restore({"until": state["blocked_until"], "strikes": state.get("strikes", 0)}, now)
        silent_until = max(self.penalty.until, silent_until)
        self.tokens, self.at = min(max(tokens, 0.0), float(self.burst)), min(at, max(now, silent_until))
        self.grants = sorted(grants)
        self.turns = {lane: min(until, now + LONGEST_PENALTY) for lane, until in turns.items() if until > now}
        self.seen = seen[-SEEN_PARTS:]
