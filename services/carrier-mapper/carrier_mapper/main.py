"""Declaration of carrier-mapper."""

from __future__ import annotations

from collections.abc import Sequence

from carrier_mapper.api import routers
from carrier_mapper.carrier_lists import CarrierLists, Undecided, needed_leases
from carrier_mapper.handlers import ROUTES
from carrier_mapper.mapping import AT_ONCE
from carrier_mapper.replay import REPLAY
from carrier_mapper.tables import METADATA
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Fresh carrier lists, and what a big change left undecided."""
    return [
        Duty("carrier-lists", CarrierLists(runtime).step, idle_seconds=5.0),
        Duty("undecided", Undecided(runtime, AT_ONCE).step, idle_seconds=2.0),
    ]


SPEC = ServiceSpec(
    name="carrier-mapper",
    package="carrier_mapper",
    own_topic=topics.PARCELS,
    listens=(topics.SHOP_ACTIVITY, topics.ORDERS, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    duties=duties,
    routers=routers,
    needs_leases=needed_leases,
    replay=REPLAY,
)
