"""PostgreSQL as a plain process, from the programs in a wheel: no container, no system package, no root needed.

Only the wheel's programs are used. Its own server class starts PostgreSQL with its own idea of users, sockets and
clean-up; fault tests need to kill and restart exactly the process they mean.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import psutil

from .errors import StackError
from .files import kept_secret, make_folder, write_private
from .model import JsonState, number
from .pginstall import own_folder, programs, reachable_home, server_identity
from .ports import becomes_idle, idle_port
from .process import ProcessRef, Spawned, log_tail, spawn
from .waiting import wait_until

SUPERUSER = "postgres"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_BIND_TRIES = 3
# Line 8 of postmaster.pid is the server's own word for its state (source: PostgreSQL, src/include/utils/pidfile.h).
_STATUS_LINE = 7
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # TCP only: the path of a socket in a deep folder exceeds what the kernel allows (107 bytes).
    "unix_socket_directories": "",
    # A dozen services with pools, several test workers, one machine.
    "max_connections": "300",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    "password_encryption": "scram-sha-256",
}
# For throw-away stacks: a crash of the machine may lose data, a crash of PostgreSQL alone still does not. That is why
# synchronous_commit stays on: without it a killed server forgets its last commits [measured], and fault tests lie.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class LocalPostgres:
    """A PostgreSQL server below `folder`, listening on 127.0.0.1 only.

    `durable=False` turns off fsync, for tests that do not test durability. `death_signal` ties the server to the
    calling thread (see `process.spawn`); without it the server stays until it is stopped. `state` is what `state()`
    gave in another process.
    """

    kind = "wheel"

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        death_signal: signal.Signals | None = None,
        state: JsonState | None = None,
    ) -> None:
        self._folder = folder
        self._durable = durable
        self._death_signal = death_signal
        self._identity = server_identity()
        self._home = reachable_home(folder, self._identity)
        self._data = self._home / "data"
        self._log = folder / "postgres.log"
        self._ref = ProcessRef.from_state(state or {})
        self._port = number(state or {}, "port") or 0

    @property
    def pid(self) -> int | None:
        return self._ref.pid if self._ref else None

    @property
    def port(self) -> int:
        """The TCP port; 0 before the first start."""
        return self._port

    @property
    def dsn(self) -> str:
        password = kept_secret(self._folder / "password")
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self._port}/postgres"

    def state(self) -> JsonState:
        ref = self._ref.to_state() if self._ref else {}
        return {"kind": self.kind, "port": self._port, "durable": self._durable, "data": str(self._data), **ref}

    def alive(self) -> bool:
        return self._ref is not None and self._ref.alive() and self._says_ready(self._ref)

    def start(self) -> None:
        if self._ref is not None and self._ref.alive():
            return
        make_folder(self._folder)
        own_folder(self._home)
        binaries = programs(self._identity)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._take_over_leftover()
        fixed = self._port != 0
        for _ in range(_BIND_TRIES):
            if not fixed:
                self._port = idle_port()
            if self._run(binaries):
                return
            if fixed:
                break
        raise StackError(f"PostgreSQL cannot listen on 127.0.0.1:{self._port}; another program has the port")

    def stop(self) -> None:
        if self._ref is not None:
            # SIGINT is PostgreSQL's fast shutdown: sessions end, everything is written, no waiting for clients.
            self._ref.stop(signal.SIGINT, timeout=_STOP_TIMEOUT_S)
            self._ref = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        if self._ref is not None:
            self._ref.kill_tree()
            self._ref = None

    def remove(self) -> None:
        self.kill()
        for path in {self._home, self._folder}:
            shutil.rmtree(path, ignore_errors=True)

    def _initialise(self, binaries: Path) -> None:
        """Make a new cluster. Built beside its final place: an interrupted attempt is never mistaken for a cluster."""
        building = self._home / "building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        secret = building / "password"
        write_private(secret, kept_secret(self._folder / "password"))
        if self._identity is not None:
            shutil.chown(building, self._identity.uid, self._identity.gid)
            shutil.chown(secret, self._identity.uid, self._identity.gid)
        command: list[str | Path] = [binaries / "initdb", "-D", building / "data", "-U", SUPERUSER]
        command += ["-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8"]
        # The same order of text on every machine, whatever locales it has.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += [] if self._durable else ["--no-sync"]
        try:
            code = spawn(command, log=self._log, identity=self._identity, cwd=building).popen.wait(_START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise StackError(f"initdb does not end; see {self._log}") from None
        if code != 0:
            raise StackError(f"initdb failed (exit {code}); see {self._log}\n{log_tail(self._log)}")
        shutil.rmtree(self._data, ignore_errors=True)
        (building / "data").rename(self._data)
        shutil.rmtree(building)

    def _take_over_leftover(self) -> None:
        """Deal with a postmaster.pid from before: stop that server if it still runs, else remove the file.

        PostgreSQL would refuse to start when the id in a stale file meanwhile belongs to any process of its user.
        """
        pidfile = self._data / "postmaster.pid"
        try:
            pid = int(pidfile.read_text(encoding="utf-8").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        owner = _postmaster(pid, self._data)
        if owner is not None:
            owner.stop(signal.SIGINT, timeout=_STOP_TIMEOUT_S)
        pidfile.unlink(missing_ok=True)

    def _run(self, binaries: Path) -> bool:
        """Start the server; False when the port is taken."""
        settings = _SETTINGS | {"port": str(self._port)} | ({} if self._durable else _NOT_DURABLE)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        start_of_log = self._log.stat().st_size if self._log.exists() else 0
        if not becomes_idle(self._port):
            return False
        child = spawn(
            [binaries / "postgres", "-D", self._data, *options],
            log=self._log,
            cwd=self._data if self._identity is None else Path("/"),
            identity=self._identity,
            death_signal=self._death_signal,
        )
        self._ref = child.ref
        try:
            wait_until(
                lambda: child.exit_code() is not None or self._says_ready(child.ref),
                timeout=_START_TIMEOUT_S,
                what=f"PostgreSQL does not get ready; see {self._log}",
            )
        except BaseException:
            self.kill()
            raise
        if child.exit_code() is None:
            return True
        return self._explain(child, start_of_log)

    def _explain(self, child: Spawned, start_of_log: int) -> bool:
        self._ref = None
        with self._log.open(encoding="utf-8", errors="replace") as log:
            log.seek(start_of_log)
            said = log.read()
        if "could not bind" in said:
            return False
        raise StackError(f"PostgreSQL ended at once (exit {child.exit_code()}); see {self._log}\n{log_tail(self._log)}")

    def _says_ready(self, ref: ProcessRef) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        except OSError:
            return False
        return lines[0] == str(ref.pid) and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _postmaster(pid: int, data: Path) -> ProcessRef | None:
    """The process `pid` if it is the PostgreSQL server of `data`."""
    try:
        process = psutil.Process(pid)
        if process.name() == "postgres" and str(data) in process.cmdline():
            return ProcessRef.of(pid)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return None
