"""A lock between processes, on a file. It prevents two set-ups (or two `hub up`) from building the same folder at once
and each finding the other's half."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_S = 0.1


@contextmanager
def file_lock(path: Path, *, on_wait: Callable[[], None] | None = None, timeout: float | None = None) -> Iterator[None]:
    """Hold an exclusive lock on `path`, created when missing, until the block ends or the process dies.

    `on_wait` is called once when somebody else holds it. Raises `TimeoutError` after `timeout` seconds (None: never).
    The lock survives the deletion of its folder: after waiting, the file is looked at again, and a file that was
    removed meanwhile (by `hub stack clean`) is not taken for the lock.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    fd = _acquire(path, on_wait, deadline)
    try:
        yield
    finally:
        os.close(fd)


def _acquire(path: Path, on_wait: Callable[[], None] | None, deadline: float | None) -> int:
    waiting = False
    while True:
        fd = _open(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _still_there(fd, path):
                return fd
            os.close(fd)
            continue
        except BlockingIOError:
            os.close(fd)
        if not waiting and on_wait is not None:
            on_wait()
        waiting = True
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"another process holds {path}")
        time.sleep(_POLL_S)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _still_there(fd: int, path: Path) -> bool:
    try:
        return os.fstat(fd).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
