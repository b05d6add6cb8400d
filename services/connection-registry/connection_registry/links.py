"""SKU links as people give them (JSON or CSV), checked as a whole: half a list would send half the orders wrong.

Pure. Every error names the row, the column and the rule. Cells that a spreadsheet would run as a formula are marked
with an apostrophe on export and unmarked on import, so that a list survives the round trip exactly.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from connection_registry.domain import ShopSeen, shop_problem

COLUMNS = ("offer_sku", "shop_connection_id", "shop_sku")
MAX_SKU = 255
"""Longest SKU of any shop we know is 255 characters; a longer cell is another column's text."""
MAX_LINKS = 5_000
"""Links per request: one transaction and one body that fits the limit of the web server."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class RawLink:
    """One link as given. `row` is what errors call it: the spreadsheet's row (header = 1), or the position in JSON."""

    row: int
    offer_sku: str
    shop_connection_id: str
    shop_sku: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link that may be stored."""

    offer_sku: str
    shop_connection_id: UUID
    shop_sku: str


@dataclass(frozen=True, slots=True)
class RowError:
    """One rule broken in one cell; row 0 is the file as a whole."""

    row: int
    column: str
    rule: str


def check_links(
    rows: Sequence[RawLink], where: ShopSeen, shops: Mapping[UUID, ShopSeen]
) -> tuple[list[Link], list[RowError]]:
    """Links of the marketplace connection `where`, or everything that is wrong with them.

    `shops` are the connections known; one that is missing there is an error.
    """
    links: list[Link] = []
    errors: list[RowError] = []
    first: dict[str, int] = {}
    for row in rows:
        found = [RowError(row.row, "offer_sku", rule) for rule in _sku_rules(row.offer_sku)]
        found += [RowError(row.row, "shop_sku", rule) for rule in _sku_rules(row.shop_sku)]
        shop_id = _uuid(row.shop_connection_id)
        if shop_id is None:
            found.append(RowError(row.row, "shop_connection_id", "must be a UUID"))
        elif problem := shop_problem(where, shops.get(shop_id) or ShopSeen(shop_id, None, None)):
            found.append(RowError(row.row, "shop_connection_id", problem))
        if row.offer_sku in first:
            found.append(RowError(row.row, "offer_sku", f"is in row {first[row.offer_sku]} already"))
        first.setdefault(row.offer_sku, row.row)
        errors += found
        if not found and shop_id is not None:
            links.append(Link(row.offer_sku, shop_id, row.shop_sku))
    return ([], errors) if errors else (links, [])


def wanted_shops(rows: Iterable[RawLink]) -> set[UUID]:
    """Shops that rows name, as far as they can be read."""
    return {shop_id for row in rows if (shop_id := _uuid(row.shop_connection_id)) is not None}


def _sku_rules(sku: str) -> list[str]:
    if not sku.strip():
        return ["must not be empty"]
    if sku != sku.strip():
        return ["must not begin or end with a space"]
    if _CONTROL.search(sku):
        return ["must not hold control characters"]
    if len(sku) > MAX_SKU:
        return [f"must have {MAX_SKU} characters at most"]
    return []


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def read_csv(data: bytes) -> tuple[list[RawLink], list[RowError]]:
    """Rows of a CSV: UTF-8 (with or without BOM), comma or semicolon, columns in any order. Never raises."""
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
    if not records:
        return [], [RowError(1, "", f"the header is missing: {','.join(COLUMNS)}")]
    header = [name.strip().lower() for name in records[0]]
    wrong = _header_errors(header)
    if wrong:
        return [], wrong
    return _rows(header, records[1:])


def _header_errors(header: Sequence[str]) -> list[RowError]:
    errors = [RowError(1, name, "column is missing") for name in COLUMNS if name not in header]
    errors += [RowError(1, name, "is not a known column") for name in header if name not in COLUMNS]
    return errors + [RowError(1, name, "column is there twice") for name in COLUMNS if header.count(name) > 1]


def _rows(header: Sequence[str], records: Sequence[Sequence[str]]) -> tuple[list[RawLink], list[RowError]]:
    rows: list[RawLink] = []
    errors: list[RowError] = []
    for number, record in enumerate(records, start=2):
        if not any(cell.strip() for cell in record):
            continue
        if len(record) != len(header):
            errors.append(RowError(number, "", f"has {len(record)} cells, the header has {len(header)}"))
            continue
        cells = {name: _unmark(cell.strip()) for name, cell in zip(header, record, strict=True)}
        rows.append(RawLink(number, cells["offer_sku"], cells["shop_connection_id"], cells["shop_sku"]))
    if len(rows) > MAX_LINKS:
        errors.append(RowError(0, "", f"has {len(rows)} links, at most {MAX_LINKS} per file; split it"))
    return rows, errors


def write_csv(links: Iterable[Link]) -> bytes:
    """UTF-8 with BOM (spreadsheets need it to read accents), comma, header, CRLF."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_mark(link.offer_sku), str(link.shop_connection_id), _mark(link.shop_sku)] for link in links)
    return text.getvalue().encode("utf-8-sig")


def _mark(cell: str) -> str:
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _unmark(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
