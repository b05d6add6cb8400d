"""Orders and polls are measured, so that a marketplace which falls silent can be seen."""

from __future__ import annotations

from typing import Any


async def test_new_orders_are_counted_per_connection_from_nought_on(world: Any) -> None:
    connection = await world.connect()
    labels = {"connection": str(connection.connection_id)}

    def measured(name: str) -> float | None:
        found: float | None = world.h.runtime.metrics.registry.get_sample_value(name, labels)
        return found

    await world.poll()
    assert measured("hub_orders_received_total") == 0, "the first order must show as an increase"
    world.orders(3)
    await world.poll()
    await world.poll()
    assert measured("hub_orders_received_total") == 3
    world.clock.advance(90)
    await world.h.lease()
    await world.pollers.book(force=True)
    assert measured("hub_poller_age_seconds") == 90
    assert (measured("hub_poller_interval_seconds") or 0) > 0
