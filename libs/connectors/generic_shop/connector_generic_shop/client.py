"""The wire of the shop: one signed POST per message, and what its answer means.

Every message may be repeated without harm: the shop drops a `webhook-id` that it knows (that is the contract of
Standard Webhooks, and what we ask of shops). A time-out or 5xx is therefore sent again, never probed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import SecretStr

from connector_generic_shop.mapping import readable_reason
from connector_generic_shop.signing import sign
from connector_kit.http import Answer, BadAnswer, Call, HttpCaller, Lane
from connector_kit.outcome import Outcome

ATTENTION_SECONDS = 900
"""Wait when a person must change the connection (address, secret): soon enough after the change, no noise before."""

LONGEST_WAIT_SECONDS = 86_400
"""A `Retry-After` beyond the longest step of the sheet's schedule would let an order sleep; it is cut to that step."""

RETRY_STATUSES = frozenset({408, 425, 429})
"""4xx that speak of the moment, not of the message."""


@dataclass(frozen=True, slots=True)
class Shop:
    """Where and how one shop is called."""

    http: HttpCaller
    url: str
    secrets: Sequence[SecretStr]
    lane: Lane


async def post(shop: Shop, operation: str, message_id: str, at: datetime, body: bytes) -> Answer:
    """Send one message. Raises `BadSecret`, or the `CallError`s of the caller."""
    headers = {"content-type": "application/json", **sign(shop.secrets, message_id, at, body)}
    return await shop.http.call(
        Call(operation, "POST", shop.url, headers=headers, content=body, idempotent=True, lane=shop.lane)
    )


def outcome_of(answer: Answer, now: datetime, hide: Sequence[str]) -> Outcome:
    """What an answer says about a message (Standard Webhooks: 2xx accepted, 3xx failed, 410 switch off, 429 slow down).

    401 and 403 are retried: a secret that was rotated on one side must not refuse orders.
    """
    status = answer.status
    if 200 <= status < 300 and is_page(answer):
        reason = f"HTTP {status} with a web page: something in front of the shop answered; webhook_url needs attention"
        return Outcome.retry(reason, after=ATTENTION_SECONDS)
    if 200 <= status < 300:
        return Outcome.done(status=status)
    if 300 <= status < 400:
        reason = f"HTTP {status}: the address redirects, which is never followed; webhook_url needs the final address"
        return Outcome.retry(reason, after=ATTENTION_SECONDS)
    if status in (401, 403):
        reason = (
            f"HTTP {status}: the shop does not accept our signature; the connection's webhook_secret needs attention"
        )
        return Outcome.retry(reason, after=retry_after(answer, now) or ATTENTION_SECONDS)
    if status == 410:
        return Outcome.rejected("HTTP 410: endpoint asks to be switched off", status=status)
    if status >= 500 or status in RETRY_STATUSES:
        return Outcome.retry(f"HTTP {status}: the shop cannot take it now", after=retry_after(answer, now))
    return Outcome.rejected(readable_reason(answer.body, hide) or f"HTTP {status} without a reason", status=status)


def is_page(answer: Answer) -> bool:
    """Whether the body is a web page. A login page of a proxy is a 2xx too, and an order that it swallowed would be
    lost; a repeat with the same id is harmless where the shop did take it. A plain `OK` sent as text/html is no page.
    """
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("text/html", "application/xhtml+xml") and answer.body.lstrip().startswith(b"<")


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds to wait as the answer asks: `Retry-After` in seconds or as an HTTP date, or a body's `retry_after`."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(min(int(value[:9]), LONGEST_WAIT_SECONDS))
    if value:
        return _until(value, now)
    body = parsed(answer)
    member = body.get("retry_after") if isinstance(body, dict) else None
    if isinstance(member, bool) or not isinstance(member, int) or member < 0:
        return None
    return float(min(member, LONGEST_WAIT_SECONDS))


def parsed(answer: Answer) -> Any:
    """The body as JSON, None when it is not: a shop's odd body must never become our error."""
    try:
        return answer.json()
    except (BadAnswer, RecursionError, ArithmeticError):
        return None


def _until(value: str, now: datetime) -> float | None:
    try:
        instant = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if instant.tzinfo is None:
        # RFC 9110: an HTTP date is always GMT; "-0000" is read without a zone.
        instant = instant.replace(tzinfo=UTC)
    return min(max((instant - now).total_seconds(), 0.0), float(LONGEST_WAIT_SECONDS))
