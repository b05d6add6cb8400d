"""What every broker and every PostgreSQL of the local stack can do, whichever kind it is.

Callers (the demo, the fixtures, fault tests) hold one of these and never ask which kind they got; what a kind cannot
do says so with a `StackError` instead of pretending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

Say = Callable[[str], None]
"""Prints one line for the person who waits."""

JsonState = dict[str, object]


def silent(line: str) -> None:
    """A `Say` for callers that show their own progress."""


class Server(Protocol):
    """A server process, container or address that the stack uses."""

    @property
    def kind(self) -> str:
        """`env`, `container`, `jvm` or `wheel`."""

    @property
    def pid(self) -> int | None:
        """Process id on this machine; None for what is not our process."""

    def start(self) -> None:
        """Start and wait until it answers. Starting a running server does nothing. Raises `StackError`."""

    def stop(self) -> None:
        """Stop in good order; what it promised to keep is on disk. Stopping a stopped server does nothing."""

    def restart(self) -> None:
        """Stop and start on the same address."""

    def kill(self) -> None:
        """End it at once, as a power cut would: no shutdown, no flush. `start` must recover from this."""

    def alive(self) -> bool:
        """Whether it runs and answers right now."""

    def remove(self) -> None:
        """Stop it and delete its data. What the stack did not make (kind `env`) is left alone."""

    def state(self) -> JsonState:
        """What another process needs to find this server again; holds no secret."""


class Broker(Server, Protocol):
    """A Kafka broker."""

    @property
    def bootstrap_servers(self) -> str:
        """`host:port[,host:port]`."""


class Postgres(Server, Protocol):
    """A PostgreSQL server."""

    @property
    def dsn(self) -> str:
        """Superuser DSN of the database `postgres`. Holds a password: never print or log it."""


def text(state: Mapping[str, object], key: str) -> str:
    """A string out of a stored state; "" when absent."""
    value = state.get(key)
    return value if isinstance(value, str) else ""


def number(state: Mapping[str, object], key: str) -> int | None:
    """An integer out of a stored state; None when absent."""
    value = state.get(key)
    return value if isinstance(value, int) else None
