"""`hub bench`: throughput, latency and memory of the runtime, against floors measured in the same run."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from typing import Annotated

import typer

from hub_tools.setup.paths import REPO


class What(StrEnum):
    """What can be measured."""

    ALL = "all"
    HOP = "hop"
    RELAY = "relay"
    LATENCY = "latency"
    MEMORY = "memory"
    GROWTH = "growth"


def bench(
    what: Annotated[What, typer.Argument(help="What to measure.")] = What.ALL,
    events: Annotated[int, typer.Option(min=1000, help="Events per round.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which subject and floors take turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the latency run.")] = 30,
    rate: Annotated[float, typer.Option(min=1, help="Orders per second of the latency run.")] = 200,
    full: Annotated[bool, typer.Option("--full", help="Growth with 1,000,000 stored rows.")] = False,
) -> None:
    """Measure on a PostgreSQL and a broker of its own; a missed target is reported and is not an error."""
    # A process of its own: the benchmarks are no part of the installed tools, and their event loop is another.
    command = [sys.executable, "-m", "bench", what.value, f"--events={events}", f"--rounds={rounds}"]
    command += [f"--seconds={seconds}", f"--rate={rate}", *(["--full"] if full else [])]
    raise typer.Exit(subprocess.run(command, cwd=REPO, check=False).returncode)
