"""Reading of the tracking field: what is a number, what is not, and how many there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_mapper.tracking import RejectReason, normalise_tracking, parse_tracking_field


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (" 1z 5r8-939.03 57567127 ", "1Z5R8939035" + "7567127"),
        ("6A\u00a012345\u200b678\u20119", "6A123456789"),
        ("１２３４", "1234"),
        ("0123/456789", "0123/456789"),
    ],
)
def test_normalise(raw: str, expected: str) -> None:
    assert normalise_tracking(raw) == expected


def test_original_is_kept() -> None:
    (number,) = parse_tracking_field("  6a 12345-67890 1 ").numbers
    assert (number.original, number.normalised) == ("6a 12345-67890 1", "6A12345678901")


@pytest.mark.parametrize(
    "raw",
    [
        "12345678901,98765432109",
        "12345678901;98765432109",
        "12345678901|98765432109",
        "12345678901 98765432109",
        "12345678901\n98765432109",
        "12345678901 - 98765432109",
        "12345678901 / 98765432109",
        "12345678901, 98765432109, 1234567-8901",
    ],
)
def test_several_numbers(raw: str) -> None:
    assert [n.normalised for n in parse_tracking_field(raw).numbers] == ["12345678901", "98765432109"]


@pytest.mark.parametrize("raw", ["1Z 5R8 939 03 5756 7127", "0034 0433 8364 4263 6597", "12345678 901"])
def test_number_printed_in_groups_stays_one(raw: str) -> None:
    (number,) = parse_tracking_field(raw).numbers
    assert number.normalised == raw.replace(" ", "")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("0", RejectReason.PLACEHOLDER),
        ("000-000", RejectReason.PLACEHOLDER),
        ("-", RejectReason.PLACEHOLDER),
        ("n/a", RejectReason.PLACEHOLDER),
        ("N.A.", RejectReason.PLACEHOLDER),
        ("tbc", RejectReason.PLACEHOLDER),
        ("No tracking", RejectReason.PLACEHOLDER),
        ("M2511070004213", RejectReason.ORDER_NUMBER),
        ("#m2511070004213", RejectReason.ORDER_NUMBER),
        ("https://carrier.example/track?n=12345678,9", RejectReason.URL),
        ("www.carrier.example/12345678901", RejectReason.URL),
        ("carrier.example/track/12345678901", RejectReason.URL),
        ("9" * 65, RejectReason.TOO_LONG),
    ],
)
def test_rejected(raw: str, reason: RejectReason) -> None:
    field = parse_tracking_field(raw, ["M2511070004213"])
    assert field.numbers == ()
    assert [r.reason for r in field.rejected] == [reason]


def test_good_number_beside_a_link_is_used() -> None:
    field = parse_tracking_field("https://t.example/x 12345678901")
    assert [n.normalised for n in field.numbers] == ["12345678901"]
    assert [r.reason for r in field.rejected] == [RejectReason.URL]


@pytest.mark.parametrize("raw", [None, "", "  \n"])
def test_empty_field(raw: str | None) -> None:
    field = parse_tracking_field(raw)
    assert (field.numbers, field.rejected) == ((), ())


def test_placeholders_are_a_setting() -> None:
    assert parse_tracking_field("PICKUP", placeholders=frozenset({"PICKUP"})).numbers == ()
    assert parse_tracking_field("PICKUP1").numbers


@given(st.text(max_size=80))
def test_any_text_is_accounted_for(raw: str) -> None:
    field = parse_tracking_field(raw)
    for number in field.numbers:
        assert number.original in raw
        assert number.normalised
        assert len(number.normalised) <= 64
    if any(c.isalnum() and c.isascii() for c in raw):
        assert field.numbers or field.rejected


@given(st.text("0123456789abzABZ .-/", max_size=40))
def test_normalising_twice_changes_nothing(raw: str) -> None:
    once = normalise_tracking(raw)
    assert normalise_tracking(once) == once
