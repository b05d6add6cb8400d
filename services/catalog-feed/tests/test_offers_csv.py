"""Offers from a CSV, pure: every wrong cell is named, no file makes the reader fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_feed.listings import next_boundary, next_version, pointer, problems_of, to_send
from catalog_feed.offers_csv import read_offers
from connector_kit.offers import ChannelPrice, Problem, PublishOffer
from hub_contracts.base import Money

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EURO = Money(amount="10", currency="EUR")


def test_a_whole_row() -> None:
    head = (
        "offer_sku,price,discount_price,discount_from,discount_until,price[ES],currency,carrier_grids,"
        "attribute[warranty],weight_kg,quantity"
    )
    row = "A,10.00,9.00,2026-03-01T00:00:00+01:00,2026-04-01T00:00:00Z,11,EUR,Standard:2:4|A: B:1:2,24,1.5,7"
    [(number, offer)], errors = read_offers(f"{head}\n{row}\n".encode())
    assert errors == []
    stated = offer.stated()
    assert (number, stated.offer_sku, stated.quantity, stated.weight_kg) == (2, "A", 7, "1.5")
    assert stated.carrier_grids == (("Standard", 2, 4), ("A: B", 1, 2))
    assert stated.attributes == {"warranty": "24"}
    own, spanish = stated.prices
    assert (own.channel, str(own.price.amount), spanish.channel, str(spanish.price.amount)) == (
        None,
        "10.00",
        "ES",
        "11",
    )
    assert own.discount_from == datetime(2026, 2, 28, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price\n1\n", [(1, "offer_sku")]),
        ("offer_sku,colour\nA,red\n", [(1, "colour")]),
        ("offer_sku,price,price\nA,1,1\n", [(1, "price")]),
        ("offer_sku,price\nA,1,2\n", [(2, "")]),
        ("offer_sku,price\nA,dear\n", [(2, "prices.0.price")]),
        ("offer_sku,price\nA,1\n\nA,2\n", [(4, "offer_sku")]),
        ("offer_sku,discount_price\nA,1\n", [(2, "prices.0.price")]),
        ("offer_sku,carrier_grids\nA,Standard\n", [(2, "carrier_grids.0.days_min"), (2, "carrier_grids.0.days_max")]),
        ("offer_sku,withdraw\nA,perhaps\n", [(2, "withdraw")]),
    ],
)
def test_every_wrong_cell_is_named(text: str, expected: list[tuple[int, str]]) -> None:
    _, errors = read_offers(text.encode())
    assert [(error.row, error.column) for error in errors] == expected


def test_good_rows_are_read_beside_bad_ones() -> None:
    found, errors = read_offers(b"\xef\xbb\xbfoffer_sku;withdraw;price\nA;true;\nB;;x\nC;;1\n")
    assert [(row, offer.offer_sku, offer.stated().withdraw) for row, offer in found] == [
        (2, "A", True),
        (4, "C", False),
    ]
    assert [error.row for error in errors] == [3]
    assert [error.row for error in read_offers(b"offer_sku\n\xff\n")[1]] == [2]


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"offer_sku,price\n{text}".encode()))
def test_no_file_makes_the_reader_fail(content: bytes) -> None:
    read_offers(content)


def dated(begins: int | None, ends: int | None, discount: bool = True) -> ChannelPrice:
    return ChannelPrice(
        price=EURO,
        discount_price=EURO if discount else None,
        discount_from=None if begins is None else NOW + timedelta(hours=begins),
        discount_until=None if ends is None else NOW + timedelta(hours=ends),
    )


@pytest.mark.parametrize(
    ("prices", "hours"),
    [
        ([], None),
        ([dated(None, None)], None),
        ([dated(1, 5)], 1),
        ([dated(-1, 5)], 5),
        ([dated(-5, -1)], None),
        ([dated(0, 5)], 5),
        ([dated(1, None)], 1),
        ([dated(3, 5), dated(-1, 2)], 2),
        ([dated(1, 5, discount=False)], None),
    ],
)
def test_the_next_instant_at_which_a_price_changes(prices: list[ChannelPrice], hours: int | None) -> None:
    offer = PublishOffer(offer_sku="A", prices=tuple(prices))
    assert next_boundary(offer, NOW) == (None if hours is None else NOW + timedelta(hours=hours))
    assert next_boundary(offer.model_copy(update={"withdraw": True}), NOW) is None


def test_versions_only_grow_and_outlive_a_restored_table() -> None:
    first = next_version(0, NOW)
    assert next_version(first, NOW) == first + 1
    assert next_version(first, NOW - timedelta(days=1)) == first + 1
    assert next_version(0, NOW + timedelta(seconds=1)) > first + 1


def test_only_a_first_statement_sends_its_own_quantity() -> None:
    offer = PublishOffer(offer_sku="A", quantity=5)
    assert to_send(offer, counted=False, again=False).quantity == 5
    assert to_send(offer, counted=True, again=False).quantity is None
    assert to_send(offer, counted=False, again=True).quantity is None


def test_a_refusal_without_a_list_is_still_a_problem() -> None:
    assert problems_of({}, "no") == [Problem(field="offer", rule="no").model_dump(mode="json")]
    assert problems_of({"problems": "x"}, "") == []
    assert pointer(Problem(field="carrier_grids[0].name", rule="x")) == "#/carrier_grids/0/name"
    assert pointer(Problem(field="a/b~c", rule="x"), "row:3") == "row:3/a~1b~0c"
