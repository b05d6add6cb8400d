"""`hub bench`: throughput, latency and memory of the runtime, against floors measured in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hub_tools.client.errors import CommandError, ExitCode
from hub_tools.client.output import AsJson, emit
from hub_tools.setup.paths import REPO, data_dir


class What(StrEnum):
    """What can be measured."""

    ALL = "all"
    HOP = "hop"
    RELAY = "relay"
    LATENCY = "latency"
    MEMORY = "memory"
    GROWTH = "growth"


FILE = "bench.json"
"""Where the benchmarks leave their figures, in the data folder."""
SAYS = "bench: "
"""How they begin the line about what a person can act on."""
Root = Annotated[Path, typer.Option("--root", help="Root of the clone with the benchmarks.", hidden=True)]


def bench(
    what: Annotated[What, typer.Argument(help="What to measure.")] = What.ALL,
    events: Annotated[int, typer.Option(min=1000, help="Events per round.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which subject and floors take turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Length of the latency run.")] = 30,
    rate: Annotated[float, typer.Option(min=1, help="Orders per second of the latency run.")] = 200,
    full: Annotated[bool, typer.Option("--full", help="Growth with 1,000,000 stored rows.")] = False,
    as_json: AsJson = False,
    root: Root = REPO,
) -> None:
    """Measure on a PostgreSQL and a broker of its own; a missed target is reported and is not an error."""
    # A process of its own: the benchmarks are no part of the installed tools, and their event loop is another.
    command = [sys.executable, "-m", "bench", what.value, f"--events={events}", f"--rounds={rounds}"]
    command += [f"--seconds={seconds}", f"--rate={rate}", *(["--full"] if full else [])]
    if not as_json:
        raise typer.Exit(subprocess.run(command, cwd=root, check=False).returncode)
    _measure(command, root)
    names = [each.value for each in What if each is not What.ALL] if what is What.ALL else [what.value]
    emit(measured(data_dir() / FILE, names), as_json, lambda _: None)


def _measure(command: Sequence[str], root: Path) -> None:
    """Run it unheard. Raises `CommandError` with its own words; of a defect everything is shown, as always."""
    done = subprocess.run(command, cwd=root, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return
    _, says, why = f"\n{done.stderr}".rpartition(f"\n{SAYS}")
    if not says:
        sys.stderr.write(done.stderr)
        raise typer.Exit(done.returncode)
    raise CommandError(why, ExitCode.FAILED)


def measured(file: Path, names: Sequence[str]) -> dict[str, Any]:
    """The document of one run: what it left in its file, of these benchmarks only, since older ones are kept there."""
    kept = json.loads(file.read_text(encoding="utf-8"))
    run = kept[names[0]]
    figures = [figure for name in names for figure in kept[name]["figures"]]
    about = {name: run[name] for name in ("at", "machine", "servers", "options")}
    return {"ok": all(figure["reached"] for figure in figures), "file": str(file), **about, "figures": figures}
