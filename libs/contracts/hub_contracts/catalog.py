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


class OfferListed(EventData):
    """The marketplace took an offer whole: it exists there, or was taken off when `withdrawn`."""

    TYPE: ClassVar[str] = "offer.listed.v1"
    TOPIC: ClassVar[str] = topics.CATALOG
    connection_id: UUID
    offer_sku: str
    effect_id: UUID
    version: int | None = None
    """Of the statement that was taken; always set by newer writers."""
    withdrawn: bool = False
    import_reference: str | None = None
    confirmed_by: str


class OfferListingRejected(EventData):
    """The marketplace would not take an offer; each problem says what to do next."""

    TYPE: ClassVar[str] = "offer.listing_rejected.v1"
    TOPIC: ClassVar[str] = topics.CATALOG
    connection_id: UUID
    offer_sku: str
    effect_id: UUID
    version: int | None = None
    """Of the statement that was refused; always set by newer writers."""
    problems: tuple[str, ...]
    import_reference: str | None = None


class ProductImportEnded(EventData):
    """A product file was worked through by the marketplace. `rows_failed` 0 is the only success."""

    TYPE: ClassVar[str] = "product_import.ended.v1"
    TOPIC: ClassVar[str] = topics.CATALOG
    import_id: UUID
    connection_id: UUID
    effect_id: UUID
    file_name: str
    import_reference: str | None = None
    rows_read: int
    rows_taken: int
    rows_failed: int
    rows_warned: int = 0
    problems: tuple[str, ...] = ()
    """The first of them, for people; all are kept by catalog-feed."""
