"""Which shipping options an article has: pure.

The buyer chooses the carrier, so every active option of an article stands in its row, and under exactly the name that
it has at the marketplace. Written by hand, such cells are wrong as soon as a price or a weight changes; so rules by
weight, price and SKU write them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from catalog_feed.problems import Problem

CARRIER_GRID = "Carrier Grid"


@dataclass(frozen=True, slots=True)
class Template:
    """A shipping option that the seller made at the marketplace, by its name there."""

    name: str
    lead_days_min: int
    lead_days_max: int
    active: bool = True
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class GridRule:
    """Articles that match have these options. Lower bounds belong to the range, upper ones do not. None = any."""

    name: str
    grids: tuple[str, ...]
    sku_prefix: str | None = None
    weight_from: Decimal | None = None
    weight_below: Decimal | None = None
    price_from: Decimal | None = None
    price_below: Decimal | None = None

    @property
    def weighs(self) -> bool:
        """It asks for the weight."""
        return self.weight_from is not None or self.weight_below is not None


@dataclass(frozen=True, slots=True)
class Shipped:
    """What options depend on of an article. Weight in kilograms, price with taxes; None = not known."""

    sku: str
    weight: Decimal | None
    price: Decimal | None
    named: tuple[str, ...] = ()
    """Options named for this article alone."""


def options_of(
    article: Shipped, templates: Mapping[str, Template], rules: Sequence[GridRule]
) -> tuple[list[Template], list[Problem]]:
    """Every active option of an article: those named for it, else those of the first rule that matches, else the
    default ones. What cannot be decided is a problem, never the default: postage would be wrong in silence."""
    wrong: list[Problem] = []
    names, source = article.named, "names"
    if not names:
        for rule in rules:
            matches = _matches(rule, article)
            if matches is None:
                unknown = f"cannot be decided: rule {rule.name!r} asks for the weight, which is not known"
                return [], [Problem(article.sku, CARRIER_GRID, unknown)]
            if matches:
                names, source = rule.grids, f"has by rule {rule.name!r}"
                break
    if names:
        wrong = [
            Problem(article.sku, CARRIER_GRID, f"{source} the template {name!r}, which does not exist")
            for name in names
            if name not in templates
        ]
        chosen = [templates[name] for name in names if name in templates]
    else:
        chosen = [template for template in templates.values() if template.is_default]
    return sorted((each for each in chosen if each.active), key=lambda each: each.name), wrong


def _matches(rule: GridRule, article: Shipped) -> bool | None:
    """None when only an unknown weight decides. An unknown price is a problem of its own and matches nothing."""
    if rule.sku_prefix is not None and not article.sku.startswith(rule.sku_prefix):
        return False
    bounded = rule.price_from is not None or rule.price_below is not None
    if bounded and (article.price is None or not _inside(article.price, rule.price_from, rule.price_below)):
        return False
    if not rule.weighs:
        return True
    return None if article.weight is None else _inside(article.weight, rule.weight_from, rule.weight_below)


def _inside(value: Decimal, least: Decimal | None, below: Decimal | None) -> bool:
    return (least is None or value >= least) and (below is None or value < below)
