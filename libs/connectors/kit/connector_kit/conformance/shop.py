"""Cases of shops: an order is created once per route, and its money arrives to the cent."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from connector_kit.conformance import mutate
from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.kinds import KINDS, shop_order
from connector_kit.conformance.world import World
from connector_kit.http import Answer
from connector_kit.outcome import OutcomeState
from connector_kit.testing.interference import Trouble

CREATE = KINDS["create_order"]
TOTAL = Decimal("120.14")


class ShopCases(CaseBase):
    """Orders in shops."""

    async def test_same_route_is_one_order(self, world: World) -> None:
        """Asked for three times, also by a second connection object after a restart: one order."""
        order = shop_order(1)
        for connection in (world.connection, world.connection, world.connect()):
            world.connection = connection
            [outcome] = await world.send(CREATE, [order])
            assert outcome.state in (OutcomeState.DONE, OutcomeState.UNKNOWN), f"the repeat gave {outcome}"
        assert world.applied(CREATE, order) == 1, "the same route was created more than once"

    async def test_two_routes_are_two_orders(self, world: World) -> None:
        """Routes of one order are told apart."""
        orders = [shop_order(1), shop_order(2)]
        await world.send(CREATE, orders)
        assert [world.applied(CREATE, order) for order in orders] == [1, 1]

    async def test_money_arrives_to_the_cent(self, world: World) -> None:
        """What the buyer paid is sent as exactly that, as a text or as a number with these digits."""
        await world.send(CREATE, [shop_order(1)])
        sent = [call for call in world.http.made(*world.operations(CREATE)) if call.method != "GET"]
        values: list[Any] = []
        for call in sent:
            document = call.json if call.json is not None else mutate.load(call.content or b"null")
            values += [value for _, value in mutate.paths(document)]
        assert not [value for value in values if isinstance(value, float)], "an amount is sent as a binary fraction"
        exact = [value for value in values if value == TOTAL or value == str(TOTAL)]
        assert exact, f"the total of {TOTAL} is not in what was sent"

    async def test_refusal_repeats_nobodys_name(self, world: World) -> None:
        """A shop that quotes the order in its refusal must not bring the buyer's data into the ledger."""
        order = shop_order(1)
        buyer = order.customer.shipping if order.customer is not None else None
        assert buyer is not None
        quoted = json.dumps({"error": f"refused: {buyer.model_dump_json()}"}).encode()
        world.trouble(Trouble.ANSWER_INSTEAD, answer=Answer(422, {"content-type": "application/json"}, quoted))
        [outcome] = await world.send(CREATE, [order])
        assert outcome.state is OutcomeState.REJECTED, f"a refused order gave {outcome}"
        told = repr(outcome)
        shown = [name for name in ("last_name", "email", "street_1", "phone") if str(getattr(buyer, name)) in told]
        assert not shown, f"the outcome holds personal data: {', '.join(shown)}"
