"""Declaration of catalog-feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from catalog_feed.address import feed_routers
from catalog_feed.api import routers
from catalog_feed.building import FeedBuilder
from catalog_feed.config import CatalogSettings
from catalog_feed.handlers import ROUTES
from catalog_feed.tables import METADATA
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Building feeds."""
    settings = cast("CatalogSettings", runtime.settings)
    builder = FeedBuilder(
        runtime.transactions,
        debounce_seconds=settings.feed_debounce_seconds,
        keep_versions=settings.feed_keep_versions,
    )
    return [Duty("feeds", builder.step, idle_seconds=1.0)]


SPEC = ServiceSpec(
    name="catalog-feed",
    package="catalog_feed",
    own_topic=topics.CATALOG,
    listens=(topics.STOCK, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    settings=CatalogSettings,
    duties=duties,
    routers=routers,
    self_authenticated=feed_routers,
)
