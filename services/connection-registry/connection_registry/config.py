"""Settings of connection-registry."""

from __future__ import annotations

from pydantic import Field

from hub_common.config import ServiceSettings


class RegistrySettings(ServiceSettings):
    """What connection-registry needs beside the common settings."""

    verify_timeout_seconds: float = Field(default=45, gt=0)
    """Longest time that one verification may take; a person waits for it."""
    backfill_max_days: int = Field(default=400, ge=1)
    """Longest window of one backfill, in days; as long as order events are kept."""
    api_keys_max: int = Field(default=10, ge=1)
    """Live API keys per shop: enough for a rotation, few enough that each is known to somebody."""
