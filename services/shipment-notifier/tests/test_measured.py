"""The ship-by clock is measured: people are warned by numbers as well as by events."""

from __future__ import annotations

from datetime import timedelta

from hub_contracts.status import OrderStatus

from .conftest import Stage


async def test_the_time_left_is_measured_and_a_missed_order_hides_none_that_can_still_be_saved(stage: Stage) -> None:
    runtime = stage.harness.runtime

    async def measured(name: str, **labels: str) -> float | None:
        await runtime._gauges_step()
        return runtime.metrics.registry.get_sample_value(name, {"deadline": "ship_by"} | labels)

    orders = [await stage.receive(await stage.order(), status=OrderStatus.ACCEPTED, ship_by=None) for _ in range(3)]
    start = stage.clock.now()
    for order, hours in zip(orders, (1, 10, 100), strict=True):
        await stage.show(order, OrderStatus.PREPARATION, ship_by=start + timedelta(hours=hours))
    assert await measured("hub_deadline_slack_seconds") == 3600
    stage.clock.advance(9.5 * 3600)
    assert await measured("hub_deadline_slack_seconds") == -8.5 * 3600
    assert await measured("hub_deadline_next_slack_seconds") == 1800
    counts = {urgency: await measured("hub_deadlines", urgency=urgency) for urgency in ("missed", "hour", "quarter")}
    assert counts == {"missed": 1, "hour": 1, "quarter": 0}
    stage.clock.advance(70 * 3600)
    assert await measured("hub_deadlines", urgency="quarter") == 1
    assert await measured("hub_deadlines", urgency="later") == 0
