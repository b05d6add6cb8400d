"""What a notification says: order number, marketplace, cause, deadline, link. Pure.

Notifications leave the hub by ways that nobody controls, so nothing else goes in: no name, no address, no free text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub_contracts.base import rfc3339
from notification_service.domain import Kind, Notice, Severity

SHOWN = 25
"""Notices in one e-mail; more are counted."""
HEADLINES = {
    Kind.DEADLINE_MISSED: "deadline missed",
    Kind.DEADLINE_APPROACHING: "deadline approaching",
    Kind.WORK_PARKED: "needs a decision",
    Kind.EFFECT_IN_DOUBT: "not sure whether it was applied",
    Kind.CONNECTION_PAUSED: "connection paused",
    Kind.DIFFERENCE_FOUND: "marketplace and hub differ",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A notice with the names that people know. `order_number` None: it has no order, or it is not known yet."""

    notice: Notice
    order_number: str | None
    connection: str
    """Label of the connection; empty when there is none."""
    connector: str
    environment: str


@dataclass(frozen=True, slots=True)
class Mail:
    """Subject and plain text."""

    subject: str
    text: str


def mail(lines: Sequence[Line], console_url: str, now: datetime) -> Mail:
    """The e-mail for these notices, the worst first; at least one."""
    ordered = sorted(lines, key=_worst_first)
    first = ordered[0]
    more = f" and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    subject = f"[{first.notice.severity.name}] {_title(first)}{more}"
    parts = [_paragraph(line, console_url, now) for line in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        parts.append(f"… and {len(ordered) - SHOWN} more.")
    return Mail(_one_line(subject)[:150], "\n\n".join(parts) + "\n")


def trial_mail(label: str) -> Mail:
    """What a test of a subscription sends."""
    return Mail("[TEST] Notifications arrive", f"This is a test of the subscription {_one_line(label)!r}.\n")


def payload(lines: Sequence[Line], console_url: str, *, is_trial: bool, at: datetime) -> dict[str, Any]:
    """The body of a webhook."""
    return {
        "type": "notification.test.v1" if is_trial else "notification.v1",
        "timestamp": rfc3339(at),
        "notices": [_member(line, console_url) for line in sorted(lines, key=_worst_first)],
    }


def _member(line: Line, console_url: str) -> Mapping[str, Any]:
    notice = line.notice
    return {
        "notice_id": str(notice.notice_id),
        "kind": notice.kind.value,
        "severity": notice.severity.name.lower(),
        "cause": notice.cause,
        "raised_at": rfc3339(notice.raised_at),
        "due_at": rfc3339(notice.due_at) if notice.due_at else None,
        "order_id": str(notice.order_id) if notice.order_id else None,
        "order_number": line.order_number,
        "connection_id": str(notice.connection_id) if notice.connection_id else None,
        "connection": line.connection or None,
        "marketplace": line.connector or None,
        "environment": line.environment or None,
        "link": link(notice, console_url),
    }


def link(notice: Notice, console_url: str) -> str | None:
    """The console's page about it; None without a console's address."""
    if not console_url:
        return None
    base = console_url.rstrip("/")
    if notice.order_id is not None:
        return f"{base}/orders/{notice.order_id}"
    if notice.kind in (Kind.WORK_PARKED, Kind.EFFECT_IN_DOUBT):
        return f"{base}/desk"
    return f"{base}/connections/{notice.connection_id}" if notice.connection_id else base


def _worst_first(line: Line) -> tuple[int, datetime, str]:
    notice = line.notice
    return -int(notice.severity), notice.due_at or notice.raised_at, str(notice.notice_id)


def _title(line: Line) -> str:
    about = f"order {line.order_number}" if line.order_number else line.connection or line.notice.owner
    return f"{HEADLINES[line.notice.kind]}: {line.notice.cause}, {about}"


def _paragraph(line: Line, console_url: str, now: datetime) -> str:
    notice = line.notice
    rows = [_title(line)]
    if line.connector:
        rows.append(f"  marketplace: {line.connector}, {line.connection} ({line.environment})")
    if notice.due_at is not None:
        rows.append(f"  deadline: {notice.due_at:%Y-%m-%d %H:%M} UTC ({_left(notice.due_at, now)})")
    elif notice.severity is Severity.CRITICAL:
        rows.append(f"  since: {notice.raised_at:%Y-%m-%d %H:%M} UTC")
    address = link(notice, console_url)
    if address:
        rows.append(f"  {address}")
    return "\n".join(rows)


def _left(due_at: datetime, now: datetime) -> str:
    minutes = int((due_at - now).total_seconds() // 60)
    if minutes < 0:
        return "passed"
    return f"{minutes // 60} h {minutes % 60} min left" if minutes >= 60 else f"{minutes} min left"


def _one_line(text: str) -> str:
    return " ".join(text.split())
