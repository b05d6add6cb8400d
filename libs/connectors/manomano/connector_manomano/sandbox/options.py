"""What can be asked of the simulator: its own settings, and wishes for invented orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connector_manomano.manifest import ORDERS_PER_CALL

SANDBOX_KEY = "manomano-sandbox-key"
SANDBOX_CONTRACT = 11781522
"""Key and contract of a simulator that was given no others."""

Country = Literal["FR", "BE", "DE", "ES", "IT", "UK"]


class OfferWish(BaseModel):
    """An offer that exists from the start."""

    model_config = ConfigDict(extra="forbid")
    sku: str = Field(min_length=1)
    price: Decimal = Field(default=Decimal("19.90"), gt=0)
    stock: int = Field(default=25, ge=0)


class SandboxSettings(BaseModel):
    """Settings of one simulator (`SandboxOptions.settings`)."""

    model_config = ConfigDict(extra="forbid")
    api_keys: list[str] = [SANDBOX_KEY]
    contracts: dict[int, Country] = {SANDBOX_CONTRACT: "FR"}
    """Contract ids of the key, with their country."""
    accept_within_hours: float = Field(default=48, gt=0)
    """A PENDING order becomes REFUSED by itself after this time [assumed]."""
    refund_seconds: float = Field(default=60, ge=0)
    """How long an order stays REFUNDING [assumed]."""
    quota_per_hour: int = Field(default=0, ge=0)
    """Calls per key and fixed hour; beyond, the gateway's 429. 0 = not counted."""
    other_carrier: bool = False
    """Whether the carrier `Other` is taken; sources disagree."""
    orders_per_call: int = Field(default=ORDERS_PER_CALL, gt=0)
    repeat_code: Literal[409, 500] = 409
    """Item code of an accept or refuse that was done before; one known client hints at 500."""
    partial_refund_ends: Literal["SHIPPED", "REFUNDED"] = "SHIPPED"
    """Where an order goes after a refund of some units; not public."""
    offers: list[OfferWish] = []
    keeps_hours: bool = False
    """Closed outside of the published opening hours, by the simulator's clock: 503 [assumed]."""
    carrier_grids: list[str] = ["Standard"]
    """Grids made in the Toolbox; offers with another one are refused."""
    unapproved_skus: list[str] = []
    """SKUs whose product sheet is not approved: offers of them are refused with NO_CONTENT_APPROVED."""
    eco_participation_place: Literal["pricing", "offer"] = "pricing"
    """Where FR offers must state it [assumed]."""


class SkuWish(BaseModel):
    """One line of an invented order."""

    model_config = ConfigDict(extra="forbid")
    sku: str = Field(min_length=1)
    price: Decimal = Field(gt=0)
    quantity: int | None = Field(default=None, ge=1, le=1_000_000)
    title: str | None = None


class OrderOptions(BaseModel):
    """Wishes for `create_orders`; what is not fixed is invented from the seed."""

    model_config = ConfigDict(extra="forbid")
    contract: int | None = None
    reference: str | None = Field(default=None, min_length=1)
    """Fixes the reference of a single order: the same one may exist under another contract."""
    skus: list[SkuWish] = []
    """Lines to use: all of them, or `lines` of them at random when that is given too."""
    lines: int | None = Field(default=None, ge=1, le=50)
    status: str = "PENDING"
    country: Country | None = None
    carrier: str | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    buyer: dict[str, str] = {}
    """Fields of the buyer's address in place of invented ones (`lastname`, `address_line1`, `email`, …)."""
    is_mmf: bool = False
    professional: bool = False
    pickup_point: bool = False
    null_address: bool = False
    duplicate_skus: bool = False
    """Repeats the first line's SKU in a further line."""
    string_amounts: bool = False
    unknown_status: bool = False
    price_mismatch: bool = False
    """`products_price` is one unit of money above what the lines add up to."""
    dates: Literal["zulu", "offset", "compact_offset", "naive"] = "zulu"


def utc_now_or(given: datetime | None, now: datetime) -> datetime:
    """The given instant, else the present one."""
    return now if given is None else given
