"""Declaration of shipment-notifier."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.deadlines import DeadlineClock
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from shipment_notifier.api import routers
from shipment_notifier.effects import build_effects
from shipment_notifier.handlers import ROUTES
from shipment_notifier.invoicing import InvoiceFetcher, needed_leases
from shipment_notifier.replay import REPLAY
from shipment_notifier.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """The ship-by clock, and fetching invoices from shops.

    The clock's last resort is the alarm alone: nobody can ship a parcel that has not left.
    """
    clock = DeadlineClock(runtime.transactions)
    return [
        Duty("deadlines", clock.step, idle_seconds=1.0),
        Duty("invoices", InvoiceFetcher(runtime).step, idle_seconds=5.0),
    ]


SPEC = ServiceSpec(
    name="shipment-notifier",
    package="shipment_notifier",
    own_topic=topics.SHIPMENTS,
    listens=(topics.PARCELS, topics.ORDERS, topics.SHOP_ACTIVITY, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    effects=build_effects,
    duties=duties,
    routers=routers,
    needs_leases=needed_leases,
    replay=REPLAY,
)
