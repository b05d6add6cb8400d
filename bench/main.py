"""Runs benchmarks on servers of their own and reports. A missed target is reported, never an error: a busy machine is
no defect of the code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any

import uvloop

from bench import growth, hop, latency, memory, relay
from bench.options import Options, parse
from bench.report import Figure, show, write
from bench.stage import Stage, open_stage
from hub_common.logs import setup_logging
from hub_common.memory import tune_collector
from hub_tools.setup.paths import data_dir
from hub_tools.stack.errors import StackError

Measure = Callable[[Stage, Options], Coroutine[Any, Any, list[Figure]]]
MEASURES: dict[str, Measure] = {
    "hop": hop.measure,
    "relay": relay.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "growth": growth.measure,
}


def run(options: Options) -> int:
    """Start the servers, measure what was asked for, print the table, write the file. Returns the exit code."""
    figures: list[Figure] = []
    setup_logging("json", "WARNING")
    # As every service process does; the floors profit alike.
    tune_collector()
    with open_stage() as stage:
        if stage.broker_kind == "wheel":
            print("NOTE: the broker is a stand-in, not Apache Kafka; these are not Kafka's figures")
        for name in options.what:
            print(f"{name}:", flush=True)
            figures += uvloop.run(MEASURES[name](stage, options))
        servers = {"broker": stage.broker_kind, "postgres": stage.postgres_kind}
    show(figures)
    print(f"written to {write(figures, data_dir(), servers, asdict(options))}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of `python -m bench`."""
    return _guarded(parse(argv))


def alone(what: str) -> int:
    """Entry of `python -m bench.<what>`."""
    return _guarded(parse(what=what))


def _guarded(options: Options) -> int:
    try:
        return run(options)
    except StackError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
