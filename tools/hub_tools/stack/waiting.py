"""Waiting with a deadline, and async code from sync code. One place, so that nothing in the stack waits for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .errors import StackError

_POLL_S = 0.05
T = TypeVar("T")


def wait_until(ready: Callable[[], bool], *, timeout: float, what: str) -> None:
    """Poll `ready` until it is true. Raises `StackError` saying `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > deadline:
            raise StackError(f"{what} (waited {timeout:.0f} s)")
        time.sleep(_POLL_S)


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from sync code, in a thread and loop of its own.

    Works where the calling thread has a running or a prepared loop, as under pytest-asyncio, and leaves that alone.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:  # noqa: BLE001  (handed to the caller below)
            errors.append(error)

    thread = threading.Thread(target=target, name="run-sync")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
