"""Offers as a file of OF01: the same whole offers as OF24's, in columns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from connector_mirakl.csvfile import write_csv
from connector_mirakl.wire import Json, objects

COLUMNS = {
    "sku": "shop_sku",
    "product-id": "product_id",
    "product-id-type": "product_id_type",
    "description": "description",
    "internal-description": "internal_description",
    "price": "price",
    "price-additional-info": "price_additional_info",
    "quantity": "quantity",
    "min-quantity-alert": "min_quantity_alert",
    "state": "state_code",
    "available-start-date": "available_started",
    "available-end-date": "available_ended",
    "logistic-class": "logistic_class",
    "allow-quote-requests": "allow_quote_requests",
    "leadtime-to-ship": "leadtime_to_ship",
    "min-order-quantity": "min_order_quantity",
    "max-order-quantity": "max_order_quantity",
    "package-quantity": "package_quantity",
    "product-tax-code": "product_tax_code",
    "update-delete": "update_delete",
}
"""Mirakl OF01's column → OF24's field."""
ALWAYS = ("sku", "product-id", "product-id-type", "price", "quantity", "state", "update-delete")
NO_COLUMN = ("msrp", "retail_prices")
"""Fields for which OF01 documents no column: such offers go by OF24."""


def offer_row(offer: Json) -> dict[str, str] | None:
    """The cells of one whole offer by column; None when the file cannot hold all of it."""
    if any(offer.get(name) for name in NO_COLUMN):
        return None
    row = {column: cell(offer[name]) for column, name in COLUMNS.items() if name in offer}
    row.update(_own_discount(offer))
    for entry in objects(offer.get("all_prices")):
        row.update(_price_cells(entry))
    for field in objects(offer.get("offer_additional_fields")):
        if isinstance(field.get("value"), list) or field["code"] in row:
            return None
        row[str(field["code"])] = cell(field.get("value"))
    for eco in objects(offer.get("eco_contributions")):
        code = eco.get("epr_category_code")
        row[f"producer-id[{code}]"] = cell(eco.get("producer_id"))
        row[f"eco-contribution-amount[{code}]"] = cell(eco.get("eco_contribution_amount"))
    return row


def cell(value: object) -> str:
    """A value as text; amounts without an exponent, null as an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _own_discount(offer: Json) -> dict[str, str]:
    """Where there are several prices, the same values come again with their entry."""
    discount = offer.get("discount")
    if not isinstance(discount, dict):
        return {}
    return {
        "discount-price": cell(discount.get("price")),
        "discount-start-date": cell(discount.get("start_date")),
        "discount-end-date": cell(discount.get("end_date")),
    }


def _price_cells(entry: Json) -> dict[str, str]:
    channel = entry.get("channel_code")
    suffix = f"[channel={channel}]" if channel else ""
    volumes = objects(entry.get("volume_prices"))
    cells = {
        "price": cell(entry["unit_origin_price"]),
        "discount-price": cell(entry.get("unit_discount_price")),
        "discount-start-date": cell(entry.get("discount_start_date")),
        "discount-end-date": cell(entry.get("discount_end_date")),
        "price-ranges": _ranges(volumes, "unit_origin_price"),
        "discount-ranges": _ranges(volumes, "unit_discount_price"),
    }
    return {f"{column}{suffix}": value for column, value in cells.items() if value}


def _ranges(volumes: Sequence[Json], name: str) -> str:
    return ",".join(f"{one['quantity_threshold']}|{cell(one[name])}" for one in volumes if one.get(name) is not None)


def offers_file(rows: Sequence[Mapping[str, str]]) -> bytes:
    """The CSV of these rows: the usual columns in Mirakl's order, then the others as they come."""
    used = dict.fromkeys(column for row in rows for column, value in row.items() if value)
    known = [column for column in COLUMNS if column in ALWAYS or column in used]
    header = [*known, *(column for column in used if column not in COLUMNS)]
    return write_csv(header, [[row.get(column, "") for column in header] for row in rows])
