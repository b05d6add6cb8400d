"""What a shop tells the hub: bodies of its REST posts and, unchanged, `data` of its signed webhooks.

Every post states facts in absolute terms and carries the shop's own reference or an instant, so posts that come twice,
late or in another order change nothing. Unknown fields are ignored; a wrong one is named with its rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connector_generic_shop.fields import (
    Flag,
    Name,
    PostedAmount,
    PostedCurrency,
    Reference,
    Sku,
    StockUnits,
    Text,
    Units,
    WebAddress,
    When,
)

MAX_ITEMS = 5_000
"""Stock or prices in one post: a mid-size catalogue in a few posts, each well below the size limit of a body."""
MAX_LINES = 1_000
"""Lines or items in one post; larger sets are posted in parts. Keeps one post within one short transaction."""


class Posted(BaseModel):
    """Base of everything a shop posts. The texts below attributes go into the OpenAPI document."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class OrderPost(Posted):
    """A post about one order. Name it by at least one of the three; when several are given, all must fit."""

    route_id: UUID | None = None
    """As given with the order: the surest."""
    order_number: Reference | None = None
    shop_order_reference: Reference | None = None
    """The shop's own number, known to the hub from the acknowledgement."""

    @model_validator(mode="after")
    def _names_an_order(self) -> OrderPost:
        if self.route_id is None and self.order_number is None and self.shop_order_reference is None:
            raise ValueError("one of route_id, order_number, shop_order_reference is required")
        return self


class LineUnits(Posted):
    """Units of one line. A SKU that stands on several lines is taken from the first line with units left."""

    line_id: Name | None = None
    """The line's id as given with the order."""
    sku: Sku | None = None
    """The shop's SKU, instead of `line_id`; when both are given, both must fit."""
    quantity: Units

    @model_validator(mode="after")
    def _names_a_line(self) -> LineUnits:
        if self.line_id is None and self.sku is None:
            raise ValueError("line_id or sku is required")
        return self


class Acknowledgement(OrderPost):
    """The shop works on the order, under its own number. Repeating it is harmless; another number is an error."""

    MOMENT: ClassVar[str | None] = "acknowledged_at"
    shop_order_reference: Reference
    acknowledged_at: When | None = None

    @model_validator(mode="after")
    def _names_the_hubs_order(self) -> Acknowledgement:
        if self.route_id is None and self.order_number is None:
            raise ValueError("route_id or order_number is required")
        return self


class ShipmentPost(OrderPost):
    """A parcel left. Post it at hand-over, not when the label is made: the buyer is told at once.

    Posting the same `shipment_reference` again changes nothing.
    """

    MOMENT: ClassVar[str | None] = None
    shipment_reference: Reference
    """The shop's number of the parcel, unique within the shop."""
    lines: tuple[LineUnits, ...] = Field(default=(), max_length=MAX_LINES)
    """What is inside. Without lines: every unit that no earlier shipment covered."""
    carrier_code: Name | None = None
    carrier_name: Name | None = None
    """The carrier as the shop calls it; the hub finds the marketplace's name for it."""
    tracking_number: Name | None = None
    tracking_numbers: tuple[Name, ...] = Field(default=(), max_length=100)
    """When the shipment has several pieces. The first is the main one unless `tracking_number` is given."""
    tracking_url: WebAddress | None = None
    handed_over_at: When

    @property
    def all_tracking_numbers(self) -> tuple[str, ...]:
        """Every tracking number once, the main one first."""
        first = () if self.tracking_number is None else (self.tracking_number,)
        return tuple(dict.fromkeys((*first, *self.tracking_numbers)))


class ReturnStage(StrEnum):
    """How far a return is. The connection's policy says at which stage money goes back."""

    CREATED = "created"
    RECEIVED = "received"
    INSPECTED = "inspected"


class ReturnLineUnits(LineUnits):
    """What comes back of one line."""

    reason: Text | None = None
    """The shop's reason, instead of the return's; the connection maps it to the marketplace's."""
    amount: PostedAmount | None = None
    """Money to give back for these units, shipping excluded; without it, what the buyer paid for them."""


class ReturnPost(OrderPost):
    """Goods come back. Post again with the same `return_reference` as its stage advances; a stage never goes back."""

    MOMENT: ClassVar[str | None] = "reported_at"
    return_reference: Reference
    """The shop's number of the return, unique within the shop."""
    stage: ReturnStage
    """In a webhook the type says it, and it may be left out."""
    lines: tuple[ReturnLineUnits, ...] = Field(default=(), max_length=MAX_LINES)
    """What comes back. Without lines: every unit that was shipped and not returned before."""
    reason: Text | None = None
    refund_shipping: Flag = False
    amount: PostedAmount | None = None
    """Short for the amount of the only line. With several lines each states its own."""
    currency: PostedCurrency | None = None
    """When given, it must be the order's."""
    reported_at: When | None = None

    @model_validator(mode="after")
    def _amount_belongs_to_a_line(self) -> ReturnPost:
        """An amount that belongs to no line would be left out in silence, and another sum refunded."""
        if self.amount is not None and (len(self.lines) != 1 or self.lines[0].amount is not None):
            raise ValueError(
                "amount: allowed with exactly one line that states no amount itself; else give it per line"
            )
        return self

    @property
    def resolved_lines(self) -> tuple[ReturnLineUnits, ...]:
        """Lines with the return's reason and amount filled in where a line states none."""
        return tuple(
            line.model_copy(
                update={
                    "reason": line.reason or self.reason,
                    "amount": self.amount if line.amount is None else line.amount,
                }
            )
            for line in self.lines
        )


class CancellationPost(OrderPost):
    """The shop cannot or will not fulfil (some of) the order."""

    MOMENT: ClassVar[str | None] = "requested_at"
    cancellation_reference: Reference
    """The shop's number of the cancellation, unique within the shop."""
    lines: tuple[LineUnits, ...] = Field(default=(), max_length=MAX_LINES)
    """What is cancelled. Without lines: the whole order."""
    reason: Text | None = None
    requested_at: When | None = None


class StockItem(Posted):
    """How many units of a SKU can be sold."""

    sku: Sku
    quantity: StockUnits
    """Absolute, never a difference."""
    warehouse: Name | None = None


class StockPost(Posted):
    """Stock as counted at `reported_at`. An older count never replaces a newer one."""

    MOMENT: ClassVar[str | None] = "reported_at"
    items: tuple[StockItem, ...] = Field(min_length=1, max_length=MAX_ITEMS)
    """SKUs that are not listed keep their stock."""
    reported_at: When

    @model_validator(mode="after")
    def _no_contradiction(self) -> StockPost:
        _refuse_contradictions(((item.sku, item.warehouse), item.quantity) for item in self.items)
        return self


class PostedMoney(Posted):
    """An amount and its currency."""

    amount: Annotated[PostedAmount, Field(gt=0)]
    currency: PostedCurrency


class PriceItem(Posted):
    """What a SKU costs, taxes included."""

    sku: Sku
    channel: Name | None = None
    """Only for this sales channel; without it, for all."""
    price: PostedMoney
    discount_price: PostedMoney | None = None
    discount_from: When | None = None
    """First instant of the discount; without it, at once."""
    discount_until: When | None = None
    """First instant after the discount; without it, until another price is stated."""

    @model_validator(mode="after")
    def _discount_is_lower(self) -> PriceItem:
        discount = self.discount_price
        if discount is not None and discount.currency != self.price.currency:
            raise ValueError("discount_price: must be in the currency of price")
        if discount is not None and discount.amount >= self.price.amount:
            raise ValueError("discount_price: must be lower than price")
        if discount is None and (self.discount_from or self.discount_until):
            raise ValueError("discount_price: is required with discount_from or discount_until")
        if self.discount_from and self.discount_until and self.discount_from >= self.discount_until:
            raise ValueError("discount_until: must be after discount_from")
        return self


class PricePost(Posted):
    """Prices valid from `reported_at`. An older one never replaces a newer one."""

    MOMENT: ClassVar[str | None] = "reported_at"
    items: tuple[PriceItem, ...] = Field(min_length=1, max_length=MAX_ITEMS)
    """SKUs that are not listed keep their price."""
    reported_at: When

    @model_validator(mode="after")
    def _no_contradiction(self) -> PricePost:
        _refuse_contradictions(
            ((item.sku, item.channel), (item.price, item.discount_price, item.discount_from, item.discount_until))
            for item in self.items
        )
        return self


Post = Acknowledgement | ShipmentPost | ReturnPost | CancellationPost | StockPost | PricePost


def _refuse_contradictions(pairs: Iterable[tuple[tuple[str, str | None], object]]) -> None:
    """Saying the same twice is harmless; saying two things of one SKU leaves open which one counts."""
    seen: dict[tuple[str, str | None], object] = {}
    for index, (key, value) in enumerate(pairs):
        if seen.setdefault(key, value) != value:
            raise ValueError(f"items: item {index} contradicts an earlier item of the same SKU")
