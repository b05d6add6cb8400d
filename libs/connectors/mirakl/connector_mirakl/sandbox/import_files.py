"""Cells of an OF01 file as rows of OF24, and the report OF03 with the columns that were sent."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from connector_mirakl.sandbox.desk import require

Json = dict[str, Any]
PLAIN = {
    "sku": "shop_sku",
    "product-id": "product_id",
    "product-id-type": "product_id_type",
    "state": "state_code",
    "update-delete": "update_delete",
    "description": "description",
    "internal-description": "internal_description",
    "price-additional-info": "price_additional_info",
    "available-start-date": "available_started",
    "available-end-date": "available_ended",
    "logistic-class": "logistic_class",
    "leadtime-to-ship": "leadtime_to_ship",
    "product-tax-code": "product_tax_code",
}
WHOLE = {
    "quantity": "quantity",
    "min-quantity-alert": "min_quantity_alert",
    "min-order-quantity": "min_order_quantity",
    "max-order-quantity": "max_order_quantity",
    "package-quantity": "package_quantity",
}
PRICES = {
    "price": "unit_origin_price",
    "discount-price": "unit_discount_price",
    "discount-start-date": "discount_start_date",
    "discount-end-date": "discount_end_date",
}
VOLUMES = {"price-ranges": "unit_origin_price", "discount-ranges": "unit_discount_price"}
CHANNEL = re.compile(r"(?P<column>[a-z-]+)\[channel=(?P<channel>[^\]]+)\]")


def read_offers_file(content: str | None) -> list[Json]:
    """Rows of a file; the cells are kept beside under `_cells`. Answers 400 for a file without its columns."""
    require(content is not None, "The part 'file' is mandatory")
    reader = csv.DictReader(io.StringIO(content or "", newline=""), delimiter=";")
    rows = [{name: value or "" for name, value in row.items() if name} for row in reader]
    require("sku" in (reader.fieldnames or []), "The file needs the column sku")
    return [_row(cells) for cells in rows]


def _row(cells: dict[str, str]) -> Json:
    row: Json = {"_cells": cells}
    prices: dict[str, Json] = {}
    fields: list[Json] = []
    for column, value in cells.items():
        named = CHANNEL.fullmatch(column)
        name, channel = (named["column"], named["channel"]) if named else (column, "")
        if not value:
            continue
        if name in PLAIN:
            row[PLAIN[name]] = value
        elif name in WHOLE:
            row[WHOLE[name]] = int(value) if value.isdigit() else value
        elif name in PRICES or name in VOLUMES:
            _price_cell(prices.setdefault(channel, {"channel_code": channel or None}), name, value)
        else:
            fields.append({"code": column, "value": value})
    if prices:
        row["all_prices"] = list(prices.values())
        row["price"] = prices.get("", {}).get("unit_origin_price")
    if fields:
        row["offer_additional_fields"] = fields
    row.setdefault("update_delete", "update")
    return row


def _price_cell(entry: Json, name: str, value: str) -> None:
    if name in VOLUMES:
        steps: list[Json] = entry.setdefault("volume_prices", [])
        for part in value.split(","):
            quantity, _, amount = part.partition("|")
            step = next((s for s in steps if s["quantity_threshold"] == int(quantity)), None)
            if step is None:
                step = {"quantity_threshold": int(quantity)}
                steps.append(step)
            step[VOLUMES[name]] = Decimal(amount)
    elif name.endswith("date"):
        entry[PRICES[name]] = value
    else:
        try:
            entry[PRICES[name]] = Decimal(value)
        except InvalidOperation:
            entry[PRICES[name]] = None


def offers_report(rows: list[Json], errors: list[tuple[int, str]]) -> str:
    """OF03: the columns that were sent, then `error-line` and `error-message`; a JSON request shows its main ones."""
    cells = [row.get("_cells") or _main(row) for row in rows]
    columns = list(cells[0]) if cells else []
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow([*columns, "error-line", "error-message"])
    for line, message in errors:
        writer.writerow([*(cells[line - 2].get(name, "") for name in columns), line, message])
    return out.getvalue()


def _main(row: Json) -> dict[str, str]:
    names = {"sku": "shop_sku", "product-id": "product_id", "price": "price", "quantity": "quantity"}
    return {column: str(row.get(name, "")) for column, name in names.items()}
