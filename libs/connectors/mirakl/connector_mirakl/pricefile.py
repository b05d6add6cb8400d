"""One offer's full set of prices as rows of a PRI01 file. Pure, so that "nothing gets deleted" can be proved.

One row names one channel, one customer group or one customer at most: how several are separated within a cell is not
published, and a price for two channels is the same as two prices for one channel each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product

from connector_kit.capabilities import MappingError
from connector_kit.offers import ChannelPrice, VolumePrice
from connector_kit.requests import SetPrice
from connector_mirakl.price_dates import DateStyle
from connector_mirakl.wire import Json, amount, member, objects, text, whole

BASIC = ("offer-sku", "price", "discount-price", "discount-start-date", "discount-end-date")
OPTIONAL = (
    "price-ranges",
    "discount-ranges",
    "channels",
    "start-date",
    "end-date",
    "customer-organization-ids",
    "customer-group-ids",
)
"""Columns that only exist where the operator has the option on, so they are only sent when a row needs them."""
MAX_PRICES = 50
"""Mirakl PRI01: at most 50 prices per offer."""

Ranges = tuple[tuple[int, Decimal], ...]
"""`(from this quantity, price of one unit)`."""


class CannotExpress(ValueError):
    """A set of prices that no price file can carry; sending it would delete some of them."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One price: for one channel or all, one customer (group) or all, always or for a period, with volume prices."""

    price: Decimal
    discount: Decimal | None = None
    discount_start: str = ""
    discount_end: str = ""
    channel: str = ""
    start: str = ""
    end: str = ""
    group: str = ""
    organization: str = ""
    ranges: Ranges = ()
    discount_ranges: Ranges = ()

    @property
    def context(self) -> tuple[str, ...]:
        """What the price is for; one offer has one price per context."""
        return self.channel, self.group, self.organization, self.start, self.end

    def cell(self, sku: str, column: str) -> str:
        """The row's text in a column. Ranges are written `5|109.20,10|108.73`."""
        cells = {
            "offer-sku": sku,
            "price": plain(self.price),
            "discount-price": "" if self.discount is None else plain(self.discount),
            "discount-start-date": self.discount_start,
            "discount-end-date": self.discount_end,
            "price-ranges": ranges_text(self.ranges),
            "discount-ranges": ranges_text(self.discount_ranges),
            "channels": self.channel,
            "start-date": self.start,
            "end-date": self.end,
            "customer-organization-ids": self.organization,
            "customer-group-ids": self.group,
        }
        return cells[column]


def plain(value: Decimal) -> str:
    """An amount as digits, never with an exponent."""
    return format(value, "f")


def ranges_text(ranges: Ranges) -> str:
    """Volume prices as Mirakl's files write them: `5|109.20,10|108.73`."""
    return ",".join(f"{threshold}|{plain(price)}" for threshold, price in ranges)


def file_columns(rows: Sequence[PriceRow]) -> tuple[str, ...]:
    """The columns that these rows need."""
    return BASIC + tuple(column for column in OPTIONAL if any(row.cell("", column) for row in rows))


def read_rows(offer: Json) -> list[PriceRow]:
    """The prices that an offer has now (OF21 `all_prices`). Raises `MappingError`."""
    entries = enumerate(objects(offer.get("all_prices")))
    return [row for index, entry in entries for row in _read_entry(entry, f"all_prices[{index}].")]


def _read_entry(entry: Json, where: str) -> list[PriceRow]:
    context = member(entry, "context")
    row = _read_row(entry, context, where)
    channels = _codes(context, "channel_codes") or [text(entry.get("channel_code")) or ""]
    groups, organizations = _codes(context, "customer_group_ids"), _codes(context, "customer_organization_ids")
    whom = [(group, "") for group in groups] + [("", one) for one in organizations] or [("", "")]
    return [
        replace(row, channel=channel, group=group, organization=one)
        for channel, (group, one) in product(channels, whom)
    ]


def _read_row(entry: Json, context: Json, where: str) -> PriceRow:
    origin = amount(entry.get("unit_origin_price"), f"{where}unit_origin_price")
    if origin is None:
        origin = amount(entry.get("price"), f"{where}price")
    if origin is None:
        raise MappingError(f"{where}unit_origin_price", "is missing")
    volumes = [volume for volume in objects(entry.get("volume_prices")) if _threshold(volume, where) > 1]
    origins = dict(_volume(volumes, "unit_origin_price", where))
    return PriceRow(
        price=origin,
        discount=_below(amount(entry.get("unit_discount_price"), f"{where}unit_discount_price"), origin),
        discount_start=text(entry.get("discount_start_date")) or "",
        discount_end=text(entry.get("discount_end_date")) or "",
        start=text(context.get("start_date")) or "",
        end=text(context.get("end_date")) or "",
        ranges=tuple(origins.items()),
        discount_ranges=tuple(
            (threshold, price)
            for threshold, price in _volume(volumes, "unit_discount_price", where)
            if _below(price, origins.get(threshold, origin)) is not None
        ),
    )


def _below(discount: Decimal | None, origin: Decimal) -> Decimal | None:
    """A discount that is one. OF21 may repeat the price where there is none, and PRI01 refuses such a discount."""
    return discount if discount is not None and 0 < discount < origin else None


def _codes(context: Json, name: str) -> list[str]:
    found = context.get(name)
    return sorted(code for code in map(text, found) if code) if isinstance(found, list) else []


def _threshold(volume: Json, where: str) -> int:
    return whole(volume.get("quantity_threshold"), f"{where}volume_prices.quantity_threshold")


def _volume(volumes: Sequence[Json], name: str, where: str) -> Ranges:
    found = [
        (_threshold(volume, where), amount(volume.get(name), f"{where}volume_prices.{name}")) for volume in volumes
    ]
    return tuple(sorted((threshold, price) for threshold, price in found if price is not None))


def stated_prices(request: SetPrice) -> tuple[ChannelPrice, ...]:
    """The request's prices in one form, the offer's own first."""
    own = ChannelPrice(
        price=request.price,
        discount_price=request.discount_price,
        discount_from=request.discount_from,
        discount_until=request.discount_until,
    )
    return own, *request.channel_prices


def merged_rows(
    present: Iterable[PriceRow], prices: Sequence[ChannelPrice], dates: DateStyle, *, keep_discounts: bool
) -> list[PriceRow]:
    """The present prices with the stated ones put in, the price for everybody first.

    A stated price is stated whole, so a discount that it does not name ends; with `keep_discounts` it stays while it
    is below the new price. Volume prices that are not stated stay while they are below it. Prices of contexts that are
    not stated (other channels, planned periods, customers) stay as they are. Raises `CannotExpress` when there would
    be no price for everybody, or too many.
    """
    rows = {row.context: row for row in present}
    for stated in prices:
        row = PriceRow(price=stated.price.amount, channel=stated.channel or "")
        rows[row.context] = _stated(row, rows.get(row.context), stated, dates, keep_discounts)
    if ("",) * 5 not in rows:
        raise CannotExpress("price: the offer has no price for all channels, which a price file must begin with")
    if len(rows) > MAX_PRICES:
        raise CannotExpress(f"price: the offer would have {len(rows)} prices, {MAX_PRICES} are allowed")
    return [rows[context] for context in sorted(rows)]


def _stated(row: PriceRow, old: PriceRow | None, stated: ChannelPrice, dates: DateStyle, keep: bool) -> PriceRow:
    ranges = volumes(stated.volume_prices) or tuple(r for r in (old.ranges if old else ()) if r[1] < row.price)
    row = replace(row, ranges=ranges, discount_ranges=volumes(stated.discount_volume_prices))
    if stated.discount_price is not None:
        return replace(
            row,
            discount=stated.discount_price.amount,
            discount_start=dates.start(stated.discount_from),
            discount_end=dates.end(stated.discount_until),
        )
    if keep and old is not None and old.discount is not None and old.discount < row.price:
        return replace(
            row,
            discount=old.discount,
            discount_start=old.discount_start,
            discount_end=old.discount_end,
            discount_ranges=old.discount_ranges,
        )
    return row


def volumes(prices: Sequence[VolumePrice]) -> Ranges:
    """Volume prices of a request, by quantity."""
    return tuple(sorted((one.from_quantity, one.price.amount) for one in prices))


def price_differences(offer: Json, prices: Sequence[ChannelPrice]) -> list[str]:
    """How the prices that an offer shows (OF21) differ from the stated ones. Raises `MappingError`."""
    shown = {row.context: row for row in read_rows(offer)}
    own = amount(offer.get("price"), "price")
    if not shown and own is not None:
        shown[("",) * 5] = PriceRow(own)
    found = []
    for stated in prices:
        row = shown.get(PriceRow(Decimal(0), channel=stated.channel or "").context)
        where = f"channel {stated.channel}" if stated.channel else "the offer"
        discount = stated.discount_price
        if row is None or row.price != stated.price.amount:
            found.append(f"{where} shows price {row and row.price}")
        elif discount is not None and row.discount != discount.amount:
            found.append(f"{where} shows discount price {row.discount}")
    return found
