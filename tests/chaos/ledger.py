"""What must hold after every fault: nothing lost, nothing done twice, order kept per key, both ledgers equal."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from typing import Any
from uuid import uuid4

import asyncpg
import orjson

from hub_common.kafka.client import KafkaConsumer
from hub_contracts.topics import TOPICS
from hub_tools.demo.outside import Outside
from hub_tools.stack.waiting import run_sync

from .world import ROUND_SECONDS, World

OWNERS = {
    "accept": "order-acceptance",
    "refuse": "order-acceptance",
    "create_order": "shop-gateway",
    "ship": "shipment-notifier",
    "refund": "refund-service",
}


SETTLE_SECONDS = 60.0
"""Returns and their refunds follow shipments; both sides are compared until they agree, at most this long."""


def check_everything(world: World) -> None:
    """Raise an AssertionError that names every order, effect or key for which something does not hold."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (differences := _compare(world)) and time.monotonic() < deadline:
        world.settle_doubts()
        time.sleep(ROUND_SECONDS)
    problems = differences + run_sync(_dead_letters(world)) + run_sync(_order_per_key(world))
    assert not problems, "\n".join(problems[:40])


def _compare(world: World) -> list[str]:
    outside = world.outside()
    return [f"done twice: {text}" for text in outside.doubles()] + run_sync(_ledgers_differ(world, outside))


async def _rows(world: World, service: str, sql: str) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(world.cluster.dsn(service))
    try:
        return await conn.fetch(sql)
    finally:
        await conn.close()


async def _dead_letters(world: World) -> list[str]:
    found: list[str] = []
    for name in world.cluster.specs:
        rows = await _rows(world, name, "SELECT topic, error FROM dead_letters WHERE state = 'open'")
        found += [f"dead letter in {name} from {row['topic']}: {row['error'][:200]}" for row in rows]
    return found


async def _ledgers_differ(world: World, outside: Outside) -> list[str]:
    """The hub's ledger says DONE for exactly what the outside's own record says it applied."""
    problems: list[str] = []
    for kind, service in OWNERS.items():
        rows = await _rows(
            world, service, f"SELECT natural_key, request FROM effects WHERE kind = '{kind}' AND state = 'DONE'"
        )
        ours: Counter[str] = Counter(_reference(kind, orjson.loads(row["request"])) for row in rows)
        theirs = outside.applied(kind)
        problems += [
            f"{kind} of {what}: the hub says {ours[what]}, the outside {theirs[what]}"
            for what in sorted(ours.keys() | theirs.keys())
            if ours[what] != theirs[what]
        ]
    return problems


def _reference(kind: str, request: dict[str, Any]) -> str:
    if kind == "create_order":
        return str(request["route_id"])
    if kind == "ship":
        return f"{request['order_reference']} parcel {request['tracking_number']}"
    return str(request["order_reference"])


async def _order_per_key(world: World) -> list[str]:
    """First occurrences of a key's events carry the versions 1, 2, 3… without a gap, on every topic."""
    problems: list[str] = []
    for topic in TOPICS:
        if topic.compacted:
            continue
        seen: set[bytes] = set()
        versions: dict[bytes, list[int]] = defaultdict(list)
        for headers, key in await _read(world.cluster.stack.bootstrap_servers, topic.name):
            if headers["ce_id"] not in seen:
                seen.add(headers["ce_id"])
                versions[key].append(int(headers["aggregate_version"]))
        problems += [
            f"{topic.name} {key.decode()}: versions {found}"
            for key, found in versions.items()
            if found != list(range(1, len(found) + 1))
        ]
    return problems


async def _read(bootstrap: str, topic: str) -> list[tuple[dict[str, bytes], bytes]]:
    async def nothing(_: object) -> None:
        return None

    consumer = KafkaConsumer(
        bootstrap, f"check-{uuid4().hex}", [topic], client_id="check", fetch_max_wait_ms=50, on_revoked=nothing
    )
    await consumer.start()
    found: list[tuple[dict[str, bytes], bytes]] = []
    silent = 0
    try:
        while silent < 4:
            records = await consumer.poll(5000, 250)
            silent = 0 if records else silent + (1 if consumer.assignment() else 0)
            found += [(dict(record.headers), record.key or b"") for record in records if record.headers]
            await asyncio.sleep(0)
    finally:
        await consumer.stop()
    return found
