"""One trace per order, from the poll that found it to the shipment that its marketplace was told of.

A trace that breaks at one topic shows each half as somebody else's problem. So the whole chain is read at a receiver,
span by span: every parent must have arrived, and there must be one beginning.
"""

from __future__ import annotations

import pytest

from hub_common.testing.otlp import SeenSpan, broken_chains, by_service, path_to
from hub_tools.demo.setting import PRICES

from .hub import Hub, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
MAIN_PATH = (
    "order-ingest",
    "order-acceptance",
    "order-router",
    "shop-gateway",
    "carrier-mapper",
    "shipment-notifier",
    "ops-console",
)
EFFECTS = {"effect accept", "effect create_order", "effect ship"}


@pytest.mark.parametrize("connector", ["manomano", "mirakl"])
def test_an_order_is_one_trace_and_its_chain_is_whole(hub: Hub, connector: str) -> None:
    connection_id = hub.setting.connections[connector]
    (reference,) = hub.buy(connector, (sorted(PRICES)[0], 1))
    hub.shows(connection_id, reference, "SHIPPED")
    story = hub.story(connection_id, reference)
    (trace_id,) = {event["traceparent"].split("-")[1] for event in story["timeline"]}
    told = {event["event_id"] for event in story["timeline"]}

    def arrived() -> list[SeenSpan] | None:
        spans = hub.traces.trace(trace_id)
        shown = {s.attributes["messaging.message.id"] for s in spans if s.service == "ops-console"}
        return spans if told <= shown and not broken_chains(spans) else None

    try:
        spans = eventually(arrived, "every span has arrived", 15)
    except AssertionError:
        pytest.fail(f"{broken_chains(hub.traces.trace(trace_id))}")
    (root,) = [span for span in spans if not span.parent_id]
    assert (root.service, root.name) == ("order-ingest", "read order")
    assert set(MAIN_PATH) <= set(by_service(spans))
    attempts = [span for span in spans if span.name in EFFECTS]
    assert {span.name for span in attempts} == EFFECTS
    effects = {effect["effect_id"] for effect in hub.effects(story["order"]["order_id"])}
    assert {span.attributes["hub.effect.id"] for span in attempts} <= effects
    calls = [span for span in spans if span.kind == "CLIENT"]
    assert {by_id.name for by_id in attempts} <= {path_to(spans, call)[-2] for call in calls}
    (ship,) = [span for span in attempts if span.name == "effect ship"]
    path = path_to(spans, ship)
    assert path[0] == "read order"
    hops = ["send hub.orders", "send hub.routes", "send hub.shop-activity", "send hub.parcels"]
    assert [name for name in path if name in hops] == hops
    _nothing_private(spans, reference)


def _nothing_private(spans: list[SeenSpan], reference: str) -> None:
    """Neither the marketplace's reference nor anything of an address is in a span."""
    text = str([(span.name, span.attributes) for span in spans])
    assert reference not in text
    assert "@" not in text
