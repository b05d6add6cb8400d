"""From an order's events to what its page shows: time line with causes, parcels by unit, a way through time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ops_console.domain import summary, timeline
from ops_console.story_words import say

MAX_DEPTH = 6
"""Deeper chains are not indented any further: the number of the cause is there all the same."""
ROW, STEP, MARGIN, NAMES = 22, 30, 12, 130
"""Pixels of the picture of causes."""
UNIT, GAP = 18, 4


@dataclass(frozen=True, slots=True)
class Dot:
    """One event in the picture of causes."""

    x: int
    y: int
    number: int
    tag: str
    words: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Events from left to right, one row per topic, with a line from each cause to what it caused."""

    width: int
    height: int
    topics: tuple[tuple[int, str], ...]
    dots: tuple[Dot, ...]
    lines: tuple[str, ...]
    """Paths."""


def tell(events: Sequence[Mapping[str, Any]], start: datetime | None = None) -> list[dict[str, Any]]:
    """The time line with a sentence, a depth and the time since the first event for each."""
    line = timeline(events)
    depth: dict[int, int] = {}
    first = start or (min(event["at"] for event in line) if line else None)
    for event in line:
        cause = event["caused_by"]
        depth[event["number"]] = 0 if cause is None else min(depth[cause] + 1, MAX_DEPTH)
        event["depth"], event["said"] = depth[event["number"]], say(event["type"], event["data"])
        event["since"] = (event["at"] - first).total_seconds() if first else 0.0
    return line


def draw(line: Sequence[Mapping[str, Any]]) -> Picture:
    """The picture of causes."""
    topics = list(dict.fromkeys(event["topic"] for event in line))
    place = {
        event["number"]: (NAMES + MARGIN + at * STEP, MARGIN + topics.index(event["topic"]) * ROW + ROW // 2)
        for at, event in enumerate(line)
    }
    dots = tuple(
        Dot(*place[event["number"]], event["number"], event["said"].tag, f"{event['number']}. {event['said'].title}")
        for event in line
    )
    lines = tuple(
        _curve(place[event["caused_by"]], place[event["number"]]) for event in line if event["caused_by"] is not None
    )
    names = tuple((MARGIN + at * ROW + ROW // 2, topic) for at, topic in enumerate(topics))
    return Picture(NAMES + 2 * MARGIN + len(line) * STEP, 2 * MARGIN + len(topics) * ROW, names, dots, lines)


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    middle = (start[0] + end[0]) // 2
    return f"M{start[0]} {start[1]}C{middle} {start[1]} {middle} {end[1]} {end[0]} {end[1]}"


def told(line: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What somebody outside was told, by whom it is known since."""
    return [
        {"at": event["at"], "whom": event["said"].told, "what": event["said"].title, "words": event["said"].words,
         "number": event["number"]}
        for event in line
        if event["said"].told
    ]  # fmt: skip


def status_of(line: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Hub-wide status and the marketplace's own word that the story shows at its end; empty when it shows none."""
    for event in reversed(line):
        if event["type"] == "order.status_changed.v1":
            return str(event["data"]["to_status"]), str(event["data"]["marketplace_status"])
        if event["type"] in ("order.received.v1", "order.changed.v1"):
            order = event["data"]["order"]
            return str(order["status"]), str(order["marketplace_status"])
    return "", ""


def facts(line: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """What the events add up to; the routing's rules stand beside the acceptance's."""
    found = summary(line, now)
    found["routings"] = [event["data"] for event in line if event["type"] == "order.routed.v1"]
    found["mappings"] = [event["data"] for event in line if event["type"] == "parcel.carrier_mapped.v1"]
    found["map"] = parcel_map(found["order"], found["parcels"])
    return found


def parcel_map(order: Mapping[str, Any], parcels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Which unit of which line is in which parcel, and whether the marketplace knows it.

    Each line gets one square per unit: of a parcel (its number, told or not) or of none yet.
    """
    rows = []
    for line in order.get("lines", ()):
        held = [
            {"parcel": at + 1, "told": parcel["marketplace_knows"], "units": int(each["quantity"])}
            for at, parcel in enumerate(parcels)
            for each in parcel["lines"]
            if each["line_id"] == line["line_id"]
        ]
        sent = sum(each["units"] for each in held)
        rows.append({"line_id": line["line_id"], "sku": line["offer_sku"], "title": line["title"],
                     "quantity": line["quantity"], "held": held, "by_parcel": {e["parcel"]: e for e in held},
                     "left": max(0, line["quantity"] - sent), "over": max(0, sent - line["quantity"]),
                     "squares": _squares(held, line["quantity"] - sent)})  # fmt: skip
    widest = max((len(row["squares"]) for row in rows), default=0)
    return {"rows": rows, "parcels": list(parcels), "width": widest * (UNIT + GAP) + GAP, "unit": UNIT, "gap": GAP}


MAX_SQUARES = 40
"""Lines of more units show numbers only."""


def _squares(held: Sequence[Mapping[str, Any]], left: int) -> list[dict[str, Any]]:
    squares = [{"parcel": each["parcel"], "told": each["told"]} for each in held for _ in range(each["units"])]
    squares += [{"parcel": 0, "told": False}] * max(0, left)
    return squares[:MAX_SQUARES]


def steps(events: Sequence[Mapping[str, Any]], as_of: datetime | None) -> dict[str, Any]:
    """The way through time: the instants at which something became known, and where among them one stands."""
    instants = sorted({event["at"] for event in events})
    at = len([each for each in instants if as_of is None or each <= as_of])
    return {
        "count": len(instants),
        "at": at,
        "instants": instants,
        "before": instants[at - 2] if at >= 2 else None,
        "after": instants[at] if as_of is not None and at < len(instants) else None,
        "first": instants[0] if instants else None,
    }


def read_instant(text: str) -> datetime:
    """An instant as people give it: RFC 3339, or without a zone, which is UTC then. Raises `ValueError`."""
    found = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    if found.microsecond == 0 and found.second == 0 and len(text.strip()) <= len("2026-03-02T09:14"):
        # A field that knows minutes means all of that minute.
        found += timedelta(seconds=59.999999)
    return found
