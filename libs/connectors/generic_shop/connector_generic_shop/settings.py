"""One connection's settings and secrets in the shape that the connector works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext


@dataclass(frozen=True, slots=True)
class ShopSettings:
    """How orders reach this shop. `webhook_url` is None exactly when the shop pulls."""

    webhook_url: str | None
    send_personal_data: bool
    invoice_url: str | None = None

    @property
    def pulls(self) -> bool:
        """True when the hub calls nobody and its order list is the delivery."""
        return self.webhook_url is None


def read_settings(given: Mapping[str, Any]) -> ShopSettings:
    """Read connector settings, typed or still as text. Personal data goes out unless it is clearly switched off."""
    address = str(given.get("webhook_url") or "").strip()
    if given.get("delivery") == "pull":
        address = ""
    personal = str(given.get("send_personal_data", "true")).lower() != "false"
    invoices = str(given.get("invoice_url") or "").strip()
    return ShopSettings(webhook_url=address or None, send_personal_data=personal, invoice_url=invoices or None)


def read_secrets(context: ConnectionContext) -> tuple[SecretStr, ...]:
    """The valid secrets, newest first; two while a rotation lasts."""
    names = ("webhook_secret", "webhook_secret_previous")
    found = (context.credentials.get(name) for name in names)
    return tuple(secret for secret in found if secret is not None and secret.get_secret_value().strip())
