"""Declaration of order-ingest."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from order_ingest.api import routers
from order_ingest.config import IngestSettings
from order_ingest.handlers import ROUTES
from order_ingest.pollers import pollers_of
from order_ingest.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """One duty for all pollers."""
    pollers = pollers_of(runtime)
    return [Duty("pollers", pollers.step, idle_seconds=1.0, wake=pollers.wake)]


SPEC = ServiceSpec(
    name="order-ingest",
    package="order_ingest",
    own_topic=topics.ORDERS,
    listens=(topics.CONNECTIONS,),
    routes=ROUTES,
    metadata=METADATA,
    settings=IngestSettings,
    duties=duties,
    routers=routers,
    needs_leases=lambda runtime: pollers_of(runtime).lease_names(),
)
