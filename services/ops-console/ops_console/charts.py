"""Charts as numbers for inline SVG: bars per hour, stacked by series, and lines. Pure; templates draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH, HEIGHT = 480, 150
LEFT, TOP, BOTTOM = 34, 8, 20
COLOURS = 6
"""Classes k1…k6 of the style sheet."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: int
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart; `rows` is the same as a table: the instant and one number per series."""

    name: str
    title: str
    summary: str
    series: tuple[str, ...]
    bars: tuple[Bar, ...]
    points: str
    """Of a line; empty for bars."""
    grid: tuple[tuple[float, str], ...]
    """(y, number) of the lines across."""
    ticks: tuple[tuple[float, str], ...]
    """(x, hour) below."""
    rows: tuple[tuple[datetime, tuple[int, ...]], ...]
    total: int


def hours_until(now: datetime, count: int) -> list[datetime]:
    """The last hours, oldest first; the last one is the present, unfinished hour."""
    last = now.replace(minute=0, second=0, microsecond=0)
    return [last - timedelta(hours=back) for back in range(count - 1, -1, -1)]


def bar_chart(
    name: str, title: str, hours: Sequence[datetime], series: Mapping[str, Mapping[datetime, int]], unit: str
) -> Chart:
    """Bars per hour, one colour per series, stacked."""
    names = tuple(series)
    rows = tuple((hour, tuple(series[each].get(hour, 0) for each in names)) for hour in hours)
    top = nice_top(max((sum(values) for _, values in rows), default=0))
    step = (WIDTH - LEFT) / max(len(hours), 1)
    bars: list[Bar] = []
    for at, (hour, values) in enumerate(rows):
        below = 0
        for number, value in enumerate(values):
            if value:
                height = value / top * (HEIGHT - TOP - BOTTOM)
                y = _y(below + value, top)
                words = f"{hour:%a %H}:00 UTC · {names[number]}: {value}"
                bars.append(
                    Bar(round(LEFT + at * step, 1), y, round(step * 0.85, 1), round(height, 1), _colour(number), words)
                )
                below += value
    total = sum(sum(values) for _, values in rows)
    summary = f"{total} {unit} in {len(hours)} hours" + (f", {_peak(rows)}" if total else "")
    return Chart(name, title, summary, names, tuple(bars), "", _grid(top), _ticks(hours, step), rows, total)


def line_chart(name: str, title: str, hours: Sequence[datetime], values: Sequence[int], unit: str) -> Chart:
    """One line over the hours."""
    rows = tuple((hour, (value,)) for hour, value in zip(hours, values, strict=True))
    top = nice_top(max(values, default=0))
    step = (WIDTH - LEFT) / max(len(hours), 1)
    points = " ".join(f"{LEFT + (at + 0.5) * step:.1f},{_y(value, top)}" for at, value in enumerate(values))
    now = values[-1] if values else 0
    summary = f"{now} {unit} now; between {min(values, default=0)} and {max(values, default=0)} in {len(hours)} hours"
    return Chart(name, title, summary, (unit,), (), points, _grid(top), _ticks(hours, step), rows, now)


def open_over_time(now_open: int, changes: Mapping[datetime, int], hours: Sequence[datetime]) -> list[int]:
    """How many were open at the end of each hour, counted back from how many are open now."""
    found, count = [], now_open
    for hour in reversed(hours):
        found.append(max(0, count))
        count -= changes.get(hour, 0)
    return found[::-1]


def nice_top(highest: int) -> int:
    """The number at the top of the axis: 1, 2 or 5 times a power of ten, and never 0."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if highest <= factor * step:
                return max(factor * step, 1)
        step *= 10


def _y(value: float, top: int) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)


def _colour(number: int) -> int:
    return number % COLOURS + 1


def _grid(top: int) -> tuple[tuple[float, str], ...]:
    marks = (0, top) if top < 2 else (0, top / 2, top)
    return tuple((_y(mark, top), f"{mark:g}") for mark in marks)


def _ticks(hours: Sequence[datetime], step: float) -> tuple[tuple[float, str], ...]:
    return tuple(
        (round(LEFT + at * step, 1), f"{hour:%H}:00" if hour.hour else f"{hour:%a}")
        for at, hour in enumerate(hours)
        if hour.hour % 12 == 0
    )


def _peak(rows: Sequence[tuple[datetime, tuple[int, ...]]]) -> str:
    hour, values = max(rows, key=lambda row: sum(row[1]))
    return f"most at {hour:%a %H}:00 UTC with {sum(values)}"
