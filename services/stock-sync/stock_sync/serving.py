"""Which shop SKU serves an offer: pure. One wrong match lists one article with the stock of another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from hub_contracts.connections import ConnectionKind

Pair = tuple[UUID, str]
"""(marketplace connection, offer SKU)"""
Sku = tuple[UUID, str]
"""(shop connection, shop SKU)"""


class Serving(StrEnum):
    """How an offer is served now."""

    LINKED = "linked"
    PASS_THROUGH = "pass_through"  # noqa: S105  not a secret
    WITHDRAWN = "withdrawn"
    """Its link was taken away: sold out at once."""
    UNSERVED = "unserved"
    """A setting no longer lets a shop serve it. Figures stay: a slip in a form must not empty a catalogue."""
    MISMATCH = "mismatch"
    """Sandbox and production, or two tenants, would mix: nothing is calculated or sent."""

    @property
    def works(self) -> bool:
        """A shop serves the offer."""
        return self in (Serving.LINKED, Serving.PASS_THROUGH)


@dataclass(frozen=True, slots=True)
class Account:
    """What serving depends on of a connection. `shops`: its routing rules' shops, best first."""

    connection_id: UUID
    tenant: str
    kind: str
    environment: str
    pass_through: bool
    by_product_sku: bool
    shops: tuple[UUID, ...]
    rules: str
    """Everything that decides about figures and pushes, to see whether a change matters."""

    @property
    def is_shop(self) -> bool:
        """It is a shop."""
        return self.kind == ConnectionKind.SHOP

    def mixes(self, other: Account) -> bool:
        """True when data must not flow between the two."""
        return self.tenant != other.tenant or self.environment != other.environment


@dataclass(frozen=True, slots=True)
class Served:
    """The shop SKU behind an offer."""

    shop_connection_id: UUID
    shop_sku: str
    serving: Serving


def serve(
    market: Account,
    offer_sku: str,
    *,
    link: Sku | None,
    product_sku: str | None,
    accounts: Mapping[UUID, Account],
    stating: Mapping[str, Collection[UUID]],
    current: Served | None,
) -> Served | None:
    """Who serves the offer; None when nobody does and nobody ever did. A link goes before the passed-through SKU.

    `accounts` are all connections of the tenant; `stating` says which shops have stated a shop SKU.
    """
    if link is not None:
        shop = accounts.get(link[0])
        if shop is None:
            return current  # its connection comes later on another topic
        wrong = market.mixes(shop) or not shop.is_shop
        return Served(*link, Serving.MISMATCH if wrong else Serving.LINKED)
    if current is not None and current.serving in (Serving.LINKED, Serving.MISMATCH):
        current = Served(current.shop_connection_id, current.shop_sku, Serving.WITHDRAWN)
    if market.pass_through:
        shop_sku = product_sku if market.by_product_sku else offer_sku
        shop_id = _choose(market, shop_sku, accounts.values(), stating, current) if shop_sku else None
        if shop_id is not None and shop_sku:
            return Served(shop_id, shop_sku, Serving.PASS_THROUGH)
    if current is not None and current.serving is Serving.PASS_THROUGH:
        return Served(current.shop_connection_id, current.shop_sku, Serving.UNSERVED)
    return current


def _choose(
    market: Account,
    shop_sku: str,
    accounts: Collection[Account],
    stating: Mapping[str, Collection[UUID]],
    current: Served | None,
) -> UUID | None:
    """Of the shops that know the SKU the one that routing prefers, then the present one, then always the same one."""
    shops = [each.connection_id for each in accounts if each.is_shop and not market.mixes(each)]
    knowing = [each for each in shops if each in stating.get(shop_sku, ())]
    preferred = [each for each in market.shops if each in (knowing or shops)]
    if preferred:
        return preferred[0]
    if knowing:
        present = current.shop_connection_id if current else None
        return present if present in knowing else min(knowing)
    return shops[0] if len(shops) == 1 else None


def pass_through_pairs(accounts: Sequence[Account], skus: Collection[Sku]) -> set[Pair]:
    """The offers that these shop SKUs may serve under their own name."""
    shops = {each.connection_id: each for each in accounts if each.is_shop}
    markets = [each for each in accounts if each.pass_through and not each.by_product_sku]
    return {
        (market.connection_id, sku)
        for shop_id, sku in skus
        if (shop := shops.get(shop_id)) is not None
        for market in markets
        if not market.mixes(shop)
    }
