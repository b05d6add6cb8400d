"""Every event names what caused it, also where a service acts on what it had stored: else no story can be told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub_common.effects.model import Effect, PlannedEffect
from hub_common.routing import dispatch
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause, Tx
from hub_contracts.envelope import Event, Metadata
from hub_contracts.orders import Environment
from hub_contracts.shop_activity import PriceReported, StockReported
from hub_contracts.stock import OfferChanged

SHOP, ORDER = uuid4(), uuid4()
STORED = Cause("t")
"""What a service knows of a cause that it stored yesterday: whose, and no event."""


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database) as running:
        yield running


def event(harness: Harness, key: str, kind: type[Any] = StockReported) -> Event[Any]:
    now = harness.clock.now()
    data = StockReported(shop_connection_id=SHOP, shop_sku=key, quantity=1, reported_at=now)
    if kind is PriceReported:
        data = PriceReported.model_validate(
            {
                "shop_connection_id": SHOP,
                "shop_sku": key,
                "price": {"amount": "1.00", "currency": "EUR"},
                "reported_at": now,
            }
        )
    return Event(Metadata(harness.runtime.ids.new(), data.TYPE, "test", now, key, "t", 1), data)


def offer(harness: Harness, sku: str) -> OfferChanged:
    return OfferChanged(
        connection_id=SHOP,
        environment=Environment.SANDBOX,
        offer_sku=sku,
        shop_connection_id=SHOP,
        shop_sku=sku,
        on_hand=1,
        reserved=0,
        buffer=0,
        available=1,
        changed_at=harness.clock.now(),
    )


async def causes(harness: Harness) -> list[tuple[str, str | None]]:
    return [(told.key, told.headers.get("ce_causationid")) for told in await harness.emitted()]


async def test_what_is_told_of_a_key_is_caused_by_the_event_of_that_key(harness: Harness) -> None:
    first, second, price = event(harness, "A"), event(harness, "B"), event(harness, "A", PriceReported)

    async def tell(tx: Tx, events: Sequence[Event[Any]]) -> None:
        for each in events:
            tx.emit(offer(harness, each.key), key=each.key, cause=STORED)
        tx.emit(offer(harness, "C"), key="C", cause=STORED)

    async with harness.runtime.transactions.begin() as tx:
        await dispatch({StockReported: (tell,), PriceReported: (tell,)}, tx, [first, second, price])
    ids = [str(each.meta.event_id) for each in (first, second, price)]
    assert await causes(harness) == [("A", ids[0]), ("B", ids[1]), ("C", None), ("A", ids[2]), ("C", None)]


async def test_a_cause_that_is_named_is_kept(harness: Harness) -> None:
    async def tell(tx: Tx, events: Sequence[Event[Any]]) -> None:
        tx.emit(offer(harness, "A"), key="A", cause=Cause("t", causation_id="post-1"))

    async with harness.runtime.transactions.begin() as tx:
        await dispatch({StockReported: (tell,)}, tx, [event(harness, "A")])
    assert await causes(harness) == [("A", "post-1")]


async def test_an_effect_carries_on_the_event_that_made_it_planned(harness: Harness) -> None:
    heard = event(harness, str(ORDER))
    planned: list[PlannedEffect] = []

    async def plan(tx: Tx, events: Sequence[Event[Any]]) -> None:
        for cause, order_id in ((STORED, ORDER), (Cause("t", causation_id="post-1"), ORDER), (STORED, None)):
            tx.plan(
                PlannedEffect(
                    kind="ship",
                    natural_key=f"ship:{len(tx.effects)}",
                    connection_id=SHOP,
                    credential_ref="r",
                    request=heard.data,
                    cause=cause,
                    order_key="k",
                    order_id=order_id,
                )
            )
        planned.extend(tx.effects)
        tx.effects.clear()

    async with harness.runtime.transactions.begin() as tx:
        await dispatch({StockReported: (plan,)}, tx, [heard])
    assert [each.cause.causation_id for each in planned] == [str(heard.meta.event_id), "post-1", None]


@pytest.mark.parametrize(("planned_for", "told"), [("event-1", "event-1"), (None, str(UUID(int=7)))])
def test_what_follows_from_an_effect_has_the_effects_cause(planned_for: str | None, told: str) -> None:
    values: dict[str, Any] = dict.fromkeys(Effect.__dataclass_fields__)
    effect = Effect(**(values | {"effect_id": UUID(int=7), "tenant": "t", "causation_id": planned_for}))
    assert effect.cause.causation_id == told
