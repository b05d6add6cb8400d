"""Instants as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

from hub_tools.client.errors import usage


def instant(option: str, text: str) -> datetime:
    """RFC 3339, or a part of it (`2026-11-06`, `2026-11-06T14:03`); UTC unless an offset says otherwise.

    Raises `CommandError` (usage) naming the option.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise usage(f"{option}: must be an instant like 2026-11-06T14:03Z or 2026-11-06") from None
