"""Child processes that can be found again and never outlive what they belong to.

A process is known by its id *and* its time of creation: an id alone is reused by the kernel, and a stale state file
would make `hub stack down` kill a stranger.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from .errors import StackError
from .waiting import wait_until

_LAUNCH = Path(__file__).with_name("launch.py")
# Creation times come from the kernel's clock ticks (1/100 s); psutil's conversion may move with the boot time.
_CREATED_TOLERANCE_S = 1.0
_KILL_WAIT_S = 10.0


@dataclass(frozen=True)
class Identity:
    """Whom to run as. (0, 0) means: as we are."""

    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class ProcessRef:
    """A process on this machine: id and time of creation in seconds since the epoch."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessRef:
        """The reference of a running process. Raises `StackError` when there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            raise StackError(f"process {pid} ended at once") from None

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> ProcessRef | None:
        """Read back what `to_state` wrote; None when it is not there."""
        pid, created = state.get("pid"), state.get("created")
        if isinstance(pid, int) and isinstance(created, int | float):
            return cls(pid, float(created))
        return None

    def to_state(self) -> dict[str, object]:
        """As JSON-able fields `pid` and `created`."""
        return {"pid": self.pid, "created": self.created}

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return self._find() is not None

    def stop(self, sig: signal.Signals, *, timeout: float) -> bool:
        """Send `sig`, wait up to `timeout` seconds; then end the whole tree. True when it ended by itself."""
        process = self._find()
        if process is None:
            return True
        process.send_signal(sig)
        try:
            wait_until(lambda: not _runs(process), timeout=timeout, what="")
        except StackError:
            self.kill_tree()
            return False
        return True

    def kill_tree(self) -> None:
        """SIGKILL the process and all its descendants, and wait until they are gone."""
        process = self._find()
        if process is None:
            return
        tree = [process]
        try:
            # Stopped first, so that it cannot start another child while we count them.
            process.send_signal(signal.SIGSTOP)
            tree += process.children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for one in tree:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        wait_until(
            lambda: not any(_runs(one) for one in tree),
            timeout=_KILL_WAIT_S,
            what=f"process {self.pid} does not end even by SIGKILL; look at it with: ps -fp {self.pid}",
        )

    def _find(self) -> psutil.Process | None:
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _CREATED_TOLERANCE_S:
                return None
        except psutil.NoSuchProcess:
            return None
        return process if _runs(process) else None


def _runs(process: psutil.Process) -> bool:
    """False for a zombie too: it holds no port and no file, and its parent may take its time to collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Spawned:
    """A child of this process: its reference, and the handle that must be polled to learn its exit code."""

    ref: ProcessRef
    popen: subprocess.Popen[bytes]

    def exit_code(self) -> int | None:
        """None while it runs. Negative: ended by that signal."""
        return self.popen.poll()


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    identity: Identity | None = None,
    death_signal: signal.Signals | None = None,
) -> Spawned:
    """Start `command` in a session of its own, output appended to `log`.

    `env` is the whole environment (default: ours). `death_signal` is sent by the kernel when the *thread* that calls
    this ends (Linux; elsewhere the child stays): call it from a thread that lives as long as the child should.
    """
    argv = [str(part) for part in command]
    if identity or death_signal:
        who = identity or Identity()
        helper = [sys.executable, "-I", "-S", str(_LAUNCH), str(who.uid), str(who.gid)]
        argv = [*helper, str(int(death_signal or 0)), str(os.getpid()), *argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    return Spawned(ProcessRef.of(popen.pid), popen)


def log_tail(log: Path, lines: int = 5) -> str:
    """The last lines of a log, for an error message; says so when there are none."""
    try:
        tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
    except OSError:
        tail = []
    return "\n".join(["    " + line for line in tail] or ["    (nothing logged)"])
