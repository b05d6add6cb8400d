"""What ManoMano would refuse in an offer, found before a call is spent on it, and what its refusals ask for next.

Pure: no clock, no network. Errors keep an offer from being sent; warnings tell what is lost or cannot be checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from connector_kit.offers import ChannelPrice, Problem, PublishOffer
from connector_manomano.fulfilment import REASON
from connector_manomano.settings import Settings

ECO = "eco_participation"
ECO_COUNTRIES = frozenset({"FR"})
"""Contracts whose offers are refused without it."""

NO_PLACE = ("product_id", "product_id_type", "state_code", "description", "lead_time_days", "logistic_class",
            "max_order_quantity")  # fmt: skip
"""What a publish request may hold and this call has no place for."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What one of ManoMano's codes is about and what a seller does next."""

    field: str
    next_step: str


REMEDIES: Mapping[str, Remedy] = {
    "INVALID_ECO_PARTICIPATION": Remedy(
        ECO, "State the attribute eco_participation (an amount, 0 where none is due) and publish again."
    ),
    "NO_CONTENT_APPROVED": Remedy(
        "product", "Import the product sheet and wait until ManoMano has approved it; then publish again."
    ),
    "INVALID_SHIPPING_TIME": Remedy("carrier_grids", "Let the longest shipping time be longer than the shortest."),
    "INVALID_CARRIER_GRID": Remedy("carrier_grids", "Use the name of a grid exactly as it stands in the Toolbox."),
    "ERR_1405": Remedy("offers", "Send at most 20 offers in one call."),
}
"""By ManoMano's code. The first two and the last were met by clients; the others are the simulator's words."""


def problem_from(code: str, sku: str, severity: str = "error") -> Problem:
    """A refusal of ManoMano as a problem, with the next step where its code is known."""
    known = next((remedy for name, remedy in REMEDIES.items() if name in code.upper()), None)
    return Problem(
        field=known.field if known else "offer",
        rule=code,
        next_step=known.next_step if known else "Read the message, correct the offer and publish again.",
        code=code,
        offer_sku=sku,
        severity="warning" if severity == "warning" else "error",
    )


def own_price(request: PublishOffer) -> ChannelPrice | None:
    """The offer's own price: the one that names no channel."""
    return next((price for price in request.prices if price.channel is None), None)


def decimal_of(words: str) -> Decimal | None:
    """A finite decimal number, None when it is not one."""
    try:
        found = Decimal(words)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def check_offer(request: PublishOffer, settings: Settings) -> list[Problem]:
    """Everything known to be wrong with an offer for one contract. Withdrawing needs the SKU only."""
    found = list(_sku(request, settings))
    if not request.withdraw:
        for rules in (_prices, _amounts, _grids, _eco, _losses):
            found += rules(request, settings)
    return [problem.model_copy(update={"offer_sku": request.offer_sku}) for problem in found]


def _sku(request: PublishOffer, settings: Settings) -> Iterator[Problem]:
    if not request.offer_sku.strip():
        yield Problem(field="offer_sku", rule="is required")
    if settings.fulfilled_by_manomano:
        yield Problem(field="offer_sku", rule=f"{REASON}, nor sets its stock")


def _prices(request: PublishOffer, settings: Settings) -> Iterator[Problem]:
    own = [price for price in request.prices if price.channel is None]
    if len(own) > 1:
        yield Problem(field="prices", rule="only one price may be the offer's own")
    if len(own) < len(request.prices):
        yield _warning("prices", "prices of single channels are left out: a contract is one country")
    for price in own[:1]:
        for name, amount in (("price", price.price), ("discount_price", price.discount_price)):
            if amount is not None and amount.currency != settings.currency:
                yield Problem(
                    field=f"prices.{name}.currency", rule=f"must be {settings.currency}, the contract's currency"
                )
            if amount is not None and amount.amount <= 0:
                yield Problem(field=f"prices.{name}", rule="must be above 0")
        if price.discount_price is not None and price.discount_price.amount >= price.price.amount:
            yield Problem(
                field="prices.discount_price",
                rule="must be below the price: ManoMano strikes out a retail price above the price to pay",
            )
        if price.discount_price is not None and (price.discount_from or price.discount_until):
            yield _warning("prices.discount_from", "ManoMano knows no dates: publish again when it begins and ends")
        if price.volume_prices or price.discount_volume_prices:
            yield _warning("prices.volume_prices", "are left out: the call has no place for them")


def _amounts(request: PublishOffer, settings: Settings) -> Iterator[Problem]:
    if request.quantity is not None and request.quantity < 0:
        yield Problem(field="quantity", rule="must not be negative")
    if request.weight_kg is not None:
        weight = decimal_of(request.weight_kg)
        if weight is None or weight <= 0:
            yield Problem(field="weight_kg", rule="must be a decimal number above 0")
    least, step = request.min_order_quantity, request.package_quantity
    for name, value in (("min_order_quantity", least), ("package_quantity", step)):
        if value is not None and value < 1:
            yield Problem(field=name, rule="must be at least 1")
    if least is not None and step is not None and least >= 1 and step >= 1 and least % step:
        yield _warning("min_order_quantity", "is no multiple of package_quantity: buyers cannot order exactly it")


def _grids(request: PublishOffer, settings: Settings) -> Iterator[Problem]:
    names = [name for name, _, _ in request.carrier_grids]
    if not names:
        yield Problem(
            field="carrier_grids",
            rule="at least one grid is required, since the call replaces the whole offer",
            next_step="Name a carrier grid made in the Toolbox, with its shipping times in days.",
        )
    if len(set(names)) != len(names):
        yield Problem(field="carrier_grids", rule="a grid is named twice")
    for at, (name, least, most) in enumerate(request.carrier_grids):
        field = f"carrier_grids[{at}]"
        if not name.strip():
            yield Problem(field=f"{field}.name", rule="is required")
        elif settings.carrier_grids and name not in settings.carrier_grids:
            yield Problem(
                field=f"{field}.name",
                rule=f"{name[:60]!r} is not one of the connection's carrier grids",
                next_step=REMEDIES["INVALID_CARRIER_GRID"].next_step,
            )
        if least < 0 or least >= most:
            yield Problem(
                field=f"{field}.shipping_time",
                rule=f"from {least} to {most} days: the longest time must be longer than the shortest",
                next_step=REMEDIES["INVALID_SHIPPING_TIME"].next_step,
            )


def _eco(request: PublishOffer, settings: Settings) -> Iterator[Problem]:
    given = request.attributes.get(ECO)
    if given is not None:
        amount = decimal_of(given)
        if amount is None or amount < 0:
            yield Problem(field=f"attributes.{ECO}", rule="must be a decimal amount of at least 0")
    elif settings.country in ECO_COUNTRIES:
        yield Problem(
            field=f"attributes.{ECO}",
            rule=f"is required for offers in {settings.country}",
            next_step=REMEDIES["INVALID_ECO_PARTICIPATION"].next_step,
            code="INVALID_ECO_PARTICIPATION",
        )


def _losses(request: PublishOffer, settings: Settings) -> Iterator[Problem]:
    """The call replaces the whole offer, and what the read-back does not show cannot be carried over."""
    for name in ("weight_kg", "min_order_quantity", "package_quantity"):
        if getattr(request, name) is None:
            yield _warning(name, "is not stated and cannot be read back: ManoMano's default will hold")
    for name in NO_PLACE:
        if getattr(request, name) is not None:
            yield _warning(name, "is left out: the call has no place for it")
    for name in request.attributes:
        if name != ECO:
            yield _warning(f"attributes.{name}", "is left out: the call is not known to take it")


def _warning(field: str, rule: str) -> Problem:
    return Problem(field=field, rule=rule, severity="warning")
