"""The script of a simulated shop: where it posts, and how it treats its orders."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from connector_generic_shop.signing import check_secret

DEFAULT_SHOP = "shop"
"""Shop of the address without a name, `/webhook`."""


class Behaviour(BaseModel):
    """Body of `PUT /_sandbox/behaviour`. One script per shop; `*_every_n` of 0 is never, 1 is always."""

    model_config = ConfigDict(extra="forbid")
    shop_name: str = Field(default=DEFAULT_SHOP, pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    hub_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    """Address of the hub; without it the shop only receives."""
    connection_id: UUID | None = None
    api_key: SecretStr | None = None
    webhook_secret: SecretStr | None = None
    """Of messages in both directions; without it the sandbox's own default."""
    webhook_secret_previous: SecretStr | None = None
    mode: Literal["rest", "webhook"] = "rest"
    """How facts are posted to the hub."""
    pull: bool = False
    """Fetch open orders from the hub in each step, instead of waiting for webhooks."""
    acknowledge: bool = True
    carriers: list[str] = Field(default=["DHL", "Colissimo", "UPS"], min_length=1)
    """Names used in turn."""
    ship_after_seconds: float = Field(default=0, ge=0)
    """From taking the order to the first parcel, and from there to the second."""
    partial_every_n: int = Field(default=0, ge=0)
    """Every n-th order of several units ships in two parcels."""
    unknown_carrier_every_n: int = Field(default=0, ge=0)
    """Every n-th parcel goes with a carrier that nobody knows."""
    invoice: Literal["never", "at_once", "after_shipment"] = "after_shipment"
    """When the shop has an order's invoice for whoever asks with a valid signature."""
    return_every_n: int = Field(default=0, ge=0)
    """One unit of every n-th shipped order comes back: reported as created, then as received."""
    return_after_seconds: float = Field(default=0, ge=0)
    """From the last parcel to the return, and from there to its receipt."""
    cancel_every_n: int = Field(default=0, ge=0)
    """Every n-th order is cancelled by the shop instead of shipped."""
    stock: dict[str, int] = {}
    """Units per SKU: posted at once, and again whenever a parcel took some."""
    prices: dict[str, str] = {}
    """Price per SKU as decimal text, posted at once."""
    currency: str = "EUR"
    loop_seconds: float | None = Field(default=None, gt=0)
    """Do due work by itself at this interval. None leaves the loop as it is."""

    @field_validator("webhook_secret", "webhook_secret_previous")
    @classmethod
    def _usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_secret(value)
        return value

    @property
    def can_post(self) -> bool:
        """Whether the script says enough for posting in its mode."""
        if self.hub_url is None or self.connection_id is None:
            return False
        return self.mode == "webhook" or self.api_key is not None
