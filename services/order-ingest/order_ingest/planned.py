"""Calls that order-ingest knows it will make, so that the forecast sees a long backfill before it has run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from connector_kit.manifest import Capability
from hub_common.connectors import can
from hub_common.http.budget_forecast import PlannedCalls
from order_ingest import progress
from order_ingest.config import IngestSettings
from order_ingest.pollers import interval_of, is_polled

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LIST_ORDERS = "list_orders"
"""Operation whose budget polls and backfills draw on, by the kit's convention."""


async def planned_calls(runtime: Runtime) -> Sequence[PlannedCalls]:
    """Polls an hour and parts of open backfills, by credential; a poll and a part count as one call each."""
    settings = runtime.settings
    assert isinstance(settings, IngestSettings)
    every = [each for each in runtime.connections.all() if is_polled(each)]
    exporting = [each.connection_id for each in every if can(each, Capability.ORDER_EXPORT)]
    hours = await progress.backfill_hours(runtime.pool, exporting)
    per_hour: dict[str, float] = {}
    parts: dict[str, int] = {}
    for each in every:
        ref = each.data.credential_ref
        per_hour[ref] = per_hour.get(ref, 0.0) + 3600 / interval_of(each)
        left = math.ceil(hours.get(each.connection_id, 0.0) / settings.backfill_chunk_hours)
        parts[ref] = parts.get(ref, 0) + left
    return [PlannedCalls(ref, LIST_ORDERS, rate, parts[ref]) for ref, rate in per_hour.items()]
