"""Call budgets of a whole service: over replicas and their deaths, lanes, batches, forecasts, penalties, the API.

The outside is a real server on loopback; time is the injected clock, moved by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.discovery import load_connectors
from connector_kit.http import Call, Lane, NotSent
from connector_kit.manifest import Budget, EffectPolicy, EnvironmentAddress, Manifest
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from hub_common.clock import ManualClock
from hub_common.effects.model import Effect, EffectKind, PlannedEffect, Settled
from hub_common.http.budget_forecast import PlannedCalls
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause, Tx
from hub_common.web import WebServer
from hub_contracts.base import Fact
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.orders import Environment

CONNECTION = UUID(int=7)
HOUR = 3600


class Ask(Fact):
    """Request of the effects in these tests."""

    what: str


@dataclass
class Market:
    """The outside: notes when it was called, on which lane and with how many items; answers by script."""

    clock: ManualClock
    calls: list[tuple[float, str, int]] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    hang: asyncio.Event | None = None
    url: str = ""

    def app(self) -> FastAPI:
        """The server."""
        app = FastAPI()

        @app.post("/{operation}")
        async def called(operation: str, request: Request) -> Response:
            lane = request.headers["x-lane"]
            self.calls.append((self.clock.monotonic(), lane, int(request.headers["x-items"])))
            if self.hang is not None and lane != "DEADLINE":
                await self.hang.wait()
            return self.answers.pop(0) if self.answers else Response("{}", media_type="application/json")

        return app

    def lanes(self) -> list[str]:
        """Lanes of the calls in their order."""
        return [lane for _, lane, _ in self.calls]


class FakeConnector:
    """A connector with one operation (`do`) that carries several items, and a second one (`other`)."""

    def __init__(self, *budgets: Budget, batch_size: int = 1, quota: Any = "per_operation") -> None:
        self.manifest = Manifest(
            name="fake",
            title="Fake",
            kind=ConnectionKind.MARKETPLACE,
            version="1",
            capabilities=frozenset(),
            environments=(EnvironmentAddress(environment=Environment.SANDBOX, base_url="http://127.0.0.1:1"),),
            auth_fields=(),
            quota=quota,
            budgets=budgets,
            effects=(EffectPolicy(operation="do", kinds=("do", "set"), batch_size=batch_size, settle_seconds=0),),
        )

    def connect(self, context: ConnectionContext) -> ConnectionContext:
        """Tests call through the context itself."""
        return context

    def build_sandbox(self, options: SandboxOptions) -> Any:
        """It has none."""
        raise LookupError("no simulator")


async def post(context: ConnectionContext, items: int = 1, operation: str = "do") -> Outcome:
    """One call on the lane of the connector object."""
    headers = {"x-lane": context.lane.name, "x-items": str(items)}
    try:
        answer = await context.http.call(Call(operation, "POST", f"/{operation}", headers=headers, lane=context.lane))
    except NotSent as error:
        return Outcome.retry(str(error), after=error.retry_after)
    return Outcome.done() if answer.status == 200 else Outcome.retry(f"HTTP {answer.status}")


async def execute(context: Any, effects: Sequence[Effect]) -> Sequence[Outcome]:
    return [await post(context, len(effects))] * len(effects)


async def probe(_context: Any, _effect: Effect) -> ProbeResult:
    return ProbeResult(ProbeState.UNDECIDED, "nobody looks")


async def settled(_tx: Tx, _ended: Sequence[Settled]) -> None:
    return None


KINDS = tuple(EffectKind(kind, "do", execute, probe, settled) for kind in ("do", "set"))


def declared(calls: int = 30, burst: int = 30, reserve: int = 0, operation: str = "do") -> Budget:
    return Budget(
        operation=operation, calls=calls, per_seconds=HOUR, burst=burst, owner="probe", deadline_reserve=reserve
    )


@dataclass
class World:
    """Replicas of the probe service on one database, one marketplace, one clock."""

    dsn: str
    clock: ManualClock
    market: Market
    stack: AsyncExitStack
    plan: list[PlannedCalls] = field(default_factory=list)
    replicas: int = 0

    async def replica(self, **settings: Any) -> Harness:
        """Start one more."""
        self.replicas += 1

        async def planned(_: Any) -> Sequence[PlannedCalls]:
            return self.plan

        spec = replace(SPEC, effects=lambda _: KINDS, planned_calls=planned)
        harness = Harness(spec, self.dsn, clock=self.clock, instance=f"replica-{self.replicas}", **settings)
        return await self.stack.enter_async_context(harness)

    async def connect(self, harness: Harness, **changes: Any) -> None:
        """Make the connection known; other replicas find it in the database."""
        values: dict[str, Any] = {
            "connection_id": CONNECTION,
            "connector": "fake",
            "kind": ConnectionKind.MARKETPLACE,
            "label": "test",
            "environment": Environment.SANDBOX,
            "state": ConnectionState.ACTIVE,
            "base_url": self.market.url,
            "credential_ref": "c1",
        }
        await harness.feed((CONNECTION, ConnectionChanged(**(values | changes))))

    async def let_time_pass(self, harness: Harness, seconds: float, step: float = 5.0) -> None:
        """Run what a replica does in this time, in steps."""
        for _ in range(int(seconds / step)):
            self.clock.advance(step)
            await harness.make_due()
            await harness.run_effects()


UseConnector = Callable[[FakeConnector], None]


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        clock = ManualClock()
        market = Market(clock)
        server = WebServer(market.app(), drain_seconds=0)
        await server.start()
        stack.push_async_callback(server.stop)
        market.url = server.url
        yield World(database, clock, market, stack)
        load_connectors().pop("fake", None)


def use(*budgets: Budget, batch_size: int = 1, quota: str = "per_operation") -> None:
    load_connectors()["fake"] = FakeConnector(*budgets, batch_size=batch_size, quota=quota)


def effect(what: str, **changes: Any) -> PlannedEffect:
    values: dict[str, Any] = {
        "kind": "do",
        "natural_key": f"do:{what}",
        "connection_id": CONNECTION,
        "credential_ref": "c1",
        "request": Ask(what=what),
        "cause": Cause(tenant="t"),
        "order_key": what,
    }
    return PlannedEffect(**(values | changes))


async def plan(harness: Harness, *effects: PlannedEffect) -> None:
    async with harness.runtime.transactions.begin() as tx:
        tx.plan(*effects)


async def directly(harness: Harness, lane: Lane = Lane.LIVE, operation: str = "do") -> Outcome:
    """A call beside the effect worker, as pollers and people's checks make them, without any lease."""
    return await post(harness.runtime.book.connector(CONNECTION, lane), operation=operation)


def most_in_an_hour(market: Market) -> int:
    times = [at for at, _, _ in market.calls]
    return max((sum(1 for at in times[i:] if at < start + HOUR) for i, start in enumerate(times)), default=0)


async def die(harness: Harness) -> None:
    """The process is gone: nothing is released or saved; its leases run out."""
    await harness.runtime.pool.execute(
        "UPDATE leases SET until = now() - interval '1 s' WHERE owner = $1", harness.runtime.instance
    )
    harness.runtime.leases._believed_until = 0.0


async def test_two_replicas_and_a_crash_never_exceed_the_budget_together(world: World) -> None:
    use(declared(calls=30, burst=30))
    one = await world.replica()
    await world.connect(one)
    two = await world.replica()
    await plan(one, *(effect(str(number)) for number in range(300)))
    await one.run_effects(rounds=1)
    assert 0 < len(world.market.calls) <= 30
    # The second replica has no lease of the credential and calls all the same, at the same time as the first.
    await two.lease()
    await asyncio.gather(*(directly(each) for each in (one, two) for _ in range(20)))
    await die(one)
    for _ in range(12):
        world.clock.advance(600)
        await two.make_due()
        await asyncio.gather(two.run_effects(), *(directly(one) for _ in range(3)))
    assert most_in_an_hour(world.market) <= 30
    assert len(world.market.calls) >= 58, "what is allowed is used"


async def test_a_replica_that_takes_over_begins_with_what_is_left(world: World) -> None:
    use(declared(calls=30, burst=30))
    one = await world.replica()
    await world.connect(one)
    await plan(one, *(effect(str(number)) for number in range(20)))
    await one.run_effects()
    await die(one)
    two = await world.replica()
    await two.lease()
    manifest = two.runtime.book.manifest(CONNECTION)
    budget = two.runtime.callers.budget(two.runtime.book.connection(CONNECTION), manifest)
    assert budget.available("do", Lane.DEADLINE) <= 10


GATEWAY = Response('{"message": "Too Many Requests"}', 429, {"retry-after": "90"}, "application/json")
CLOUDFLARE = Response('{"error_code": 1015, "retry_after": 90}', 429, media_type="application/json")
SILENT = Response("{}", 429, media_type="application/json")


@pytest.mark.parametrize(
    ("quota", "answer", "other_waits"),
    [
        ("shared", GATEWAY, True),
        ("shared", CLOUDFLARE, True),
        ("shared", SILENT, True),
        ("per_operation", GATEWAY, False),
        ("per_operation", CLOUDFLARE, True),
        ("per_operation", SILENT, False),
    ],
)
async def test_a_refusal_silences_what_shares_the_quota_and_survives_a_restart(
    world: World, quota: str, answer: Response, other_waits: bool
) -> None:
    use(declared(), declared(operation="other"), quota=quota)
    one = await world.replica()
    await world.connect(one)
    world.market.answers = [answer]
    await directly(one)
    await die(one)
    two = await world.replica()
    await two.lease()
    assert len(world.market.calls) == 1
    first, other = await directly(two, Lane.DEADLINE), await directly(two, Lane.DEADLINE, "other")
    assert "budget" in first.reason
    assert ("budget" in other.reason) is other_waits
    world.clock.advance(30 if answer is SILENT else 90)
    assert (await directly(two, Lane.DEADLINE)).state == "done"
    assert "budget" in (await directly(two, Lane.LIVE)).reason, "after a refusal calls begin one by one"


async def test_refusals_without_a_hint_double_up_to_ten_minutes_until_an_answer(world: World) -> None:
    use(declared(calls=1000, burst=1000))
    one = await world.replica()
    await world.connect(one)
    waits = []
    for _ in range(7):
        world.market.answers = [SILENT]
        await directly(one)
        waits.append((await directly(one)).retry_after)
        world.clock.advance(waits[-1] or 0)
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    await directly(one)
    world.clock.advance(60)
    world.market.answers = [SILENT]
    await directly(one)
    assert (await directly(one)).retry_after == 30


async def test_a_full_stock_lane_never_delays_an_acceptance(world: World) -> None:
    use(declared(calls=60, burst=5, reserve=1))
    one = await world.replica()
    await world.connect(one)
    await plan(one, *(effect(f"s{number}", kind="set", lane=Lane.STOCK) for number in range(200)))
    late = []
    for number in range(20):
        await world.let_time_pass(one, 175)
        asked_at = world.clock.monotonic()
        await plan(one, effect(f"a{number}", lane=Lane.DEADLINE, deadline=world.clock.now() + timedelta(hours=40)))
        await one.run_effects()
        made = [at for at, lane, _ in world.market.calls if lane == "DEADLINE"]
        late.append(made[number] - asked_at if len(made) > number else None)
    assert late == [0.0] * 20
    stock = world.market.lanes().count("STOCK")
    assert stock >= 30, "what acceptances leave is used"
    assert most_in_an_hour(world.market) <= 60


async def test_slow_calls_of_other_lanes_do_not_keep_an_acceptance_waiting(world: World) -> None:
    use(declared(calls=600, burst=60, reserve=2))
    one = await world.replica(call_timeout_seconds=60)
    await world.connect(one)
    worker = one.runtime.effects
    assert worker is not None
    world.market.hang = asyncio.Event()
    await plan(one, *(effect(f"s{number}", kind="set", lane=Lane.STOCK) for number in range(20)))
    await one.lease()
    try:
        async with asyncio.timeout(10):
            await worker.step()
            while world.market.lanes().count("STOCK") < 4:
                await one.runtime.pool.fetchval("SELECT 1")
            await plan(one, effect("a", lane=Lane.DEADLINE, deadline=world.clock.now() + timedelta(hours=40)))
            await worker.step()
            while "DEADLINE" not in world.market.lanes():
                await one.runtime.pool.fetchval("SELECT 1")
        assert world.market.lanes() == ["STOCK"] * 4 + ["DEADLINE"]
    finally:
        world.market.hang.set()
        await worker.finish(10)


async def test_who_waits_longest_on_a_higher_lane_gets_the_next_call(world: World) -> None:
    use(declared(calls=60, burst=1))
    one = await world.replica()
    await world.connect(one)
    await directly(one)
    held = await directly(one, Lane.LIVE)
    assert held.retry_after == 60
    world.clock.advance(60)
    assert "budget" in (await directly(one, Lane.BULK)).reason, "the call that comes free is not for bulk work"
    assert (await directly(one, Lane.LIVE)).state == "done"
    world.clock.advance(60)
    assert (await directly(one, Lane.BULK)).state == "done", "nobody else wants it"


async def batches(world: World, one: Harness, *effects: PlannedEffect) -> list[int]:
    """Sizes of the calls that a minute brings when these effects are planned ten seconds apart."""
    before = len(world.market.calls)
    await one.runtime._gauges_step()
    for each in effects:
        await plan(one, each)
        await world.let_time_pass(one, 10)
        await one.runtime._gauges_step()
    await world.let_time_pass(one, 60)
    return [items for _, _, items in world.market.calls[before:]]


async def test_effects_wait_for_a_fuller_batch_only_where_calls_are_short(world: World) -> None:
    use(declared(calls=20, burst=5), batch_size=50)
    one = await world.replica()
    await world.connect(one)
    far = world.clock.now() + timedelta(hours=40)
    wanted = [effect(f"a{number}", lane=Lane.DEADLINE, deadline=far) for number in range(3)]
    assert await batches(world, one, *wanted) == [1, 1, 1], "calls last: nothing waits"
    world.plan = [PlannedCalls("c1", "do", per_hour=19)]
    world.clock.advance(HOUR)
    more = [effect(f"b{number}", lane=Lane.DEADLINE, deadline=far) for number in range(3)]
    assert await batches(world, one, *more) == [3], "calls are short: one call carries all"


async def test_nothing_waits_when_a_deadline_nears_or_a_batch_is_full(world: World) -> None:
    use(declared(calls=20, burst=5), batch_size=2)
    one = await world.replica()
    await world.connect(one)
    world.plan = [PlannedCalls("c1", "do", per_hour=19)]
    near = world.clock.now() + timedelta(minutes=20)
    far = world.clock.now() + timedelta(hours=40)
    await one.runtime._gauges_step()
    await plan(one, effect("far", lane=Lane.DEADLINE, deadline=far))
    await one.run_effects()
    assert world.market.calls == []
    await plan(one, effect("near", lane=Lane.DEADLINE, deadline=near))
    await one.run_effects()
    assert [items for _, _, items in world.market.calls] == [2]
    await plan(one, effect("near too", lane=Lane.DEADLINE, deadline=near))
    await one.run_effects()
    assert [items for _, _, items in world.market.calls] == [2, 1]
    await plan(one, effect("no deadline known", lane=Lane.DEADLINE))
    await one.run_effects()
    assert [items for _, _, items in world.market.calls] == [2, 1, 1]
    await plan(one, effect("x", lane=Lane.STOCK), effect("y", lane=Lane.STOCK))
    await one.run_effects()
    assert [items for _, _, items in world.market.calls] == [2, 1, 1, 2]


async def test_budgets_are_shown_alike_by_every_replica(world: World) -> None:
    use(declared(calls=250, burst=20, reserve=3), declared(operation="other"), quota="shared")
    one = await world.replica()
    await world.connect(one)
    two = await world.replica()
    await two.lease()
    await one.lease()
    for _ in range(4):
        await directly(one)
    await plan(one, *(effect(str(number), not_before=world.clock.now() + timedelta(days=900)) for number in range(176)))
    await plan(one, effect("resync", kind="set", lane=Lane.BULK))
    items = []
    for each in (one, two):
        address = f"{await each.serve()}/v1/operations/budgets"
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {OPERATOR_TOKEN}"}) as client:
            assert (await httpx.AsyncClient().get(address)).status_code == 401
            items.append((await client.get(address)).json()["items"])
            assert (await client.get(address, params={"verdict": "short"})).json()["items"] == []
            assert (await client.get(address, params={"connector": "unknown"})).json()["total"] == 0
    assert items[0] == items[1]
    shown = next(item for item in items[0] if item["operation"] == "do")
    assert shown["connections"] == [str(CONNECTION)]
    assert (shown["calls"], shown["window_seconds"], shown["reserve"], shown["burst"]) == (250, HOUR, 3, 20)
    assert 4 <= shown["used"] <= 8
    assert shown["waiting"] == 176
    assert shown["forecast"].startswith("the next hour needs 180 of 250 calls, 176 of them wait now; tight; bulk work")
    assert shown["penalised_until"] is None
    assert "c1" not in str({k: v for k, v in shown.items() if k != "connections"}), "the reference itself is not shown"
    other = next(item for item in items[0] if item["operation"] == "other")
    assert (other["used"], other["verdict"]) == (0, "ok")


async def test_budgets_are_measured(world: World) -> None:
    use(declared(calls=10, burst=10), quota="shared")
    one = await world.replica()
    await world.connect(one)
    for _ in range(4):
        await directly(one)
    world.market.answers = [GATEWAY]
    await directly(one)
    await one.runtime._gauges_step()
    samples = {
        sample.name: sample.value
        for family in one.runtime.metrics.registry.collect()
        for sample in family.samples
        if sample.labels.get("operation") == "do" and sample.labels.get("connector") == "fake"
    }
    assert 0.5 <= samples["hub_call_budget_used_ratio"] <= 0.8
    assert samples["hub_call_budget_left"] == 0
    assert samples["hub_call_budget_penalised_seconds"] == pytest.approx(90)
    assert samples["hub_call_budget_forecast_ratio"] > 0
    assert 'credential="c1"' not in one.runtime.metrics.render().decode()


async def test_counts_of_credentials_long_gone_are_removed(world: World) -> None:
    use(declared())
    one = await world.replica()
    await world.connect(one)
    await directly(one)
    count = "SELECT count(*) FROM leases WHERE name LIKE 'budget:%'"
    await one.runtime._housekeeping_step()
    assert await one.runtime.pool.fetchval(count) == 1
    await one.runtime.pool.execute("UPDATE leases SET until = now() - interval '5 years'")
    await one.runtime._housekeeping_step()
    assert await one.runtime.pool.fetchval(count) == 0
