"""Settings of message-service beside those of every service."""

from __future__ import annotations

from pydantic import Field

from hub_common.config import ServiceSettings


class MessageServiceSettings(ServiceSettings):
    """Environment variables `HUB_…`."""

    thread_poll_seconds: int = Field(default=300, ge=10)
    """How often a connection's threads are read; a marketplace's call budget may make it less often."""
    thread_overlap_seconds: int = Field(default=900, ge=0)
    """Each reading begins so long before the last one: marketplaces publish late and clocks differ."""
    first_read_days: int = Field(default=14, ge=1)
    """How far back the first reading of a connection goes."""
    body_keep_days: int = Field(default=180, ge=1)
    """After so long the words of a message are deleted; that it was written stays."""
