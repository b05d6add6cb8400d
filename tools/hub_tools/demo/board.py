"""The live table of the demo: status counts, what waits, lag and the tightest deadline."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Group
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hub_tools.demo.outside import Outside
from hub_tools.demo.scenario import Story
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import Cluster

ORDER_OF_STATUSES = ("PENDING", "ACCEPTED", "PREPARATION", "SHIPPED", "DELIVERED", "REFUNDING", "REFUNDED", "REFUSED")


class Board:
    """Draws what the hub knows (its console's read model) next to what the marketplaces show."""

    def __init__(self, cluster: Cluster, story: Story) -> None:
        self._cluster = cluster
        self._story = story
        self._progress = Progress(
            TextColumn("orders shipped at the marketplaces"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("shipped", total=None)

    def draw(self, outside: Outside) -> Group:
        """The board as it is now."""
        self._progress.update(self._task, total=self._story.total, completed=len(outside.shipped()))
        today = self.today()
        return Group(self._progress, self._statuses(today), self._waiting(today))

    def line(self, outside: Outside) -> str:
        """The same in one line."""
        today = self.today()
        counts: Counter[str] = Counter()
        for row in today.get("orders", []):
            counts[str(row["status"])] += int(row["count"])
        statuses = ", ".join(f"{counts[status]} {status.lower()}" for status in ORDER_OF_STATUSES if counts[status])
        parked = sum(int(row["count"]) for row in today.get("parked", []))
        lag = f"{float(today['lag_seconds']):.1f} s" if today.get("lag_seconds") is not None else "–"
        shipped = f"{len(outside.shipped())}/{self._story.total} shipped at the marketplaces"
        return f"{shipped}; hub: {statuses or 'no orders yet'}; {parked} parked; lag {lag}"

    def today(self) -> dict[str, Any]:
        """The console's figures; empty while it does not answer."""
        try:
            found: dict[str, Any] = self._cluster.api("ops-console").get("/v1/today")
        except ApiError:
            return {}
        return found

    def _statuses(self, today: dict[str, Any]) -> Table:
        counts: dict[str, Counter[str]] = {connector: Counter() for connector in sorted(self._story.references)}
        for row in today.get("orders", []):
            counts.setdefault(str(row["connector"]), Counter())[str(row["status"])] += int(row["count"])
        table = Table(title="Orders in the hub")
        table.add_column("status")
        for connector in counts:
            table.add_column(connector, justify="right", min_width=10)
        for status in ORDER_OF_STATUSES:
            table.add_row(status.lower(), *(str(counts[connector][status]) for connector in counts))
        return table

    def _waiting(self, today: dict[str, Any]) -> Panel:
        parked = ", ".join(f"{row['count']} × {row['cause']}" for row in today.get("parked", [])) or "nothing"
        doubts = sum(int(row["count"]) for row in today.get("doubts", []))
        tightest = today.get("tightest_deadline") or {}
        left = tightest.get("seconds_left")
        deadline = (
            f"{int(left) // 3600} h {int(left) % 3600 // 60} min left ({tightest['kind']})" if left else "none open"
        )
        lag = f"{float(today['lag_seconds']):.1f} s" if today.get("lag_seconds") is not None else "–"
        resolved = ", ".join(self._story.resolved) or "nothing yet"
        text = (
            f"waits for a person: {parked}\neffects in doubt: {doubts}   lag: {lag}   tightest deadline: {deadline}\n"
            f"resolved by the demo: {resolved}"
        )
        return Panel(text, title="Needs attention")
