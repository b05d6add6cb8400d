"""An offer as operators and platforms state it over HTTP. Unknown names are refused: a misspelt one would be lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from catalog_feed.bodies import Body, Sku, no_float
from connector_kit.offers import ChannelPrice, PublishOffer, VolumePrice
from hub_contracts.base import Currency, Instant, Money

Price = Annotated[Decimal, BeforeValidator(no_float), Field(ge=0, max_digits=12, decimal_places=4)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
MAX_OFFERS = 5_000
"""Offers in one body; more do not fit into it anyway."""


def _decimal_text(value: str) -> str:
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise ValueError("must be a decimal number with a point") from None
    if not number.is_finite() or number < 0:
        raise ValueError("must be a decimal number, not below 0")
    return value


class VolumePriceBody(Body):
    """Price of one unit from a quantity on."""

    from_quantity: int = Field(ge=2, le=1_000_000)
    price: Price


class PriceBody(Body):
    """A price with taxes; without a channel it is the offer's own. Instants are RFC 3339 with an offset."""

    channel: Word | None = None
    price: Price
    discount_price: Price | None = None
    discount_from: Instant | None = None
    discount_until: Instant | None = None
    volume_prices: list[VolumePriceBody] = Field(default=[], max_length=20)
    discount_volume_prices: list[VolumePriceBody] = Field(default=[], max_length=20)

    @model_validator(mode="after")
    def _dates(self) -> PriceBody:
        if self.discount_from and self.discount_until and self.discount_from >= self.discount_until:
            raise ValueError("discount_until: must be after discount_from")
        if (self.discount_from or self.discount_until) and self.discount_price is None:
            raise ValueError("discount_price: is needed with dates")
        return self

    def price_in(self, currency: str) -> ChannelPrice:
        """As connectors take it."""

        def money(amount: Decimal) -> Money:
            return Money(amount=amount, currency=currency)

        def volumes(given: list[VolumePriceBody]) -> tuple[VolumePrice, ...]:
            return tuple(VolumePrice(from_quantity=each.from_quantity, price=money(each.price)) for each in given)

        return ChannelPrice(
            channel=self.channel,
            price=money(self.price),
            discount_price=money(self.discount_price) if self.discount_price is not None else None,
            discount_from=self.discount_from,
            discount_until=self.discount_until,
            volume_prices=volumes(self.volume_prices),
            discount_volume_prices=volumes(self.discount_volume_prices),
        )


class GridBody(Body):
    """A shipping option by its name at the marketplace, with days at least and at most."""

    name: Word
    days_min: int = Field(ge=0, le=365)
    days_max: int = Field(ge=0, le=365)


class OfferBody(Body):
    """A whole offer. What is left out is not sent; the marketplace keeps what it has."""

    product_id: Word | None = None
    product_id_type: Word | None = None
    state_code: Word | None = None
    currency: Currency = "EUR"
    prices: list[PriceBody] = Field(default=[], max_length=50)
    quantity: Count | None = None
    description: str | None = Field(default=None, max_length=20_000)
    lead_time_days: int | None = Field(default=None, ge=0, le=365)
    logistic_class: Word | None = None
    weight_kg: Annotated[str, Field(max_length=20), AfterValidator(_decimal_text)] | None = None
    carrier_grids: list[GridBody] = Field(default=[], max_length=50)
    min_order_quantity: Count | None = None
    max_order_quantity: Count | None = None
    package_quantity: Count | None = None
    attributes: dict[Word, Annotated[str, Field(max_length=2_000)]] = {}

    def request(self, offer_sku: str) -> PublishOffer:
        """As connectors take it."""
        plain = self.model_dump(exclude={"currency", "prices", "carrier_grids", "offer_sku", "withdraw"})
        return PublishOffer(
            offer_sku=offer_sku,
            prices=tuple(price.price_in(self.currency) for price in self.prices),
            carrier_grids=tuple((grid.name, grid.days_min, grid.days_max) for grid in self.carrier_grids),
            **plain,
        )


class ListedOfferBody(OfferBody):
    """One of several offers. `withdraw` takes it off the marketplace, whatever else is stated."""

    offer_sku: Sku
    withdraw: bool = False

    def stated(self) -> PublishOffer:
        """As connectors take it."""
        if self.withdraw:
            return PublishOffer(offer_sku=self.offer_sku, withdraw=True)
        return self.request(self.offer_sku)


class OffersBody(Body):
    """Several offers, each stated whole."""

    offers: list[ListedOfferBody] = Field(min_length=1, max_length=MAX_OFFERS)

    @model_validator(mode="after")
    def _once(self) -> OffersBody:
        skus = [offer.offer_sku for offer in self.offers]
        if len(set(skus)) != len(skus):
            raise ValueError("offers: an offer_sku is there twice")
        return self


class ReleaseBody(Body):
    """Values of offers that the marketplace's own feed may overwrite again."""

    offer_skus: list[Sku] = Field(min_length=1, max_length=MAX_OFFERS)
    fields: list[Literal["price", "stock"]] = Field(min_length=1, max_length=2)
