"""Settings of reconciliation (environment, prefix `HUB_`). What one connection wants is a setting of the connection."""

from __future__ import annotations

from pydantic import Field

from hub_common.config import ServiceSettings


class ReconciliationServiceSettings(ServiceSettings):
    """How hard marketplaces are read and when a suspicion becomes a difference."""

    compare_concurrency: int = Field(default=4, ge=1, le=64)
    """Connections that one process reads at the same time; the others wait their turn."""
    slice_seconds: float = Field(default=60, gt=0, le=120)
    """How long one connection may be read before the others get their turn; it goes on where it stopped."""
    confirmations: int = Field(default=2, ge=1, le=10)
    """Comparisons in a row that must show a difference before it is told."""
    repair_attempts: int = Field(default=3, ge=0, le=20)
    """How often a repair is asked for before a person is asked instead."""
    work_hours: float = Field(default=4, gt=0)
    """Work under way (a refund asked for, an offer on its way) keeps a comparison open no longer than this."""
    statement_latest_hours: float = Field(default=6, ge=0, le=23)
    """A day's statement waits so long after midnight (UTC) for a comparison that began after it."""
    statement_days: int = Field(default=7, ge=1, le=40)
    """Statements of so many past days are made up for when the service was away."""
    keep_days: int = Field(default=60, ge=8)
    """How long it is remembered which effect was taken on which day; the statements keep the sums for good."""
    max_lag_records: int = Field(default=1000, ge=0)
    """With more events waiting to be handled, the hub's side is out of date and nothing is compared."""
    backoff_max_seconds: float = Field(default=3600, gt=0)
