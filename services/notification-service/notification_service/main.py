"""Declaration of notification-service."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from notification_service.api import routers
from notification_service.config import NotificationServiceSettings
from notification_service.gauges import Gauges
from notification_service.handlers import ROUTES
from notification_service.planning import Planner
from notification_service.sending import Sender
from notification_service.tables import METADATA

REPLAY = ReplayPlan(
    tables=(
        Compared("orders"),
        Compared("connection_states"),
        Compared(
            "notices",
            ignore={"live": "a replayed event notifies nobody", "matched_at": "nobody is looked for in a replay"},
            # The topic of connections keeps only the last of each, so what it was before is not known any more.
            where="kind <> 'connection_paused'",
        ),
        CONNECTIONS,
        PARKED,
    ),
    own=PARKED_ROUTES,
    given=(Given("subscriptions", "operators say who wants to be told of what"),),
    left_out={
        "notes": "who was told follows from the subscriptions as they were at the time",
        "sendings": "what arrived is known from the answers of mail servers and webhooks",
        "told_groups": "when a cause was last told follows from the sendings",
    },
)
"""What people should know follows from the topics; who was told does not."""


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Deciding who is told, telling them, measuring, forgetting."""
    gauges, planner = Gauges(runtime), Planner(runtime)
    return [
        Duty("planner", planner.step, idle_seconds=1.0),
        Duty("sender", Sender(runtime, gauges).step, idle_seconds=1.0),
        Duty("notification_gauges", gauges.step, idle_seconds=10.0),
        Duty("forget", planner.forget, idle_seconds=3600.0),
    ]


SPEC = ServiceSpec(
    name="notification-service",
    package="notification_service",
    own_topic=topics.NOTIFICATIONS,
    listens=(
        topics.ORDERS,
        topics.ACCEPTANCES,
        topics.ROUTES,
        topics.SHOP_ACTIVITY,
        topics.PARCELS,
        topics.SHIPMENTS,
        topics.REFUNDS,
        topics.STOCK,
        topics.CATALOG,
        topics.MESSAGES,
        topics.RECONCILIATIONS,
        topics.CONNECTIONS,
    ),
    routes=ROUTES,
    metadata=METADATA,
    settings=NotificationServiceSettings,
    duties=duties,
    routers=routers,
    replay=REPLAY,
)
