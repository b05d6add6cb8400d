"""How far each service is behind on each topic, asked of the broker now and then, never by a page that waits for it.

A broker that is away must not take the page away with it: what was last known is shown with its age, and why it is old.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hub_common.kafka.client import lone_consumer
from hub_common.kafka.records import BrokerDown, TopicPartition
from hub_common.kafka.watch import lag_of
from hub_contracts.listeners import LISTENERS

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

KEEP_SECONDS = 10.0
"""How long figures are shown before they are asked for again: a dozen requests to the broker."""
ASK_SECONDS = 20.0
"""A broker that takes longer is as good as away; nobody waits for it."""
PAGE_SECONDS = 2.0
"""How long the first look waits; later ones show what is known and ask in the background."""
AGE_SECONDS = 2.0
"""For finding out how old the oldest waiting records are."""

Place = tuple[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class Behind:
    """One service on one topic."""

    service: str
    records: int
    seconds: float | None
    """Age of the oldest record that waits; None = could not be read in time."""

    @property
    def level(self) -> str:
        """`ok`, `warn`, `bad`: a minute behind is what alerts watch for."""
        if not self.records:
            return "ok"
        return "bad" if (self.seconds or 0) >= 60 else "warn"


@dataclass(frozen=True, slots=True)
class LagView:
    """What was last known."""

    at: datetime | None = None
    behind: Mapping[str, tuple[Behind, ...]] = field(default_factory=dict)
    """Topic → services that listen to it."""
    error: str = ""


class LagBoard:
    """Lag of every consumer group, cached."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._view = LagView()
        self._asked: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> LagView:
        """What is known, asking anew when it is old. Waits only when nothing is known yet."""
        now = self._runtime.clock.monotonic()
        if self._task is None and (self._asked is None or now - self._asked > KEEP_SECONDS):
            self._asked = now
            self._task = asyncio.create_task(self._ask(), name="ops-console:lag")
        if self._task is not None and self._view.at is None:
            await asyncio.wait({self._task}, timeout=PAGE_SECONDS)
        return self._view

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                behind = await self._behind()
            self._view = LagView(self._runtime.clock.now(), behind)
        except (BrokerDown, TimeoutError) as error:
            words = str(error) or f"no answer within {ASK_SECONDS:.0f} s"
            self._view = LagView(self._view.at, self._view.behind, words)
        except Exception as error:
            self._runtime.log.exception("lag_failed")
            self._view = LagView(self._view.at, self._view.behind, f"it cannot be read ({type(error).__name__})")
        finally:
            self._task = None

    async def _behind(self) -> dict[str, tuple[Behind, ...]]:
        settings = self._runtime.settings
        prefix = settings.topic_prefix
        listens: dict[str, list[str]] = {}
        for topic, services in LISTENERS.items():
            for service in services:
                listens.setdefault(prefix + service, []).append(prefix + topic)
        edges, lag = await lag_of(settings.broker, listens)
        places: dict[str, dict[Place, int]] = {
            group: {(tp, edges[tp][1] - left): left for tp, left in waiting.items() if left}
            for group, waiting in lag.items()
        }
        told = await self._times({place for found in places.values() for place in found})
        now = self._runtime.clock.now()
        return {
            topic: tuple(
                _behind_on(prefix + topic, service, places[prefix + service], told, now) for service in services
            )
            for topic, services in LISTENERS.items()
        }

    async def _times(self, places: set[Place]) -> dict[Place, datetime]:
        """When the records at these places were written; those that do not come in time are left out."""
        found: dict[Place, datetime] = {}
        if not places:
            return found
        try:
            async with asyncio.timeout(AGE_SECONDS), lone_consumer(self._runtime.settings.broker) as consumer:
                while left := [place for place in sorted(places) if place not in found]:
                    # One place of each partition at a time: a reader has one position in each.
                    now = dict(left)
                    consumer.assign(list(now))
                    for partition, offset in now.items():
                        consumer.seek(partition, offset)
                    for partition, offset in now.items():
                        record = await consumer.getone(partition)
                        found[partition, offset] = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        except TimeoutError:
            self._runtime.log.info("lag_ages_incomplete", count=len(places) - len(found))
        except BrokerDown as error:
            self._runtime.log.info("lag_ages_incomplete", error=str(error))
        return found


def _behind_on(
    topic: str, service: str, places: Mapping[Place, int], told: Mapping[Place, datetime], now: datetime
) -> Behind:
    mine = {place: left for place, left in places.items() if place[0].topic == topic}
    if not mine:
        return Behind(service, 0, 0.0)
    ages = [(now - told[place]).total_seconds() for place in mine if place in told]
    return Behind(service, sum(mine.values()), max(0.0, *ages) if ages else None)
