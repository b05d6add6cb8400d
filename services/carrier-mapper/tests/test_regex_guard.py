"""Users' expressions: harmless ones pass and mean what `re` means, explosive ones are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_mapper.regex_guard import MAX_PATTERN_LENGTH, PatternError, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        (r"6A\d{11}", "6A12345678901"),
        (r"^1Z[0-9A-Z]{16}$", "1Z5R89390357567127"),
        (r"(?:DE|FR|IT)\d{11}", "FR12345678901"),
        (r"(\d{4}){3}", "123412341234"),
        (r".*3345", "9876543345"),
        (r"jd\d+", "JD0001"),
        (r"[^\d\]]{2}\d{3,5}?", "AB1234"),
        (r"\d{4}/?\d{8}", "1234/12345678"),
        (r"X\{1\}", "X{1}"),
        (r"\d{,3}", "12"),
    ],
)
def test_accepted(pattern: str, number: str) -> None:
    assert compile_pattern(pattern).fullmatch(number)


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ("", "empty"),
        ("1" * (MAX_PATTERN_LENGTH + 1), "too_long"),
        (r"(\d+)+X", "too_many_ways"),
        (r"(\d*)*", "repeats_nothing"),
        (r"(\d|\d\d)+", "too_many_ways"),
        (r"(1|1){30}", "too_many_ways"),
        ("(1|1)" * 20, "too_many_ways"),
        ("1?" * 30 + "1" * 30, "too_many_ways"),
        (r"\d*\d*\d*\d*X", "too_many_ways"),
        (r"(([A-Z]+){2,9}){3}", "too_many_ways"),
        (r"(((){64}){64}){64}", "repeats_nothing"),
        (r"(?=\d)\d", "not_supported"),
        (r"(?P<n>\d)", "not_supported"),
        (r"(?i)ab", "not_supported"),
        (r"(\d)\1", "not_supported"),
        (r"\bX", "not_supported"),
        (r"\d++", "not_supported"),
        (r"[[a]", "not_supported"),
        (r"[a--b]", "not_supported"),
        (r"*1", "syntax"),
        (r"(1", "syntax"),
        (r"1)", "syntax"),
        (r"[1", "syntax"),
        ("1\\", "syntax"),
        (r"[z-a]", "syntax"),
        (r"1{a}", "syntax"),
        (r"1{65}", "count"),
        (r"1{3,2}", "count"),
        ("(" * 12 + "1" + ")" * 12, "too_deep"),
    ],
)
def test_refused(pattern: str, rule: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert caught.value.rule == rule
    assert str(caught.value)


def test_unicode_digits_do_not_count() -> None:
    assert compile_pattern(r"\d{3}").fullmatch("١٢٣") is None


@given(st.text(r"01A\d.[]{}()?*+|^$-:,", max_size=14))
def test_any_text_compiles_or_is_refused(pattern: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except PatternError:
        return
    assert compiled.pattern == pattern


ATOMS = st.sampled_from(["0", "A", r"\d", "[0A]", ".", "(?:0|A)", "(A0|0)"])
COUNTS = st.sampled_from(["", "", "?", "*", "+", "{2}", "{1,3}", "{0,2}?"])


@given(st.lists(st.tuples(ATOMS, COUNTS), min_size=1, max_size=4), st.text("0A", max_size=10))
def test_accepted_patterns_mean_what_re_means(parts: list[tuple[str, str]], number: str) -> None:
    pattern = "".join(atom + count for atom, count in parts)
    refusal: str | None
    try:
        compiled = compile_pattern(pattern)
    except PatternError as error:
        refusal = error.rule
    else:
        refusal = None
        assert bool(compiled.fullmatch(number)) == bool(re.fullmatch(pattern, number))
    assert refusal in (None, "too_many_ways")
