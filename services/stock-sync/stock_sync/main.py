"""Declaration of stock-sync."""

from hub_common.service import ServiceSpec
from hub_contracts import topics
from stock_sync.api import routers
from stock_sync.effects import EFFECTS
from stock_sync.handlers import ROUTES
from stock_sync.tables import METADATA

SPEC = ServiceSpec(
    name="stock-sync",
    package="stock_sync",
    own_topic=topics.STOCK,
    listens=(topics.SHOP_ACTIVITY, topics.ORDERS, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    effects=lambda _: EFFECTS,
    routers=routers,
)
