"""OF24 and OF01 worked off row by row: an offer is replaced whole, and what its row leaves out is reset.

Rows are those of OF24's JSON; `import_files` turns the cells of an OF01 file into the same form, so both ways cannot
drift apart.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from connector_kit.simulator import Record
from connector_mirakl.sandbox.profiles import OperatorProfile
from connector_mirakl.sandbox.world import SimImport, SimOffer, SimPrice, World

NO_OFFER = "No existing offer to update"
NO_PRODUCT = "The product does not exist"
OTHER_PRODUCT = "The product linked to the new offer is different from the product linked to the existing offer"
DUPLICATE = "The 'sku' field is duplicated in the source file"
BAD_STATE = "The state of the product is unknown"
NO_PRICE = "The 'price' field is mandatory"
BAD_CLASS = "The logistic family is unknown"
BAD_LEADTIME = "The 'leadtime-to-ship' field has an invalid value"
BAD_DATES = "The discount range date is incorrect"
BAD_DISCOUNT = "The discount price is incorrect: it must not be null and must be lower than the price"
UNKNOWN_CHANNEL = "The channel is unknown"
BAD_FIELD = "The value of the custom field is not in its list"
KEPT_SKU = timedelta(days=30)
"""How long a deleted offer's SKU stays bound to its product (fact sheet 4.3)."""
CLASSES = ("DEFAULT", "STANDARD", "LARGE")
RESET = (
    "description",
    "internal_description",
    "price_additional_info",
    "leadtime_to_ship",
    "logistic_class",
    "min_quantity_alert",
    "min_order_quantity",
    "max_order_quantity",
    "package_quantity",
    "available_started",
    "available_ended",
    "allow_quote_requests",
    "offer_additional_fields",
    "eco_contributions",
    "product_tax_code",
    "msrp",
)
"""Fields that are deleted when they are left out."""

Json = dict[str, Any]


def apply_offers(world: World, running: SimImport, record: Record, operator: OperatorProfile, now: datetime) -> None:
    """Work off an import; rows in error leave their offer as it was. Line 1 is the header of a file."""
    seen: set[str] = set()
    for line, row in enumerate(running.rows, start=2):
        sku = str(row.get("shop_sku", ""))
        problem = DUPLICATE if sku in seen else _problem(world, row, operator, now)
        seen.add(sku)
        if problem:
            running.errors.append((line, problem))
            continue
        running.updated += 1
        if row.get("update_delete") == "delete":
            gone = world.offers.pop(sku)
            world.deleted[sku] = (gone.product_sku, now)
            record.add("publish_offer", sku, import_id=running.id, deleted=True)
        else:
            _replace(world, running, row, record)
    if running.mode == "REPLACE":
        for sku in [sku for sku in world.offers if sku not in seen]:
            del world.offers[sku]
            record.add("offer_deleted", sku, import_id=running.id)


def _problem(world: World, row: Json, operator: OperatorProfile, now: datetime) -> str:
    offer = world.offers.get(str(row.get("shop_sku", "")))
    if row.get("update_delete") == "delete":
        return "" if offer else NO_OFFER
    return _product_problem(world, offer, row, now) or _value_problem(row, operator) or _price_problem(row, operator)


def _product_problem(world: World, offer: SimOffer | None, row: Json, now: datetime) -> str:
    product = str(row.get("product_id") or "")
    if offer is None and not product:
        return NO_OFFER
    if product.startswith("UNKNOWN"):
        return NO_PRODUCT
    if offer is not None and product and product not in (offer.product_sku, f"{offer.id:013d}"):
        return OTHER_PRODUCT
    before = world.deleted.get(str(row.get("shop_sku")))
    if offer is None and before and before[0] != product and now - before[1] < KEPT_SKU:
        return OTHER_PRODUCT
    return ""


def _value_problem(row: Json, operator: OperatorProfile) -> str:
    if row.get("state_code") not in operator.offer_states:
        return BAD_STATE
    if row.get("logistic_class") not in (None, "", *CLASSES):
        return BAD_CLASS
    days = row.get("leadtime_to_ship")
    if days not in (None, "") and not (str(days).isdigit() and int(days) <= operator.longest_leadtime):
        return BAD_LEADTIME
    for field in row.get("offer_additional_fields") or []:
        choices = operator.field_choices.get(field.get("code"), ())
        if choices and field.get("value") not in choices:
            return BAD_FIELD
    return ""


def _price_problem(row: Json, operator: OperatorProfile) -> str:
    try:
        prices = read_prices(row)
    except (InvalidOperation, KeyError, TypeError, ValueError):
        return NO_PRICE
    for price in prices:
        if any(channel not in operator.channels for channel in price.channels):
            return UNKNOWN_CHANNEL
        if price.discount is not None and not 0 < price.discount < price.price:
            return BAD_DISCOUNT
        if price.discount_start and price.discount_end and price.discount_start > price.discount_end:
            return BAD_DATES
    return ""


def read_prices(row: Json) -> list[SimPrice]:
    """All prices of a row: those of `all_prices`, else the price with its discount."""
    if row.get("all_prices"):
        return [_entry(entry) for entry in row["all_prices"]]
    discount = row.get("discount") or {}
    ranges = tuple(
        (int(step["quantity_threshold"]), Decimal(str(step["price"]))) for step in discount.get("ranges") or []
    )
    basic = dict(ranges).get(1) or discount.get("price")
    return [
        SimPrice(
            Decimal(str(row["price"])),
            discount=None if basic is None else Decimal(str(basic)),
            discount_start=str(discount.get("start_date") or ""),
            discount_end=str(discount.get("end_date") or ""),
            discount_ranges=tuple(step for step in ranges if step[0] > 1),
        )
    ]


def _entry(entry: Json) -> SimPrice:
    channel, discount = entry.get("channel_code"), entry.get("unit_discount_price")
    volumes = entry.get("volume_prices") or []
    return SimPrice(
        Decimal(str(entry["unit_origin_price"])),
        discount=None if discount is None else Decimal(str(discount)),
        discount_start=str(entry.get("discount_start_date") or ""),
        discount_end=str(entry.get("discount_end_date") or ""),
        channels=(str(channel),) if channel else (),
        ranges=_steps(volumes, "unit_origin_price"),
        discount_ranges=_steps(volumes, "unit_discount_price"),
    )


def _steps(volumes: list[Json], name: str) -> tuple[tuple[int, Decimal], ...]:
    return tuple((int(v["quantity_threshold"]), Decimal(str(v[name]))) for v in volumes if v.get(name) is not None)


def _replace(world: World, running: SimImport, row: Json, record: Record) -> None:
    sku, product = str(row["shop_sku"]), str(row.get("product_id") or "")
    offer = world.offers.get(sku)
    if offer is None:
        offer = SimOffer(210_000 + world.number(), sku, product, f"Article {sku}", 0, [], "")
        world.offers[sku] = offer
        running.inserted += 1
    offer.state_code = str(row["state_code"])
    offer.quantity = int(row.get("quantity") or 0)
    offer.warehouses = {}
    offer.prices = read_prices(row)
    offer.details = {name: row[name] for name in RESET if row.get(name) not in (None, "")}
    record.add("publish_offer", sku, import_id=running.id)
    record.add("stock", sku, quantity=offer.quantity, import_id=running.id)
    shown = {",".join(price.channels): str(price.price) for price in offer.prices}
    record.add("price", sku, prices=shown, import_id=running.id)
