"""Standard Webhooks signatures, for messages to the shop and from it.

The `standardwebhooks` package computes the signature. Its own `verify` is not used: it reads the wall clock, and a
malformed header or a body that is not UTF-8 escapes as `ValueError` or `binascii.Error`, which would turn a stranger's
garbage into a server error. Its constructor also takes any text for a secret, silently dropping bad characters.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

TOLERANCE_SECONDS = 300
"""Standard Webhooks reference libraries: five minutes, in both directions."""

SECRET_PREFIX = "whsec_"  # noqa: S105  the public prefix, not a secret
SECRET_BYTES = range(24, 65)
"""Standard Webhooks: 24 to 64 random bytes."""

MESSAGE_ID = re.compile(r"[!-\-/-~]{1,255}")
"""Visible ASCII without the dot, which separates the signed parts; short enough to be an inbox key."""

TIMESTAMP = re.compile(r"[0-9]{1,11}")
"""Whole unix seconds, no dot; eleven digits reach the year 5138 and never overflow a datetime."""


class BadSecret(ValueError):
    """A secret of ours that cannot be used. The text never contains it."""


class BadSignature(ValueError):
    """A message that is not proven to come from the holder of the secret, or is too old or new. Answer 401."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a verified message's headers say."""

    message_id: str
    """The sender's idempotency key: the same on every repeat of one message."""
    attempted_at: datetime
    """Instant of this attempt, UTC."""


def sign(secrets: Sequence[SecretStr], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Headers for one attempt, with one signature per secret (rotation).

    `at` is the aware instant of the attempt; `body` the exact UTF-8 bytes to send. Raises `BadSecret` for an unusable
    secret and `ValueError` for a message id that the signed content could not hold.
    """
    if not secrets:
        raise BadSecret("webhook_secret: is required to sign")
    if not MESSAGE_ID.fullmatch(message_id):
        raise ValueError("message_id: must be 1 to 255 visible ASCII characters without a dot")
    instant = at.astimezone(UTC)
    text = body.decode()
    signatures = [_webhook(secret).sign(message_id, instant, text) for secret in secrets]
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(int(instant.timestamp())),
        SIGNATURE_HEADER: " ".join(signatures),
    }


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[SecretStr],
    *,
    now: datetime,
    tolerance_seconds: int = TOLERANCE_SECONDS,
) -> Signed:
    """Prove that `body` (raw bytes, as received) was signed with one of `secrets` near `now`.

    Accepts when any `v1` entry fits any secret; other versions are ignored. Raises `BadSignature`, and nothing else,
    for whatever a stranger may send; its text names the header and rule and repeats nothing that was sent.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id = _header(given, ID_HEADER)
    if not MESSAGE_ID.fullmatch(message_id):
        raise BadSignature(f"{ID_HEADER}: must be 1 to 255 visible ASCII characters without a dot")
    attempted_at = _timestamp(_header(given, TIMESTAMP_HEADER))
    candidates = _v1_entries(_header(given, SIGNATURE_HEADER))
    offset = (now - attempted_at).total_seconds()
    if abs(offset) > tolerance_seconds:
        raise BadSignature(f"{TIMESTAMP_HEADER}: is too {'old' if offset > 0 else 'new'} (over {tolerance_seconds} s)")
    expected = _expected(secrets, message_id, attempted_at, body)
    # A list, not a generator: every pair is compared, so that the time taken does not tell which one fitted.
    fits = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in candidates]
    if not any(fits):
        raise BadSignature(f"{SIGNATURE_HEADER}: no signature fits the body, id and timestamp")
    return Signed(message_id, attempted_at)


def check_secret(secret: SecretStr) -> None:
    """Raise `BadSecret` naming the rule that the secret breaks (`whsec_` + base64 of 24 to 64 bytes)."""
    value = secret.get_secret_value().strip()
    if not value.startswith(SECRET_PREFIX):
        raise BadSecret(f"webhook_secret: must start with {SECRET_PREFIX}")
    try:
        key = _decode(value.removeprefix(SECRET_PREFIX))
    except ValueError:
        raise BadSecret(f"webhook_secret: must be base64 after {SECRET_PREFIX}") from None
    if len(key) not in SECRET_BYTES:
        raise BadSecret(f"webhook_secret: must hold {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes")


def _webhook(secret: SecretStr) -> Webhook:
    check_secret(secret)
    return Webhook(secret.get_secret_value().strip())


def _decode(text: str) -> bytes:
    """Strict base64; padding may be missing, as other senders leave it out. Raises `ValueError`."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "").strip()
    if not value:
        raise BadSignature(f"{name}: header is missing")
    return value


def _timestamp(value: str) -> datetime:
    if not TIMESTAMP.fullmatch(value):
        raise BadSignature(f"{TIMESTAMP_HEADER}: must be whole unix seconds")
    return datetime.fromtimestamp(int(value), UTC)


def _v1_entries(value: str) -> list[bytes]:
    entries = []
    for entry in value.split():
        version, comma, signature = entry.partition(",")
        if version != "v1" or not comma:
            continue
        try:
            entries.append(_decode(signature))
        except ValueError:
            continue
    if not entries:
        raise BadSignature(f"{SIGNATURE_HEADER}: holds no well-formed v1 signature")
    return entries


def _expected(secrets: Sequence[SecretStr], message_id: str, at: datetime, body: bytes) -> list[bytes]:
    """Our signatures. A malformed secret of ours is passed over while another one still serves."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise BadSignature("body: must be UTF-8 text") from None
    expected = []
    for secret in secrets:
        try:
            signature = _webhook(secret).sign(message_id, at, text)
        except BadSecret:
            continue
        expected.append(_decode(signature.removeprefix("v1,")))
    if not expected:
        raise BadSignature("no usable secret is known for this connection")
    return expected
