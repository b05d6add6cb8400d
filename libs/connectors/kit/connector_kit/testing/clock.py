"""Time that only a test moves, so that a debit after an hour costs no hour and no test depends on today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2025, 11, 7, 9, 14, 22, tzinfo=UTC)


class SettableClock:
    """Implements `Now`. Instants are aware; a naive one is refused."""

    def __init__(self, start: datetime = START) -> None:
        self._present = start
        self.set(start)

    def now(self) -> datetime:
        """The instant that was set last."""
        return self._present

    def set(self, instant: datetime) -> None:
        """Make it this instant. Raises `ValueError` for one without a zone."""
        if instant.tzinfo is None:
            raise ValueError("instant: must have a time zone")
        self._present = instant.astimezone(UTC)

    def forward(self, *, seconds: float = 0, **more: float) -> None:
        """Let time pass; names are those of `timedelta`."""
        self._present += timedelta(seconds=seconds, **more)
