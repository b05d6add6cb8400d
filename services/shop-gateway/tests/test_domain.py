"""The pure decisions about units, corrections and shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_gateway.domain import (
    NamedUnits,
    OrderedLine,
    Parcel,
    Refusal,
    TakenUnits,
    advances,
    allocate,
    corrected,
    per_line,
    remaining,
    split_amount,
    summed,
    too_far_ahead,
)

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)
LINES = (OrderedLine("1", "A", 2), OrderedLine("2", "A", 1), OrderedLine("3", "B", 4))
ALL = {"1": 2, "2": 1, "3": 4}


def units(sku: str | None, quantity: int, line_id: str | None = None) -> NamedUnits:
    return NamedUnits(line_id, sku, quantity)


@pytest.mark.parametrize(
    ("named", "free", "expected"),
    [
        ([], ALL, {"1": 2, "2": 1, "3": 4}),
        ([], {"1": 0, "2": 1, "3": 0}, {"2": 1}),
        ([units("A", 3)], ALL, {"1": 2, "2": 1}),
        ([units("A", 1), units("A", 1), units("A", 1)], ALL, {"1": 2, "2": 1}),
        ([units("A", 1, "2")], ALL, {"2": 1}),
        ([units(None, 4, "3")], ALL, {"3": 4}),
        ([units("A", 1)], {"1": -1, "2": 1, "3": 0}, {"2": 1}),
    ],
)
def test_units_are_found(named: list[NamedUnits], free: dict[str, int], expected: dict[str, int]) -> None:
    taken = allocate(named, LINES, free)
    assert not isinstance(taken, Refusal)
    assert per_line(taken) == expected


@pytest.mark.parametrize(
    ("named", "free", "cause"),
    [
        ([], {"1": 0, "2": 0, "3": 0}, "too_many"),
        ([units("A", 4)], ALL, "too_many"),
        ([units("A", 3), units(None, 1, "2")], ALL, "too_many"),
        ([units("C", 1)], ALL, "line_unknown"),
        ([units("B", 1, "1")], ALL, "line_unknown"),
    ],
)
def test_units_are_refused(named: list[NamedUnits], free: dict[str, int], cause: str) -> None:
    refusal = allocate(named, LINES, free)
    assert isinstance(refusal, Refusal)
    assert refusal.cause == cause


@given(
    named=st.lists(st.tuples(st.sampled_from(["A", "B", "C"]), st.integers(1, 6)), max_size=5),
    free=st.fixed_dictionaries({"1": st.integers(-1, 2), "2": st.integers(0, 1), "3": st.integers(0, 4)}),
)
def test_never_more_than_is_free_and_exactly_what_was_named(named: list[tuple[str, int]], free: dict[str, int]) -> None:
    taken = allocate([units(sku, quantity) for sku, quantity in named], LINES, free)
    if isinstance(taken, Refusal):
        return
    total = per_line(taken)
    assert all(0 < quantity <= free[line_id] for line_id, quantity in total.items())
    if named:
        assert sum(total.values()) == sum(quantity for _, quantity in named)


def test_what_is_left() -> None:
    assert remaining(LINES, {"1": 1}, {"1": 1, "3": 1}) == {"1": 0, "2": 1, "3": 3}
    assert summed([{"1": 1}, {"1": 2, "2": 1}]) == {"1": 3, "2": 1}
    assert per_line([TakenUnits(0, "1", 1), TakenUnits(1, "1", 2)]) == {"1": 3}


def parcel(lines: Mapping[str, int] | None = None, **changes: str | None) -> Parcel:
    known = Parcel(lines or {"1": 1}, "COL", "Colissimo", "T1", "https://t.example.invalid/T1", AT)
    return replace(known, **changes)  # type: ignore[arg-type]


def test_silence_takes_nothing_back() -> None:
    bare = parcel(carrier_code=None, carrier_name=None, tracking_number=None, tracking_url=None)
    assert corrected(parcel(), bare) == parcel()
    assert corrected(parcel(), parcel(carrier_code=None)) == parcel()
    assert corrected(bare, parcel()) == parcel()
    assert corrected(None, bare) == bare


def test_a_later_word_counts() -> None:
    moved = corrected(parcel(), parcel(tracking_number="T2", tracking_url=None))
    assert (moved.tracking_number, moved.tracking_url) == ("T2", None)
    other = corrected(parcel(), parcel(carrier_code=None, carrier_name="UPS"))
    assert (other.carrier_code, other.carrier_name) == (None, "UPS")
    assert corrected(parcel(), parcel({"1": 2})).lines == {"1": 2}


def test_stages_only_advance() -> None:
    assert advances(None, "created")
    assert advances("created", "inspected")
    assert not advances("received", "received")
    assert not advances("inspected", "created")


@given(
    amount=st.decimals(min_value=0, max_value=10_000, places=2),
    counts=st.lists(st.integers(1, 50), min_size=1, max_size=6),
)
def test_shares_add_up_to_the_cent(amount: Decimal, counts: list[int]) -> None:
    shares = [share for share in split_amount(amount, counts) if share is not None]
    assert sum(shares) == amount
    assert all(share >= 0 for share in shares)
    assert split_amount(None, counts) == (None,) * len(counts)


def test_clocks_may_differ_a_little() -> None:
    assert not too_far_ahead(AT + timedelta(seconds=300), AT, 300)
    assert too_far_ahead(AT + timedelta(seconds=301), AT, 300)
