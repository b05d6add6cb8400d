"""Settings of order-ingest (environment, prefix `HUB_`)."""

from __future__ import annotations

from pydantic import Field

from hub_common.config import ServiceSettings


class IngestSettings(ServiceSettings):
    """How hard and how far back marketplaces are read. Intervals of one connection are settings of the connection."""

    poll_concurrency: int = Field(default=16, ge=1, le=256)
    """Listings that one process reads at the same time; connections beyond that wait their turn."""
    bulk_concurrency: int = Field(default=4, ge=1, le=64)
    """Further listings at the same time for backfills and re-reads; they never take a place of a poll."""
    backoff_max_seconds: float = Field(default=900, gt=0)
    """Longest wait after repeated failures: how late a repaired connection is noticed when nobody tells."""
    cursor_max_lag_hours: float = Field(default=3, gt=0)
    """How far the cursor may stay behind our clock. Above the error of a marketplace's clock, an hour of summer time
    included; below the window that a quiet connection may read again at every poll."""
    reread_days: float = Field(default=3, gt=0)
    """Orders created within so many days are read again from time to time, whatever the update times say."""
    reread_every_hours: float = Field(default=6, ge=0)
    """0 = never."""
    reread_chunk_hours: float = Field(default=24, gt=0)
    backfill_chunk_hours: float = Field(default=12, gt=0)
    """Creation window of one backfill listing."""
    export_days: float = Field(default=31, gt=0)
    """Creation window of one export. A longer backfill is a row of exports."""
    export_attempts: int = Field(default=3, ge=1)
    """Exports of one window that may fail before the rest of the backfill is listed."""
    export_patience_hours: float = Field(default=6, gt=0)
    """An export that is not ready by then counts as failed."""
    export_concurrency: int = Field(default=2, ge=1, le=64)
    """Exports that one process works on at the same time, beside polls and listings in bulk."""
    notice_max_bytes: int = Field(default=65_536, ge=1_024, le=1_048_576)
    """Longest body of a notice. It only says where to look; the largest known one is far below."""
    notices_per_minute: int = Field(default=600, ge=1)
    """Notices that one process takes of one connection, true or forged. More are answered 429; polls go on."""
    notices_keep_days: float = Field(default=7, gt=0)
    """How long bodies of notices are kept; those that could not be proven a day at most."""
    customers_keep_days: int = Field(default=90, ge=1)
    """Longest time that buyers' data of finished orders is kept; a connection may say less. As at shop-gateway."""
    bulk_patience_seconds: float = Field(default=900, ge=0)
    """Where the call budget leaves nothing beside the polls, one chunk may go ahead of a poll after waiting this long.
    0 = never: backfills of such connections then do not move."""
