"""Runs services as child processes of this machine: start, stop, kill, restart, list.

A service that is left running after its demo or test holds ports, consumer group memberships and database sessions,
and the next run fails for reasons nobody finds. So each service has a process group of its own, is written down before
anything else happens to it, and (unless it is meant to stay) is ended by the kernel when its parent dies.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .errors import StackError
from .files import make_folder, read_state, write_state
from .model import JsonState, text
from .process import ProcessRef, Spawned, log_tail, spawn

_STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class ServiceStatus:
    """A service as it is now. `exit_code` is known only to the process that started it; negative: by that signal."""

    name: str
    running: bool
    pid: int | None
    exit_code: int | None
    starts: int
    log: Path


class Supervisor:
    """The services of one folder. `tied` (default no): services end when the thread that starts them ends.

    Any process may stop, kill or restart what another one started; what is needed for that is stored per service with
    mode 0600, since the environment of a service holds its secrets.
    """

    def __init__(self, folder: Path, *, tied: bool = False) -> None:
        self._folder = folder
        self._death_signal = signal.SIGKILL if tied else None
        self._children: dict[str, Spawned] = {}

    def start(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None
    ) -> ServiceStatus:
        """Start a service, unless it runs. `env` is added to this process's environment; output goes to its log.

        Returns at once; waiting for readiness is the caller's. Raises `StackError` when the program does not exist.
        """
        if self.status(name).running:
            return self.status(name)
        program = str(command[0])
        if shutil.which(program) is None:
            raise StackError(f"{name}: {program} is not a program; run: make setup")
        starts = _starts(self._read(name)) + 1
        self._children[name] = child = spawn(
            command,
            log=self.log(name),
            env={**os.environ, **env},
            cwd=cwd,
            death_signal=self._death_signal,
        )
        stored: JsonState = {"command": [str(part) for part in command], "env": dict(env), "starts": starts}
        write_state(self._path(name), stored | {"cwd": str(cwd or "")} | child.ref.to_state())
        return self.status(name)

    def stop(self, name: str, *, timeout: float = _STOP_TIMEOUT_S) -> bool:
        """SIGTERM, and after `timeout` seconds SIGKILL to the whole tree. True when it ended by itself in time."""
        ref = self._ref(name)
        return ref is None or ref.stop(signal.SIGTERM, timeout=timeout)

    def kill(self, name: str) -> None:
        """SIGKILL to the service and its children, as a crash would. Returns when they are gone."""
        ref = self._ref(name)
        if ref is not None:
            ref.kill_tree()

    def restart(self, name: str) -> ServiceStatus:
        """Stop, and start with the same command and environment. Raises `StackError` for an unknown service."""
        stored = self._read(name)
        command, env = stored.get("command"), stored.get("env")
        if not isinstance(command, list) or not isinstance(env, dict):
            raise StackError(f"no service {name} has been started; known: {', '.join(self.names()) or 'none'}")
        self.stop(name)
        cwd = text(stored, "cwd")
        return self.start(name, [str(part) for part in command], env=env, cwd=Path(cwd) if cwd else None)

    def names(self) -> list[str]:
        """Every service that has been started from this folder, running or not."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def statuses(self) -> list[ServiceStatus]:
        """The status of every service that has been started."""
        return [self.status(name) for name in self.names()]

    def status(self, name: str) -> ServiceStatus:
        """The status of one service; not running when it is unknown."""
        ref = self._ref(name)
        child = self._children.get(name)
        exit_code = child.exit_code() if child is not None else None
        running = exit_code is None and ref is not None and ref.alive()
        return ServiceStatus(
            name, running, ref.pid if ref and running else None, exit_code, _starts(self._read(name)), self.log(name)
        )

    def why_ended(self, name: str, lines: int = 5) -> str:
        """The last lines of the service's log, for an error message."""
        return log_tail(self.log(name), lines)

    def stop_all(self, *, timeout: float = _STOP_TIMEOUT_S) -> list[str]:
        """Stop all at the same time; returns the names of those that had to be killed."""
        names = self.names()
        with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
            ended = list(pool.map(lambda name: self.stop(name, timeout=timeout), names))
        return [name for name, by_itself in zip(names, ended, strict=True) if not by_itself]

    def kill_all(self) -> None:
        """SIGKILL to all."""
        for name in self.names():
            self.kill(name)

    def log(self, name: str) -> Path:
        """Where the service's output goes."""
        return self._folder / f"{name}.log"

    def _path(self, name: str) -> Path:
        make_folder(self._folder)
        return self._folder / f"{name}.json"

    def _read(self, name: str) -> JsonState:
        return read_state(self._folder / f"{name}.json")

    def _ref(self, name: str) -> ProcessRef | None:
        return ProcessRef.from_state(self._read(name))


def _starts(stored: JsonState) -> int:
    starts = stored.get("starts")
    return starts if isinstance(starts, int) else 0
