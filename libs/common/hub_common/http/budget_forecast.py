"""Will the calls last? Demand of the next hour against what may be called in it. Pure.

A quota that runs out at noon is seen at nine, while sellers can still ask for a larger one or slow something down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HOUR = 3600.0
TIGHT = 0.8
"""Share of the calls from which on one unlucky hour (a burst of orders, one penalty) is enough to run out."""


class Verdict(StrEnum):
    """`tight`: it lasts if nothing else comes. `short`: it does not last."""

    OK = "ok"
    TIGHT = "tight"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class PlannedCalls:
    """Calls that a service knows of beforehand. `per_hour`: polls; `bulk`: calls that a backfill still needs."""

    credential_ref: str
    operation: str
    per_hour: float = 0.0
    bulk: int = 0


@dataclass(frozen=True, slots=True)
class Supply:
    """What may be called: `calls` per `per_seconds`; `left` at once, the reserve included."""

    calls: int
    per_seconds: float
    used: int
    left: int
    penalised_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What is wanted: calls an hour above bulk, calls that wait now, calls that bulk work still needs."""

    per_hour: float = 0.0
    waiting: int = 0
    bulk: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """The next hour. `needed` and `allowed` are calls; instants are UTC."""

    needed: int
    allowed: int
    waiting: int
    bulk: int
    ratio: float
    verdict: Verdict
    exhausted_at: datetime | None
    bulk_done_at: datetime | None
    penalised_until: datetime | None

    @property
    def sentence(self) -> str:
        """For people."""
        text = f"the next hour needs {self.needed} of {self.allowed} calls"
        if self.waiting:
            text += f", {self.waiting} of them wait now"
        if self.penalised_until is not None:
            text += f"; nothing may be called until {_time(self.penalised_until)}"
        if self.verdict is Verdict.SHORT:
            text += "; they do not last" + (f" beyond {_time(self.exhausted_at)}" if self.exhausted_at else "")
        elif self.verdict is Verdict.TIGHT:
            text += "; tight"
        if self.bulk:
            when = (
                f"done at about {_time(self.bulk_done_at)}" if self.bulk_done_at else "for which nothing is left over"
            )
            text += f"; bulk work needs {self.bulk} more, {when}"
        return text


def forecast(supply: Supply, demand: Demand, now: datetime) -> Forecast:
    """Set demand against supply for the hour that begins at `now`."""
    rate = supply.calls * HOUR / supply.per_seconds
    silent = min(max(supply.penalised_seconds, 0.0), HOUR)
    most = supply.calls if supply.per_seconds >= HOUR else rate
    allowed = min(supply.left + rate * (HOUR - silent) / HOUR, most * (HOUR - silent) / HOUR)
    needed = demand.per_hour + demand.waiting
    ratio = needed / allowed if allowed else (math.inf if needed else 0.0)
    if ratio > 1:
        verdict = Verdict.SHORT
    elif ratio >= TIGHT or demand.waiting > supply.left:
        verdict = Verdict.TIGHT
    else:
        verdict = Verdict.OK
    return Forecast(
        needed=round(needed),
        allowed=int(allowed),
        waiting=demand.waiting,
        bulk=demand.bulk,
        ratio=ratio,
        verdict=verdict,
        exhausted_at=_exhausted(supply, needed, rate, now) if verdict is Verdict.SHORT else None,
        bulk_done_at=_bulk_done(demand, rate - needed, now),
        penalised_until=now + timedelta(seconds=supply.penalised_seconds) if supply.penalised_seconds > 0 else None,
    )


def _exhausted(supply: Supply, needed: float, rate: float, now: datetime) -> datetime:
    """When what is left is used up, if calls come evenly at the pace of demand while `rate` an hour come back."""
    if supply.penalised_seconds > 0 or needed <= rate:
        return now
    return now + timedelta(seconds=supply.left * HOUR / (needed - rate))


def _bulk_done(demand: Demand, spare: float, now: datetime) -> datetime | None:
    return now + timedelta(seconds=demand.bulk * HOUR / spare) if demand.bulk and spare > 0 else None


def _time(instant: datetime | None) -> str:
    return f"{instant:%H:%M} UTC" if instant else ""
