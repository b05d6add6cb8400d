"""The conformance suite of the kit on the Mirakl connector and its simulated operator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from connector_kit.aftersales import AnswerReturn, SendMessage
from connector_kit.conformance import FaultNames, MarketplaceConformance, Subject
from connector_kit.conformance.world import World
from connector_mirakl.connector import CONNECTOR

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


class TestMirakl(MarketplaceConformance):
    """Every case that the manifest's capabilities call for."""

    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            connector=CONNECTOR,
            folder=Path(__file__).parent.parent,
            credentials={"api_key": KEY},
            sandbox={"api_key": KEY, "debit_seconds": 86_400},
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
            ),
        )
