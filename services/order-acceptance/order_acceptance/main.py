"""Declaration of order-acceptance."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.deadlines import DeadlineClock
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_parked import CONNECTIONS, PARKED
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from order_acceptance.api import routers
from order_acceptance.clock import last_resort
from order_acceptance.effects import EFFECTS
from order_acceptance.handlers import ROUTES
from order_acceptance.replay import CLOCK_ROUTES, OWN_ROUTES
from order_acceptance.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """The accept-by clock."""
    clock = DeadlineClock(runtime.transactions, last_resort)
    return [Duty("deadlines", clock.step, idle_seconds=1.0)]


# A hold that is decided again and stays one is written down anew and told only once.
_TOLD = "CASE WHEN decision IS DISTINCT FROM 'hold' THEN {column} END"

REPLAY = ReplayPlan(
    tables=(
        Compared(
            "orders",
            ignore={"live": "a replayed order counts as not live, so that nothing decides it again"},
            instead={column: _TOLD.format(column=column) for column in ("decided_at", "rules")},
        ),
        Compared("order_lines"),
        Compared("offers"),
        Compared("sku_links"),
        Compared(
            "deadlines",
            ignore={
                "last_resort_percent": "the policy as it was when the clock started, which is not told",
                "next_at": "follows from last_resort_percent",
            },
            instead={"percent_told": "CASE WHEN NOT last_resort_done THEN percent_told END"},
            # A clock that stopped has no more to say, and one that started and stopped in one batch was never written.
            where="met_at IS NULL",
        ),
        CONNECTIONS,
        PARKED,
    ),
    own=OWN_ROUTES,
    also=CLOCK_ROUTES,
)

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
    replay=REPLAY,
)
