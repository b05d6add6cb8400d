"""Whose turn it is: the longest overdue first, and what was never planned at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from hub_common.turns import most_overdue

NOW = datetime(2026, 3, 1, tzinfo=UTC)
A, B, C = (UUID(int=number) for number in (1, 2, 3))


def minutes(**at: int) -> dict[UUID, datetime]:
    """When each is due, in minutes from now."""
    return {{"a": A, "b": B, "c": C}[name]: NOW + timedelta(minutes=value) for name, value in at.items()}


@pytest.mark.parametrize(
    ("planned", "chosen"),
    [
        (minutes(a=-5, b=-9, c=4), B),
        (minutes(a=1, b=2, c=3), None),
        (minutes(a=1, b=0, c=3), B),
        (minutes(a=1, b=2), C),
        (minutes(a=-1, b=2), A),
    ],
    ids=["longest overdue", "none is due", "due this instant", "never planned", "overdue before never planned"],
)
def test_the_longest_overdue_comes_first(planned: dict[UUID, datetime], chosen: UUID | None) -> None:
    assert most_overdue((A, B, C), planned, NOW) == chosen


def test_nothing_to_choose_from_is_nobodys_turn() -> None:
    assert most_overdue((), {}, NOW) is None
