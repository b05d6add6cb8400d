"""Runs the demo from start to verdict."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from hub_tools.demo.board import Board
from hub_tools.demo.outside import REFUSED, Outside, look_outside
from hub_tools.demo.scenario import Story, ordinary_orders, resolve_parked, shop_script, special_orders
from hub_tools.demo.setting import Setting, build_setting, wait_for_stock
from hub_tools.demo.verdict import Verdict, judge
from hub_tools.run.cluster import SANDBOX, Cluster

STALL_SECONDS = 90.0
"""No order moved at a marketplace for so long: the demo ends and says what is missing."""
ROUND_SECONDS = 0.5
LINE_SECONDS = 5.0


def play(cluster: Cluster, orders: int, console: Console) -> Verdict:
    """Set the stage, let orders flow, resolve what is parked, watch until all is done (or nothing moves), judge."""
    console.print("setting up one shop and two marketplaces through the hub's API …")
    setting = build_setting(cluster, shop_script=shop_script(orders))
    wait_for_stock(cluster, setting)
    story = Story()
    special_orders(cluster, story)
    ordinary_orders(cluster, story, orders - story.total)
    board = Board(cluster, story)
    if not console.is_terminal:
        lines = _Lines(board, console)
        return judge(cluster, story, _watch(cluster, setting, story, lines.show))
    with Live(console=console, refresh_per_second=4) as live:
        outside = _watch(cluster, setting, story, lambda seen: live.update(board.draw(seen)))
    return judge(cluster, story, outside)


class _Lines:
    """Progress where nothing can be redrawn: one line every few seconds."""

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._console = console
        self._next = 0.0

    def show(self, outside: Outside) -> None:
        """Print a line when it is time for one."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self._console.print(self._board.line(outside), markup=False, soft_wrap=True)


def _watch(cluster: Cluster, setting: Setting, story: Story, show: Callable[[Outside], None]) -> Outside:
    sandbox = cluster.api(SANDBOX)
    best, moved_at = -1, time.monotonic()
    while True:
        outside = look_outside(sandbox)
        show(outside)
        if _done(cluster, story, outside):
            return outside
        progress = len(outside.shipped()) + sum(outside.effects.values()) + outside.refunds + len(story.resolved)
        if progress != best:
            best, moved_at = progress, time.monotonic()
        elif time.monotonic() - moved_at > STALL_SECONDS:
            return outside
        resolve_parked(cluster, setting, story)
        time.sleep(ROUND_SECONDS)


def _done(cluster: Cluster, story: Story, outside: Outside) -> bool:
    refused = sum(1 for reference in story.refused if outside.statuses.get(("manomano", reference)) in REFUSED)
    everything = len(outside.shipped()) + refused == story.total and outside.refunds >= 1 and len(story.resolved) >= 2
    if not everything:
        return False
    # The hub learns of the last shipments at its next poll; judging before that would call them unexplained.
    rows = cluster.api("ops-console").get("/v1/today")["orders"]
    open_orders = sum(int(row["count"]) for row in rows if row["status"] in ("PENDING", "ACCEPTED", "PREPARATION"))
    return open_orders == 0 and sum(int(row["count"]) for row in rows) == story.total
