"""Feeds, pure: bytes that a marketplace reads the way we meant them, and a guard against emptying a catalogue."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_feed.domain import COLUMNS, Article, Built, FeedSettings, build, write_csv
from catalog_feed.grids import CARRIER_GRID, Template
from catalog_feed.judging import SelfCheck, Version, check_file, judge
from catalog_feed.products import Product, check_rows, good_ean, read_csv

from .conftest import EAN, SHOP

STANDARD = Template("Standard", 2, 4, is_default=True)
LAMP = Product(ean=EAN, brand="Lumen", title="Lamp", description="A lamp", images=("https://i.example.invalid/1.jpg",))
SETTINGS = FeedSettings()


def article(sku: str = "A", **changes: Any) -> Article:
    values: dict[str, Any] = {"quantity": 5, "price": Decimal("19.90"), "currency": "EUR", "product": LAMP}
    return Article(sku, **(values | changes))


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_a_whole_row() -> None:
    found = read(build([article()], [STANDARD], SETTINGS).content)[0]
    assert list(found) == list(COLUMNS)
    assert found["sku"] == "A"
    assert (found["price_vat_included"], found["quantity"]) == ("19.90", "5")
    assert (found[CARRIER_GRID], found["shipping_time"]) == ("Standard", "2-4")
    assert (found["ean"], found["image_1"], found["image_5"]) == (EAN, "https://i.example.invalid/1.jpg", "")


def test_commas_quotes_and_line_breaks_survive() -> None:
    nasty = 'Lamp, "white";\nwith\r\nbreaks, é – 灯'
    product = Product(ean=EAN, brand="a,b", title='"', description=nasty, images=LAMP.images)
    content = build([article(product=product)], [STANDARD], SETTINGS).content
    assert not content.startswith(b"\xef\xbb\xbf")
    assert content.split(b"\r\n")[0] == ",".join(COLUMNS).encode()
    found = read(content)[0]
    assert (found["brand"], found["title"], found["description"]) == ("a,b", '"', nasty)


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), min_size=2, max_size=4)
    )
)
def test_what_is_written_is_what_is_read(rows: list[list[str]]) -> None:
    assert list(csv.reader(io.StringIO(write_csv(rows).decode(), newline=""), strict=True)) == rows


def test_the_same_facts_give_the_same_bytes_in_any_order() -> None:
    one, two = article("A"), article("B")
    assert build([one, two], [STANDARD], SETTINGS) == build([two, one], [STANDARD], SETTINGS)


def test_every_active_option_is_listed_and_named_ones_go_before_default_ones() -> None:
    templates = [
        STANDARD,
        Template("Express", 1, 2, is_default=True),
        Template("Pallet", 5, 9),
        Template("Old", 1, 9, active=False, is_default=True),
    ]
    found = read(build([article("A"), article("B", templates=("Pallet",))], templates, SETTINGS).content)
    assert [row[CARRIER_GRID] for row in found] == ["Express|Standard", "Pallet"]
    assert [row["shipping_time"] for row in found] == ["1-2|2-4", "5-9"]


@pytest.mark.parametrize(
    ("changes", "column"),
    [
        ({"product": None}, "brand"),
        ({"price": None}, "price_vat_included"),
        ({"price": Decimal(0)}, "price_vat_included"),
        ({"currency": "GBP"}, "price_vat_included"),
        ({"product": Product(brand="b", title="t", description="d", images=("x",))}, "ean or sku_manufacturer"),
        ({"product": Product(ean=EAN, brand=" ", title="t", description="d", images=("x",))}, "brand"),
        ({"product": Product(ean=EAN, brand="b", title="t", description="d")}, "image_1"),
        ({"templates": ("Gone",)}, CARRIER_GRID),
    ],
)
def test_a_hole_in_a_row_blocks_the_feed(changes: dict[str, Any], column: str) -> None:
    built = build([article("A"), article("B", **changes)], [STANDARD], SETTINGS)
    assert column in [problem.column for problem in built.problems]
    assert {problem.sku for problem in built.problems} == {"B"}
    assert judge(built, None, SETTINGS).outcome == "blocked"
    lenient = FeedSettings(bad_rows="leave_out")
    left = build([article("A"), article("B", **changes)], [STANDARD], lenient)
    assert (judge(left, None, lenient).outcome, left.skus) == ("publish", ("A",))


def test_without_a_default_template_the_grid_is_empty_and_blocks() -> None:
    built = build([article()], [Template("Pallet", 5, 9)], SETTINGS)
    assert [problem.column for problem in built.problems] == [CARRIER_GRID]


def test_sold_out_stays_in_the_feed() -> None:
    assert read(build([article(quantity=0)], [STANDARD], SETTINGS).content)[0]["quantity"] == "0"


@pytest.mark.parametrize(("left", "outcome"), [(80, "publish"), (79, "shrunk"), (0, "shrunk"), (120, "publish")])
def test_the_shrink_guard_bites_beyond_its_share(left: int, outcome: str) -> None:
    built = build([article(f"S{n}") for n in range(left)], [STANDARD], SETTINGS)
    assert judge(built, (100, "another"), SETTINGS).outcome == outcome
    assert judge(built, (100, built.sha256), SETTINGS).outcome == "unchanged"


def test_an_empty_first_feed_is_not_published() -> None:
    assert judge(build([], [STANDARD], SETTINGS), None, SETTINGS).outcome == "empty"


def test_headers_can_be_named_otherwise() -> None:
    settings = FeedSettings(headers={CARRIER_GRID: "carrier_grid_1"}, option_separator=";", shipping_time="{min}#{max}")
    found = read(build([article()], [STANDARD], settings).content)[0]
    assert (found["carrier_grid_1"], found["shipping_time"]) == ("Standard", "2#4")


def test_the_self_check_sees_damage_and_age() -> None:
    then = build([article("A"), article("B")], [STANDARD], SETTINGS)
    now = build([article("A", quantity=1), article("C")], [STANDARD], SETTINGS)

    def check(content: bytes, fresh: Built) -> SelfCheck:
        return check_file(Version(content, 2, then.sha256), fresh)

    assert check(then.content, then).defects == ()
    assert check(then.content, now).outdated == ("A", "B", "C")
    assert check(then.content.replace(b"Lamp", b'La"mp', 1), then).defects
    assert check(then.content + b"x,y\r\n", then).defects
    assert check(b"\xff", then).defects


def test_eans_are_checked_by_their_last_digit() -> None:
    assert all(good_ean(text) for text in (EAN, "96385074", "036000291452", "00012345600012"))
    assert not any(
        good_ean(text) for text in ("4006381333932", "12345", "", "４００６３８１３３３９３１", "abc", EAN + "1")
    )


def test_every_broken_rule_of_a_product_file_is_named() -> None:
    head = "shop_connection_id,shop_sku,ean,title,image_1,weight,min_quantity\n"
    good = f"{SHOP},A,{EAN},Lamp,https://i.example.invalid/1.jpg,1.5,2\n"
    bad = f"nope,,123,Lamp\x07,ftp://x,1,0\n{SHOP},A,,,,,\n{SHOP},B,,,,-1\n"
    rows, errors = read_csv((head + good + bad).encode())
    assert [(error.row, error.rule) for error in errors] == [(5, "has 6 cells, the header has 7")]
    _, wrong = check_rows(rows, {SHOP})
    assert [(error.row, error.column) for error in wrong] == [
        (3, "shop_connection_id"),
        (3, "shop_sku"),
        (3, "ean"),
        (3, "title"),
        (3, "image_1"),
        (3, "min_quantity"),
        (4, "shop_sku"),
    ]
    assert [error.column for error in read_csv(b"sku,title\n")[1]] == ["shop_connection_id", "shop_sku", "sku"]
    assert read_csv(b"")[1]


@given(data=st.binary(max_size=300))
def test_no_file_makes_the_reader_fail(data: bytes) -> None:
    rows, _ = read_csv(data)
    check_rows(rows, {SHOP})
