"""Declaration of ops-console."""

from __future__ import annotations

from hub_common.service import ServiceSpec
from hub_contracts.topics import TOPICS
from ops_console.api import routers
from ops_console.handlers import ROUTES
from ops_console.tables import METADATA

SPEC = ServiceSpec(
    name="ops-console",
    package="ops_console",
    own_topic="",
    listens=tuple(topic.name for topic in TOPICS),
    routes=ROUTES,
    metadata=METADATA,
    routers=routers,
)
