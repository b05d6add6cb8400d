"""In-process wake-up: a committed transaction rouses the relay without a NOTIFY in the hot path."""

from __future__ import annotations

import asyncio


class Wake:
    """A signal that is remembered until somebody waits for it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Rouse the waiter, or let the next wait return at once."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for the signal, at most `seconds`; True when it came. The signal is used up."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
