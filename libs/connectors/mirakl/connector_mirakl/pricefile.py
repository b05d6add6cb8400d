"""One offer's full set of prices as rows of a PRI01 file. Pure, so that "nothing gets deleted" can be proved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from connector_kit.capabilities import MappingError
from connector_kit.requests import SetPrice
from connector_mirakl.wire import Json, amount, member, objects, text, whole

BASIC = ("offer-sku", "price", "discount-price", "discount-start-date", "discount-end-date")
OPTIONAL = ("price-ranges", "discount-ranges", "channels", "start-date", "end-date")
"""Columns that only exist where the operator has the option on, so they are only sent when a row needs them."""


class CannotExpress(ValueError):
    """A present price that the file cannot carry and the import would therefore delete."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One price: for all channels (`channels` empty) or some, always or for a period, with volume prices."""

    price: Decimal
    discount: Decimal | None = None
    discount_start: str = ""
    discount_end: str = ""
    channels: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    ranges: tuple[tuple[int, Decimal], ...] = ()
    discount_ranges: tuple[tuple[int, Decimal], ...] = ()

    @property
    def context(self) -> tuple[tuple[str, ...], str, str]:
        """What the price is for; one offer has one price per context."""
        return self.channels, self.start, self.end

    def cell(self, sku: str, column: str) -> str:
        """The row's text in a column. Ranges are written `5|109.20,10|108.73`."""
        cells = {
            "offer-sku": sku,
            "price": _plain(self.price),
            "discount-price": "" if self.discount is None else _plain(self.discount),
            "discount-start-date": self.discount_start,
            "discount-end-date": self.discount_end,
            "price-ranges": _ranges(self.ranges),
            "discount-ranges": _ranges(self.discount_ranges),
            "channels": ",".join(self.channels),
            "start-date": self.start,
            "end-date": self.end,
        }
        return cells[column]


def _plain(value: Decimal) -> str:
    return format(value, "f")


def _ranges(ranges: tuple[tuple[int, Decimal], ...]) -> str:
    return ",".join(f"{threshold}|{_plain(price)}" for threshold, price in ranges)


def file_columns(rows: Sequence[PriceRow]) -> tuple[str, ...]:
    """The columns that these rows need."""
    return BASIC + tuple(column for column in OPTIONAL if any(row.cell("", column) for row in rows))


def read_rows(offer: Json) -> list[PriceRow]:
    """The prices that an offer has now (OF21 `all_prices`). Raises `CannotExpress` and `MappingError`."""
    return [_read_row(entry, f"all_prices[{index}].") for index, entry in enumerate(objects(offer.get("all_prices")))]


def _read_row(entry: Json, where: str) -> PriceRow:
    context = member(entry, "context")
    for name in ("customer_group_ids", "customer_organization_ids"):
        if context.get(name):
            raise CannotExpress(f"price: the offer has a price for {name}, which a price file would delete")
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
        channels=_channels(entry, context),
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


def _channels(entry: Json, context: Json) -> tuple[str, ...]:
    """Channel codes of a price; `channel_code` is the old single form."""
    codes = context.get("channel_codes")
    found = [code for code in map(text, codes) if code] if isinstance(codes, list) else []
    single = text(entry.get("channel_code"))
    if not found and single is not None:
        found = [single]
    return tuple(sorted(found))


def _threshold(volume: Json, where: str) -> int:
    return whole(volume.get("quantity_threshold"), f"{where}volume_prices.quantity_threshold")


def _volume(volumes: Sequence[Json], name: str, where: str) -> tuple[tuple[int, Decimal], ...]:
    found = [
        (_threshold(volume, where), amount(volume.get(name), f"{where}volume_prices.{name}")) for volume in volumes
    ]
    return tuple(sorted((threshold, price) for threshold, price in found if price is not None))


def merged_rows(present: Sequence[PriceRow], requests: Sequence[SetPrice]) -> list[PriceRow]:
    """The present prices with the requested ones put in, the price for all channels first.

    A request that names no discount keeps the present one while it stays below the new price. Raises `CannotExpress`
    when a requested channel shares a present row with others, or when there is no price for all channels to start from.
    """
    rows = {row.context: row for row in present}
    for request in requests:
        channels = (request.channel,) if request.channel else ()
        shared = next((r for r in rows.values() if request.channel in r.channels and len(r.channels) > 1), None)
        if request.channel is not None and shared is not None:
            raise CannotExpress(f"channel: {request.channel} shares its price with {', '.join(shared.channels)}")
        context = (channels, "", "")
        rows[context] = _with_request(rows.get(context), request, channels)
    if not any(not row.channels for row in rows.values()):
        raise CannotExpress("price: the offer has no price for all channels, which a price file must begin with")
    return sorted(rows.values(), key=lambda row: (row.channels, row.start, row.end))


def _with_request(present: PriceRow | None, request: SetPrice, channels: tuple[str, ...]) -> PriceRow:
    price = request.price.amount
    row = replace(present, price=price) if present else PriceRow(price=price, channels=channels)
    if request.discount_price is not None:
        return replace(row, discount=request.discount_price.amount)
    if row.discount is not None and row.discount >= price:
        return replace(row, discount=None, discount_start="", discount_end="", discount_ranges=())
    return row
