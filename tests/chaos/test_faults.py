"""Nothing lost, nothing done twice, whatever breaks. One hub, one fault after the other, checked after each.

`HUB_CHAOS_ORDERS=2000 make chaos` takes longer and proves more.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .ledger import check_everything
from .world import ORDERS, World, running_world

pytestmark = [pytest.mark.chaos, pytest.mark.stack, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = Path(tmp_path_factory.mktemp("chaos"))
    folder.chmod(0o755)
    with running_world(folder) as running:
        yield running


def test_services_are_killed_one_after_the_other_under_load(world: World) -> None:
    """kill -9 of each service, in random order, while orders keep coming."""
    draw = random.Random(7)
    victims = sorted(world.cluster.specs)
    draw.shuffle(victims)
    for victim in victims:
        world.orders(max(1, ORDERS // len(victims)))
        world.cluster.supervisor.kill(victim)
        world.orders(1)
        world.revive()
    world.until_done()
    check_everything(world)


def test_the_broker_stops_and_comes_back(world: World) -> None:
    world.orders(ORDERS // 2)
    world.broker.stop()
    world.orders(ORDERS // 4)
    world.until(lambda: world.waiting_events("order-ingest") > 0, "events that wait for the broker")
    world.broker.start()
    world.orders(ORDERS // 4)
    world.until_done()
    check_everything(world)


def test_the_database_is_killed_and_comes_back(world: World) -> None:
    world.orders(ORDERS // 2)
    before = sum(world.outside().effects.values())
    world.until(lambda: sum(world.outside().effects.values()) > before, "work in progress")
    world.postgres.kill()
    world.until(lambda: world.database_is_missed("order-acceptance"), "a service that misses its database")
    world.postgres.start()
    world.orders(ORDERS // 2)
    world.until_done()
    check_everything(world)


MISBEHAVIOUR: dict[str, list[dict[str, Any]]] = {
    "manomano": [
        {"fault": "timeout_after_effect", "operation": "accept", "probability": 0.3},
        {"fault": "timeout_after_effect", "operation": "ship", "probability": 0.2},
        {"fault": "missing_item_207", "operation": "accept", "probability": 0.3},
        {"fault": "error_500_after_effect", "operation": "ship", "probability": 0.1},
        {"fault": "rate_limit_gateway", "operation": "list_orders", "times": 2},
        {"fault": "rate_limit_cloudflare", "operation": "accept", "times": 1},
        {"fault": "timeout_after_effect", "operation": "refund", "times": 1},
    ],
    "mirakl": [
        {"fault": "timeout_after_effect", "operation": "accept", "probability": 0.1},
        {"fault": "timeout_after_effect", "operation": "ship", "probability": 0.1},
        {"fault": "error_500_after_effect", "operation": "accept", "probability": 0.1},
        {"fault": "error_500_after_effect", "operation": "refund", "times": 1},
        {"fault": "error_500_before_effect", "operation": "ship", "probability": 0.1},
        {"fault": "rate_limit", "operation": "list_orders", "times": 2},
        {"fault": "page_shift", "operation": "list_orders", "times": 2},
    ],
    "generic_shop": [
        {"fault": "error_500_after_effect", "operation": "create_order", "probability": 0.2},
        {"fault": "timeout_after_effect", "operation": "create_order", "probability": 0.05},
        {"fault": "duplicate_posts", "probability": 0.3},
        {"fault": "reordered_posts", "probability": 0.3},
    ],
}


def test_the_outside_misbehaves(world: World) -> None:
    """Time-outs after the effect, missing items, 429 in both shapes, 500 before and after it, repeated posts."""
    for connector, rules in MISBEHAVIOUR.items():
        world.faults(connector, *rules)
    shipped = len(world.outside().shipped())
    world.orders(ORDERS)
    world.until(
        lambda: len(world.outside().shipped()) >= shipped + ORDERS // 2,
        "half of the orders shipped in spite of it",
        180,
    )
    for connector in MISBEHAVIOUR:
        world.faults(connector)
    world.until_done()
    check_everything(world)


def test_everything_at_once(world: World) -> None:
    """A misbehaving outside, kills, and a broker that goes away in the middle of it."""
    for connector, rules in MISBEHAVIOUR.items():
        world.faults(connector, *(rule for rule in rules if "probability" in rule))
    draw = random.Random(11)
    for number in range(6):
        world.orders(max(1, ORDERS // 6))
        world.cluster.supervisor.kill(draw.choice(sorted(world.cluster.specs)))
        if number == 3:
            world.broker.restart()
        world.orders(1)
        world.revive()
    for connector in MISBEHAVIOUR:
        world.faults(connector)
    world.until_done()
    check_everything(world)
