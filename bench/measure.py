"""Turns of subject and floors, and what is made of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one contender: events, wall seconds, and CPU seconds of this process (not of the servers)."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


@dataclass(slots=True)
class Watch:
    """Measures from the first call of `first` to the last call of `last`."""

    began: float = 0.0
    cpu_began: float = 0.0
    ended: float = 0.0
    cpu_ended: float = 0.0

    def first(self) -> None:
        """Work is in hand; only the first call counts."""
        if not self.began:
            self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def last(self) -> None:
        """Work is done so far; the last call counts."""
        self.ended, self.cpu_ended = time.perf_counter(), time.process_time()

    def sample(self, events: int) -> Sample:
        """What was measured."""
        return Sample(events, self.ended - self.began, self.cpu_ended - self.cpu_began)


Contender = Callable[[], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Subject over floor, per round."""

    median: float
    low: float
    high: float


async def take_turns(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[Sample]]:
    """Let every contender run once per round, in turning order, so that drift of the machine hits all alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(rounds):
        order = list(contenders) if number % 2 == 0 else list(contenders)[::-1]
        for name in order:
            gc.collect()
            sample = await contenders[name]()
            samples[name].append(sample)
            print(f"  round {number + 1}/{rounds}  {name:32} {sample.rate:10,.0f}/s", flush=True)
    return samples


def median_rate(samples: list[Sample]) -> float:
    """Events per second, median over the rounds."""
    return statistics.median(sample.rate for sample in samples)


def cpu_microseconds(samples: list[Sample]) -> float:
    """CPU microseconds of this process per event, median over the rounds."""
    return statistics.median(sample.cpu_seconds / sample.events for sample in samples) * 1e6


def ratio(subject: list[Sample], floor: list[Sample]) -> Ratio:
    """How the subject compares with the floor, round by round."""
    ratios = sorted(s.rate / f.rate for s, f in zip(subject, floor, strict=True))
    return Ratio(statistics.median(ratios), ratios[0], ratios[-1])
