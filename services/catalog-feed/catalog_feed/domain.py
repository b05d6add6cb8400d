"""A feed from offers, products and shipping templates, and whether it may be published: pure.

Marketplaces replace the whole catalogue by what they fetch: a row that is missing takes the article off sale, an empty
cell has it refused. So a feed with a hole, or one that shrank too much, is withheld and the last good one stays.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from hub_contracts.base import Fact

CARRIER_GRID = "Carrier Grid"
IMAGES = tuple(f"image_{number}" for number in range(1, 6))
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
MAX_PROBLEMS = 100
"""A missing import is one problem per article; a hundred show it as well as ten thousand."""


class FeedSettings(Fact):
    """How one connection's feed is written. What no public source confirms is here, so that a seller can correct it."""

    currency: str = "EUR"
    """Offers in another one are a problem: the file has no column for it."""
    shrink_percent: int = 20
    """A version with more rows missing than this share of the published one is withheld."""
    bad_rows: Literal["block", "leave_out"] = "block"
    """`leave_out`: articles with a problem are left out, and the shrink guard is what remains."""
    mandatory: tuple[str, ...] = MANDATORY
    one_of: tuple[str, ...] = ("ean", "sku_manufacturer")
    """At least one of these cells must be filled."""
    headers: dict[str, str] = {}
    """Other names for columns."""
    option_separator: str = "|"
    """Between the shipping templates of one article [assumed]."""
    shipping_time: str = "{min}-{max}"
    """How the days of a template are written [assumed]."""


@dataclass(frozen=True, slots=True)
class Template:
    """A shipping option that the seller made at the marketplace, by its name there."""

    name: str
    lead_days_min: int
    lead_days_max: int
    active: bool = True
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """What is known of an article besides stock and price."""

    ean: str | None = None
    sku_manufacturer: str | None = None
    brand: str | None = None
    title: str | None = None
    description: str | None = None
    category: str | None = None
    condition: str | None = None
    weight: Decimal | None = None
    min_quantity: int | None = None
    images: tuple[str, ...] = ()


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
class Problem:
    """Why an article cannot be in the feed."""

    sku: str
    column: str
    rule: str

    def __str__(self) -> str:
        return f"{self.sku}: {self.column} {self.rule}"


@dataclass(frozen=True, slots=True)
class Built:
    """A feed as it would be published."""

    content: bytes
    rows: int
    problems: tuple[Problem, ...] = ()
    skus: tuple[str, ...] = field(default=(), repr=False)

    @property
    def sha256(self) -> str:
        """Identity of the content."""
        return hashlib.sha256(self.content).hexdigest()


def build(articles: Sequence[Article], templates: Sequence[Template], settings: FeedSettings) -> Built:
    """Write the feed, sorted by SKU: the same facts give the same bytes."""
    known = {template.name: template for template in templates}
    problems: list[Problem] = []
    rows: list[list[str]] = []
    for article in sorted(articles, key=lambda each: each.sku):
        cells, wrong = row_of(article, known, settings)
        problems += wrong
        if not wrong:
            rows.append([cells[column] for column in COLUMNS])
    content = write_csv([[settings.headers.get(column, column) for column in COLUMNS], *rows])
    return Built(content, len(rows), tuple(problems), tuple(row[0] for row in rows))


def row_of(
    article: Article, templates: Mapping[str, Template], settings: FeedSettings
) -> tuple[dict[str, str], list[Problem]]:
    """The cells of one article, and what is wrong with them."""
    product = article.product or Product()
    options, wrong = options_of(article, templates)
    if article.price is not None and article.currency != settings.currency:
        wrong.append(
            Problem(article.sku, "price_vat_included", f"is in {article.currency}, the feed in {settings.currency}")
        )
    if article.price is not None and article.price <= 0:
        wrong.append(Problem(article.sku, "price_vat_included", "must be above 0"))
    cells = {
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
    wrong += [Problem(article.sku, name, "is empty") for name in settings.mandatory if not cells[name].strip()]
    if settings.one_of and not any(cells[name].strip() for name in settings.one_of):
        wrong.append(Problem(article.sku, " or ".join(settings.one_of), "is empty"))
    wrong += [
        Problem(article.sku, CARRIER_GRID, f"template {option.name!r} holds the separator")
        for option in options
        if settings.option_separator in option.name
    ]
    return cells, wrong


def options_of(article: Article, templates: Mapping[str, Template]) -> tuple[list[Template], list[Problem]]:
    """Every active option of an article, since the buyer chooses: those named for it, else the default ones."""
    wrong = [
        Problem(article.sku, CARRIER_GRID, f"names the template {name!r}, which does not exist")
        for name in article.templates
        if name not in templates
    ]
    if article.templates:
        chosen = [templates[name] for name in article.templates if name in templates]
    else:
        chosen = [template for template in templates.values() if template.is_default]
    return sorted((each for each in chosen if each.active), key=lambda each: each.name), wrong


def _days(template: Template, settings: FeedSettings) -> str:
    days = settings.shipping_time.replace("{min}", str(template.lead_days_min))
    return days.replace("{max}", str(template.lead_days_max))


def write_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """UTF-8 without a mark, commas, CRLF; cells with commas, quotes or line breaks are quoted (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a built feed. `problems` are for people."""

    outcome: Literal["publish", "unchanged", "blocked", "shrunk", "empty"]
    problems: tuple[str, ...] = ()


def judge(built: Built, published: tuple[int, str] | None, settings: FeedSettings) -> Verdict:
    """Whether the feed may replace the published one, given as (rows, sha256)."""
    if built.problems and settings.bad_rows == "block":
        return Verdict("blocked", shown(built.problems))
    if published is None:
        return Verdict("publish" if built.rows else "empty", shown(built.problems))
    rows, sha256 = published
    if sha256 == built.sha256:
        return Verdict("unchanged", shown(built.problems))
    if built.rows * 100 < rows * (100 - settings.shrink_percent):
        what = f"{built.rows} rows instead of {rows}: more than {settings.shrink_percent} % would go off sale"
        return Verdict("shrunk", (what, *shown(built.problems)))
    return Verdict("publish", shown(built.problems))


def shown(problems: Sequence[Problem]) -> tuple[str, ...]:
    """Problems as text, cut to what people read."""
    texts = tuple(str(problem) for problem in problems[:MAX_PROBLEMS])
    rest = len(problems) - len(texts)
    return (*texts, f"and {rest} more") if rest else texts


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What reading our own file back showed. `defects` are ours; `outdated` is what changed since it was built."""

    defects: tuple[str, ...]
    outdated: tuple[str, ...]


def check_file(content: bytes, rows: int, sha256: str, now: Built) -> SelfCheck:
    """Read a published file as a marketplace would and compare it with its record and with what would be built now."""
    defects: list[str] = []
    if hashlib.sha256(content).hexdigest() != sha256:
        defects.append("the bytes are not those that were published")
    try:
        found = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        return SelfCheck((*defects, f"the file cannot be read: {type(error).__name__}"), ())
    if len(found) - 1 != rows:
        defects.append(f"the file has {len(found) - 1} rows, {rows} were published")
    defects += [f"row {at} has {len(row)} cells" for at, row in enumerate(found, 1) if len(row) != len(COLUMNS)]
    skus = [row[0] for row in found[1:] if row]
    if len(set(skus)) != len(skus):
        defects.append("a SKU is in the file twice")
    if write_csv(found) != content:
        defects.append("the file is not written the way it is read")
    fresh = {row[0]: row for row in csv.reader(io.StringIO(now.content.decode(), newline=""))}
    present = {row[0]: row for row in found if row}
    different = sorted(sku for sku in fresh.keys() | present.keys() if fresh.get(sku) != present.get(sku))
    return SelfCheck(tuple(defects[:MAX_PROBLEMS]), tuple(different[:MAX_PROBLEMS]))
