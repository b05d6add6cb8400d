"""Declaration of message-service."""

from __future__ import annotations

from collections.abc import Sequence

from hub_common.runtime import Runtime
from hub_common.service import Duty, ServiceSpec
from hub_contracts import topics
from message_service.api import routers
from message_service.config import MessageServiceSettings
from message_service.effects import build_effects
from message_service.handlers import ROUTES
from message_service.reading import ThreadReader, Upkeep, needed_leases
from message_service.replay import REPLAY
from message_service.tables import METADATA


def duties(runtime: Runtime) -> Sequence[Duty]:
    """Reading conversations, alarms, and forgetting words whose time is over."""
    settings = runtime.settings
    assert isinstance(settings, MessageServiceSettings), "the spec names the settings class"
    return [
        Duty("threads", ThreadReader(runtime, settings).step, idle_seconds=5.0),
        Duty("upkeep", Upkeep(runtime).step, idle_seconds=30.0),
    ]


SPEC = ServiceSpec(
    name="message-service",
    package="message_service",
    own_topic=topics.MESSAGES,
    listens=(topics.ORDERS, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    settings=MessageServiceSettings,
    effects=build_effects,
    duties=duties,
    routers=routers,
    needs_leases=needed_leases,
    replay=REPLAY,
)
