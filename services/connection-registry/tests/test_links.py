"""SKU links as JSON rows and CSV, pure."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connection_registry.domain import ShopSeen
from connection_registry.links import MAX_LINKS, Link, RawLink, RowError, check_links, read_csv, write_csv
from hub_contracts.orders import Environment

SHOP, MARKET = UUID(int=1), UUID(int=2)
WHERE = ShopSeen(MARKET, "t", Environment.SANDBOX, is_shop=False)
SHOPS = {SHOP: ShopSeen(SHOP, "t", Environment.SANDBOX)}
HEADER = "offer_sku,shop_connection_id,shop_sku\n"
SKUS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]) | st.sampled_from("=+-@'\",;"),
    min_size=1,
    max_size=20,
)


def raw(row: int = 2, offer: str = "A", shop: str = str(SHOP), sku: str = "a") -> RawLink:
    return RawLink(row, offer, shop, sku)


def test_good_rows_become_links() -> None:
    links, errors = check_links([raw(), raw(3, "B", sku="b")], WHERE, SHOPS)
    assert errors == []
    assert links == [Link("A", SHOP, "a"), Link("B", SHOP, "b")]


@pytest.mark.parametrize(
    ("row", "column", "rule"),
    [
        (raw(offer=""), "offer_sku", "must not be empty"),
        (raw(sku="  "), "shop_sku", "must not be empty"),
        (raw(offer=" A"), "offer_sku", "must not begin or end with a space"),
        (raw(sku="a\x00b"), "shop_sku", "must not hold control characters"),
        (raw(sku="x" * 256), "shop_sku", "must have 255 characters at most"),
        (raw(shop="7"), "shop_connection_id", "must be a UUID"),
        (raw(shop=str(MARKET)), "shop_connection_id", "is not a known connection"),
    ],
)
def test_each_broken_rule_names_row_and_column(row: RawLink, column: str, rule: str) -> None:
    links, errors = check_links([raw(9, "good"), row], WHERE, SHOPS)
    assert links == []
    assert errors == [RowError(2, column, rule)]


def test_a_shop_of_another_environment_or_tenant_is_refused() -> None:
    live = {SHOP: ShopSeen(SHOP, "t", Environment.PRODUCTION)}
    foreign = {SHOP: ShopSeen(SHOP, "u", Environment.SANDBOX)}
    assert check_links([raw()], WHERE, live)[1][0].rule == "is a production shop, this connection is sandbox"
    assert check_links([raw()], WHERE, foreign)[1][0].rule == "belongs to another tenant"


def test_an_offer_that_is_there_twice_names_the_first_row() -> None:
    _, errors = check_links([raw(2), raw(5)], WHERE, SHOPS)
    assert errors == [RowError(5, "offer_sku", "is in row 2 already")]


@given(st.lists(st.builds(Link, SKUS, st.just(SHOP), SKUS), max_size=5, unique_by=lambda link: link.offer_sku))
def test_export_and_import_give_the_same_links(links: list[Link]) -> None:
    rows, errors = read_csv(write_csv(links))
    assert errors == []
    assert check_links(rows, WHERE, SHOPS) == (links, [])


def test_formulas_are_not_run_by_a_spreadsheet() -> None:
    assert b"'=cmd" in write_csv([Link("=cmd", SHOP, "a")])


@pytest.mark.parametrize(
    "text",
    [
        "shop_sku;OFFER_SKU; shop_connection_id\na;A;" + str(SHOP),
        HEADER + f"\r\n A , {SHOP} ,a\r\n,,\r\n",
        "\ufeff" + HEADER + f'"A","{SHOP}","a"',
    ],
)
def test_forms_that_spreadsheets_write(text: str) -> None:
    rows, errors = read_csv(text.encode())
    assert errors == []
    assert [(row.offer_sku, row.shop_connection_id, row.shop_sku) for row in rows] == [("A", str(SHOP), "a")]


@pytest.mark.parametrize(
    ("data", "row", "column", "rule"),
    [
        (b"", 1, "", "the header is missing"),
        (b"offer_sku,shop_sku\n", 1, "shop_connection_id", "column is missing"),
        ((HEADER.strip() + ",price\n").encode(), 1, "price", "is not a known column"),
        (HEADER.encode() + b"A,B\n", 2, "", "has 2 cells, the header has 3"),
        (HEADER.encode() + b"A,B,C\n\xff,x,y\n", 3, "", "is not UTF-8"),
        (HEADER.encode() + b'A,"B', 0, "", "is not readable as CSV"),
        (HEADER.encode() + b"A,B,C\n" * (MAX_LINKS + 1), 0, "", "split it"),
    ],
)
def test_bad_files_say_where_and_why(data: bytes, row: int, column: str, rule: str) -> None:
    _, errors = read_csv(data)
    assert (errors[0].row, errors[0].column) == (row, column)
    assert rule in errors[0].rule


@given(st.binary(max_size=60))
def test_no_file_makes_the_reader_raise(data: bytes) -> None:
    rows, errors = read_csv(data)
    assert rows == [] or all(isinstance(row, RawLink) for row in rows)
    assert isinstance(errors, list)
