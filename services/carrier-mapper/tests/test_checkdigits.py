"""Vectors of every check digit scheme: a wrong formula would flag good numbers and pass mistyped ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_mapper.checkdigits import CheckScheme, check_character, check_passes

CHARACTERS = [
    (CheckScheme.S10, "47312482", "9"),
    (CheckScheme.DPD, "01015026003653", "C"),
    (CheckScheme.DPD, "09445008454226", "K"),
    (CheckScheme.DPD, "01632532948375", "2"),
    (CheckScheme.DPD, "007110601632532948375179276", "A"),
    (CheckScheme.GLS, "12345678901", "1"),
    (CheckScheme.GLS, "00889012345", "7"),
    (CheckScheme.COLISSIMO, "0000000006", "2"),
    (CheckScheme.COLISSIMO, "0123456789", "5"),
]
NUMBERS = [
    (CheckScheme.S10, "RB123456785GB", True),
    (CheckScheme.S10, "RB123456786US", False),
    (CheckScheme.UPS_1Z, "1Z5R89390357567127", True),
    (CheckScheme.UPS_1Z, "1ZXX3150YW44070023", True),
    (CheckScheme.UPS_1Z, "1Z1111111111111111", False),
    (CheckScheme.DPD, "09980000020033F", True),
    (CheckScheme.DPD, "09980000020033G", False),
    (CheckScheme.DHL_PAKET_20, "00340433836442636597", True),
    (CheckScheme.DHL_PAKET_20, "00340433836442636596", False),
    (CheckScheme.DHL_PAKET_12, "201298452277", True),
    (CheckScheme.DHL_PAKET_12, "563102430313", True),
    (CheckScheme.DHL_PAKET_12, "563102430314", False),
    (CheckScheme.DHL_EXPRESS, "3318810025", True),
    (CheckScheme.DHL_EXPRESS, "8487135506", True),
    (CheckScheme.DHL_EXPRESS, "3318810010", False),
    (CheckScheme.HERMES, "09133131530724", True),
    (CheckScheme.HERMES, "09133131530725", False),
    (CheckScheme.COLISSIMO, "6A00000000062", True),
    (CheckScheme.COLISSIMO, "6A00000000063", False),
    (CheckScheme.FEDEX_12, "986578788855", True),
    (CheckScheme.FEDEX_12, "477179081230", True),
    (CheckScheme.FEDEX_12, "996578788855", False),
    (CheckScheme.GLS, "123456789011", True),
    (CheckScheme.GLS, "123456789012", False),
]


@pytest.mark.parametrize(("scheme", "body", "expected"), CHARACTERS)
def test_check_character(scheme: CheckScheme, body: str, expected: str) -> None:
    assert check_character(scheme, body) == expected


@pytest.mark.parametrize(("scheme", "number", "valid"), NUMBERS)
def test_number(scheme: CheckScheme, number: str, valid: bool) -> None:
    assert check_passes(scheme, number) is valid


def test_s10_special_remainders() -> None:
    assert check_character(CheckScheme.S10, "02000000") == "0"  # 6 x 2 = 12, rest 1, 11 - 1 = 10 is written 0
    assert check_character(CheckScheme.S10, "10001000") == "5"  # 8 + 3 = 11, rest 0, 11 - 0 = 11 is written 5


@pytest.mark.parametrize("scheme", list(CheckScheme))
def test_a_number_of_another_shape_is_not_judged(scheme: CheckScheme) -> None:
    assert check_passes(scheme, "AB-1") is None


def test_dpd_without_check_character_is_not_judged() -> None:
    assert check_passes(CheckScheme.DPD, "01015026003653") is None


def test_every_scheme_has_vectors() -> None:
    assert {scheme for scheme, _, _ in NUMBERS} == set(CheckScheme)
    assert {scheme for scheme, _, valid in NUMBERS if not valid} == set(CheckScheme)


@given(st.text("0123456789", min_size=14, max_size=14), st.integers(0, 13), st.integers(1, 9))
def test_mod_37_36_finds_every_single_digit_error(body: str, position: int, change: int) -> None:
    wrong = str((int(body[position]) + change) % 10)
    mistyped = body[:position] + wrong + body[position + 1 :]
    assert check_passes(CheckScheme.DPD, mistyped + check_character(CheckScheme.DPD, body)) is False


def test_proven_collision_a_dhl_number_that_passes_fedex_exists() -> None:
    both = [
        number
        for body in range(20129845000, 20129846000)
        if check_passes(CheckScheme.FEDEX_12, number := f"{body}{check_character(CheckScheme.DHL_PAKET_12, str(body))}")
    ]
    assert both
