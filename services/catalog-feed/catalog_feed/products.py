"""Product data as operators give it, by CSV or JSON, pure: every cell is checked before any is believed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

IMAGES = tuple(f"image_{number}" for number in range(1, 6))
TEXTS: Mapping[str, int] = {
    "sku_manufacturer": 100,
    "brand": 100,
    "title": 500,
    "description": 20_000,
    "category": 500,
    "condition": 50,
}
"""Longest text per column; more than any marketplace shows."""
KEYS = ("shop_connection_id", "shop_sku")
COLUMNS = (*KEYS, "ean", *TEXTS, *IMAGES, "weight", "min_quantity")
MAX_ROWS = 20_000
MAX_SKU = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_URL = re.compile(r"^https?://[^\s/@]+/[^\s]*$")


@dataclass(frozen=True, slots=True)
class Product:
    """What is known of an article besides stock and price. Weight in kilograms."""

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
class RowError:
    """One rule broken in one cell. `row` counts from 1 = header in a CSV, from 0 in a list; -1 = the whole file."""

    row: int
    column: str
    rule: str


@dataclass(frozen=True, slots=True)
class GivenProduct:
    """A sound row."""

    shop_connection_id: UUID
    shop_sku: str
    product: Product


def good_ean(text: str) -> bool:
    """GTIN-8, -12, -13 or -14 with its right check digit (GS1: weights 3 and 1 from the right)."""
    if not re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", text):
        return False
    digits = [int(digit) for digit in reversed(text)]
    return sum(digit * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10 == 0


def is_web_address(text: str) -> bool:
    """An http(s) address without user name."""
    return _URL.match(text) is not None


def check_rows(
    rows: Sequence[tuple[int, Mapping[str, str]]], shops: Collection[UUID]
) -> tuple[list[GivenProduct], list[RowError]]:
    """Check rows given as (number, cells). Products only count without errors. Never raises."""
    found: list[GivenProduct] = []
    errors: list[RowError] = []
    seen: dict[tuple[UUID, str], int] = {}
    for number, cells in rows:
        given = _row(number, {name: value.strip() for name, value in cells.items()}, shops, errors)
        if given is None:
            continue
        first = seen.setdefault((given.shop_connection_id, given.shop_sku), number)
        if first != number:
            errors.append(RowError(number, "shop_sku", f"is the same SKU as in row {first}"))
        found.append(given)
    if len(rows) > MAX_ROWS:
        errors.append(RowError(-1, "", f"has {len(rows)} rows, at most {MAX_ROWS} at once; split it"))
    return found, errors


def _row(number: int, cells: Mapping[str, str], shops: Collection[UUID], errors: list[RowError]) -> GivenProduct | None:
    wrong: list[tuple[str, str]] = []
    shop, sku = _uuid(cells.get("shop_connection_id", "")), cells.get("shop_sku", "")
    if shop is None or shop not in shops:
        wrong.append(("shop_connection_id", "is not a shop connection of this hub"))
    if not sku or len(sku) > MAX_SKU or _CONTROL.search(sku) or "\n" in sku:
        wrong.append(("shop_sku", f"must be a text of 1 to {MAX_SKU} characters in one line"))
    ean = cells.get("ean", "")
    if ean and not good_ean(ean):
        wrong.append(("ean", "must be 8, 12, 13 or 14 digits with the right check digit"))
    for name, longest in TEXTS.items():
        value = cells.get(name, "")
        if len(value) > longest:
            wrong.append((name, f"must have {longest} characters at most"))
        elif _CONTROL.search(value):
            wrong.append((name, "must not hold control characters"))
    images = [(name, cells.get(name, "")) for name in IMAGES if cells.get(name)]
    wrong += [(name, "must be an http(s) address") for name, value in images if not is_web_address(value)]
    weight, least = cells.get("weight", ""), cells.get("min_quantity", "")
    if weight and not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", weight):
        wrong.append(("weight", "must be a decimal number with a point, not below 0"))
    if least and not re.fullmatch(r"[1-9][0-9]{0,5}", least):
        wrong.append(("min_quantity", "must be a whole number from 1"))
    errors += [RowError(number, name, rule) for name, rule in wrong]
    if wrong or shop is None:
        return None
    product = Product(
        ean=ean or None,
        **{name: cells.get(name) or None for name in TEXTS},
        weight=Decimal(weight) if weight else None,
        min_quantity=int(least) if least else None,
        images=tuple(value for _, value in images),
    )
    return GivenProduct(shop, sku, product)


def read_csv(data: bytes) -> tuple[list[tuple[int, dict[str, str]]], list[RowError]]:
    """Rows of a CSV: UTF-8 (BOM allowed), comma or semicolon, columns in any order. Never raises."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [RowError(data[: error.start].count(b"\n") + 1, "", "is not UTF-8; save the file as UTF-8 CSV")]
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return [], [RowError(-1, "", f"is not readable as CSV: {error}")]
    header = [name.strip().lower() for name in records[0]] if records else []
    errors = [RowError(1, name, "column is missing") for name in KEYS if name not in header]
    errors += [RowError(1, name, "is not a known column") for name in header if name not in COLUMNS]
    errors += [RowError(1, name, "column is there twice") for name in COLUMNS if header.count(name) > 1]
    if errors:
        return [], errors
    rows: list[tuple[int, dict[str, str]]] = []
    for number, record in enumerate(records[1:], start=2):
        if len(record) == len(header):
            rows.append((number, dict(zip(header, record, strict=True))))
        elif any(cell.strip() for cell in record):
            errors.append(RowError(number, "", f"has {len(record)} cells, the header has {len(header)}"))
    return rows, errors


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
