"""Declaration of order-ingest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from order_ingest.api import routers
from order_ingest.config import IngestSettings
from order_ingest.erasure import Forgetting
from order_ingest.handlers import ROUTES
from order_ingest.notices import forget_step, notice_door
from order_ingest.planned import planned_calls
from order_ingest.pollers import pollers_of
from order_ingest.replay import REPLAY
from order_ingest.rereads import Rereads
from order_ingest.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """One duty for all pollers, one for single orders to be read again, one for old notices, two for buyers."""
    pollers = pollers_of(runtime)
    return [
        Duty("pollers", pollers.step, idle_seconds=1.0, wake=pollers.wake),
        Duty("rereads", Rereads(runtime).step, idle_seconds=2.0, wake=pollers.reread_wake),
        Duty("notices", partial(forget_step, runtime), idle_seconds=3600.0),
        Duty("erasure_wishes", Forgetting(runtime).wishes_step, idle_seconds=5.0),
        Duty("retention", Forgetting(runtime).retention_step, idle_seconds=3600.0),
    ]


SPEC = ServiceSpec(
    name="order-ingest",
    package="order_ingest",
    own_topic=topics.ORDERS,
    listens=(topics.CONNECTIONS, topics.RECONCILIATIONS),
    routes=ROUTES,
    metadata=METADATA,
    settings=IngestSettings,
    duties=duties,
    routers=routers,
    self_authenticated=notice_door,
    planned_calls=planned_calls,
    needs_leases=lambda runtime: pollers_of(runtime).lease_names(),
    replay=REPLAY,
)
