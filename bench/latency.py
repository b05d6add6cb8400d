"""From an event committed in one service to the effect it causes, claimed in the next, at a steady rate of orders.

Two service processes with everything on (relay, leases, gauges, web), a database each, and a real broker between them.
Times are taken from the machine's monotonic clock, which both processes share.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from bench.options import Options
from bench.report import Figure
from bench.stage import Stage
from hub_common.ids import SystemIds
from hub_common.kafka.client import ensure_topics
from hub_common.runtime import Runtime
from hub_common.testing.harness import settings_for
from hub_common.testing.probe.handlers import UPSERT
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause
from hub_contracts.examples import EXAMPLE_BY_TYPE
from hub_contracts.orders import OrderReceived
from hub_contracts.topics import ACCEPTANCES, ORDERS, TOPIC_BY_NAME
from hub_tools.setup.paths import REPO

WARM_SECONDS = 3.0
"""Not counted: plans are made, connections opened, groups joined."""
REST_SECONDS = 3.0
"""For the last orders to arrive."""
END_SECONDS = 30.0


@asynccontextmanager
async def _effects_service(dsn: str, kafka: str, prefix: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.latency_effects",
        cwd=REPO,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 28,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # Not on the command line, which everybody can read: the address holds a password.
        process.stdin.write(json.dumps({"dsn": dsn, "kafka": kafka, "prefix": prefix}).encode() + b"\n")
        line = await process.stdout.readline()
        assert line == b"ready\n", f"the second service did not start: {line!r}"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _tell(runtime: Runtime, template: OrderReceived, committed: dict[str, int]) -> None:
    """One order as order-ingest stores it: a row and its event, in one transaction."""
    order_id: UUID = runtime.ids.new()
    data = template.model_copy(update={"order": template.order.model_copy(update={"order_id": order_id})})
    async with runtime.transactions.begin() as tx:
        await tx.conn.execute(UPSERT, [str(order_id)], [1])
        tx.emit(data, key=order_id, cause=Cause(tenant="tenant-1"))
    committed[str(order_id)] = time.monotonic_ns()


async def _offer(runtime: Runtime, rate: float, seconds: float) -> tuple[dict[str, int], list[float]]:
    """Commit orders at a fixed rate, whatever becomes of them.

    Returns when each was committed, and how late the machine let us begin each (ms): what no code can make up for.
    """
    template = EXAMPLE_BY_TYPE["order.received.v1"].data
    assert isinstance(template, OrderReceived)
    committed: dict[str, int] = {}
    late: list[float] = []
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            late.append((time.monotonic() - due) * 1e3)
            group.create_task(_tell(runtime, template, committed))
    return committed, sorted(late)


async def measure(stage: Stage, options: Options) -> list[Figure]:
    """Figures of latency, in milliseconds."""
    prefix = f"b{SystemIds().new().hex[-8:]}-"
    await ensure_topics(stage.kafka, [TOPIC_BY_NAME[ORDERS], TOPIC_BY_NAME[ACCEPTANCES]], prefix=prefix)
    spec = replace(SPEC, name="bench-orders", own_topic=ORDERS, listens=(), routes={})
    async with (
        stage.database() as first,
        stage.database() as second,
        _effects_service(second, stage.kafka, prefix) as process,
    ):
        settings = settings_for(spec, first, kafka=stage.kafka, topic_prefix=prefix, auto_migrate=False)
        runtime = Runtime(spec, settings)
        await runtime.start()
        try:
            await _offer(runtime, options.rate, WARM_SECONDS)
            committed, late = await _offer(runtime, options.rate, options.seconds)
            await asyncio.sleep(REST_SECONDS)
        finally:
            await runtime.stop()
        async with asyncio.timeout(END_SECONDS):
            answer, _ = await process.communicate(b"")
    seen = json.loads(answer)
    return _figures(options, committed, late, seen["handled"], seen["claimed"])


def _figures(
    options: Options,
    committed: dict[str, int],
    late: Sequence[float],
    handled: dict[str, int],
    claimed: dict[str, int],
) -> list[Figure]:
    missing = sum(1 for order_id in committed if order_id not in claimed)
    whole = sorted((claimed[order_id] - at) / 1e6 for order_id, at in committed.items() if order_id in claimed)
    arrival = sorted((handled[order_id] - at) / 1e6 for order_id, at in committed.items() if order_id in handled)
    if missing:
        print(f"  {missing} of {len(committed)} orders had not arrived {REST_SECONDS:.0f} s after the last")
    return [
        Figure(
            bench="latency",
            what=f"event committed → effect claimed, {name}",
            against=f"{options.rate:g} orders/s, {len(whole):,} orders",
            measured=f"handler {percentile(arrival, share):.1f} ms; timers {percentile(late, share):.1f} ms late",
            value=round(percentile(whole, share), 1),
            spread=f"{whole[0]:.1f}–{whole[-1]:.1f}",
            target=target,
            unit="ms",
            higher=False,
            details={
                "missing": missing,
                "to_handler_ms": round(percentile(arrival, share), 1),
                "timers_late_ms": round(percentile(late, share), 1),
                "load_average": os.getloadavg()[0],
            },
        )
        for name, share, target in (("p50", 0.50, 30.0), ("p99", 0.99, 100.0))
    ]


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the sorted values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


if __name__ == "__main__":
    from bench.main import alone

    raise SystemExit(alone("latency"))
