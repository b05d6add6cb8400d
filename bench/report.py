"""Figures, as a table for people and as JSON for comparisons over time."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Sample, cpu_microseconds, median_rate, ratio

FILE = "bench.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report. `value` is compared with `target`; `higher` says which side of it is good."""

    bench: str
    what: str
    against: str
    measured: str
    value: float
    spread: str
    target: float
    unit: str
    higher: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        return self.value >= self.target if self.higher else self.value <= self.target


def compared(
    bench: str, subject: str, samples: Mapping[str, list[Sample]], floor: str, *, target: float, what: str = ""
) -> Figure:
    """A figure that is the ratio of two contenders of one run."""
    found = ratio(samples[subject], samples[floor])
    names = (subject, floor)
    return Figure(
        bench=bench,
        what=what or subject,
        against=floor,
        measured=" : ".join(f"{median_rate(samples[name]):,.0f}/s" for name in names),
        value=round(found.median, 3),
        spread=f"{found.low:.2f}–{found.high:.2f}",
        target=target,
        unit="×",
        details={
            name: {
                "per_second": [round(sample.rate, 1) for sample in samples[name]],
                "cpu_microseconds_per_event": round(cpu_microseconds(samples[name]), 1),
            }
            for name in names
        },
    )


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table("bench", "what", "against", "measured", "result", "min–max", "target", "")
    for figure in figures:
        sign = "≥" if figure.higher else "≤"
        table.add_row(
            figure.bench,
            figure.what,
            figure.against,
            figure.measured,
            f"{figure.value:g} {figure.unit}",
            figure.spread,
            f"{sign} {figure.target:g} {figure.unit}",
            "reached" if figure.reached else "MISSED",
        )
    Console(width=None if os.isatty(1) else 180).print(table)


def write(figures: Sequence[Figure], folder: Path, servers: Mapping[str, str], options: Mapping[str, Any]) -> Path:
    """Put the figures into `bench.json` of the data folder; those of benchmarks that did not run now are kept."""
    path = folder / FILE
    now = datetime.now(UTC).isoformat(timespec="seconds")
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    kept = json.loads(path.read_text()) if path.exists() else {}
    for name in dict.fromkeys(figure.bench for figure in figures):
        kept[name] = {
            "at": now,
            "machine": machine,
            "servers": dict(servers),
            "options": dict(options),
            "figures": [asdict(each) | {"reached": each.reached} for each in figures if each.bench == name],
        }
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    return path
