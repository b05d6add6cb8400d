"""Declaration of order-acceptance."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.deadlines import DeadlineClock
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from order_acceptance.api import routers
from order_acceptance.clock import last_resort
from order_acceptance.effects import EFFECTS
from order_acceptance.handlers import ROUTES
from order_acceptance.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """The accept-by clock."""
    clock = DeadlineClock(runtime.transactions, last_resort)
    return [Duty("deadlines", clock.step, idle_seconds=1.0)]


SPEC = ServiceSpec(
    name="order-acceptance",
    package="order_acceptance",
    own_topic=topics.ACCEPTANCES,
    listens=(topics.ORDERS, topics.STOCK, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    effects=lambda _: EFFECTS,
    duties=duties,
    routers=routers,
)
