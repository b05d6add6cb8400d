"""Declaration of reconciliation."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_parked import CONNECTIONS
from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from reconciliation.api import routers
from reconciliation.config import ReconciliationServiceSettings
from reconciliation.gauges import Gauges
from reconciliation.handlers import ROUTES
from reconciliation.statements import Statements
from reconciliation.tables import METADATA
from reconciliation.work import comparer_of


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Compare, issue statements, keep the metrics."""
    return [
        Duty("comparisons", comparer_of(runtime).step, idle_seconds=2.0),
        Duty("statements", Statements(runtime).step, idle_seconds=30.0),
        Duty("difference-gauges", Gauges(runtime).step, idle_seconds=10.0),
    ]


_PROGRESS = {
    "seen_round": "which comparison met it: a comparison reads the marketplace, which a replay does not",
    "compared_at": "when it was compared, for the same reason",
}

REPLAY = ReplayPlan(
    tables=(
        Compared("orders", ignore=_PROGRESS),
        Compared("answers"),
        Compared("parcels"),
        Compared("refunds"),
        Compared("doubts"),
        Compared("taken"),
        Compared("order_days"),
        Compared("offers", ignore=_PROGRESS),
        CONNECTIONS,
    ),
    left_out={
        "comparisons": "how far the reading of marketplaces is; it begins again",
        "differences": "what marketplaces showed; the next two comparisons show it again",
        "statements": "issued documents; their words are in no event",
        "parked": "what comparisons came upon; the next one comes upon it again",
    },
)

SPEC = ServiceSpec(
    name="reconciliation",
    package="reconciliation",
    own_topic=topics.RECONCILIATIONS,
    listens=(
        topics.CONNECTIONS,
        topics.ORDERS,
        topics.ACCEPTANCES,
        topics.SHIPMENTS,
        topics.REFUNDS,
        topics.STOCK,
        topics.CATALOG,
        topics.MESSAGES,
    ),
    routes=ROUTES,
    metadata=METADATA,
    settings=ReconciliationServiceSettings,
    duties=duties,
    routers=routers,
    needs_leases=lambda runtime: comparer_of(runtime).lease_names(),
    operation_prefix="audit_",
    replay=REPLAY,
)
