"""What the services say of themselves, asked all at once and remembered for some seconds.

A page that many people leave open must not become a load on the services, and a service that is slow or away must not
hold the page up: what could not be learnt is said on it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hub_common.web import Problem
from hub_contracts.topics import TOPICS
from ops_console.accounts import User
from ops_console.services import Services

SECONDS = 3.0
"""A service that takes longer for figures that it has at hand is as good as away."""
PATIENCE_SECONDS = 1.5
"""How long a page waits for the first look; later ones go on behind it."""
FRESH_SECONDS = 8.0
OLD_SECONDS = 60.0
"""What was learnt longer ago is not shown any more."""
AT_ONCE = 4
"""Services asked at the same time: a look must not be a load."""
CONSOLE = "ops-console"
INGEST = "order-ingest"
NAMES = tuple(dict.fromkeys([*(topic.writer for topic in TOPICS), CONSOLE]))
"""Every service that writes a topic, and the console itself."""
_LAG = re.compile(r"^hub_consumer_lag_(seconds|records)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one service said."""

    service: str
    error: str = ""
    letters: tuple[dict[str, Any], ...] = ()
    """Dead letters by cause, topic and error."""
    budgets: tuple[dict[str, Any], ...] = ()
    lag_seconds: float | None = None
    lag_records: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """One look at everything; no services at all when the first look is not over yet."""

    services: tuple[Seen, ...] = ()
    pollers: tuple[dict[str, Any], ...] = ()
    pollers_error: str = ""

    @property
    def silent(self) -> list[Seen]:
        """Services that did not answer."""
        return [seen for seen in self.services if seen.error]


@dataclass
class Watch:
    """The last look. What services say here is the same for all who may read, so one look serves them all; what is
    a tenant's is filtered when it is shown."""

    services: Services
    monotonic: Callable[[], float] = time.monotonic
    _last: Round = field(default_factory=Round)
    _at: float = float("-inf")
    _asking: asyncio.Task[None] | None = None

    async def look(self, user: User) -> Round:
        """What the services said last; asked again behind the page when that is some seconds old."""
        age = self.monotonic() - self._at
        if age > FRESH_SECONDS and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._ask(user), name="ops-console:watch")
        if age > OLD_SECONDS and self._asking is not None:
            await asyncio.wait({self._asking}, timeout=PATIENCE_SECONDS)
        return self._last if self.monotonic() - self._at <= OLD_SECONDS else Round()

    async def _ask(self, user: User) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(service: str) -> Seen:
            async with gate:
                return await self._one(user, service)

        pollers = self._get(user, INGEST, "/v1/pollers?limit=1000")
        *seen, polled = await asyncio.gather(*(one(name) for name in NAMES), pollers)
        away = isinstance(polled, Problem)
        error, items = (polled.detail or polled.title, ()) if away else ("", tuple(polled["items"]))
        self._last, self._at = Round(tuple(seen), items, error), self.monotonic()

    async def _one(self, user: User, service: str) -> Seen:
        letters, budgets, metrics = await asyncio.gather(
            self._get(user, service, "/v1/operations/dead-letters/causes"),
            self._get(user, service, "/v1/operations/budgets?limit=1000"),
            self._get(user, service, "/metrics"),
        )
        for answer in (letters, budgets, metrics):
            if isinstance(answer, Problem):
                return Seen(service, error=answer.detail or answer.title)
        seconds, records = read_lag(str(metrics))
        return Seen(service, "", tuple(letters["items"]), tuple(budgets["items"]), seconds, records)

    async def _get(self, user: User, service: str, path: str) -> Any:
        try:
            return await self.services.call(user, "GET", service, path, seconds=SECONDS)
        except Problem as problem:
            return problem


def read_lag(metrics: str) -> tuple[float | None, int]:
    """Age of the oldest record that a service has yet to handle, and how many wait; None = nothing was read yet."""
    found = [(what, float(value)) for what, value in _LAG.findall(metrics)]
    seconds = [value for what, value in found if what == "seconds"]
    return (max(seconds) if seconds else None, int(sum(value for what, value in found if what == "records")))
