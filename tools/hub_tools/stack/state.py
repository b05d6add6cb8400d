"""What the stack remembers between commands, in one file of the data folder: kinds, ports, process ids; no secret.

With it a second `make up` finds the running stack, or starts the same one again on the same ports in a second or two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hub_tools.setup.lock import file_lock
from hub_tools.setup.paths import data_dir

from .errors import StackError
from .files import make_folder, read_state, write_state
from .model import JsonState, Say, silent

_VERSION = 1
_LOCK_TIMEOUT_S = 180.0


@dataclass
class StackState:
    """The content of `stack.json`. An empty mapping: that server has not been started yet."""

    postgres: JsonState = field(default_factory=dict)
    broker: JsonState = field(default_factory=dict)


class DataFolder:
    """The one folder below which the stack writes. Default: `HUB_DATA_DIR`, else `.hub` in the clone."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or data_dir()
        self.postgres = self.path / "postgres"
        self.broker = self.path / "broker"
        self.secrets = self.path / "secrets"
        self.services = self.path / "services"
        self._state = self.path / "stack.json"
        self._lock = self.path / "lock"

    @contextmanager
    def locked(self, say: Say = silent) -> Iterator[None]:
        """Only one command changes the stack at a time. Raises `StackError` after three minutes."""
        make_folder(self.path)
        try:
            with file_lock(
                self._lock,
                on_wait=lambda: say("another command works on the stack, waiting …"),
                timeout=_LOCK_TIMEOUT_S,
            ):
                yield
        except TimeoutError as error:
            raise StackError(f"{error}; look for a hanging hub process: ps -ef | grep hub") from None

    def read(self) -> StackState:
        """The stored state; an empty one when there is none, or one of another version."""
        stored = read_state(self._state)
        if stored.get("version") != _VERSION:
            return StackState()
        return StackState(_mapping(stored.get("postgres")), _mapping(stored.get("broker")))

    def write(self, state: StackState) -> None:
        """Replace the stored state, whole."""
        write_state(self._state, {"version": _VERSION, "postgres": state.postgres, "broker": state.broker})


def _mapping(value: object) -> JsonState:
    return dict(value) if isinstance(value, dict) else {}
