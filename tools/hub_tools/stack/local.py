"""Up, down, status and clean of the local stack as a whole. What `hub stack …` calls, and the demo.

Every command takes the same lock and writes down each server the moment it runs, so an interrupted `up` leaves nothing
that `down` does not know of.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from .broker import open_broker, open_postgres
from .errors import StackError
from .given import BROKER_VARIABLE, POSTGRES_VARIABLE
from .model import Broker, JsonState, Postgres, Say, Server, silent
from .state import DataFolder, StackState
from .supervisor import Supervisor


@dataclass(frozen=True)
class StackInfo:
    """A running stack. `postgres_dsn` is a superuser's and left out of the repr: it holds a password."""

    data_dir: Path
    postgres_kind: str
    postgres_dsn: str = field(repr=False)
    broker_kind: str
    bootstrap_servers: str


@dataclass(frozen=True)
class ServerStatus:
    """One server as it is now. `kind` is "" when it has never been started; `address` holds no secret."""

    name: str
    kind: str
    running: bool
    address: str
    pid: int | None


def up(folder: Path | None = None, *, durable: bool = True, say: Say = silent) -> StackInfo:
    """Start what does not run yet, and return when PostgreSQL and the broker answer. Raises `StackError`.

    The servers stay after this process ends. `durable=False` turns PostgreSQL's fsync off.
    """
    data = DataFolder(folder)
    with data.locked(say):
        state = data.read()
        postgres = open_postgres(data.postgres, durable=durable, state=_reusable_postgres(state.postgres))
        broker = open_broker(data.broker, state=_reusable_broker(state.broker), say=say)
        _start(f"PostgreSQL ({postgres.kind})", postgres, say)
        state.postgres = postgres.state()
        data.write(state)
        try:
            _start(f"broker ({broker.kind})", broker, say)
        finally:
            state.broker = broker.state()
            data.write(state)
    return StackInfo(data.path, postgres.kind, postgres.dsn, broker.kind, broker.bootstrap_servers)


def down(folder: Path | None = None, *, say: Say = silent) -> list[str]:
    """Stop services, broker and PostgreSQL, in this order; data stays. Returns the names of those that ran."""
    data = DataFolder(folder)
    if not data.path.exists():
        return []
    with data.locked(say):
        supervisor = Supervisor(data.services)
        ran = [service.name for service in supervisor.statuses() if service.running]
        supervisor.stop_all()
        state = data.read()
        for name, server in _servers(data, state):
            if server.kind != "env" and server.alive():
                started = time.monotonic()
                server.stop()
                ran.append(name)
                say(f"{name} stopped in {time.monotonic() - started:.1f} s")
            elif server.kind != "env":
                # Not answering is not the same as not running.
                server.kill()
        for stored in (state.postgres, state.broker):
            stored.pop("pid", None)
            stored.pop("created", None)
        data.write(state)
    return ran


def status(folder: Path | None = None) -> list[ServerStatus]:
    """The servers as they are now. Starts and changes nothing."""
    data = DataFolder(folder)
    state = data.read()
    found = dict(_servers(data, state))
    return [_status(name, found.get(name)) for name in ("postgres", "broker")]


def clean(folder: Path | None = None, *, say: Say = silent) -> bool:
    """Stop everything and delete the data folder, and what the stack had to put elsewhere.

    A server given by the environment is left alone. Refuses a folder that does not look like ours.
    Returns whether there was anything to delete.
    """
    data = DataFolder(folder)
    if not data.path.exists():
        return False
    if data.path in (Path.home(), Path("/")) or (data.path / ".git").exists():
        raise StackError(f"{data.path} is not a data folder of the stack; correct HUB_DATA_DIR")
    with data.locked(say):
        Supervisor(data.services).kill_all()
        for _, server in _servers(data, data.read()):
            server.remove()
        # Without state there may still be PostgreSQL data in a place of its own.
        open_postgres(data.postgres, state={"kind": "wheel"}).remove()
        shutil.rmtree(data.path, ignore_errors=True)
    say(f"removed {data.path}")
    return True


def connect(folder: Path | None = None) -> StackInfo:
    """The running stack. Raises `StackError` when it does not run."""
    data = DataFolder(folder)
    state = data.read()
    if not state.postgres or not state.broker:
        raise StackError("the stack does not run; start it with: hub stack up")
    postgres, broker = open_postgres(data.postgres, state=state.postgres), open_broker(data.broker, state=state.broker)
    if not postgres.alive() or not broker.alive():
        raise StackError("the stack does not answer; start it with: hub stack up")
    return StackInfo(data.path, postgres.kind, postgres.dsn, broker.kind, broker.bootstrap_servers)


def _start(name: str, server: Server, say: Say) -> None:
    if server.alive():
        say(f"{name} runs already")
        return
    started = time.monotonic()
    server.start()
    say(f"{name} ready in {time.monotonic() - started:.1f} s")


def _servers(data: DataFolder, state: StackState) -> list[tuple[str, Server]]:
    """What is known to have been started, in the order to stop it."""
    servers: list[tuple[str, Server]] = []
    if state.broker:
        servers.append(("broker", open_broker(data.broker, state=state.broker)))
    if state.postgres:
        servers.append(("postgres", open_postgres(data.postgres, state=state.postgres)))
    return servers


def _reusable_postgres(stored: JsonState) -> JsonState | None:
    return _reusable(stored, POSTGRES_VARIABLE, "HUB_POSTGRES")


def _reusable_broker(stored: JsonState) -> JsonState | None:
    return _reusable(stored, BROKER_VARIABLE, "HUB_BROKER")


def _reusable(stored: JsonState, given: str, forced: str) -> JsonState | None:
    """The stored state if it is what the environment asks for now; a change of mind needs `down` or `clean` first."""
    kind = stored.get("kind")
    if not kind or kind == "env":
        return None
    wanted = os.environ.get(forced) or ("env" if os.environ.get(given) else None)
    if wanted is None or wanted == kind:
        return stored
    if "pid" in stored or "container" in stored:
        raise StackError(f"the stack runs with {kind}, but the environment asks for {wanted}; run: make clean")
    return None


def _status(name: str, server: Postgres | Broker | Server | None) -> ServerStatus:
    if server is None:
        return ServerStatus(name, "", running=False, address="", pid=None)
    address = getattr(server, "bootstrap_servers", "")
    if not address:
        # What stands behind the @ of the DSN: host, port and database, no password.
        address = str(getattr(server, "dsn", "")).rpartition("@")[2]
    return ServerStatus(name, server.kind, running=server.alive(), address=address, pid=server.pid)
