"""Every call of the offer side, once, for tests that compare all calls with a document or a budget."""

from __future__ import annotations

import base64
from decimal import Decimal
from uuid import UUID

from connector_kit.conformance.world import World
from connector_kit.offers import ChannelPrice, ImportProducts, PublishOffer, VolumePrice
from connector_mirakl.sandbox.world import SimPrice

from .stage import Stage, euros

ROWS = b"sku;category;title;description;brand\nP-1;DEMO;A;b;c\nP-2;NONE;A;b;c\nP-3;DEMO;A;b;NOBRAND\n"


def offers() -> list[PublishOffer]:
    """One that keeps all, one that states all, one that the operator refuses, one that goes."""
    prices = (
        ChannelPrice(price=euros("9.90"), volume_prices=(VolumePrice(from_quantity=5, price=euros("9.00")),)),
        ChannelPrice(channel="ES_B2C", price=euros("10.90"), discount_price=euros("10.00")),
    )
    return [
        PublishOffer(offer_sku="TEL-PRO-128", quantity=5),
        PublishOffer(
            offer_sku="NEW-1",
            product_id="4006381333931",
            product_id_type="EAN",
            state_code="11",
            prices=prices,
            quantity=1,
            description="new",
            lead_time_days=0,
            logistic_class="STANDARD",
            min_order_quantity=1,
            max_order_quantity=9,
            attributes={"warranty": "24"},
        ),
        PublishOffer(
            offer_sku="NEW-2", product_id="UNKNOWN", product_id_type="SKU", state_code="11", prices=prices[:1]
        ),
        PublishOffer(offer_sku="COQUE-NOIR", withdraw=True),
    ]


async def product_files(world: World, count: int) -> list[ImportProducts]:
    """Files of one good product each, for the conformance suite."""
    made = []
    for _ in range(count):
        number = world.next_number()
        content = f"sku;category;title;description\nCONF-{number};DEMO;Article {number};Invented\n".encode()
        encoded = base64.b64encode(content).decode()
        made.append(ImportProducts(import_id=UUID(int=number), file_name=f"p{number}.csv", content_base64=encoded))
    return made


async def play_offer_side(stage: Stage) -> None:
    """Read, publish by JSON and by file, import products; read every status and report."""
    known = stage.simulator.world.offers["TEL-PRO-128"]
    known.prices.append(SimPrice(Decimal(3), discount=Decimal(2), channels=("ES_B2C",), ranges=((5, Decimal(1)),)))
    known.details |= {"internal_description": "x", "available_ended": "2030-01-01T00:00:00Z", "max_order_quantity": 3}
    async for _ in stage.connection.list_offers():
        pass
    by_file = stage.connect({"offers_import_threshold": "1"})
    for connection in (stage.connection, by_file):
        outcomes = await connection.publish_offers(offers())
        stage.clock.pass_seconds(61)
        for request, outcome in zip(offers(), outcomes, strict=True):
            await connection.probe_publish_offer(request, outcome.answer)
    content = base64.b64encode(ROWS).decode()
    request = ImportProducts(import_id=UUID(int=1), file_name="products.csv", content_base64=content)
    [taken] = await stage.connection.import_products([request])
    stage.clock.pass_seconds(100)
    await stage.connection.probe_import_products(request, taken.answer)
    await stage.connection.probe_import_products(request, {"sent_at": stage.clock.now().isoformat()})
