"""Reads a listing to its end and hands over page by page; the last page is known as such only after the end.

A page is held back for a moment, so that the cursor can move in the transaction of the last one. It is not held for
long: when the next page takes its time, orders must not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector_kit.capabilities import RawOrder
from hub_common.clock import Clock

HOLD_SECONDS = 0.25
"""Far below the two seconds that an order may take from the poller to the shop."""


@dataclass(frozen=True, slots=True)
class Page:
    """Orders as answered; `last` = the listing is complete with it (it may be empty)."""

    raws: Sequence[RawOrder]
    fetched_at: datetime
    last: bool = False


Take = Callable[[Page], Awaitable[None]]
Gate = Callable[[], Awaitable[None]]
"""Awaited before each page; raises to give the listing up."""


async def read_listing(source: AsyncIterator[Sequence[RawOrder]], take: Take, gate: Gate, clock: Clock) -> None:
    """Read all pages. What was read before an error is handed over, nothing as `last`, and the error is raised."""
    held: Page | None = None
    try:
        while True:
            await gate()
            task = asyncio.ensure_future(_next(source))
            try:
                if held is not None and not (await asyncio.wait({task}, timeout=HOLD_SECONDS))[0]:
                    page, held = held, None
                    await take(page)
                raws = await task
            finally:
                await _ended(task)
            if raws is None:
                break
            if held is not None:
                page, held = held, None
                await take(page)
            held = Page(raws, clock.now())
    except Exception:
        if held is not None:
            await take(held)
        raise
    finally:
        await _close(source)
    await take(Page(held.raws, held.fetched_at, last=True) if held else Page((), clock.now(), last=True))


async def _next(source: AsyncIterator[Sequence[RawOrder]]) -> Sequence[RawOrder] | None:
    try:
        return await anext(source)
    except StopAsyncIteration:
        return None


async def _ended(task: asyncio.Future[Sequence[RawOrder] | None]) -> None:
    """Leave no call in the air when the listing is given up."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})


async def _close(source: object) -> None:
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()
