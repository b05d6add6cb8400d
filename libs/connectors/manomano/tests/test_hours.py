"""The sandbox's opening hours: nothing is sent while it is closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.http import NotSent
from connector_kit.outcome import OutcomeState
from connector_manomano.hours import opens_at
from connector_manomano.manifest import MANIFEST, OPENING_HOURS
from hub_contracts.orders import Environment

from .conftest import World, answer_request

SANDBOX = "https://partnersapi.sandbox.manomano.com"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2025-11-07T08:59+01:00", None),
        ("2025-11-07T20:00+01:00", "2025-11-10T00:00+01:00"),
        ("2025-11-07T19:59:59+01:00", None),
        ("2025-11-08T12:00+01:00", "2025-11-10T00:00+01:00"),
        ("2025-11-10T00:00+01:00", None),
        ("2025-11-10T20:00+01:00", "2025-11-11T07:00+01:00"),
        ("2025-11-11T06:59+01:00", "2025-11-11T07:00+01:00"),
        ("2025-07-11T06:59+02:00", "2025-07-11T07:00+02:00"),
        # The clocks change in the night to Sunday, between closing and opening.
        ("2025-10-25T12:00+02:00", "2025-10-27T00:00+01:00"),
        ("2025-10-26T02:30+02:00", "2025-10-27T00:00+01:00"),
        ("2026-03-28T12:00+01:00", "2026-03-30T00:00+02:00"),
    ],
)
def test_the_next_opening(now: str, opens: str | None) -> None:
    assert opens_at(at(now)) == (None if opens is None else at(opens))


def test_a_night_of_clock_change_is_an_hour_longer_or_shorter() -> None:
    waits = []
    for saturday in ("2025-10-18T12:00+02:00", "2025-10-25T12:00+02:00", "2026-03-28T12:00+01:00"):
        opening = opens_at(at(saturday))
        assert opening is not None
        waits.append(opening - at(saturday))
    assert waits == [timedelta(hours=36), timedelta(hours=37), timedelta(hours=35)]


@given(st.integers(min_value=0, max_value=4 * 366 * 86_400))
def test_it_is_open_at_the_opening_and_closed_just_before(seconds: int) -> None:
    now = at("2024-01-01T00:00+00:00") + timedelta(seconds=seconds)
    opening = opens_at(now)
    if opening is not None:
        assert opening > now
        assert opens_at(opening) is None
        assert opens_at(opening - timedelta(seconds=1)) == opening


def test_hours_that_never_open_are_an_error() -> None:
    with pytest.raises(ValueError, match="no range"):
        opens_at(at("2025-11-07T08:59+01:00"), ())


def test_the_text_for_people_tells_the_same_hours() -> None:
    [entry] = [each for each in MANIFEST.environments if each.environment is Environment.SANDBOX]
    assert entry.base_url == SANDBOX
    assert entry.opening_hours is not None
    assert entry.opening_hours.startswith("Monday 00:00-20:00, Tuesday to Friday 07:00-20:00")
    told = [f"{DAYS[day]} {start:%H:%M}-{end:%H:%M}" for day, start, end in OPENING_HOURS]
    assert told == ["Monday 00:00-20:00", *(f"{day} 07:00-20:00" for day in DAYS[1:5])]


async def test_nothing_is_sent_while_it_is_closed(make_world: Callable[..., World]) -> None:
    world = make_world(keeps_hours=True)
    world.clock.present = at("2025-11-08T12:00+01:00")
    reference = world.order()
    connection = world.connect(base_url=SANDBOX + "/")
    [outcome] = await connection.accept([answer_request(reference)])
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, 36 * 3600)
    assert "closed until 2025-11-09T23:00:00Z" in outcome.reason
    with pytest.raises(NotSent) as caught:
        await connection.read_order(reference)
    assert caught.value.retry_after == 36 * 3600
    verification = await connection.verify()
    assert not verification.ok
    assert "Monday" in verification.detail
    assert world.http.calls == []
    world.clock.forward(hours=36)
    [outcome] = await connection.accept([answer_request(reference)])
    assert outcome.state == OutcomeState.DONE


@pytest.mark.parametrize(
    ("base_url", "setting", "environment", "sent"),
    [
        (SANDBOX, None, "sandbox", False),
        (SANDBOX, False, "sandbox", True),
        (None, None, "sandbox", True),
        (None, True, "sandbox", False),
        ("http://127.0.0.1:9001", None, "sandbox", True),
        ("http://127.0.0.1:9001", True, "sandbox", False),
        ("https://partnersapi.manomano.com", None, "production", True),
        ("https://partnersapi.manomano.com", True, "production", True),
    ],
)
async def test_whose_hours_are_kept(
    world: World, base_url: str | None, setting: bool | None, environment: str, sent: bool
) -> None:
    world.clock.present = at("2025-11-08T12:00+01:00")
    given = {} if setting is None else {"honour_opening_hours": setting}
    connection = world.connect(base_url=base_url, environment=environment, **given)
    assert (await connection.verify()).ok == sent
    assert len(world.http.calls) == sent


async def test_the_simulator_closes_by_its_clock_when_told_to(make_world: Callable[..., World]) -> None:
    world = make_world(keeps_hours=True)
    connection = world.connect()
    assert (await connection.verify()).ok
    world.clock.present = at("2025-11-08T12:00+01:00")
    closed = await connection.verify()
    assert not closed.ok
    assert "503" in closed.detail
