"""Servers that somebody else runs, named by the environment. The stack uses them and never stops or empties them."""

from __future__ import annotations

from urllib.parse import urlsplit

from .errors import StackError
from .model import JsonState
from .waiting import run_sync
from .wire import broker_ready

BROKER_VARIABLE = "HUB_KAFKA_BOOTSTRAP"
POSTGRES_VARIABLE = "HUB_POSTGRES_DSN"


class _Given:
    """What is the same for both: no process of ours."""

    kind = "env"
    _variable = ""

    @property
    def pid(self) -> int | None:
        return None

    def state(self) -> JsonState:
        return {"kind": self.kind}

    def stop(self) -> None:
        """Nothing: it is not ours."""

    def remove(self) -> None:
        """Nothing: it is not ours."""

    def restart(self) -> None:
        raise StackError(f"the server in {self._variable} is not ours to restart; unset the variable for fault tests")

    def kill(self) -> None:
        raise StackError(f"the server in {self._variable} is not ours to kill; unset the variable for fault tests")


class GivenBroker(_Given):
    """The broker in `HUB_KAFKA_BOOTSTRAP`."""

    _variable = BROKER_VARIABLE

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers

    @property
    def bootstrap_servers(self) -> str:
        return self._bootstrap_servers

    def start(self) -> None:
        if not self.alive():
            raise StackError(
                f"no Kafka broker answers at {self._bootstrap_servers}; start it or unset {self._variable}"
            )

    def alive(self) -> bool:
        return broker_ready(self._bootstrap_servers)


class GivenPostgres(_Given):
    """The server in `HUB_POSTGRES_DSN`, a DSN with the rights of a superuser."""

    _variable = POSTGRES_VARIABLE

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    @property
    def dsn(self) -> str:
        return self._dsn

    def start(self) -> None:
        if not self.alive():
            place = urlsplit(self._dsn).hostname or "?"
            raise StackError(
                f"PostgreSQL at {place} does not let us in, or not as a superuser; correct or unset {self._variable}"
            )

    def alive(self) -> bool:
        from .databases import is_superuser

        return run_sync(is_superuser(self._dsn))
