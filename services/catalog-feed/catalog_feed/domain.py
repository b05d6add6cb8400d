"""A feed from offers, products and shipping templates: pure.

Marketplaces replace the whole catalogue by what they fetch: a row that is missing takes the article off sale, an empty
or wrong cell has it refused. So every cell is checked before a file is anybody's.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from catalog_feed.grids import CARRIER_GRID, GridRule, Shipped, Template, options_of
from catalog_feed.problems import Problem
from catalog_feed.products import IMAGES, Product, good_ean, is_web_address
from hub_contracts.base import Fact

COLUMNS = (
    "sku",
    "ean",
    "sku_manufacturer",
    "brand",
    "title",
    "description",
    "merchant_category",
    "condition",
    *IMAGES,
    "price_vat_included",
    "quantity",
    "min_quantity",
    "weight",
    CARRIER_GRID,
    "shipping_time",
)
"""Columns in the order of the file. A profile may give them other names."""
MANDATORY = ("sku", "brand", "title", "description", "image_1", "price_vat_included", "quantity", CARRIER_GRID)
CATALOGUE = "catalogue"
COLUMNS_OF: Mapping[str, tuple[str, ...]] = {
    CATALOGUE: COLUMNS,
    "products": tuple(name for name in COLUMNS if name not in ("price_vat_included", "quantity", CARRIER_GRID,
                                                               "shipping_time")),
    "offers": ("sku", "price_vat_included", "quantity", "min_quantity", "weight", CARRIER_GRID, "shipping_time"),
}  # fmt: skip
"""The feeds that a connection may have. `catalogue` serves both imports of a marketplace, products and offers."""
ONE_OF = ("ean", "sku_manufacturer")


class FeedSettings(Fact):
    """How one connection's feed is written. What no public source confirms is here, so that a seller can correct it."""

    currency: str = "EUR"
    """Offers in another one are a problem: the file has no column for it."""
    shrink_percent: int = 20
    """A version with more rows missing than this share of the published one is withheld."""
    bad_rows: Literal["block", "leave_out"] = "block"
    """`leave_out`: articles with a problem are left out, and the shrink guard is what remains."""
    mandatory: tuple[str, ...] = MANDATORY
    one_of: tuple[str, ...] = ONE_OF
    """At least one of these cells must be filled."""
    columns: tuple[str, ...] = COLUMNS
    """Columns in the order of the file; names of `constants` among them."""
    constants: dict[str, str] = {}
    """Columns with the same text in every row."""
    separator: str = ","
    """Between the cells of a row."""
    keep_versions: int | None = None
    """Versions whose content is kept besides the published one; None = as many as the service keeps."""
    headers: dict[str, str] = {}
    """Other names for columns."""
    option_separator: str = "|"
    """Between the shipping templates of one article [assumed]."""
    shipping_time: str = "{min}-{max}"
    """How the days of a template are written [assumed]."""


@dataclass(frozen=True, slots=True)
class Article:
    """An offer of the feed's connection with its product, if one is known, and the templates named for it."""

    sku: str
    quantity: int
    price: Decimal | None
    currency: str | None
    product: Product | None = None
    templates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """A feed as it would be published."""

    content: bytes
    rows: int
    problems: tuple[Problem, ...] = ()
    skus: tuple[str, ...] = field(default=(), repr=False)
    separator: str = ","
    sku_header: str = "sku"

    @property
    def sha256(self) -> str:
        """Identity of the content."""
        return hashlib.sha256(self.content).hexdigest()


def build(
    articles: Sequence[Article], templates: Sequence[Template], settings: FeedSettings, rules: Sequence[GridRule] = ()
) -> Built:
    """Write the feed, sorted by SKU: the same facts give the same bytes."""
    known = {template.name: template for template in templates}
    count = Counter(article.sku.strip() for article in articles)
    problems: list[Problem] = []
    rows: list[list[str]] = []
    skus: list[str] = []
    for article in sorted(articles, key=lambda each: each.sku):
        cells, wrong = row_of(article, known, settings, rules)
        if count[article.sku.strip()] > 1:
            wrong.append(Problem(article.sku, "sku", "is there more than once"))
        wrong = [problem for problem in wrong if _concerns(problem, settings)]
        problems += wrong
        if not wrong:
            rows.append([cells[column] for column in settings.columns])
            skus.append(article.sku)
    header = [settings.headers.get(column, column) for column in settings.columns]
    content = write_csv([header, *rows], settings.separator)
    sku_header = settings.headers.get("sku", "sku")
    return Built(content, len(rows), tuple(problems), tuple(skus), settings.separator, sku_header)


def _concerns(problem: Problem, settings: FeedSettings) -> bool:
    """A product feed has no prices, so nothing can be wrong with them."""
    return any(column in settings.columns for column in problem.column.split(" or "))


def row_of(
    article: Article, templates: Mapping[str, Template], settings: FeedSettings, rules: Sequence[GridRule] = ()
) -> tuple[dict[str, str], list[Problem]]:
    """The cells of one article, and what is wrong with them."""
    product = article.product or Product()
    shipped = Shipped(article.sku, product.weight, article.price, article.templates)
    options, wrong = options_of(shipped, templates, rules)
    explained = {CARRIER_GRID} if wrong else set()
    cells = settings.constants | {
        "sku": article.sku,
        "ean": product.ean or "",
        "sku_manufacturer": product.sku_manufacturer or "",
        "brand": product.brand or "",
        "title": product.title or "",
        "description": product.description or "",
        "merchant_category": product.category or "",
        "condition": product.condition or "",
        "price_vat_included": "" if article.price is None else f"{article.price:f}",
        "quantity": str(max(0, article.quantity)),
        "min_quantity": "" if product.min_quantity is None else str(product.min_quantity),
        "weight": "" if product.weight is None else f"{product.weight:f}",
        CARRIER_GRID: settings.option_separator.join(option.name for option in options),
        "shipping_time": settings.option_separator.join(_days(option, settings) for option in options),
    }
    cells |= {name: product.images[at] if at < len(product.images) else "" for at, name in enumerate(IMAGES)}
    wrong += _wrong_values(article, product, settings)
    wrong += [
        Problem(article.sku, name, "is empty")
        for name in settings.mandatory
        if not cells[name].strip() and name not in explained
    ]
    if settings.one_of and not any(cells[name].strip() for name in settings.one_of):
        wrong.append(Problem(article.sku, " or ".join(settings.one_of), "is empty"))
    wrong += [
        Problem(article.sku, CARRIER_GRID, f"template {option.name!r} holds the separator")
        for option in options
        if settings.option_separator in option.name
    ]
    return cells, wrong


def _wrong_values(article: Article, product: Product, settings: FeedSettings) -> list[Problem]:
    """What is there and wrong. Products were checked when they came; rules may have grown since."""
    wrong = []
    if article.price is not None and article.currency != settings.currency:
        rule = f"is in {article.currency}, the feed in {settings.currency}"
        wrong.append(Problem(article.sku, "price_vat_included", rule))
    if article.price is not None and article.price <= 0:
        wrong.append(Problem(article.sku, "price_vat_included", "must be above 0"))
    if product.ean and not good_ean(product.ean):
        wrong.append(Problem(article.sku, "ean", "must be 8, 12, 13 or 14 digits with the right check digit"))
    wrong += [
        Problem(article.sku, name, "must be an http(s) address")
        for name, address in zip(IMAGES, product.images, strict=False)
        if address and not is_web_address(address)
    ]
    return wrong


def _days(template: Template, settings: FeedSettings) -> str:
    days = settings.shipping_time.replace("{min}", str(template.lead_days_min))
    return days.replace("{max}", str(template.lead_days_max))


def write_csv(rows: Sequence[Sequence[str]], separator: str = ",") -> bytes:
    """UTF-8 without a mark, CRLF; cells with separators, quotes or line breaks are quoted (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
