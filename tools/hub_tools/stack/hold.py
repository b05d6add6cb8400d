"""Holds one throw-away server for as long as another process lives: what a test run starts never outlives it.

Run as `python -m hub_tools.stack.hold postgres|broker FOLDER OWNER_PID OWNER_CREATED`. The server is a child of this
process and ends with it; this process ends when told to (SIGTERM) or when the owner is gone, however that came about
(a killed pytest runs no clean-up). All workers of a parallel test run share one server this way.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from hub_tools.setup.lock import file_lock

from .broker import open_broker, open_postgres
from .errors import StackError
from .files import make_folder, read_state, write_state
from .model import Broker, JsonState, Postgres, text
from .process import ProcessRef, log_tail, spawn
from .waiting import wait_until

_POLL_S = 0.5
# Longer than any server's own start timeout, so that its own message arrives first.
_READY_TIMEOUT_S = 150.0
_END_TIMEOUT_S = 30.0


def shared_server(what: str, folder: Path, owner: ProcessRef) -> JsonState:
    """The running `postgres` or `broker` of `folder`, started by the first of several processes that ask.

    Returns `{"kind", "address"}`; the address of `postgres` is a superuser's DSN. Raises `StackError`.
    """
    folder = folder / what
    with file_lock(folder / "lock", timeout=_READY_TIMEOUT_S + _END_TIMEOUT_S):
        state = read_state(folder / "ready.json")
        holder = ProcessRef.from_state(state)
        if holder is not None and holder.alive():
            return state
        log = folder / "hold.log"
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "hub_tools.stack.hold",
            what,
            folder,
            str(owner.pid),
            repr(owner.created),
        ]
        child = spawn(command, log=log)
        wait_until(
            lambda: (folder / "ready.json").exists() or child.exit_code() is not None,
            timeout=_READY_TIMEOUT_S,
            what=f"{what} does not get ready; see {log}",
        )
        if child.exit_code() is not None:
            raise StackError(f"no {what} for the tests:\n{log_tail(log)}")
        return read_state(folder / "ready.json")


def end_shared_servers(folder: Path) -> None:
    """End what `shared_server` started below `folder`, and delete the folder."""
    for what in ("postgres", "broker"):
        holder = ProcessRef.from_state(read_state(folder / what / "ready.json"))
        if holder is not None:
            holder.stop(signal.SIGTERM, timeout=_END_TIMEOUT_S)
    shutil.rmtree(folder, ignore_errors=True)


def main(argv: list[str]) -> int:
    """Start, say so in `ready.json`, wait, remove. Returns the exit code."""
    what, folder, owner = argv[0], Path(argv[1]), ProcessRef(int(argv[2]), float(argv[3]))
    told = threading.Event()
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sig, lambda *_: told.set())
    make_folder(folder)
    server: Postgres | Broker
    if what == "postgres":
        server = open_postgres(folder / "data", durable=False, containers=True, death_signal=signal.SIGKILL)
    else:
        server = open_broker(folder / "data", death_signal=signal.SIGKILL, say=lambda line: print(line, flush=True))
    try:
        server.start()
        ready: JsonState = {"kind": server.kind, "address": _address(server)}
        write_state(folder / "ready.json", ready | ProcessRef.of(os.getpid()).to_state())
        while not told.wait(_POLL_S) and owner.alive():
            continue
    except StackError as error:
        print(error, flush=True)
        return 1
    finally:
        server.remove()
    if not owner.alive():
        # Nobody is left to do it. The folder of the whole run goes with the last server.
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    return 0


def address_of(state: JsonState) -> str:
    """The address out of what `shared_server` returned."""
    return text(state, "address")


def _address(server: Postgres | Broker) -> str:
    return server.bootstrap_servers if hasattr(server, "bootstrap_servers") else server.dsn


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
