"""The conformance suite of the kit on the Mirakl connector and its simulated operator."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from connector_kit.aftersales import AnswerReturn, SendMessage
from connector_kit.conformance import FaultNames, Held, MarketplaceConformance, Subject
from connector_kit.conformance.readings import UNPAGED
from connector_kit.conformance.world import World
from connector_mirakl.connector import CONNECTOR
from connector_mirakl.sandbox.world import SimDocument, SimOffer, SimPrice

from .offer_play import product_files

KEY = "canary-5f2b9c-of-the-operator"


async def answers_to_returns(world: World, count: int) -> Sequence[AnswerReturn]:
    """Buyers open returns; all of them are accepted."""
    made: list[AnswerReturn] = []
    for order in await world.mapped("shipped", count):
        reference, line = order.snapshot.marketplace_reference, order.snapshot.lines[0]
        opened = world.simulator.open_return(reference, {line.line_id: line.quantity})
        made.append(AnswerReturn(return_reference=opened, order_reference=reference, answer="accept"))
    return made


async def questions_to_buyers(world: World, count: int) -> Sequence[SendMessage]:
    """New threads about orders."""
    orders = await world.mapped("new", count)
    references = [order.snapshot.marketplace_reference for order in orders]
    return [SendMessage(message_id=uuid4(), order_reference=r, body=f"Invented question about {r}") for r in references]


async def returns(world: World, count: int) -> Sequence[Held]:
    """Buyers open returns of orders that were shipped."""
    orders = world.orders("shipped", count, lines=2)
    lines = {order: [line.id for line in world.simulator.world.orders[order].lines] for order in orders}
    made = [(order, world.simulator.open_return(order, dict.fromkeys(lines[order], 1))) for order in orders]
    return [Held(opened, order, parts=2) for order, opened in made]


async def questions(world: World, count: int) -> Sequence[Held]:
    """Buyers ask, get an answer, and ask again; the first thread is longer than M11 shows."""
    found = []
    for at, order in enumerate(world.orders("new", count, lines=1)):
        thread = world.simulator.write_message(order, f"Invented question about {order}")
        more = ["SHOP_USER", "CUSTOMER_USER"] * (51 if count > UNPAGED and at == 0 else 1)
        for number, sender in enumerate(more):
            world.clock.forward(seconds=1)
            world.simulator.write_message(order, f"Invented words {number} on {order}", sender=sender, thread_id=thread)
        found.append(Held(thread, order, parts=1 + len(more)))
    return found


async def offers(world: World, count: int) -> Sequence[Held]:
    """Offers beside those that every simulated shop has."""
    held = world.simulator.world.offers
    for _ in range(count):
        number = len(held) + 1
        sku, product = f"CONF-{number:04d}", f"PRODUCT-{number:04d}"
        price = SimPrice(Decimal("19.90"))
        held[sku] = SimOffer(50_000 + number, sku, product, f"Article {number}", 5, [price], "11")
    return [Held(sku) for sku in list(held)[-count:]]


async def documents(world: World, count: int) -> Sequence[Held]:
    """Documents of one new order."""
    [order] = world.orders("shipped", 1, lines=1)
    held = world.simulator.world
    numbers = [9000 + held.number() for _ in range(count)]
    now = world.clock.now()
    held.documents += [SimDocument(number, order, f"{number}.pdf", "CUSTOMER_INVOICE", 9, now) for number in numbers]
    return [Held(str(number), order) for number in numbers]


class TestMirakl(MarketplaceConformance):
    """Every case that the manifest's capabilities call for."""

    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parent.parent,
            credentials={"api_key": KEY},
            sandbox={"api_key": KEY, "debit_seconds": 86_400, "export_file_orders": 80},
            stages={
                "new": {"status": "WAITING_ACCEPTANCE"},
                "to_ship": {"status": "SHIPPING"},
                "shipped": {"status": "SHIPPED"},
                "cancellable": {"status": "WAITING_DEBIT"},
            },
            many=230,
            carrier=("DPD", "DPD"),
            refund_reason="17",
            cancel_reason="35",
            requests={
                "answer_return": answers_to_returns,
                "send_message": questions_to_buyers,
                "import_products": product_files,
            },
            facts={"returns": returns, "messages": questions, "offers": offers, "documents": documents},
            recorded={"import_products": "product"},
            targets={"import_products": lambda request: f"CONF-{request.import_id.int}"},
            not_applicable={
                "test_outcomes_stand_in_the_order_of_the_requests[import_products]": "one file per call, and the "
                "operator's record names imports by its own numbers, so files cannot be told apart there",
            },
            faults=FaultNames(
                rate_limited="rate_limit",
                timeout_after="timeout_after_effect",
                error_after="error_500_after_effect",
                error_before="error_500_before_effect",
                html="html_answer",
                page_shift="page_shift",
                unknown_status="unknown_status",
                missing_item="item_missing",
                failed_item="item_refused",
                string_amounts="string_amounts",
                null_address="null_address",
                export_failed="export_failed",
            ),
        )
