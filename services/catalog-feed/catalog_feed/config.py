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
    product_file_max_bytes: int = Field(default=32 * 1024 * 1024, ge=1024)
    """Largest product file, unpacked."""
    product_file_keep_days: int = Field(default=30, ge=1)
    """Days after its end that a product file can be downloaded; its record and its report stay."""
