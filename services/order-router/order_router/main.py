"""Declaration of order-router."""

from __future__ import annotations

from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.service import ServiceSpec
from hub_contracts import topics
from order_router.api import routers
from order_router.handlers import REPLAY_ROUTES, ROUTES
from order_router.tables import METADATA

REPLAY = ReplayPlan(
    tables=(
        Compared(
            "orders",
            ignore={
                "traceparent": "the first of three topics to name the order decides",
                "routed_by": "who let an order go on without choosing anything is not told",
                "closed_at": "noted when routing looks at an order, which it does for live events only",
                "closed_reason": "noted when routing looks at an order, which it does for live events only",
            },
        ),
        Compared("routes", ignore={"cancelled_lines": "told as parked items only"}),
        Compared("shops"),
        Compared("shelf"),
        Compared("sku_links"),
        CONNECTIONS,
        PARKED,
    ),
    own={**REPLAY_ROUTES, **PARKED_ROUTES},
    left_out={
        "waits": "found out when routing looks at an order, which it does for live events only",
        "choices": "operators make them; only what they led to is told",
    },
)

SPEC = ServiceSpec(
    name="order-router",
    package="order_router",
    own_topic=topics.ROUTES,
    listens=(topics.ORDERS, topics.ACCEPTANCES, topics.STOCK, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    routers=routers,
    replay=REPLAY,
)
