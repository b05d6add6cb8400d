"""Settings of the sandbox, from the environment (prefix `HUB_SANDBOX_`).

It has no log-in and invents orders on request, so the environment can forbid it: `HUB_ENVIRONMENT=production` does.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PRODUCTION = "production"


class SandboxSettings(BaseSettings):
    """Where it listens and how repeatable it is."""

    model_config = SettingsConfigDict(env_prefix="HUB_SANDBOX_", extra="ignore", populate_by_name=True)

    host: str = "127.0.0.1"
    """Loopback by default, because every route is open."""
    port: int = Field(default=8090, ge=0, le=65535)
    """0 = any idle port (logged at start)."""
    seed: int = 1
    """The same seed invents the same orders."""
    settings: dict[str, dict[str, Any]] = {}
    """JSON: each connector's own simulator settings, e.g. `{"generic_shop": {"loop_seconds": 0.5}}`."""
    log_format: Literal["json", "console"] = Field(default="json", validation_alias="HUB_LOG_FORMAT")
    log_level: str = Field(default="INFO", validation_alias="HUB_LOG_LEVEL")
    environment: str = Field(default="", validation_alias="HUB_ENVIRONMENT")
    """Kind of deployment, set once for all services."""

    @property
    def forbidden(self) -> bool:
        """Whether this deployment must not run simulators."""
        return self.environment.strip().lower() == PRODUCTION
