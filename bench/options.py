"""What a run of the benchmarks can be told; the defaults are those of `make bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

BENCHES = ("hop", "relay", "latency", "memory", "growth")


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure."""

    what: tuple[str, ...] = BENCHES
    events: int = 20_000
    """Events per round of `hop`, `relay` and `growth`."""
    rounds: int = 5
    seconds: float = 30.0
    """Length of the latency run."""
    rate: float = 200.0
    """Orders per second of the latency run."""
    batch: int = 500
    """Records per transaction, for subject and floors alike; the services' default."""
    full: bool = False
    """Growth with 1,000,000 stored rows instead of 200,000: fills some gigabytes."""
    profile: str = ""
    """Write a cProfile of the subject's rounds to this file; its figures are then worthless."""


def parse(argv: Sequence[str] | None = None, *, what: str | None = None) -> Options:
    """Read the command line. `what` fixes the benchmark when one module is run alone."""
    defaults = Options()
    parser = argparse.ArgumentParser(prog=f"python -m bench{'.' + what if what else ''}", description=__doc__)
    if what is None:
        parser.add_argument("what", nargs="?", default="all", choices=(*BENCHES, "all"))
    parser.add_argument("--events", type=int, default=defaults.events)
    parser.add_argument("--rounds", type=int, default=defaults.rounds)
    parser.add_argument("--seconds", type=float, default=defaults.seconds)
    parser.add_argument("--rate", type=float, default=defaults.rate)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--profile", default="")
    given = vars(parser.parse_args(argv))
    chosen = what or given["what"]
    return Options(**(given | {"what": BENCHES if chosen == "all" else (chosen,)}))
