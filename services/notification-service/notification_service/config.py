"""Settings of notification-service."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field, SecretStr, model_validator

from hub_common.config import ServiceSettings

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


IMPLICIT_TLS_PORT = 465
"""Submission with TLS from the first byte (RFC 8314); there is no STARTTLS on it."""


class NotificationServiceSettings(ServiceSettings):
    """What this service needs besides what every service needs. Environment names have the prefix `HUB_`."""

    smtp_host: str = ""
    """Mail server; empty = no e-mail can be sent, only webhooks."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """465 speaks TLS from the first byte; on any other port `smtp_starttls` counts."""
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = True
    """Refuse to send over a connection that is not encrypted. Off only for a mail server on the same machine."""
    smtp_ca_file: Path | None = None
    """PEM of whoever signed the mail server's certificate, beside the authorities that the system trusts."""
    smtp_from: str = "order-routing-hub@localhost"
    """Sender of e-mails."""
    smtp_timeout_seconds: float = Field(default=15, gt=0)
    console_url: str = ""
    """Address of the web console as people reach it; empty = notifications have no links."""
    notify_critical_minutes: int = Field(default=240, ge=1)
    """A deadline that is nearer than this is told at once, whatever a subscription says."""

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.smtp_username and not (self.smtp_encrypted or _is_this_machine(self.smtp_host)):
            raise ValueError(
                "HUB_SMTP_STARTTLS is off and HUB_SMTP_HOST is another machine: HUB_SMTP_PASSWORD would go in the clear"
            )
        return self

    @property
    def smtp_encrypted(self) -> bool:
        """No message and no password goes to the mail server in the clear."""
        return self.smtp_starttls or self.smtp_port == IMPLICIT_TLS_PORT


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in ("", "localhost")


def settings_of(runtime: Runtime) -> NotificationServiceSettings:
    """The service's settings, typed."""
    assert isinstance(runtime.settings, NotificationServiceSettings), "the service's declaration names them"
    return runtime.settings
