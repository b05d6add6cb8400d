"""Facts about feeds that marketplaces fetch (`hub.catalog`)."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import EventData, Instant


class FeedPublished(EventData):
    """A new version of a feed can be fetched."""

    TYPE: ClassVar[str] = "feed.published.v1"
    TOPIC: ClassVar[str] = topics.CATALOG
    connection_id: UUID
    feed: str
    version: int
    rows: int
    sha256: str
    published_at: Instant


class FeedBlocked(EventData):
    """A feed was built and withheld, because publishing it would do harm (it shrank too much, a cell is missing)."""

    TYPE: ClassVar[str] = "feed.blocked.v1"
    TOPIC: ClassVar[str] = topics.CATALOG
    connection_id: UUID
    feed: str
    rows: int
    problems: tuple[str, ...]
