"""What was said about an erased buyer's order is gone, though its marketplace goes on showing it."""

from __future__ import annotations

from hub_contracts.orders import OrderCustomerErased

from .conftest import CONNECTION, Stage

WORDS = "It is Canary Berger, where is my parcel?"


async def dump(stage: Stage) -> str:
    """Every row of every table as text."""
    pool = stage.harness.runtime.pool
    tables = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for table in tables for row in await pool.fetch(f'SELECT t::text FROM "{table["tablename"]}" t')]
    return "\n".join(row[0] for row in rows)


async def test_erased_words_stay_away_and_later_ones_are_a_new_matter(stage: Stage) -> None:
    order = await stage.order()
    thread = stage.asks(order, WORDS)
    await stage.read()
    await stage.answer(thread, body="Dear Canary Berger, it left.")
    await stage.send()
    path = f"/v1/orders/{order.order_id}/personal-data"
    held = (await stage.client.get(path)).json()
    assert held["holds"]["messages"] == 2
    assert WORDS in [message["body"] for message in held["data"]["messages"]]
    await stage.harness.runtime.pool.execute("UPDATE threads SET topic = 'Parcel of Canary Berger'")
    event = OrderCustomerErased(
        order_id=order.order_id, connection_id=CONNECTION, erased_at=stage.clock.now(), why="request"
    )
    await stage.harness.feed((order.order_id, event))
    assert "Canary" not in await dump(stage)
    after = (await stage.client.get(path)).json()
    assert (after["holds"], after["erased"] is not None) == ({"subjects": 0, "messages": 0}, True)
    # The marketplace shows all of it again, and what somebody else wrote before it was read.
    await stage.harness.runtime.pool.execute("DELETE FROM messages")
    stage.clock.advance(3600)
    stage.asks(order, "Another question", thread=thread)
    await stage.read()
    assert "Canary" not in await dump(stage)
    assert [m["body"] for m in (await stage.client.get(path)).json()["data"]["messages"]] == ["Another question"]
