"""Sealed credentials and API keys."""

from __future__ import annotations

import base64
import traceback
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from hub_common.crypto import Keyring, SealError, generate_key, matches_api_key, new_api_key
from hub_contracts.connections import SealedCredentials

ONE, TWO = UUID(int=1), UUID(int=2)
CANARY = "canary-s3cret"
OLD, NEW = generate_key("2025"), generate_key("2026")


@given(
    st.dictionaries(st.text(max_size=20), st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=4)
)
def test_what_was_sealed_can_be_opened(credentials: dict[str, str]) -> None:
    ring = Keyring.parse(NEW)
    opened = ring.open(ONE, ring.seal(ONE, credentials))
    assert {name: value.get_secret_value() for name, value in opened.items()} == credentials


def test_seals_differ_each_time_and_do_not_show_content() -> None:
    ring = Keyring.parse(NEW)
    first, second = ring.seal(ONE, {"k": CANARY}), ring.seal(ONE, {"k": SecretStr(CANARY)})
    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext
    assert CANARY.encode() not in base64.b64decode(first.ciphertext)


def _tampered() -> list[SealedCredentials]:
    sealed = Keyring.parse(NEW).seal(ONE, {"k": CANARY})
    raw = bytearray(base64.b64decode(sealed.ciphertext))
    raw[3] ^= 1
    return [
        sealed.model_copy(update={"ciphertext": base64.b64encode(bytes(raw)).decode()}),
        sealed.model_copy(update={"ciphertext": ""}),
        sealed.model_copy(update={"ciphertext": "%%%"}),
        sealed.model_copy(update={"nonce": "AAAA"}),
        sealed.model_copy(update={"nonce": base64.b64encode(bytes(12)).decode()}),
    ]


@pytest.mark.parametrize("sealed", _tampered())
def test_tampering_is_a_clear_error_without_content(sealed: SealedCredentials) -> None:
    with pytest.raises(SealError, match="cannot be opened") as error:
        Keyring.parse(NEW).open(ONE, sealed)
    assert CANARY not in "".join(traceback.format_exception(error.value))
    assert error.value.__context__ is None


def test_another_connection_cannot_use_the_seal() -> None:
    ring = Keyring.parse(NEW)
    with pytest.raises(SealError, match="cannot be opened"):
        ring.open(TWO, ring.seal(ONE, {"k": "v"}))


def test_rotation() -> None:
    sealed = Keyring.parse(OLD).seal(ONE, {"k": "v"})
    both = Keyring.parse(f"{NEW}, {OLD}")
    assert both.open(ONE, sealed)["k"].get_secret_value() == "v"
    assert both.needs_reseal(sealed)
    renewed = both.seal(ONE, both.open(ONE, sealed))
    assert renewed.key_id == both.current_key_id == "2026"
    assert not both.needs_reseal(renewed)
    with pytest.raises(SealError, match="'2025', which is not in HUB_CREDENTIALS_KEYS"):
        Keyring.parse(NEW).open(ONE, sealed)


def test_same_key_id_with_another_key_is_an_error() -> None:
    sealed = Keyring.parse(generate_key("2026")).seal(ONE, {"k": "v"})
    with pytest.raises(SealError):
        Keyring.parse(NEW).open(ONE, sealed)


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("", "at least one"),
        (f"a:{CANARY}", "key of entry 1"),
        (f"{NEW},{NEW}", "entry 2 must be unique"),
        ("a b:AAAA", "key id of entry 1"),
        ("a:" + base64.b64encode(bytes(16)).decode(), "of 32 bytes"),
    ],
    ids=range(5),
)
def test_bad_key_settings_name_the_rule_and_not_the_key(setting: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule) as error:
        Keyring.parse(SecretStr(setting))
    assert CANARY not in str(error.value)


def test_reprs_hold_no_key() -> None:
    assert NEW.partition(":")[2] not in repr(Keyring.parse(NEW))
    with pytest.raises(ValueError, match="key id"):
        generate_key("a,b")


def test_api_keys() -> None:
    plain, digest = new_api_key()
    _, other = new_api_key()
    assert matches_api_key(plain.get_secret_value(), [other, digest])
    assert matches_api_key(plain.get_secret_value(), [digest, other])
    assert not matches_api_key(plain.get_secret_value(), [other])
    assert not matches_api_key(plain.get_secret_value() + "x", [digest])
    assert not matches_api_key("", [])
    assert plain.get_secret_value() not in repr(plain)
