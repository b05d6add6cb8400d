"""Waiting with an end, also for work that swallows its cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


async def within(seconds: float, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of `work`. Raises `TimeoutError` after `seconds` even if the work does not let itself be cancelled.

    `asyncio.timeout` waits until the cancelled work has ended, and work inside a client whose broker is gone may not
    end; here it is cancelled and left to itself.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(_look_at)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not task.done():
        task.cancel()
        raise TimeoutError
    return task.result()


def _look_at(task: asyncio.Future[Any]) -> None:
    """Fetch the exception of work that nobody waits for any more, so that it is not reported as forgotten."""
    if not task.cancelled():
        task.exception()
