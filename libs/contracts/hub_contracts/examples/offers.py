"""Examples of `hub.stock` and `hub.catalog`."""

from __future__ import annotations

from hub_contracts.catalog import FeedBlocked, FeedPublished
from hub_contracts.examples.world import LAMP_SHOP_SKU, LAMP_SKU, MANOMANO, PIXMANIA, SHOP, Example, at, euros
from hub_contracts.ids import effect_id_for
from hub_contracts.orders import Environment
from hub_contracts.stock import OfferChanged, OfferPushed, OfferRejected

_KEY = f"{PIXMANIA}:{LAMP_SKU}"
_PUSH = effect_id_for(f"stock:{_KEY}:42")

EXAMPLES: tuple[Example, ...] = (
    Example(
        OfferChanged(
            connection_id=PIXMANIA,
            environment=Environment.PRODUCTION,
            offer_sku=LAMP_SKU,
            shop_connection_id=SHOP,
            shop_sku=LAMP_SHOP_SKU,
            on_hand=16,
            reserved=2,
            buffer=2,
            available=12,
            price=euros("34.90"),
            changed_at=at(minutes=12),
            serving="linked",
        ),
        key=_KEY,
        time=at(minutes=12, seconds=2),
        version=42,
        after="stock.reported.v1",
    ),
    Example(
        OfferPushed(
            connection_id=PIXMANIA,
            offer_sku=LAMP_SKU,
            effect_id=_PUSH,
            quantity=12,
            price=euros("34.90"),
            import_reference="90233",
            subject="quantity",
            confirmed_by="answer",
        ),
        key=_KEY,
        time=at(minutes=13),
        version=43,
        after="offer.changed.v1",
    ),
    Example(
        OfferRejected(
            connection_id=PIXMANIA,
            offer_sku=LAMP_SKU,
            effect_id=_PUSH,
            reason="the marketplace does not know this SKU",
            import_reference="90233",
        ),
        key=_KEY,
        time=at(minutes=13),
        version=43,
        after="offer.changed.v1",
    ),
    Example(
        FeedPublished(
            connection_id=MANOMANO,
            feed="offers",
            version=17,
            rows=1284,
            sha256="7d0f6c1b0e0a5e4b5c1b7c8f2a9d3e6471b2c5d8e9f0a1b2c3d4e5f60718293a",
            published_at=at(hours=2),
        ),
        key=str(MANOMANO),
        time=at(hours=2),
        version=17,
    ),
    Example(
        FeedBlocked(
            connection_id=MANOMANO,
            feed="products",
            rows=311,
            problems=("311 rows instead of 1284 in the version before", "row 12: column brand is empty"),
        ),
        key=str(MANOMANO),
        time=at(hours=4),
        version=18,
    ),
)
