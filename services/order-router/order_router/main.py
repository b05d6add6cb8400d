"""Declaration of order-router."""

from __future__ import annotations

from hub_common.service import ServiceSpec
from hub_contracts import topics
from order_router.api import routers
from order_router.handlers import REPLAY_ROUTES, ROUTES
from order_router.tables import METADATA

SPEC = ServiceSpec(
    name="order-router",
    package="order_router",
    own_topic=topics.ROUTES,
    listens=(topics.ORDERS, topics.ACCEPTANCES, topics.STOCK, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    routers=routers,
    replay_routes=REPLAY_ROUTES,
)
