"""Declaration of refund-service."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from refund_service import market_reading, reasons
from refund_service.api import routers
from refund_service.effects import EFFECTS
from refund_service.handlers import ROUTES
from refund_service.market_reading import ReturnReader
from refund_service.reasons import ReasonLists, Waiting
from refund_service.replay import REPLAY
from refund_service.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Fresh reason lists, a second look at what waits, and reading the returns that buyers opened."""
    return [
        Duty("reason-lists", ReasonLists(runtime).step, idle_seconds=5.0),
        Duty("waiting", Waiting(runtime).step, idle_seconds=1.0),
        Duty("marketplace-returns", ReturnReader(runtime).step, idle_seconds=5.0),
    ]


SPEC = ServiceSpec(
    name="refund-service",
    package="refund_service",
    own_topic=topics.REFUNDS,
    listens=(topics.SHOP_ACTIVITY, topics.ORDERS, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    effects=lambda _: EFFECTS,
    duties=duties,
    routers=routers,
    needs_leases=lambda runtime: reasons.needed_leases(runtime) | market_reading.needed_leases(runtime),
    replay=REPLAY,
)
