"""Offers from a CSV: columns in any order, comma or semicolon. Pure; never raises, every wrong cell is named.

`price[ES_B2C]`, `discount_price[ES_B2C]`, `discount_from[ES_B2C]` and `discount_until[ES_B2C]` hold for one channel;
`attribute[warranty]` is an additional field of the operator; `carrier_grids` is `Standard:2:4|Express:1:2`.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from catalog_feed.bodies_offers import MAX_OFFERS, ListedOfferBody
from catalog_feed.products import RowError

PRICES = ("price", "discount_price", "discount_from", "discount_until")
PLAIN = (
    "product_id",
    "product_id_type",
    "state_code",
    "currency",
    "quantity",
    "description",
    "lead_time_days",
    "logistic_class",
    "weight_kg",
    "min_order_quantity",
    "max_order_quantity",
    "package_quantity",
    "withdraw",
)
CHANNEL = re.compile(rf"({'|'.join(PRICES)})\[([^\[\]]+)\]")
ATTRIBUTE = re.compile(r"attribute\[([^\[\]]+)\]")
Given = tuple[int, ListedOfferBody]
"""(row, offer); row 1 is the header."""


def known_column(name: str) -> bool:
    """Whether the file may have it."""
    if name in ("offer_sku", "carrier_grids", *PRICES, *PLAIN):
        return True
    return bool(CHANNEL.fullmatch(name) or ATTRIBUTE.fullmatch(name))


def read_offers(data: bytes) -> tuple[list[Given], list[RowError]]:
    """Offers and what is wrong. An offer with an error is not among them."""
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
    header = [name.strip() for name in records[0]] if records else []
    errors = [RowError(1, "offer_sku", "column is missing")] if "offer_sku" not in header else []
    errors += [RowError(1, name[:100], "is not a known column") for name in header if not known_column(name)]
    twice = {name for name in header if header.count(name) > 1}
    errors += [RowError(1, name[:100], "column is there twice") for name in sorted(twice)]
    if len(records) - 1 > MAX_OFFERS:
        errors.append(RowError(-1, "", f"has {len(records) - 1} rows, at most {MAX_OFFERS} at once; split it"))
    return ([], errors) if errors else _rows(header, records[1:])


def _rows(header: list[str], records: list[list[str]]) -> tuple[list[Given], list[RowError]]:
    found: list[Given] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for row, record in enumerate(records, start=2):
        if not any(cell.strip() for cell in record):
            continue
        if len(record) != len(header):
            errors.append(RowError(row, "", f"has {len(record)} cells, the header has {len(header)}"))
            continue
        cells = {name: cell.strip() for name, cell in zip(header, record, strict=True) if cell.strip()}
        try:
            offer = ListedOfferBody.model_validate(_body(cells))
        except ValidationError as error:
            errors += [RowError(row, _place(each["loc"]), _said(each)) for each in error.errors(include_url=False)]
            continue
        first = seen.setdefault(offer.offer_sku, row)
        if first != row:
            errors.append(RowError(row, "offer_sku", f"is the same SKU as in row {first}"))
            continue
        found.append((row, offer))
    return found, errors


def _body(cells: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {name: cells[name] for name in ("offer_sku", *PLAIN) if name in cells}
    prices: dict[str, dict[str, str]] = {}
    attributes: dict[str, str] = {}
    for name, value in cells.items():
        channel, attribute = CHANNEL.fullmatch(name), ATTRIBUTE.fullmatch(name)
        if name in PRICES:
            prices.setdefault("", {})[name] = value
        elif channel:
            prices.setdefault(channel[2], {"channel": channel[2]})[channel[1]] = value
        elif attribute:
            attributes[attribute[1]] = value
    body["prices"] = list(prices.values())
    body["attributes"] = attributes
    if "carrier_grids" in cells:
        body["carrier_grids"] = [_grid(option) for option in cells["carrier_grids"].split("|")]
    return body


def _grid(option: str) -> dict[str, str]:
    name, _, days = option.strip().partition(":") if option.count(":") < 2 else _split_right(option.strip())
    least, _, most = days.partition(":")
    return {"name": name, "days_min": least, "days_max": most}


def _split_right(option: str) -> tuple[str, str, str]:
    """A grid's name may hold a colon; its days never do."""
    name, least, most = option.rsplit(":", 2)
    return name, ":", f"{least}:{most}"


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _said(error: Any) -> str:
    return str(error["msg"]).removeprefix("Value error, ")[:200]
