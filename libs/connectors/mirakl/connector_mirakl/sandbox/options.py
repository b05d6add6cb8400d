"""How a simulated operator is set up. Unknown names are refused, because a misspelt one would be silently off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from connector_mirakl.sandbox.profiles import DEFAULT_OPERATOR, PROFILES, OperatorProfile


class SandboxSettings(BaseModel):
    """`SandboxOptions.settings` of this simulator. Times are in seconds of the injected clock."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    api_key: str = "mirakl-sandbox-key"
    shop_id: int = 2042
    operator: str = DEFAULT_OPERATOR
    """Name of a profile in `profiles.PROFILES`."""
    multi_shipment: bool = True
    multi_part_item_shipment: bool = True
    partial_acceptance: bool = True
    unregistered_carriers: bool = True
    """Whether carriers may be named that SH21 does not list."""
    hide_addresses_before_acceptance: bool = False
    debit_seconds: float = 30
    """From acceptance to SHIPPING; half of it in WAITING_DEBIT, half in WAITING_DEBIT_PAYMENT."""
    accept_within_hours: float = 120
    """After that an unanswered order is REFUSED by the operator."""
    receive_seconds: float | None = None
    """From SHIPPED to RECEIVED; None: never by itself."""
    refund_seconds: float = 30
    """From a refund's request to REFUNDED."""
    export_seconds: float = 20
    """From OR13 to COMPLETED, or to FAILED."""
    export_file_orders: int = Field(default=1_000, ge=1)
    """Orders per file of an export at most."""
    import_step_seconds: float = 5
    """An import is WAITING for one step, RUNNING for a second, then it ends."""
    error_shape: str = Field(default="coded", pattern="^(coded|status_message|errors|empty)$")
    """Which of the known error bodies is answered."""
    enforce_frequencies: bool = False
    """Answer 429 when OR11, STO01 or PRI01 come more often than published."""
    call_contract: Literal["own", "integrator"] = "own"
    """Which of OR11's published frequencies is enforced: every minute, or every 15 minutes."""
    page_shift_rows: int = Field(default=1, ge=1)
    """Rows that leave the listing when the fault `page_shift` strikes."""
    offers: tuple[dict[str, Any], ...] = ()
    """More offers: `{"sku", "price", "quantity"?, "channel_prices"?: {code: price}}`."""

    @property
    def profile(self) -> OperatorProfile:
        """The operator's profile. Raises `ValueError` for an unknown name."""
        if self.operator not in PROFILES:
            raise ValueError(f"operator: {self.operator!r} is not one of {', '.join(sorted(PROFILES))}")
        return PROFILES[self.operator]


def read_options(given: Mapping[str, Any]) -> SandboxSettings:
    """Validate. Raises `pydantic.ValidationError` or `ValueError` naming the setting."""
    settings = SandboxSettings.model_validate(dict(given))
    _ = settings.profile
    return settings
