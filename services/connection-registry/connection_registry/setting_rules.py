"""Rules of hub settings, pure: names, merging, limits.

Event models ignore unknown fields, which is right for readers and wrong for the form that a person fills in: a
misspelt `buffr` would be accepted and do nothing. So names are checked here, with the likely one suggested.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from hub_contracts.base import Fact
from hub_contracts.connections import HubSettings

COUNTRY = re.compile(r"^[A-Z]{2}$")


@dataclass(frozen=True, slots=True)
class Broken:
    """One rule broken by one member. `pointer` is a JSON pointer relative to the settings (`/stock/buffer`)."""

    pointer: str
    rule: str


def escape(name: object) -> str:
    """A name as one step of a JSON pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?` when something known is alike, else ""."""
    alike = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""


def unknown_names(model: type[Fact], given: object, pointer: str = "") -> list[Broken]:
    """Every member of `given` that the model does not have, however deep. Wrong types are left to validation."""
    if not isinstance(given, Mapping):
        return []
    found: list[Broken] = []
    for name, value in given.items():
        at = f"{pointer}/{escape(name)}"
        field = model.model_fields.get(name)
        if field is None:
            found.append(Broken(at, "is not a known setting" + suggestion(str(name), model.model_fields)))
            continue
        inner, many = _fact_in(field.annotation)
        if inner is not None and many and isinstance(value, list | tuple):
            for number, entry in enumerate(value):
                found += unknown_names(inner, entry, f"{at}/{number}")
        elif inner is not None and not many:
            found += unknown_names(inner, value, at)
    return found


def _fact_in(annotation: Any) -> tuple[type[Fact] | None, bool]:
    """The model inside an annotation, and whether there are several of it."""
    if isinstance(annotation, type) and issubclass(annotation, Fact):
        return annotation, False
    many = get_origin(annotation) in (tuple, list)
    for argument in get_args(annotation):
        inner, nested = _fact_in(argument)
        if inner is not None:
            return inner, many or nested
    return None, False


def merge(stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`patch` laid over `stored`: objects are merged, everything else replaces, null removes (RFC 7396)."""
    merged = dict(stored)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def paths(patch: Mapping[str, Any], prefix: str) -> list[str]:
    """Dotted names of what a patch touches, for the audit; values are left out."""
    found: list[str] = []
    for name, value in patch.items():
        found += paths(value, f"{prefix}.{name}") if isinstance(value, Mapping) and value else [f"{prefix}.{name}"]
    return found


def broken_limits(settings: HubSettings, capabilities: Collection[str]) -> list[Broken]:
    """Every limit that well-formed settings break. `capabilities` are those of the connector."""
    return [
        *_numbers(settings),
        *_carriers(settings),
        *_routing(settings),
        *(
            Broken(f"/capabilities_off/{n}", f"is not a capability of this connector{suggestion(name, capabilities)}")
            for n, name in enumerate(settings.capabilities_off)
            if name not in capabilities
        ),
    ]


def _numbers(settings: HubSettings) -> Iterable[Broken]:
    acceptance, orders, stock = settings.acceptance, settings.orders, settings.stock
    limits = (
        ("/acceptance/price_tolerance_percent", acceptance.price_tolerance_percent, 0, 100),
        ("/acceptance/shipping_tolerance_percent", acceptance.shipping_tolerance_percent, 0, None),
        ("/acceptance/expected_shipping_price", acceptance.expected_shipping_price, 0, None),
        ("/acceptance/max_order_age_hours", acceptance.max_order_age_hours, 1, None),
        ("/acceptance/accept_within_hours", acceptance.accept_within_hours, 1, None),
        ("/acceptance/last_resort_percent", acceptance.last_resort_percent, 1, 100),
        ("/orders/poll_seconds", orders.poll_seconds, 1, 86_400),
        ("/orders/overlap_seconds", orders.overlap_seconds, 0, 86_400),
        ("/stock/buffer", stock.buffer, 0, None),
        ("/stock/max_listed", stock.max_listed, 0, None),
    )
    for pointer, value, lowest, highest in limits:
        if value is None:
            continue
        if value < lowest or (highest is not None and value > highest):
            yield Broken(
                pointer, f"must be {lowest} to {highest}" if highest is not None else f"must be {lowest} or more"
            )


def _carriers(settings: HubSettings) -> Iterable[Broken]:
    seen: set[str | None] = set()
    for number, carrier in enumerate(settings.carriers.default_carriers):
        at = f"/carriers/default_carriers/{number}"
        if not carrier.carrier_name.strip():
            yield Broken(f"{at}/carrier_name", "must be a non-empty text")
        if carrier.country is not None and not COUNTRY.match(carrier.country):
            yield Broken(f"{at}/country", "must be an ISO 3166 code of two capital letters")
        if carrier.country in seen:
            yield Broken(f"{at}/country", "is there twice: one default carrier per country")
        template = carrier.tracking_url_template
        if template is not None and not re.match(r"https?://[^/\s{}]+", template):
            yield Broken(f"{at}/tracking_url_template", "must be an http(s) address with a literal host")
        seen.add(carrier.country)


def _routing(settings: HubSettings) -> Iterable[Broken]:
    seen: set[str] = set()
    for number, rule in enumerate(settings.routing):
        at = f"/routing/{number}"
        if not rule.name.strip():
            yield Broken(f"{at}/name", "must be a non-empty text")
        elif rule.name in seen:
            yield Broken(f"{at}/name", "is there twice: decisions name the rule that made them")
        seen.add(rule.name)
        for position, country in enumerate(rule.countries):
            if not COUNTRY.match(country):
                yield Broken(f"{at}/countries/{position}", "must be an ISO 3166 code of two capital letters")
