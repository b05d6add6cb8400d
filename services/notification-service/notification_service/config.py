"""Settings of notification-service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr

from hub_common.config import ServiceSettings

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


class NotificationServiceSettings(ServiceSettings):
    """What this service needs besides what every service needs. Environment names have the prefix `HUB_`."""

    smtp_host: str = ""
    """Mail server; empty = no e-mail can be sent, only webhooks."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = True
    """Refuse to send over a connection that is not encrypted. Off only for a mail server on the same machine."""
    smtp_from: str = "order-routing-hub@localhost"
    """Sender of e-mails."""
    smtp_timeout_seconds: float = Field(default=15, gt=0)
    console_url: str = ""
    """Address of the web console as people reach it; empty = notifications have no links."""
    notify_critical_minutes: int = Field(default=240, ge=1)
    """A deadline that is nearer than this is told at once, whatever a subscription says."""


def settings_of(runtime: Runtime) -> NotificationServiceSettings:
    """The service's settings, typed."""
    assert isinstance(runtime.settings, NotificationServiceSettings), "the service's declaration names them"
    return runtime.settings
