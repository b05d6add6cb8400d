"""When ManoMano's sandbox is open. Outside of these hours nothing is sent to it, so that a closed test environment
costs no calls, opens no breaker and never passes for a fault of ours.

Only ManoMano's own sandbox has hours: production never closes, and whoever gives a connection another address runs a
simulator of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connector_kit.capabilities import ConnectionContext
from connector_manomano.manifest import MANIFEST, OPENING_HOURS, OPENING_ZONE, OpenRange
from connector_manomano.settings import Settings
from hub_contracts.orders import Environment


def opens_at(now: datetime, ranges: Sequence[OpenRange] = OPENING_HOURS, zone: str = OPENING_ZONE) -> datetime | None:
    """The instant (UTC) at which it opens next, None while it is open. Pure; `now` must be aware.

    The ranges are wall-clock times of `zone`, so the distance over a night of clock change is an hour more or less.
    Raises `ValueError` for ranges that never open.
    """
    there = ZoneInfo(zone)
    today = now.astimezone(there).date()
    for days in range(9):
        day = today + timedelta(days=days)
        for weekday, start, end in sorted(ranges):
            if weekday != day.weekday():
                continue
            first = datetime.combine(day, start, there).astimezone(UTC)
            last = datetime.combine(day, end, there).astimezone(UTC)
            if first <= now < last:
                return None
            if now < first:
                return first
    raise ValueError("opening hours: no range ever opens")


def keeps_hours(context: ConnectionContext, settings: Settings) -> bool:
    """Whether the hours hold for a connection: the setting where it is made, else by where the calls go.

    The context need not tell the address; then it is not known to be ManoMano's, and the hours do not hold.
    """
    if context.environment is not Environment.SANDBOX:
        return False
    if settings.honour_opening_hours is not None:
        return settings.honour_opening_hours
    address = getattr(context, "base_url", None)
    return isinstance(address, str) and address.rstrip("/") == MANIFEST.address(Environment.SANDBOX)
