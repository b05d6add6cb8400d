"""Schedule, windows, numbers, listing: what needs no database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import RawOrder
from connector_kit.http import BadAnswer, NotSent
from hub_common.clock import ManualClock
from order_ingest import listing
from order_ingest.answers import LastAnswer, Trouble, failure_of
from order_ingest.listing import Page, read_listing
from order_ingest.numbers import ALPHABET, LIMIT, candidate
from order_ingest.schedule import Schedule
from order_ingest.windows import (
    CallRoom,
    back_off,
    chunk_of,
    may_go_on,
    may_start_chunk,
    next_cursor,
    poll_window,
    reread_due,
)

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
LAG = timedelta(hours=3)
instants = st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda since: datetime(2026, 1, 1, tzinfo=UTC) + since)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 50), st.booleans()), max_size=300))
def test_a_schedule_gives_each_key_once_in_order(steps: list[tuple[str, int, bool]]) -> None:
    schedule: Schedule[str] = Schedule()
    planned: dict[str, float] = {}
    for key, at, drop in steps:
        if drop:
            schedule.drop(key)
            planned.pop(key, None)
        else:
            schedule.put(key, at)
            planned[key] = at
        assert schedule.next_at() == min(planned.values(), default=None)
    assert schedule.pop_due(-1) is None
    given_out = []
    while (key := schedule.pop_due(100)) is not None:
        given_out.append(key)
    assert sorted(given_out) == sorted(planned)
    assert [planned[key] for key in given_out] == sorted(planned.values())
    assert len(schedule) == 0


def test_a_schedule_does_not_grow_with_replaced_entries() -> None:
    schedule: Schedule[int] = Schedule()
    for turn in range(5000):
        schedule.put(turn % 3, 1e9 + turn)
    assert len(schedule._heap) <= 64


@given(st.none() | instants, st.none() | instants, instants)
def test_the_cursor_never_goes_back_nor_past_the_start_of_the_listing(
    before: datetime | None, newest: datetime | None, started: datetime
) -> None:
    cursor = next_cursor(before, newest, started, LAG)
    assert cursor >= started - LAG
    assert before is None or cursor >= before
    assert cursor <= max(started, before or started)
    if newest is not None and started - LAG <= newest <= started and before is None:
        assert cursor == newest


def test_windows() -> None:
    assert poll_window(None, NOW, 300).created_from == NOW
    assert poll_window(None, NOW, 300).updated_from is None
    assert poll_window(NOW, None, 300).updated_from == NOW - timedelta(seconds=300)
    assert poll_window(NOW, None, 300).created_from is None


@given(instants, st.timedeltas(timedelta(0), timedelta(days=20)), st.floats(0.5, 100))
def test_chunks_cover_the_window_without_a_gap(start: datetime, length: timedelta, hours: float) -> None:
    at, until, count = start, start + length, 0
    while True:
        chunk = chunk_of(at, until, hours)
        assert chunk.start == at
        at, count = chunk.end, count + 1
        if chunk.last:
            break
        assert chunk.end > chunk.start
    assert at == until
    assert count <= length.total_seconds() / 3600 / hours + 2


@given(st.integers(0, 100), st.floats(1, 600), st.floats(0, 1))
def test_back_off_grows_to_its_limit(failures: int, interval: float, jitter: float) -> None:
    wait = back_off(failures, interval, 900, jitter)
    assert interval <= wait <= 990.0001
    assert back_off(failures + 1, interval, 900, jitter) >= wait


def test_rereads_are_spread_and_come_back() -> None:
    every = timedelta(hours=6)
    assert not reread_due(NOW, None, None, every, 0)
    assert not reread_due(NOW, NOW - timedelta(hours=2), None, every, 0)
    assert reread_due(NOW, NOW - timedelta(hours=3), None, every, 0)
    assert not reread_due(NOW, NOW - timedelta(hours=5), None, every, 1)
    assert reread_due(NOW, NOW - timedelta(days=9), NOW - every, every, 1)
    assert not reread_due(NOW, NOW - timedelta(days=9), NOW, every, 1)
    assert not reread_due(NOW, NOW - timedelta(days=9), None, timedelta(0), 0)


@pytest.mark.parametrize(
    ("room", "to_poll", "waited", "allowed"),
    [
        (CallRoom(5, 10, 60), 10, 0, True),
        (CallRoom(1, 1, 60), 10, 0, False),
        (CallRoom(1, 1, 60), 60, 0, True),
        (CallRoom(1, 1, 60), 10, 900, True),
        (CallRoom(0, 1, 60), 500, 5000, False),
    ],
)
def test_bulk_leaves_a_call_for_the_poll(room: CallRoom, to_poll: float, waited: float, allowed: bool) -> None:
    assert may_start_chunk([CallRoom(9, 9, 1), room], to_poll, waited, 900) is allowed


def test_patience_of_zero_never_goes_ahead_of_a_poll() -> None:
    assert not may_start_chunk([CallRoom(1, 1, 60)], 10, 1e9, 0)


def test_further_pages_leave_a_call_where_several_may_be_made() -> None:
    assert may_go_on([CallRoom(2, 10, 60), CallRoom(0, 1, 60)])
    assert not may_go_on([CallRoom(1, 10, 60)])


@given(st.text(min_size=1), st.uuids(), st.integers(0, 3))
def test_short_numbers_fit_and_repeat(number: str, order_id: object, attempt: int) -> None:
    short = candidate(number, order_id, attempt)
    assert len(short) <= LIMIT
    assert short == candidate(number, order_id, attempt)
    assert short != candidate(number, order_id, attempt + 1)
    assert short == number or set(short) <= set(ALPHABET)


@pytest.mark.parametrize(
    ("error", "last", "trouble", "wait"),
    [
        (BadAnswer("HTTP 401"), LastAnswer(401), Trouble.REFUSED, None),
        (BadAnswer("HTTP 403"), LastAnswer(403), Trouble.REFUSED, None),
        (BadAnswer("HTTP 429"), LastAnswer(429, 7), Trouble.HELD, 7),
        (BadAnswer("HTTP 429"), LastAnswer(429), Trouble.HELD, 60),
        (NotSent("budget", 12), LastAnswer(), Trouble.HELD, 12),
        (NotSent("refused"), LastAnswer(), Trouble.FAILED, None),
        (BadAnswer("html"), LastAnswer(200), Trouble.FAILED, None),
        (KeyError("Mrs Smith"), LastAnswer(200), Trouble.FAILED, None),
    ],
)
def test_failures_are_told_apart(error: Exception, last: LastAnswer, trouble: Trouble, wait: float | None) -> None:
    failure = failure_of(error, last)
    assert (failure.trouble, failure.wait) == (trouble, wait)
    assert "Smith" not in failure.text


async def _open() -> None:
    return None


async def test_a_slow_next_page_does_not_hold_orders_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "HOLD_SECONDS", 0.01)
    first_taken = asyncio.Event()
    taken: list[Page] = []

    async def pages() -> AsyncIterator[Sequence[RawOrder]]:
        yield [RawOrder("1", b"{}")]
        await asyncio.wait_for(first_taken.wait(), 5)
        yield [RawOrder("2", b"{}")]

    async def take(page: Page) -> None:
        taken.append(page)
        first_taken.set()

    await read_listing(pages(), take, _open, ManualClock())
    assert [(len(page.raws), page.last) for page in taken] == [(1, False), (1, True)]


async def test_an_error_hands_over_what_was_read_and_ends_nothing() -> None:
    taken: list[Page] = []

    async def pages() -> AsyncIterator[Sequence[RawOrder]]:
        yield [RawOrder("1", b"{}")]
        raise BadAnswer("html")

    async def take(page: Page) -> None:
        taken.append(page)

    with pytest.raises(BadAnswer):
        await read_listing(pages(), take, _open, ManualClock())
    assert [(len(page.raws), page.last) for page in taken] == [(1, False)]


async def test_an_empty_listing_is_complete() -> None:
    taken: list[Page] = []

    async def pages() -> AsyncIterator[Sequence[RawOrder]]:
        for page in ():
            yield page

    async def take(page: Page) -> None:
        taken.append(page)

    await read_listing(pages(), take, _open, ManualClock())
    assert [(len(page.raws), page.last) for page in taken] == [(0, True)]
