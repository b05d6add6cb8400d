"""Declaration of stock-sync."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from stock_sync import moments, reading
from stock_sync.api import routers
from stock_sync.effects import EFFECTS
from stock_sync.handlers import ROUTES
from stock_sync.moments import PriceMoments
from stock_sync.reading import ReadBack
from stock_sync.replay import REPLAY
from stock_sync.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Discounts that begin and end; looking whether marketplaces show what they took."""
    return [
        Duty("price-moments", PriceMoments(runtime).step, idle_seconds=moments.IDLE_SECONDS),
        Duty("read-back", ReadBack(runtime).step, idle_seconds=reading.IDLE_SECONDS),
    ]


SPEC = ServiceSpec(
    name="stock-sync",
    package="stock_sync",
    own_topic=topics.STOCK,
    listens=(topics.SHOP_ACTIVITY, topics.ORDERS, topics.CONNECTIONS, topics.CATALOG, topics.RECONCILIATIONS),
    routes=ROUTES,
    metadata=METADATA,
    effects=lambda _: EFFECTS,
    duties=duties,
    routers=routers,
    needs_leases=reading.needed_leases,
    replay=REPLAY,
)
