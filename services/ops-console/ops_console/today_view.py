"""From figures to what Today shows: what needs a person, in the order in which it hurts. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub_contracts.status import OrderStatus
from ops_console.charts import Chart, bar_chart, hours_until, line_chart, open_over_time
from ops_console.store_today import BUCKETS, CHART_HOURS
from ops_console.templates import left, span
from ops_console.watch import Round

STATUSES = tuple(status.value for status in OrderStatus)
FLOWS = (
    ("received", "Orders in per hour"),
    ("accepted", "Accepted per hour"),
    ("shipped", "Shipped per hour"),
    ("refused", "Refused per hour"),
)
POLLS_LATE = 4
"""A poller that missed this many polls is late."""
BUDGETS_SHOWN = 8
LAG_SHARE = 0.01
"""A lag of more than a hundredth of the time left to the tightest deadline is worth a look."""
SLOW_SECONDS = 10.0
UNSEEN = "unknown"


def matrix(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Orders by status (rows) and marketplace connection (columns), with sums."""
    columns: dict[str, dict[str, str]] = {}
    cells: dict[str, dict[str, int]] = {}
    for row in counts:
        key = str(row["connection_id"])
        columns[key] = {"connection_id": key, "label": row["label"] or row["connector"], "connector": row["connector"]}
        cells.setdefault(row["status"], {})[key] = row["orders"]
    used = [status for status in STATUSES if status in cells]
    return {
        "columns": list(columns.values()),
        "rows": [
            {"status": s, "cells": [cells[s].get(c, 0) for c in columns], "all": sum(cells[s].values())} for s in used
        ],
        "all": sum(sum(row.values()) for row in cells.values()),
    }


def clocks(
    buckets: Sequence[Mapping[str, Any]], first: Sequence[Mapping[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """Deadlines by time left, each with the order that is due first in it."""
    by_due = {(row["kind"], row["due_at"]): row for row in first}
    found = []
    for row in buckets:
        seconds = (row["due_at"] - now).total_seconds()
        order = by_due.get((row["kind"], row["due_at"]))
        found.append(dict(row) | {"seconds_left": seconds, "first": order, "place": BUCKETS.index(row["bucket"])})
    return sorted(found, key=lambda row: (row["place"], row["kind"]))


def tightest(found: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds left to the next deadline that is not past."""
    ahead = [row["seconds_left"] for row in found if row["seconds_left"] >= 0]
    return min(ahead) if ahead else None


def lags(seen: Round, to_deadline: float | None) -> list[dict[str, Any]]:
    """Each service's lag, in seconds and as a share of the time left to the tightest deadline."""
    rows = []
    for one in seen.services:
        seconds = one.lag_seconds
        share = seconds / to_deadline if seconds is not None and to_deadline else None
        state = "bad" if one.error else "warn" if _slow(seconds, share) else "ok"
        rows.append({"service": one.service, "error": one.error, "seconds": seconds, "records": one.lag_records,
                     "share": share, "words": _lag_words(seconds, to_deadline), "state": state})  # fmt: skip
    return sorted(rows, key=lambda row: (row["state"] == "ok", -(row["seconds"] or 0), row["service"]))


def _slow(seconds: float | None, share: float | None) -> bool:
    return seconds is not None and (seconds > SLOW_SECONDS or (share is not None and share > LAG_SHARE and seconds > 2))


def _lag_words(seconds: float | None, to_deadline: float | None) -> str:
    if seconds is None:
        return ""
    return f"{span(seconds)} of {span(to_deadline)} left" if to_deadline else span(seconds)


def pollers(seen: Round, known: Mapping[str, Mapping[str, str]], every: Mapping[str, float]) -> list[dict[str, Any]]:
    """How fresh each marketplace connection is; what fails or is late first."""
    rows = []
    for item in seen.pollers:
        key = str(item["connection_id"])
        if key not in known:
            continue
        age, pace = item["age_seconds"], every.get(key, 300.0)
        if item["state"] != "active":
            state = "off"
        elif item["consecutive_failures"]:
            state = "bad"
        elif age is None or age > max(POLLS_LATE * pace, 30.0):
            state = "warn"
        else:
            state = "ok"
        rows.append(dict(item) | {"state_of_poll": state, "pace": pace, "label": item["label"] or key})
    order = ("bad", "warn", "ok", "off")
    return sorted(rows, key=lambda row: (order.index(row["state_of_poll"]), -(row["age_seconds"] or 0)))


def budgets(seen: Round, known: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Call budgets of the person's connections: those that will not last first, then the most used."""
    rows = []
    for one in seen.services:
        for line in one.budgets:
            mine = [known[str(each)] for each in line["connections"] if str(each) in known]
            if not mine or (not line["used"] and line["verdict"] == "ok"):
                continue
            labels = ", ".join(each["label"] for each in mine[:3]) + (f" and {len(mine) - 3} more" if mine[3:] else "")
            used = line["used"] / line["calls"] if line["calls"] else 0.0
            tag = {"ok": "ok", "tight": "warn", "short": "bad"}[line["verdict"]]
            rows.append(dict(line) | {"service": one.service, "labels": labels, "share": used, "tag": tag})
    rows.sort(key=lambda row: (("bad", "warn", "ok").index(row["tag"]), -row["share"]))
    return rows


def letters(seen: Round, *, words: bool) -> list[dict[str, Any]]:
    """Dead letters by service and cause. Their errors may quote any tenant's data, so not everybody reads them."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in seen.services:
        for item in one.letters:
            first = {"service": one.service, "cause": item["cause"], "letters": 0, "error": ""}
            row = rows.setdefault((one.service, item["cause"]), first)
            row["letters"] += item["count"]
            row["error"] = row["error"] or (item["error"] if words else "")
    return sorted(rows.values(), key=lambda row: -row["letters"])


def charts(hours: Sequence[Mapping[str, Any]], open_now: int, now: datetime) -> list[Chart]:
    """The last two days by the hour."""
    axis = hours_until(now, CHART_HOURS)
    made = []
    for what, title in FLOWS:
        series: dict[str, dict[datetime, int]] = {}
        for row in hours:
            if row["what"] == what:
                series.setdefault(row["connector"], {})[row["hour"]] = row["events"]
        made.append(bar_chart(what, title, axis, dict(sorted(series.items())), "orders"))
    changes: dict[datetime, int] = {}
    missed: dict[datetime, int] = {}
    for row in hours:
        step = {"parked": 1, "resumed": -1}.get(row["what"], 0) * row["events"]
        changes[row["hour"]] = changes.get(row["hour"], 0) + step
        if row["what"] == "missed":
            missed[row["hour"]] = missed.get(row["hour"], 0) + row["events"]
    parked = open_over_time(open_now, changes, axis)
    made.append(line_chart("parked", "Parked, open", axis, parked, "waiting"))
    made.append(bar_chart("missed", "Deadlines missed per hour", axis, {"missed": missed}, "missed"))
    return made


def alarms(
    parked: Sequence[Mapping[str, Any]],
    doubts: Mapping[str, Any],
    dead: Sequence[Mapping[str, Any]],
    deadlines: Sequence[Mapping[str, Any]],
    unexplained: int,
    now: datetime,
) -> list[dict[str, Any]]:
    """The figures at the top: what needs a person now. A figure that is not zero has a colour."""
    missed = sum(row["orders"] for row in deadlines if row["bucket"] == "missed")
    soon = sum(row["orders"] for row in deadlines if row["bucket"] in ("below_1_h", "below_4_h"))
    due = min((row["due_at"] for row in parked if row["due_at"]), default=None)
    first = f"first due in {left((due - now).total_seconds())}" if due and due >= now else "due already" if due else ""
    waiting = sum(row["items"] for row in parked)
    found = [
        ("Deadlines missed", missed, "bad", "/orders?deadline=missed", ""),
        ("Due within 4 h", soon, "warn", "/orders?deadline=below_4_h", ""),
        ("Parked", waiting, "warn", "/orders?parked=1", first),
        ("In doubt, for a person", doubts["for_people"], "bad", "/orders?doubt=1", f"{doubts['all']} in doubt in all"),
        ("Dead letters", sum(row["letters"] for row in dead), "bad", "#letters", ""),
        ("Unexplained orders", unexplained, "bad", "#unexplained", ""),
    ]
    return [
        {"name": name, "number": number, "tag": tag if number else "ok", "to": to, "words": words if number else ""}
        for name, number, tag, to, words in found
    ]
