"""Whether a routing rule matches a line, and how SKUs are compared when a near one is looked for. Pure."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

from hub_contracts.connections import RoutingRule
from hub_contracts.orders import OrderLine, OrderSnapshot


class Match(StrEnum):
    """Answer of one rule about one line."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """The rule asks for the destination country, which some marketplaces hide at first."""


def match(rule: RoutingRule, order: OrderSnapshot, line: OrderLine) -> tuple[Match, str]:
    """Whether the rule matches, and why. All conditions must hold; an empty list holds for everything.

    Countries (ISO 3166-1 alpha-2) and channels are compared without regard to case, SKU prefixes exactly.
    """
    if rule.channels and (order.channel or "").casefold() not in {channel.casefold() for channel in rule.channels}:
        return Match.NO, "the channel is not in its list"
    if rule.sku_prefixes and not line.offer_sku.startswith(rule.sku_prefixes):
        return Match.NO, "the SKU begins with none of its prefixes"
    if not rule.countries:
        return Match.YES, "all its conditions hold"
    if order.destination_country is None:
        return Match.UNKNOWN, "the destination country is not known yet"
    if order.destination_country.upper() not in {country.upper() for country in rule.countries}:
        return Match.NO, "the destination country is not in its list"
    return Match.YES, "all its conditions hold"


def fold(sku: str) -> str:
    """The letters and digits of a SKU, without case, accents and separators: `Lum-0042 é` and `LUM0042E` are near."""
    decomposed = unicodedata.normalize("NFKD", sku.casefold())
    return "".join(char for char in decomposed if char.isalnum())
