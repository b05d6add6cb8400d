"""The second service of the latency run, in a process of its own: plans an effect per order, claims it, notes when.

Run by `bench.latency`: configuration comes in the environment, "ready" goes out when partitions are assigned, and when
standard input ends, one JSON object follows: order id → nanoseconds of the machine's monotonic clock at which the
handler saw the order and at which the committed claim was in hand.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import uvloop

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.discovery import load_connectors
from connector_kit.manifest import Budget, EffectPolicy, EnvironmentAddress, Manifest
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from hub_common.effects.model import Effect, EffectKind, PlannedEffect, Settled
from hub_common.logs import setup_logging
from hub_common.memory import tune_collector
from hub_common.runtime import Runtime
from hub_common.testing.harness import Harness, settings_for
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause, Tx
from hub_contracts.base import Fact
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.envelope import Event
from hub_contracts.orders import Environment, OrderReceived
from hub_contracts.topics import ACCEPTANCES, ORDERS

ACCOUNTS = 10
"""Marketplace accounts that the orders are spread over; work for one account is done by one lane."""
CONNECTOR = "bench"
OPERATION = "answer"
JOIN_SECONDS = 60.0


class Answer(Fact):
    """Request of the effects of this run."""

    order_id: UUID


class Nowhere:
    """A connector that exists for its manifest; effects are sent one by one, as most marketplaces want them."""

    manifest = Manifest(
        name=CONNECTOR,
        title="Bench",
        kind=ConnectionKind.MARKETPLACE,
        version="1",
        capabilities=frozenset(),
        environments=(EnvironmentAddress(environment=Environment.SANDBOX, base_url="http://127.0.0.1:1"),),
        auth_fields=(),
        budgets=(Budget(operation=OPERATION, calls=100_000, per_seconds=1, burst=100_000, owner="bench"),),
        effects=(EffectPolicy(operation=OPERATION),),
    )

    def connect(self, context: ConnectionContext) -> object:
        """There is nothing to connect to."""
        return self

    def build_sandbox(self, options: SandboxOptions) -> object:
        """There is nothing to simulate."""
        return self


class Seen:
    """When each order got how far, in nanoseconds of the monotonic clock."""

    def __init__(self) -> None:
        self.handled: dict[str, int] = {}
        self.claimed: dict[str, int] = {}

    async def on_received(self, tx: Tx, events: Sequence[Event[OrderReceived]]) -> None:
        """Plan an answer per order."""
        now = time.monotonic_ns()
        for event in events:
            order_id = event.data.order.order_id
            self.handled[str(order_id)] = now
            account = order_id.int % ACCOUNTS
            tx.plan(
                PlannedEffect(
                    kind=OPERATION,
                    natural_key=f"answer:{order_id}",
                    connection_id=UUID(int=account + 1),
                    credential_ref=f"account-{account}",
                    request=Answer(order_id=order_id),
                    cause=Cause.of(event.meta),
                    order_key=str(order_id),
                    order_id=order_id,
                )
            )

    async def execute(self, _: Any, effects: Sequence[Effect]) -> Sequence[Outcome]:
        """Called when the claim is committed; the call itself takes no time."""
        now = time.monotonic_ns()
        self.claimed.update({effect.request["order_id"]: now for effect in effects})
        return [Outcome.done() for _ in effects]

    async def probe(self, _: Any, effect: Effect) -> ProbeResult:
        """Never asked: no answer is ambiguous."""
        return ProbeResult(ProbeState.APPLIED, "it was")

    async def on_settled(self, tx: Tx, ended: Sequence[Settled]) -> None:
        """Nothing follows."""


def account(number: int) -> ConnectionChanged:
    """One connected marketplace account."""
    return ConnectionChanged(
        connection_id=UUID(int=number + 1),
        connector=CONNECTOR,
        kind=ConnectionKind.MARKETPLACE,
        label=f"account {number}",
        environment=Environment.SANDBOX,
        state=ConnectionState.ACTIVE,
        credential_ref=f"account-{number}",
    )


async def main(dsn: str, kafka: str, prefix: str) -> dict[str, dict[str, int]]:
    """Serve until standard input ends; returns what was seen."""
    load_connectors()[CONNECTOR] = Nowhere()
    seen = Seen()
    kind = EffectKind(OPERATION, OPERATION, seen.execute, seen.probe, seen.on_settled)
    spec = replace(
        SPEC,
        name="bench-effects",
        own_topic=ACCEPTANCES,
        listens=(ORDERS,),
        routes={OrderReceived: seen.on_received},
        effects=lambda _: (kind,),
    )
    async with Harness(spec, dsn, kafka=kafka) as before:
        await before.feed(*((data.connection_id, data) for data in map(account, range(ACCOUNTS))))
    runtime = Runtime(spec, settings_for(spec, dsn, kafka=kafka, topic_prefix=prefix, auto_migrate=False))
    await runtime.start()
    async with asyncio.timeout(JOIN_SECONDS):
        # The client tells nobody that it has joined.
        while not (client := runtime.consumer._client) or not client.assignment():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    tune_collector()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runtime.stop()
    return {"handled": seen.handled, "claimed": seen.claimed}


if __name__ == "__main__":
    setup_logging("json", "WARNING", stream=sys.stderr)
    given = json.loads(sys.stdin.readline())
    print(json.dumps(uvloop.run(main(**given))), flush=True)
