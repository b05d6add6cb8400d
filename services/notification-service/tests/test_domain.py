"""When people are told: quiet settings put off what can wait, and never a deadline."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from notification_service.domain import (
    Channel,
    Kind,
    Notice,
    QuietHours,
    Severity,
    Subscription,
    Told,
    deliveries,
    next_channel,
    send_at,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CRITICAL = timedelta(hours=4)
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu")
NIGHT = QuietHours(time(22), time(7), "Europe/Paris")


def notice(kind: Kind = Kind.WORK_PARKED, *, due_in: timedelta | None = None, number: int = 1) -> Notice:
    return Notice(
        notice_id=UUID(int=number),
        tenant="t",
        kind=kind,
        severity=Severity.WARNING,
        cause="sku_unlinked",
        subject="parked:1",
        owner="order-router",
        raised_at=START,
        due_at=START + due_in if due_in is not None else None,
    )


def subscription(number: int = 1, **changes: object) -> Subscription:
    return Subscription(**({"subscription_id": UUID(int=number), "tenant": "t", "channel": Channel.EMAIL} | changes))  # type: ignore[arg-type]


moments = st.integers(-60 * 24 * 3, 60 * 24 * 30).map(lambda minutes: START + timedelta(minutes=minutes))
clocks = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
rules = st.builds(
    subscription,
    kinds=st.frozensets(st.sampled_from(list(Kind))),
    min_severity=st.sampled_from(list(Severity)),
    digest=st.integers(0, 24 * 60).map(lambda minutes: timedelta(minutes=minutes)),
    quiet=st.none() | st.builds(QuietHours, clocks, clocks, st.sampled_from(ZONES)),
    muted_until=st.none() | moments,
)
dues = st.integers(-600, 60 * 24 * 14).map(lambda minutes: timedelta(minutes=minutes))


@given(rules, dues, st.none() | moments, st.sampled_from(list(Kind)))
def test_no_settings_put_a_deadline_off_past_its_instant_or_half_of_what_is_left(
    settings: Subscription, due_in: timedelta, last_told: datetime | None, kind: Kind
) -> None:
    at = send_at(notice(kind, due_in=due_in), settings, last_told, CRITICAL)
    if kind is Kind.DEADLINE_MISSED or due_in <= CRITICAL:
        assert at == START
    else:
        assert START <= at <= START + due_in / 2


@given(rules, st.lists(rules, max_size=3), dues)
def test_what_hangs_on_a_deadline_always_finds_somebody(
    one: Subscription, others: list[Subscription], due_in: timedelta
) -> None:
    assert deliveries([notice(due_in=due_in)], [one, *others], Told(), CRITICAL)


@given(rules, moments)
def test_quiet_hours_end(settings: Subscription, at: datetime) -> None:
    if settings.quiet is not None:
        over = settings.quiet.over_at(at)
        assert at <= over <= at + timedelta(hours=25)


def test_one_message_per_cause_in_its_interval() -> None:
    told = START - timedelta(minutes=5)
    assert send_at(notice(), subscription(), None, CRITICAL) == START
    assert send_at(notice(), subscription(), told, CRITICAL) == told + timedelta(minutes=15)


def test_quiet_hours_over_midnight_end_in_the_morning_of_their_zone() -> None:
    evening = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)
    assert NIGHT.over_at(evening) == datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
    assert NIGHT.over_at(datetime(2026, 3, 2, 5, 59, tzinfo=UTC)) == datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
    assert NIGHT.over_at(START) == START


def test_mute_and_quiet_hours_hold_back_what_has_no_deadline() -> None:
    muted = subscription(muted_until=START + timedelta(days=1), quiet=NIGHT)
    assert send_at(notice(), muted, None, CRITICAL) == START + timedelta(days=1)
    assert send_at(notice(Kind.DEADLINE_MISSED), muted, None, CRITICAL) == START


def test_a_failed_channel_is_followed_by_another_channel_first() -> None:
    first, second = subscription(1, rank=1), subscription(2, rank=2)
    hook = subscription(3, rank=9, channel=Channel.WEBHOOK)
    tried = frozenset({first.subscription_id})
    assert next_channel(notice(), [first, second, hook], tried, Channel.EMAIL) == hook
    assert next_channel(notice(), [first, second], tried, Channel.EMAIL) == second
    assert next_channel(notice(), [first], tried, Channel.EMAIL) is None
