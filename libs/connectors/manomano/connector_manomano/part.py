"""What the capability modules share: the client and the settings of one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector_kit.capabilities import ConnectionContext
from connector_kit.http import Answer
from connector_kit.outcome import Outcome
from connector_manomano.answers import Judge
from connector_manomano.batches import Delivery
from connector_manomano.client import Client
from connector_manomano.fulfilment import FulfilledThere
from connector_manomano.manifest import ORDERS_PER_CALL
from connector_manomano.settings import Settings


class Part:
    """Base of the capability classes; together they make up the connection object."""

    def __init__(self, context: ConnectionContext) -> None:
        self.context = context
        self.settings = Settings.read(context.settings)
        self.client = Client(context, self.settings)
        self.fulfilled_there = FulfilledThere(self.settings.fulfilled_by_manomano)

    def judge(self, *, harmless: bool = False) -> Judge:
        """The judge of this connection's answers."""
        return Judge(self.client.explain, self.client.hide, harmless, self.settings.repeat_codes)

    def item(self, reference: str, **more: Any) -> dict[str, Any]:
        """Body item of an order action. `seller_contract_id` goes out as an integer: a text is refused."""
        return {"order_reference": reference, "seller_contract_id": self.settings.contract, **more}

    async def order_action(
        self, operation: str, path: str, references: Sequence[str], bodies: Sequence[Mapping[str, Any]]
    ) -> list[Outcome]:
        """POST arrays of order items: one outcome per body, in order.

        An array holds items of one contract only, the connection's. The API would take several contracts in one, but
        a connector object speaks for one connection, whose effects are planned, paused and probed on their own.
        """
        judge = self.judge()

        async def send(batch: Sequence[int]) -> Answer:
            return await self.client.call(operation, "POST", path, body=[bodies[at] for at in batch])

        def read(answer: Answer, batch: Sequence[int]) -> list[Outcome]:
            return judge.items(answer, [references[at] for at in batch], self.settings.contract)

        return await Delivery(judge, send, read).run(references, ORDERS_PER_CALL)
