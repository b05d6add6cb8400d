"""Who is told of what, and when: quiet where nothing is lost by waiting, never where a deadline would be.

Pure: no database, no clock, no ids, so that every decision can be tested by itself. All instants are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import IntEnum, StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

DIGEST_MINUTES = 15
"""Default: of one cause at one connection at most one message in so many minutes."""


class Kind(StrEnum):
    """What a notice is about."""

    DEADLINE_MISSED = "deadline_missed"
    DEADLINE_APPROACHING = "deadline_approaching"
    WORK_PARKED = "work_parked"
    EFFECT_IN_DOUBT = "effect_in_doubt"
    CONNECTION_PAUSED = "connection_paused"
    DIFFERENCE_FOUND = "difference_found"


class Severity(IntEnum):
    """How much it matters."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class Channel(StrEnum):
    """How somebody is told."""

    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people must know. `due_at`: the instant after which knowing it is of no use any more."""

    notice_id: UUID
    tenant: str
    kind: Kind
    severity: Severity
    cause: str
    subject: str
    """What it is about; a later fact about the same subject closes it."""
    owner: str
    raised_at: datetime
    order_id: UUID | None = None
    connection_id: UUID | None = None
    due_at: datetime | None = None

    @property
    def group(self) -> str:
        """Notices with the same one are told together."""
        return f"{self.kind.value}:{self.cause}:{self.connection_id or ''}"

    @property
    def bound(self) -> bool:
        """A deadline hangs on it."""
        return self.due_at is not None or self.kind is Kind.DEADLINE_MISSED


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one time of day to another in a time zone; over midnight when the end is before the beginning."""

    begin: time
    end: time
    zone: str

    def over_at(self, at: datetime) -> datetime:
        """The first instant from `at` on that is not quiet."""
        zone = ZoneInfo(self.zone)
        local = at.astimezone(zone)
        clock, day = local.time(), local.date()
        if self.begin <= self.end:
            quiet, last = self.begin <= clock < self.end, day
        else:
            quiet = clock >= self.begin or clock < self.end
            last = day + timedelta(days=1) if clock >= self.begin else day
        if not quiet:
            return at
        # An hour that a change of the clocks skips or repeats may end before `at`; then it is over.
        return max(at, datetime.combine(last, self.end, zone).astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who wants to be told, how, and how quietly. `rank`: who is tried first when another's channel fails."""

    subscription_id: UUID
    tenant: str
    channel: Channel
    kinds: frozenset[Kind] = frozenset()
    """Empty = every kind."""
    min_severity: Severity = Severity.WARNING
    digest: timedelta = timedelta(minutes=DIGEST_MINUTES)
    quiet: QuietHours | None = None
    muted_until: datetime | None = None
    rank: int = 100

    def wants(self, notice: Notice) -> bool:
        """It asked for this kind and severity."""
        return (not self.kinds or notice.kind in self.kinds) and notice.severity >= self.min_severity


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice for a subscription. `urgent`: nothing may hold it up."""

    notice: Notice
    subscription_id: UUID
    send_at: datetime
    urgent: bool


@dataclass(frozen=True, slots=True)
class Result:
    """`error` is empty when it arrived; it never holds an address. `final`: trying again is of no use."""

    error: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """When a subscription was last told of a group."""

    last: dict[tuple[UUID, str], datetime] = field(default_factory=dict)


def is_urgent(notice: Notice, critical: timedelta) -> bool:
    """A missed deadline, or one so near that waiting for a digest would eat what is left of it."""
    if notice.kind is Kind.DEADLINE_MISSED:
        return True
    return notice.due_at is not None and notice.due_at - notice.raised_at <= critical


def send_at(notice: Notice, rules: Subscription, last_told: datetime | None, critical: timedelta) -> datetime:
    """When to tell it.

    Digest, mute and quiet hours put it off; a deadline bounds that: never past half of the time that was left when it
    was raised, and at once when little was left.
    """
    if is_urgent(notice, critical):
        return notice.raised_at
    wanted = notice.raised_at
    if last_told is not None:
        wanted = max(wanted, last_told + rules.digest)
    if rules.muted_until is not None:
        wanted = max(wanted, rules.muted_until)
    if rules.quiet is not None:
        wanted = rules.quiet.over_at(wanted)
    if notice.due_at is not None:
        wanted = min(wanted, notice.raised_at + (notice.due_at - notice.raised_at) / 2)
    return wanted


def deliveries(
    notices: Iterable[Notice], subscriptions: Sequence[Subscription], told: Told, critical: timedelta
) -> list[Delivery]:
    """Who is told of these notices, and when. What hangs on a deadline and nobody asked for goes to everybody."""
    found: list[Delivery] = []
    for notice in notices:
        ours = [each for each in subscriptions if each.tenant == notice.tenant]
        wanting = [each for each in ours if each.wants(notice)]
        if not wanting and notice.bound:
            wanting = ours
        for each in wanting:
            last = told.last.get((each.subscription_id, notice.group))
            at = send_at(notice, each, last, critical)
            found.append(Delivery(notice, each.subscription_id, at, is_urgent(notice, critical)))
    return found


def next_channel(
    notice: Notice, subscriptions: Sequence[Subscription], tried: frozenset[UUID], failing: Channel
) -> Subscription | None:
    """Who is told when a channel failed: somebody not told yet, rather over another channel; None = nobody is left."""
    left = [each for each in subscriptions if each.tenant == notice.tenant and each.subscription_id not in tried]
    return min(left, key=lambda s: (s.channel is failing, not s.wants(notice), s.rank, s.subscription_id), default=None)
