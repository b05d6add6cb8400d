"""Declaration of catalog-feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from catalog_feed.address import feed_routers
from catalog_feed.api import routers
from catalog_feed.building import FeedBuilder
from catalog_feed.config import CatalogSettings
from catalog_feed.effects import build_effects
from catalog_feed.handlers import ROUTES
from catalog_feed.keeping import FileKeeper
from catalog_feed.publishing import Boundaries
from catalog_feed.replay import REPLAY
from catalog_feed.tables import METADATA
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Building feeds, stating offers again when a discount begins or ends, dropping old files."""
    settings = cast("CatalogSettings", runtime.settings)
    builder = FeedBuilder(
        runtime.transactions,
        debounce_seconds=settings.feed_debounce_seconds,
        keep_versions=settings.feed_keep_versions,
    )
    boundaries = Boundaries(runtime.transactions)
    keeper = FileKeeper(runtime.transactions, days=settings.product_file_keep_days)
    return [
        Duty("feeds", builder.step, idle_seconds=1.0),
        Duty("discounts", boundaries.step, idle_seconds=1.0),
        Duty("product-files", keeper.step, idle_seconds=600.0),
    ]


SPEC = ServiceSpec(
    name="catalog-feed",
    package="catalog_feed",
    own_topic=topics.CATALOG,
    listens=(topics.STOCK, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    settings=CatalogSettings,
    effects=build_effects,
    duties=duties,
    routers=routers,
    self_authenticated=feed_routers,
    replay=REPLAY,
)
