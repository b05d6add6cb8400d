"""Settings of catalog-feed."""

from __future__ import annotations

from pydantic import Field

from hub_common.config import ServiceSettings


class CatalogSettings(ServiceSettings):
    """What catalog-feed needs besides what every service needs."""

    feed_debounce_seconds: float = Field(default=5, ge=0)
    """How long changes are gathered before a feed is built again."""
    feed_keep_versions: int = Field(default=20, ge=1)
    """Versions of a feed whose content is kept besides the published one."""
    public_url: str = ""
    """Address under which marketplaces reach this service; empty = the address it listens on."""
