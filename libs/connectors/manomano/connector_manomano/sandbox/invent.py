"""Invents orders: plausible, varied, repeatable from the seed, and clearly nobody's."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

from connector_manomano.manifest import STATUS_MAP
from connector_manomano.sandbox.options import OrderOptions, SkuWish, utc_now_or
from connector_manomano.sandbox.world import SimLine, SimOffer, SimOrder, World

CATALOGUE = (
    ("PERC-18V-01", "Perceuse 18 V", "119.90"),
    ("LAME-125-X5", "Lames 125 mm, lot de 5", "30.00"),
    ("POMPE-JET-800", "Pompe de surface 800 W", "89.95"),
    ("TONDEUSE-40", "Tondeuse 40 cm", "249.00"),
    ("LED-PROJ-50W", "Projecteur LED 50 W", "24.49"),
    ("VIS-INOX-4X40", "Vis inox 4 × 40, 200 pièces", "8.75"),
    ("BRASERO-60", "Brasero acier 60 cm", "74.90"),
    ("MITIGEUR-CH", "Mitigeur de cuisine", "59.99"),
)
VAT = {"FR": "20.00", "BE": "21.00", "DE": "19.00", "ES": "21.00", "IT": "22.00", "UK": "20.00"}
PLACES = {
    "FR": ("France", "69000", "Lyon", "rue de l'Essai"),
    "BE": ("Belgique", "4000", "Liège", "rue du Modèle"),
    "DE": ("Deutschland", "20095", "Hamburg", "Musterstraße"),
    "ES": ("España", "08001", "Barcelona", "calle del Ejemplo"),
    "IT": ("Italia", "00184", "Roma", "via della Prova"),
    "UK": ("United Kingdom", "LS1 4AP", "Leeds", "Sample Street"),
}
FIRST_NAMES = ("Testa", "Fictif", "Muster", "Prova", "Sample", "Ejempla")
LAST_NAMES = ("Exemple", "Beispiel", "Ejemplo", "Esempio", "Specimen", "D'Essai-Ñandú")
CARRIERS = ("GLS", "Colissimo", "DPD", "Chronopost", "UPS")


class Inventor:
    """Makes orders for one world."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self.restart()

    def restart(self) -> None:
        """Begin the same sequence again."""
        self._random = random.Random(self._seed)
        self._number = 4000

    def create(self, count: int, options: OrderOptions) -> list[str]:
        """Invent orders and return their references. Raises `ValueError` for an unknown contract or status."""
        contracts = self._world.settings.contracts
        contract = next(iter(contracts)) if options.contract is None else options.contract
        if contract not in contracts:
            raise ValueError(f"contract: {contract} is not one of {', '.join(map(str, contracts))}")
        if options.status not in STATUS_MAP:
            raise ValueError(f"status: must be one of {', '.join(STATUS_MAP)}")
        if options.reference is not None and (count > 1 or (contract, options.reference) in self._world.orders):
            raise ValueError(f"reference: {options.reference!r} can stand for one order of a contract only")
        return [self._order(contract, options).reference for _ in range(count)]

    def _order(self, contract: int, options: OrderOptions) -> SimOrder:
        now = self._world.clock.now()
        country = options.country or self._world.settings.contracts[contract]
        created = utc_now_or(options.created_at, now - timedelta(seconds=self._random.randrange(900)))
        self._number += 1
        reference = options.reference or f"M{created:%y%m%d}{self._number:07d}"
        order = SimOrder(
            reference=reference,
            contract=contract,
            status=options.status,
            created_at=created,
            # An order shows up for pollers now, however old it claims to be.
            updated_at=utc_now_or(options.updated_at, max(now, created)),
            country=country,
            currency="GBP" if country == "UK" else "EUR",
            vat_rate=Decimal(VAT[country]),
            lines=self._lines(options),
            buyer=self._buyer(country) | options.buyer,
            options=options,
        )
        self._world.orders[contract, reference] = order
        for line in order.lines:
            self._world.offers.setdefault((contract, line.sku), SimOffer(line.sku, line.price, 25))
        if options.status in ("SHIPPED", "REFUNDING", "REFUNDED"):
            order.shipped = order.ordered()
        if options.status == "REFUNDED":
            order.refunded = order.ordered()
        return order

    def _wishes(self, options: OrderOptions) -> list[SkuWish]:
        if options.skus and options.lines is None:
            return list(options.skus)
        pool = options.skus or [SkuWish(sku=sku, price=Decimal(price), title=title) for sku, title, price in CATALOGUE]
        wanted = options.lines or self._random.choice((1, 1, 2, 2, 3, 4))
        return self._random.sample(pool, min(wanted, len(pool)))

    def _lines(self, options: OrderOptions) -> list[SimLine]:
        wishes = self._wishes(options)
        if options.duplicate_skus:
            wishes.append(wishes[0])
        carrier = options.carrier or self._random.choice(CARRIERS)
        return [
            SimLine(
                sku=wish.sku,
                title=wish.title or f"Article {wish.sku}",
                quantity=wish.quantity or self._random.choice((1, 1, 1, 2, 3)),
                price=wish.price,
                shipping=Decimal("3.00") if at == 0 else Decimal("0.00"),
                carrier=carrier,
            )
            for at, wish in enumerate(wishes)
        ]

    def _buyer(self, country: str) -> dict[str, Any]:
        name, zipcode, city, street = PLACES[country]
        first, last = self._random.choice(FIRST_NAMES), self._random.choice(LAST_NAMES)
        return {
            "firstname": first,
            "lastname": last,
            "company": None,
            "address_line1": f"{self._random.randrange(1, 99)} {street}",
            "address_line2": self._random.choice((None, "Bât. B")),
            "address_line3": None,
            "zipcode": zipcode,
            "city": city,
            "province": None,
            "country": name,
            "country_iso": "GB" if country == "UK" else country,
            "phone": "+33100000000",
            "email": f"client-{self._number}@example.invalid",
        }
