"""Settings of shop-gateway, beyond those of every service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from hub_common.config import ServiceSettings

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


class GatewaySettings(ServiceSettings):
    """Waiting times, tolerances and keeping times. Environment names have the prefix `HUB_`."""

    customer_wait_seconds: float = Field(default=30, ge=0)
    """How long an order may wait in silence for the buyer's address; then it is parked, and still goes on by itself."""
    clock_ahead_seconds: float = Field(default=300, ge=0)
    """How far a shop's instants may lie ahead of our clock: five minutes, as for signatures."""
    list_page_size: int = Field(default=100, ge=1, le=1000)
    """Orders per page of the list that shops pull, unless they ask for fewer or more."""
    posts_keep_days: int = Field(default=45, ge=1)
    """How long finished posts of shops, and with them the memory of idempotency keys, are kept."""
    levels_keep_days: int = Field(default=7, ge=1)
    """The same for stock and price posts: many, large, and of no interest once a newer one was taken."""
    customers_keep_days: int = Field(default=90, ge=1)
    """How long buyers' data is kept: as long as the topic that it comes from."""


def settings_of(runtime: Runtime) -> GatewaySettings:
    """The service's settings, typed."""
    assert isinstance(runtime.settings, GatewaySettings), "the service's declaration names them"
    return runtime.settings
