"""Inventing offers and orders with the variety that real ones have. Repeatable: everything comes from one generator."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connector_mirakl.countries import alpha_3
from connector_mirakl.sandbox.options import SandboxSettings
from connector_mirakl.sandbox.world import SimLine, SimOffer, SimOrder, SimPrice, SimTax, World

CATALOGUE = (
    ("TEL-PRO-128", "Telephone reconditionne 128 Go", "119.90"),
    ("COQUE-NOIR", "Coque noire", "19.99"),
    ("CASQUE-BT-2", "Casque sans fil", "59.00"),
    ("TABLET-10-64", "Tablette 10 pouces 64 Go", "189.49"),
    ("CABLE-USBC-2M", "Cable USB-C 2 m", "8.95"),
    ("ENCEINTE-MINI", "Enceinte portable", "34.50"),
    ("MONTRE-S3", "Montre connectee", "99.99"),
    ("SOURIS-ERGO", "Souris ergonomique", "27.30"),
)
PLACES = {
    "FR": ("France", (("69000", "Lyon"), ("33000", "Bordeaux"), ("59000", "Lille"))),
    "ES": ("Espana", (("28001", "Madrid"), ("08001", "Barcelona"))),
    "BE": ("Belgique", (("1000", "Bruxelles"),)),
    "DE": ("Deutschland", (("10115", "Berlin"),)),
    "IT": ("Italia", (("20121", "Milano"),)),
}
LOCALES = {"FR": "fr_FR", "ES": "es_ES", "BE": "fr_BE", "DE": "de_DE", "IT": "it_IT"}
SENT = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
DEBITED = SENT | {"SHIPPING"}
FIRST = ("Testa", "Exempla", "Probe", "Fictif", "Demo", "Ensayo")
LAST = ("Exemple", "D'Essai", "Mustermann", "Inventada", "Nulle-Part", "Prueba")


class OrderOptions(BaseModel):
    """Options of `create_orders`; everything left out is drawn."""

    model_config = ConfigDict(extra="forbid")
    skus: list[dict[str, Any]] | None = None
    """Lines: `{"sku", "price", "quantity"?}`; the same SKU twice gives two lines."""
    status: str = "WAITING_ACCEPTANCE"
    country: str | None = None
    """Alpha-2."""
    lines: int | None = Field(default=None, ge=1, le=20)
    duplicate_skus: bool = False
    null_address: bool = False
    null_required: bool = False
    string_amounts: bool = False
    dates_without_zone: bool = False
    dates_with_offset: bool = False
    unknown_status: bool = False
    unknown_fields: bool = False
    numbers_as_text: bool = False
    created_at: datetime | None = None
    reference: str | None = None
    tax_mode: str = "TAX_INCLUDED"
    tax_rule: str = "PROPORTIONAL_TO_AMOUNT"
    channel: str | None = None
    professional: bool | None = None
    pudo: str | None = None
    center: str = "DEFAULT"
    shipping_type: str = "STD"
    """A code of SH12."""
    locale: str | None = None
    """The buyer's language field; drawn from the country."""
    buyer: dict[str, str] = {}
    """Fields of the buyer's address in place of invented ones (`lastname`, `street_1`, `phone`, …)."""


LOOKS = (
    "null_address",
    "null_required",
    "string_amounts",
    "dates_without_zone",
    "dates_with_offset",
    "unknown_status",
    "unknown_fields",
    "numbers_as_text",
)


def stock_catalogue(world: World, settings: SandboxSettings) -> None:
    """Put the standing offers on sale, and those of the settings."""
    for sku, title, price in CATALOGUE:
        offer_for(world, settings, sku, Decimal(price), title)
    for wish in settings.offers:
        offer = offer_for(world, settings, str(wish["sku"]), Decimal(str(wish.get("price", "10.00"))))
        offer.quantity = int(wish.get("quantity", 10))
        for channel, price in dict(wish.get("channel_prices", {})).items():
            offer.prices.append(SimPrice(Decimal(str(price)), channels=(str(channel),)))


def offer_for(world: World, settings: SandboxSettings, sku: str, price: Decimal, title: str | None = None) -> SimOffer:
    """The offer of a SKU, made when it is missing."""
    if sku not in world.offers:
        number = world.number()
        world.offers[sku] = SimOffer(
            id=210_000 + number,
            sku=sku,
            product_sku=f"MP{number:07d}",
            title=title or f"Article {sku}",
            quantity=10,
            prices=[SimPrice(price)],
            state_code=settings.profile.offer_states[number % len(settings.profile.offer_states)],
            details={
                "description": f"Offer of {sku}",
                "leadtime_to_ship": 2,
                "logistic_class": "STANDARD",
                "offer_additional_fields": [{"code": code, "value": value} for code, value in settings.profile.fields],
            },
        )
    return world.offers[sku]


def invent_orders(
    world: World, settings: SandboxSettings, draw: random.Random, now: datetime, count: int, given: Mapping[str, Any]
) -> list[SimOrder]:
    """Invent orders. Raises `ValueError` (also pydantic's) naming a wrong option."""
    options = OrderOptions.model_validate(dict(given))
    if options.reference is not None and count != 1:
        raise ValueError("reference: only with count 1")
    return [_invent(world, settings, draw, now, options) for _ in range(count)]


def _invent(
    world: World, settings: SandboxSettings, draw: random.Random, now: datetime, options: OrderOptions
) -> SimOrder:
    created = options.created_at or now
    commercial = f"{settings.profile.prefix}-{created:%Y%m%d}-{world.number():05d}"
    reference = options.reference or f"{commercial}-A"
    if reference in world.orders:
        raise ValueError(f"reference: {reference!r} exists")
    country = (options.country or draw.choice(list(PLACES))).upper()
    order = SimOrder(
        id=reference,
        commercial_id=reference.rsplit("-", 1)[0],
        state=options.status,
        created=created,
        updated=now if now > created else created,
        lines=_lines(world, settings, draw, reference, options),
        buyer=_buyer(draw, country, options.professional, options.buyer)
        | {"locale": options.locale or LOCALES.get(country, "en_GB")},
        currency=settings.profile.currency,
        tax_mode=options.tax_mode,
        channel=options.channel or (draw.choice(settings.profile.channels) if settings.profile.channels else None),
        center=options.center,
        pudo=options.pudo,
        shipping_type=options.shipping_type,
        shipping_deadline=created + timedelta(days=4),
        look={name: True for name in LOOKS if getattr(options, name)},
    )
    if options.status not in ("STAGING", "WAITING_ACCEPTANCE"):
        order.decided = order.accepted_at = created
    if options.status in DEBITED:
        order.debited = created
    if options.status in SENT:
        order.shipped_at = created
        for line in order.lines:
            line.shipped, line.shipped_at = line.quantity, created
    world.orders[order.id] = order
    return order


def _lines(
    world: World, settings: SandboxSettings, draw: random.Random, reference: str, options: OrderOptions
) -> list[SimLine]:
    wishes = options.skus if options.skus is not None else _drawn_skus(world, draw, options)
    if not wishes:
        raise ValueError("skus: must not be empty")
    lines: list[SimLine] = []
    for index, wish in enumerate(wishes, start=1):
        price = Decimal(str(wish["price"]))
        offer = offer_for(world, settings, str(wish["sku"]), price)
        quantity = int(wish.get("quantity", 1))
        shipping = Decimal("5.90") if index == 1 else Decimal("0.00")
        lines.append(
            SimLine(
                id=f"{reference}-{index}",
                index=index,
                sku=offer.sku,
                title=offer.title,
                quantity=quantity,
                unit_price=price,
                shipping_price=shipping,
                state=options.status,
                offer_id=offer.id,
                taxes=[_tax(price * quantity, options.tax_rule)],
                shipping_taxes=[_tax(shipping, options.tax_rule)] if shipping else [],
            )
        )
    return lines


def _drawn_skus(world: World, draw: random.Random, options: OrderOptions) -> Sequence[dict[str, Any]]:
    count = options.lines or draw.choice((1, 1, 1, 2, 2, 3, 4))
    offers = sorted(world.offers.values(), key=lambda offer: offer.sku)
    chosen = [draw.choice(offers) for _ in range(count)] if options.duplicate_skus else _distinct(draw, offers, count)
    if options.duplicate_skus:
        chosen = [chosen[0]] * max(count, 2)
    return [
        {"sku": offer.sku, "price": offer.prices[0].price, "quantity": draw.choice((1, 1, 1, 2, 3))} for offer in chosen
    ]


def _distinct(draw: random.Random, offers: list[SimOffer], count: int) -> list[SimOffer]:
    return draw.sample(offers, min(count, len(offers)))


def _tax(paid: Decimal, rule: str) -> SimTax:
    """French VAT inside a price."""
    return SimTax("TVA20", (paid / 6).quantize(Decimal("0.01")), Decimal("20.0"), rule)


def _buyer(draw: random.Random, country: str, professional: bool | None, given: dict[str, str]) -> dict[str, Any]:
    first, last = draw.choice(FIRST), draw.choice(LAST)
    name, places = PLACES.get(country, (country, (("00000", "Nowhere"),)))
    postal_code, city = draw.choice(places)
    number = draw.randrange(1, 99)
    address = {
        "firstname": first,
        "lastname": last,
        "street_1": f"{number} rue de l'Essai",
        "zip_code": postal_code,
        "city": city,
        "country": name,
        "country_iso_code": alpha_3(country) or country,
        "phone": f"+331000{number:05d}",
    } | given
    business = professional if professional is not None else draw.random() < 0.1
    return {
        "id": f"C-{draw.randrange(1_000_000):06d}",
        "first": address["firstname"],
        "last": address["lastname"],
        "address": address,
        "company": "Societe Fictive" if business else None,
        "email": f"notification+{draw.randrange(10**9):09d}@notification.example.invalid",
    }
