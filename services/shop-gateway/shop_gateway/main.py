"""Declaration of shop-gateway."""

from __future__ import annotations

from hub_common.service import ServiceSpec
from hub_contracts import topics
from shop_gateway.api import routers
from shop_gateway.config import GatewaySettings
from shop_gateway.duties import Caretaker
from shop_gateway.effects import build_effects
from shop_gateway.handlers import ROUTES
from shop_gateway.replay import REPLAY
from shop_gateway.shop_api import shop_routers
from shop_gateway.tables import METADATA

SPEC = ServiceSpec(
    name="shop-gateway",
    package="shop_gateway",
    own_topic=topics.SHOP_ACTIVITY,
    listens=(topics.ROUTES, topics.ORDERS, topics.ORDER_CUSTOMERS, topics.CONNECTIONS),
    routes=ROUTES,
    metadata=METADATA,
    settings=GatewaySettings,
    effects=build_effects,
    duties=lambda runtime: Caretaker(runtime).duties(),
    routers=routers,
    self_authenticated=shop_routers,
    openapi=True,
    replay=REPLAY,
)
