"""How dates of discounts are written in files.

Mirakl's files take ISO 8601 instants; operators' own guides ask for bare days. A day only has a meaning in the
operator's time zone, so a discount that ends at midnight there must not be written with the day before or after.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

INSTANT_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DateStyle:
    """`instant`: ISO 8601 in UTC with `Z`. `day`: the day in `zone`; an end is the last day that is still inside."""

    style: Literal["instant", "day"] = "instant"
    zone: str = "UTC"

    def start(self, moment: datetime | None) -> str:
        """The first moment of a period; empty for "at once"."""
        return "" if moment is None else self._text(moment)

    def end(self, moment: datetime | None) -> str:
        """The moment at which a period is over; empty for "never"."""
        if moment is None:
            return ""
        return self._text(moment - INSTANT_BEFORE if self.style == "day" else moment)

    def _text(self, moment: datetime) -> str:
        if self.style == "day":
            return moment.astimezone(ZoneInfo(self.zone)).date().isoformat()
        return moment.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


INSTANTS = DateStyle()
