"""What connection-registry is."""

from __future__ import annotations

from connection_registry.api import build_routers
from connection_registry.config import RegistrySettings
from connection_registry.handlers import ROUTES
from connection_registry.replay import REPLAY
from connection_registry.tables import METADATA
from hub_common.service import ServiceSpec
from hub_contracts import topics

SPEC = ServiceSpec(
    name="connection-registry",
    package="connection_registry",
    own_topic=topics.CONNECTIONS,
    listens=(),
    routes=ROUTES,
    metadata=METADATA,
    settings=RegistrySettings,
    routers=build_routers,
    replay=REPLAY,
)
