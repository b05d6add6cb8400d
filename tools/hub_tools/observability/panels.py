"""The parts of a Grafana dashboard that ours are made of. Everything not said here keeps Grafana's default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
GRID = 24
"""Columns of Grafana's grid."""
SCHEMA_VERSION = 39
GOOD, WARN, BAD = "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `queries`: pairs of expression and legend. `limits`: from these values on it is orange, red."""

    title: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    unit: str = "short"
    text: str = ""
    width: int = 8
    height: int = 8
    limits: tuple[float, float] | None = None
    falling: bool = False
    """Small values are the bad ones (time left); `limits` are then read downwards."""
    stacked: bool = False

    def render(self, number: int, x: int, y: int) -> Json:
        """The panel at a place of the grid."""
        custom: Json = {}
        if self.kind == "timeseries":
            custom = {"fillOpacity": 20 if self.stacked else 0, "showPoints": "never"}
            custom["stacking"] = {"mode": "normal" if self.stacked else "none"}
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [self._target(index, *query) for index, query in enumerate(self.queries)],
            "fieldConfig": {
                "defaults": {"unit": self.unit, "custom": custom, "thresholds": self._thresholds()},
                "overrides": [],
            },
            "options": self._options(),
        }

    def _target(self, index: int, expression: str, legend: str) -> Json:
        instant = self.kind != "timeseries"
        target: Json = {
            "refId": chr(ord("A") + index),
            "datasource": DATASOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
        }
        return target | ({"format": "table"} if self.kind == "table" else {})

    def _thresholds(self) -> Json:
        steps: list[Json] = [{"color": GOOD, "value": None}]
        if self.limits is not None:
            first, second = self.limits
            if self.falling:
                steps = [
                    {"color": BAD, "value": None},
                    {"color": WARN, "value": second},
                    {"color": GOOD, "value": first},
                ]
            else:
                steps += [{"color": WARN, "value": first}, {"color": BAD, "value": second}]
        return {"mode": "absolute", "steps": steps}

    def _options(self) -> Json:
        if self.kind == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        if self.kind == "stat":
            return {"colorMode": "background", "graphMode": "none", "reduceOptions": {"calcs": ["lastNotNull"]}}
        return {"showHeader": True}


def stat(
    title: str, expression: str, unit: str, limits: tuple[float, float], *, text: str, falling: bool = False
) -> Panel:
    """A number that is green, orange or red."""
    return Panel(title, [(expression, "")], "stat", unit, text, 4, 4, limits, falling)


def graph(
    title: str, expression: str, legend: str, unit: str = "short", *, text: str = "", stacked: bool = False
) -> Panel:
    """A curve per label value."""
    return Panel(title, [(expression, legend)], unit=unit, text=text, stacked=stacked)


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it, left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. `variables`: name, and the metric and label whose values can be chosen."""

    uid: str
    title: str
    text: str
    rows: Sequence[Row]
    variables: Sequence[tuple[str, str, str]] = field(default_factory=tuple)

    def render(self) -> Json:
        """The dashboard as Grafana reads it."""
        panels: list[Json] = []
        y = 0
        for row in self.rows:
            panels.append(_heading(len(panels) + 1, row.title, y))
            y += 1
            x, tallest = 0, 0
            for panel in row.panels:
                if x + panel.width > GRID:
                    x, y, tallest = 0, y + tallest, 0
                panels.append(panel.render(len(panels) + 1, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.text,
            "tags": ["order-routing-hub"],
            "editable": False,
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "utc",
            "links": [_link()],
            "templating": {"list": [_source(), *(_variable(*each) for each in self.variables)]},
            "panels": panels,
        }


def _heading(number: int, title: str, y: int) -> Json:
    place = {"x": 0, "y": y, "w": GRID, "h": 1}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _link() -> Json:
    return {"type": "dashboards", "title": "Hub", "tags": ["order-routing-hub"], "asDropdown": True, "keepTime": True}


def _source() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(name: str, metric: str, label: str) -> Json:
    query = f"label_values({metric}, {label})"
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
