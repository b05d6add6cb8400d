"""Feeds, pure: grids by rules, cells that are checked, columns of one's own, and what differs between two versions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from catalog_feed.domain import COLUMNS_OF, Article, Built, FeedSettings, build
from catalog_feed.grids import CARRIER_GRID, GridRule, Shipped, Template, options_of
from catalog_feed.judging import Version, diff, read_rows
from catalog_feed.products import Product

from .conftest import EAN

STANDARD = Template("Standard", 2, 4, is_default=True)
TEMPLATES = {
    each.name: each
    for each in (STANDARD, Template("Pallet", 5, 9), Template("Free", 3, 5), Template("Old", 1, 2, False))
}
RULES = (
    GridRule("heavy", ("Pallet",), weight_from=Decimal(30)),
    GridRule("dear", ("Free", "Standard"), price_from=Decimal(100)),
    GridRule("bulky", ("Pallet", "Old"), sku_prefix="XL-"),
)
LAMP = Product(ean=EAN, brand="b", title="t", description="d", weight=Decimal(1), images=("https://i.invalid/1.jpg",))


def shipped(sku: str = "A", weight: str | None = "1", price: str | None = "10", named: tuple[str, ...] = ()) -> Shipped:
    return Shipped(sku, Decimal(weight) if weight else None, Decimal(price) if price else None, named)


@pytest.mark.parametrize(
    ("article", "grids"),
    [
        (shipped(), ["Standard"]),
        (shipped(weight="30"), ["Pallet"]),
        (shipped(weight="29.999"), ["Standard"]),
        (shipped(price="100"), ["Free", "Standard"]),
        (shipped(price=None), ["Standard"]),
        (shipped(sku="XL-1"), ["Pallet"]),
        (shipped(weight="30", price="100"), ["Pallet"]),
        (shipped(weight="30", named=("Free",)), ["Free"]),
    ],
)
def test_the_first_rule_that_matches_names_the_options(article: Shipped, grids: list[str]) -> None:
    options, wrong = options_of(article, TEMPLATES, RULES)
    assert ([option.name for option in options], wrong) == (grids, [])


def test_an_unknown_weight_is_a_problem_and_never_the_default() -> None:
    options, wrong = options_of(shipped(weight=None), TEMPLATES, RULES)
    assert options == []
    assert [(p.column, p.rule) for p in wrong] == [
        (CARRIER_GRID, "cannot be decided: rule 'heavy' asks for the weight, which is not known")
    ]
    by_sku = (GridRule("bulky", ("Pallet",), sku_prefix="XL-", weight_from=Decimal(30)),)
    assert options_of(shipped(weight=None), TEMPLATES, by_sku)[0] == [STANDARD], "another rule's weight does not matter"


def test_a_rule_that_names_a_lost_template_is_a_problem() -> None:
    _, wrong = options_of(shipped(), TEMPLATES, [GridRule("all", ("Gone",))])
    assert [p.rule for p in wrong] == ["has by rule 'all' the template 'Gone', which does not exist"]


def article(sku: str = "A", **changes: Any) -> Article:
    values: dict[str, Any] = {"quantity": 5, "price": Decimal("19.90"), "currency": "EUR", "product": LAMP}
    return Article(sku, **(values | changes))


def made(*articles: Article, **settings: Any) -> Built:
    return build(articles, [STANDARD], FeedSettings(**settings))


@pytest.mark.parametrize(
    ("product", "column"),
    [
        (Product(ean="4006381333932", brand="b", title="t", description="d", images=LAMP.images), "ean"),
        (Product(ean=EAN, brand="b", title="t", description="d", images=("ftp://i.invalid/1.jpg",)), "image_1"),
        (Product(ean=EAN, brand="b", title="t", description="d", images=(*LAMP.images, "x")), "image_2"),
    ],
)
def test_wrong_cells_block_and_say_what_to_do(product: Product, column: str) -> None:
    [problem] = made(article(product=product)).problems
    assert problem.column == column
    assert problem.next_step


def test_a_sku_that_is_there_twice_blocks_both() -> None:
    built = made(article("A"), article(" A "), article("B"))
    assert [(p.sku, p.rule) for p in built.problems] == [
        (" A ", "is there more than once"),
        ("A", "is there more than once"),
    ]
    assert built.skus == ("B",)


def test_a_product_feed_has_no_prices_and_nothing_wrong_with_them() -> None:
    poor = article(price=None, currency="GBP")
    assert made(poor, columns=COLUMNS_OF["products"]).problems == ()
    assert [p.column for p in made(poor).problems] == ["price_vat_included"]
    offers = made(article(product=Product(weight=Decimal(1))), columns=COLUMNS_OF["offers"])
    assert offers.problems == ()
    assert read_rows(offers.content, ",")[0] == list(COLUMNS_OF["offers"])
    weightless = article(product=Product())
    assert [p.column for p in made(weightless, columns=("sku", "weight"), mandatory=("sku", "weight")).problems] == [
        "weight"
    ]


def test_columns_order_separator_and_constants_are_the_sellers() -> None:
    built = made(
        article(),
        columns=("quantity", "origin", "sku"),
        constants={"origin": "EU;1"},
        separator=";",
        headers={"sku": "ref"},
    )
    assert built.content.decode().splitlines() == ["quantity;origin;ref", '5;"EU;1";A']
    assert (built.separator, built.sku_header) == (";", "ref")


def version(built: Built) -> Version:
    return Version(built.content, built.rows, built.sha256, built.separator, built.sku_header)


def test_a_diff_names_rows_and_cells_whatever_the_columns_were() -> None:
    before = made(article("A"), article("B"), article("C"), columns=("sku", "quantity", "brand"))
    after = made(
        article("B", quantity=1), article("C"), article("D"), columns=("quantity", "sku", "weight"), separator=";"
    )
    found = diff(version(before), version(after))
    assert found.counts() == {"added": 1, "removed": 1, "changed": 2}
    assert (found.columns_added, found.columns_removed) == (("weight",), ("brand",))
    by_sku = {change.sku: change for change in found.changes}
    assert by_sku["B"].cells == {"quantity": ("5", "1"), "brand": ("b", None), "weight": (None, "1")}
    assert diff(version(before), version(before)).changes == ()


def test_versions_of_before_have_their_sku_in_the_first_column() -> None:
    old = Version(b"ref,quantity\r\nA,5\r\n", 1, "")
    assert [(c.sku, c.change) for c in diff(old, version(made(article("A"), columns=("sku",)))).changes] == [
        ("A", "changed")
    ]
