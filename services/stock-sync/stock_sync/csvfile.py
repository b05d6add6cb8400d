"""Stock levels from a CSV, pure: every row is checked before any is believed, so a slipped column changes nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

REQUIRED = ("shop_connection_id", "shop_sku", "quantity")
OPTIONAL = ("warehouse",)
MAX_ROWS = 20_000
"""More would hold one transaction open for too long; a body is at most 1 MiB anyway."""
MAX_QUANTITY = 2_147_483_647
"""Largest quantity that every marketplace's integer can carry."""
MAX_TEXT = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class RowError:
    """One rule broken in one cell. `row` counts from 1 = header; 0 = the whole file."""

    row: int
    column: str
    rule: str


@dataclass(frozen=True, slots=True)
class Level:
    """A sound row."""

    shop_connection_id: UUID
    shop_sku: str
    warehouse: str
    quantity: int


def read_levels(data: bytes, shops: Collection[UUID]) -> tuple[list[Level], list[RowError]]:
    """Rows of a CSV: UTF-8 (BOM allowed), comma or semicolon, columns in any order. Levels only count without errors.

    `shops` are the shop connections that exist. Never raises.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [], [RowError(data[: error.start].count(b"\n") + 1, "", "is not UTF-8; save the file as UTF-8 CSV")]
    head = text.partition("\n")[0]
    delimiter = ";" if ";" in head and "," not in head else ","
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return [], [RowError(0, "", f"is not readable as CSV: {error}")]
    header = [name.strip().lower() for name in records[0]] if records else []
    wrong = _header_errors(header)
    if wrong:
        return [], wrong
    return _rows(header, records[1:], shops)


def _header_errors(header: Sequence[str]) -> list[RowError]:
    known = REQUIRED + OPTIONAL
    errors = [RowError(1, name, "column is missing") for name in REQUIRED if name not in header]
    errors += [RowError(1, name, "is not a known column") for name in header if name not in known]
    return errors + [RowError(1, name, "column is there twice") for name in known if header.count(name) > 1]


def _rows(
    header: Sequence[str], records: Sequence[Sequence[str]], shops: Collection[UUID]
) -> tuple[list[Level], list[RowError]]:
    levels: list[Level] = []
    errors: list[RowError] = []
    seen: dict[tuple[UUID, str, str], int] = {}
    for number, record in enumerate(records, start=2):
        if not any(cell.strip() for cell in record):
            continue
        if len(record) != len(header):
            errors.append(RowError(number, "", f"has {len(record)} cells, the header has {len(header)}"))
            continue
        cells = {name: cell.strip() for name, cell in zip(header, record, strict=True)}
        level = _level(number, cells, shops, errors)
        if level is None:
            continue
        first = seen.setdefault((level.shop_connection_id, level.shop_sku, level.warehouse), number)
        if first != number:
            errors.append(RowError(number, "shop_sku", f"is the same SKU and warehouse as in row {first}"))
        levels.append(level)
    if len(levels) > MAX_ROWS:
        errors.append(RowError(0, "", f"has {len(levels)} rows, at most {MAX_ROWS} per file; split it"))
    return levels, errors


def _level(number: int, cells: Mapping[str, str], shops: Collection[UUID], errors: list[RowError]) -> Level | None:
    count = len(errors)
    shop = _uuid(cells["shop_connection_id"])
    if shop is None:
        errors.append(RowError(number, "shop_connection_id", "must be the id of a connection"))
    elif shop not in shops:
        errors.append(RowError(number, "shop_connection_id", "is not a shop connection of this hub"))
    warehouse = cells.get("warehouse", "")
    for column, value in (("shop_sku", cells["shop_sku"]), ("warehouse", warehouse)):
        if column == "shop_sku" and not value:
            errors.append(RowError(number, column, "must not be empty"))
        elif len(value) > MAX_TEXT:
            errors.append(RowError(number, column, f"must have {MAX_TEXT} characters at most"))
        elif _CONTROL.search(value):
            errors.append(RowError(number, column, "must not hold control characters"))
    quantity = cells["quantity"]
    if not re.fullmatch(r"[0-9]{1,10}", quantity) or int(quantity) > MAX_QUANTITY:
        errors.append(RowError(number, "quantity", f"must be a whole number from 0 to {MAX_QUANTITY}"))
    if len(errors) > count or shop is None:
        return None
    return Level(shop, cells["shop_sku"], warehouse, int(quantity))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
