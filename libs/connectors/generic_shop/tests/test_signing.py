"""Signatures: the published check vector, rotation, tolerance, and everything a stranger may send."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from connector_generic_shop.signing import BadSecret, BadSignature, Signed, check_secret, sign, verify

VECTOR_SECRET = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER_SECRET = SecretStr("whsec_" + base64.b64encode(b"another-secret-of-24-bytes!").decode())
VECTOR_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
VECTOR_AT = datetime.fromtimestamp(1614265330, UTC)
VECTOR_BODY = b'{"test": 2432232314}'
VECTOR_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
VECTOR_HEADERS = {
    "webhook-id": VECTOR_ID,
    "webhook-timestamp": "1614265330",
    "webhook-signature": VECTOR_SIGNATURE,
}


def verify_vector(**changes: str) -> Signed:
    headers = {**VECTOR_HEADERS, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return verify(headers, VECTOR_BODY, [VECTOR_SECRET], now=VECTOR_AT)


def test_the_published_vector_is_reproduced() -> None:
    assert sign([VECTOR_SECRET], VECTOR_ID, VECTOR_AT, VECTOR_BODY) == VECTOR_HEADERS


def test_the_published_vector_verifies_whatever_the_case_of_header_names() -> None:
    headers = {name.title(): value for name, value in VECTOR_HEADERS.items()}
    assert verify(headers, VECTOR_BODY, [VECTOR_SECRET], now=VECTOR_AT) == Signed(VECTOR_ID, VECTOR_AT)


def test_an_instant_in_another_zone_signs_the_same() -> None:
    there = VECTOR_AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert sign([VECTOR_SECRET], VECTOR_ID, there, VECTOR_BODY) == VECTOR_HEADERS


def test_rotation_signs_with_both_and_either_holder_accepts() -> None:
    headers = sign([OTHER_SECRET, VECTOR_SECRET], "m1", VECTOR_AT, b"{}")
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (VECTOR_SECRET, OTHER_SECRET):
        assert verify(headers, b"{}", [secret], now=VECTOR_AT).message_id == "m1"


def test_a_receiver_with_two_secrets_accepts_a_sender_with_either() -> None:
    for secret in (VECTOR_SECRET, OTHER_SECRET):
        headers = sign([secret], "m1", VECTOR_AT, b"{}")
        assert verify(headers, b"{}", [VECTOR_SECRET, OTHER_SECRET], now=VECTOR_AT)


def test_unknown_versions_and_malformed_entries_beside_a_good_one_are_ignored() -> None:
    assert verify_vector(webhook_signature=f"v1a,AAAA nonsense v1,%% v2, {VECTOR_SIGNATURE}")


@pytest.mark.parametrize("seconds", [300, -300])
def test_five_minutes_off_is_accepted(seconds: int) -> None:
    assert verify(VECTOR_HEADERS, VECTOR_BODY, [VECTOR_SECRET], now=VECTOR_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "word"), [(301, "old"), (-301, "new")])
def test_more_than_five_minutes_off_is_refused(seconds: int, word: str) -> None:
    with pytest.raises(BadSignature, match=f"too {word}"):
        verify(VECTOR_HEADERS, VECTOR_BODY, [VECTOR_SECRET], now=VECTOR_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("header", "value", "rule"),
    [
        ("webhook_id", "", "missing"),
        ("webhook_id", "a.b", "without a dot"),
        ("webhook_id", "x" * 256, "255"),
        ("webhook_id", "é", "ASCII"),
        ("webhook_id", "other", "no signature fits"),
        ("webhook_timestamp", "", "missing"),
        ("webhook_timestamp", "soon", "unix seconds"),
        ("webhook_timestamp", "1614265330.0", "unix seconds"),
        ("webhook_timestamp", "-1", "unix seconds"),
        ("webhook_timestamp", "²", "unix seconds"),
        ("webhook_timestamp", "9" * 40, "unix seconds"),
        ("webhook_timestamp", "1614265331", "no signature fits"),
        ("webhook_signature", "", "missing"),
        ("webhook_signature", "v1", "well-formed"),
        ("webhook_signature", "v1,%%%", "well-formed"),
        ("webhook_signature", "v1,é", "well-formed"),
        ("webhook_signature", "v1a,AAAA", "well-formed"),
        ("webhook_signature", "v1,AAAA", "no signature fits"),
    ],
)
def test_malformed_headers_give_a_clear_error(header: str, value: str, rule: str) -> None:
    with pytest.raises(BadSignature, match=rule):
        verify_vector(**{header: value})


def test_a_changed_body_is_refused() -> None:
    with pytest.raises(BadSignature, match="no signature fits"):
        verify(VECTOR_HEADERS, VECTOR_BODY + b" ", [VECTOR_SECRET], now=VECTOR_AT)


def test_a_body_that_is_not_text_is_refused() -> None:
    with pytest.raises(BadSignature, match="UTF-8"):
        verify(VECTOR_HEADERS, b"\xff", [VECTOR_SECRET], now=VECTOR_AT)


def test_a_malformed_secret_of_ours_does_not_hide_a_good_one() -> None:
    bad = SecretStr("whsec_%%")
    assert verify(VECTOR_HEADERS, VECTOR_BODY, [bad, VECTOR_SECRET], now=VECTOR_AT)
    with pytest.raises(BadSignature, match="no usable secret"):
        verify(VECTOR_HEADERS, VECTOR_BODY, [bad], now=VECTOR_AT)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("canary", "start with whsec_"),
        ("whsec_canary!canary!canary!canary!", "base64"),
        ("whsec_" + base64.b64encode(b"c" * 23).decode(), "24 to 64"),
        ("whsec_" + base64.b64encode(b"c" * 65).decode(), "24 to 64"),
        ("whsec_", "24 to 64"),
    ],
)
def test_bad_secrets_are_named_by_rule_and_never_shown(value: str, rule: str) -> None:
    with pytest.raises(BadSecret, match=rule) as caught:
        check_secret(SecretStr(value))
    assert "canary" not in str(caught.value)


def test_secrets_of_24_and_64_bytes_with_or_without_padding_are_good() -> None:
    for size in (24, 25, 26, 64):
        text = "whsec_" + base64.b64encode(b"c" * size).decode()
        check_secret(SecretStr(text))
        unpadded = SecretStr(text.rstrip("="))
        assert sign([unpadded], "m", VECTOR_AT, b"{}") == sign([SecretStr(text)], "m", VECTOR_AT, b"{}")


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "é"])
def test_ids_that_cannot_be_signed_are_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="message_id"):
        sign([VECTOR_SECRET], message_id, VECTOR_AT, b"{}")


@given(st.dictionaries(st.sampled_from([*VECTOR_HEADERS]), st.text()), st.binary())
def test_a_stranger_gets_nothing_but_bad_signature(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignature):
        verify({**VECTOR_HEADERS, **headers}, body, [OTHER_SECRET], now=VECTOR_AT)
