"""Effects on a real database: planned once, sent once, probed when in doubt, fenced when replayed, ordered per key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from connector_kit.capabilities import ConnectionContext, SandboxOptions
from connector_kit.discovery import load_connectors
from connector_kit.http import Lane, NotSent
from connector_kit.manifest import Budget, EffectPolicy, EnvironmentAddress, Manifest
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from hub_common.effects.model import Effect, EffectKind, PlannedEffect, Settled
from hub_common.effects.probing import judge
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause, Tx
from hub_contracts.base import Fact
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.envelope import Origin
from hub_contracts.orders import Environment
from hub_contracts.work import EffectInDoubt, EffectSettled, WorkParked

CONNECTION = UUID(int=7)


class Ask(Fact):
    """Request of the effects in these tests."""

    what: str


@dataclass
class Outside:
    """The outside as these tests script it: what each call answers and what probes see."""

    answers: list[Callable[[Effect], Outcome]] = field(default_factory=list)
    probes: list[ProbeResult] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)

    async def execute(self, _: Any, effects: Sequence[Effect]) -> Sequence[Outcome]:
        self.calls.append([effect.request["what"] for effect in effects])
        answer = self.answers.pop(0) if self.answers else (lambda _: Outcome.done())
        return [answer(effect) for effect in effects]

    async def probe(self, _: Any, effect: Effect) -> ProbeResult:
        return self.probes.pop(0)

    async def on_settled(self, _: Tx, ended: Sequence[Settled]) -> None:
        self.settled.extend(ended)

    @property
    def sent(self) -> list[str]:
        return [what for call in self.calls for what in call]


class FakeConnector:
    """A connector that only exists for its manifest."""

    def __init__(self, batch_size: int, confirmations: int) -> None:
        self.manifest = Manifest(
            name="fake",
            title="Fake",
            kind=ConnectionKind.MARKETPLACE,
            version="1",
            capabilities=frozenset(),
            environments=(EnvironmentAddress(environment=Environment.SANDBOX, base_url="http://127.0.0.1:1"),),
            auth_fields=(),
            budgets=(Budget(operation="do", calls=1000, per_seconds=1, burst=1000, owner="probe"),),
            effects=(
                EffectPolicy(operation="do", batch_size=batch_size, settle_seconds=0, confirmations=confirmations),
            ),
        )

    def connect(self, context: ConnectionContext) -> object:
        return object()

    def build_sandbox(self, options: SandboxOptions) -> object:
        return object()


@pytest.fixture
def fake() -> Iterator[FakeConnector]:
    connector = FakeConnector(batch_size=10, confirmations=1)
    load_connectors()["fake"] = connector
    yield connector
    del load_connectors()["fake"]


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
async def harness(database: str, fake: FakeConnector, outside: Outside) -> AsyncIterator[Harness]:
    kind = EffectKind("do", "do", outside.execute, outside.probe, outside.on_settled)
    async with Harness(replace(SPEC, effects=lambda _: (kind,)), database) as running:
        await running.feed((CONNECTION, connection(ConnectionState.ACTIVE)))
        yield running


def connection(state: ConnectionState) -> ConnectionChanged:
    return ConnectionChanged(
        connection_id=CONNECTION,
        connector="fake",
        kind=ConnectionKind.MARKETPLACE,
        label="test",
        environment=Environment.SANDBOX,
        state=state,
        credential_ref="c1",
    )


def planned(what: str, **changes: Any) -> PlannedEffect:
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


async def states(harness: Harness) -> dict[str, str]:
    return {row["request"]["what"]: row["state"] for row in await harness.effects()}


async def test_planned_twice_is_sent_once_and_told_once(harness: Harness, outside: Outside) -> None:
    await plan(harness, planned("a"), planned("b"))
    await plan(harness, planned("a"))
    await harness.run_effects()
    assert sorted(outside.sent) == ["a", "b"]
    assert len(outside.calls) == 1
    assert sorted(each.effect.request["what"] for each in outside.settled) == ["a", "b"]
    ledger = await harness.runtime.pool.fetch("SELECT * FROM effect_attempts")
    assert [row["result"] for row in ledger] == ["done", "done"]


@pytest.mark.parametrize("origin", [Origin.REPLAY, Origin.BACKFILL])
async def test_the_fence_drops_effects_of_replayed_and_backfilled_causes(
    harness: Harness, outside: Outside, origin: Origin
) -> None:
    await plan(harness, planned("a", cause=Cause(tenant="t", origin=origin)))
    await harness.run_effects()
    assert outside.sent == []
    assert await harness.effects() == []
    assert harness.runtime.transactions.fenced_total == 1


async def test_nothing_is_sent_for_a_paused_connection_and_all_of_it_after_resuming(
    harness: Harness, outside: Outside
) -> None:
    await harness.feed((CONNECTION, connection(ConnectionState.PAUSED)))
    await plan(harness, planned("a"))
    await harness.run_effects()
    assert outside.sent == []
    await harness.feed((CONNECTION, connection(ConnectionState.ACTIVE)))
    await harness.run_effects()
    assert outside.sent == ["a"]


async def test_unknown_is_probed_and_never_sent_again_when_it_was_applied(harness: Harness, outside: Outside) -> None:
    outside.answers = [lambda _: Outcome.unknown("time-out")]
    outside.probes = [ProbeResult(ProbeState.APPLIED, "the order shows it")]
    await plan(harness, planned("a"))
    await harness.run_effects()
    assert outside.sent == ["a"]
    assert await states(harness) == {"a": "DONE"}
    assert [each.confirmed_by for each in outside.settled] == ["probe"]
    told = [event.data for event in await harness.emitted()]
    assert [type(data) for data in told] == [EffectInDoubt, EffectSettled]


async def test_not_applied_is_sent_again_only_after_enough_confirmations(database: str, outside: Outside) -> None:
    load_connectors()["fake"] = FakeConnector(batch_size=1, confirmations=2)
    kind = EffectKind("do", "do", outside.execute, outside.probe, outside.on_settled)
    async with Harness(replace(SPEC, effects=lambda _: (kind,)), database) as harness:
        await harness.feed((CONNECTION, connection(ConnectionState.ACTIVE)))
        outside.answers = [lambda _: Outcome.unknown("time-out")]
        nothing = ProbeResult(ProbeState.NOT_APPLIED, "nothing there")
        outside.probes = [nothing, nothing]
        await plan(harness, planned("a"))
        await harness.run_effects()
        assert outside.sent == ["a"], "one look is not enough"
        await harness.make_due()
        await harness.run_effects()
    del load_connectors()["fake"]
    assert outside.sent == ["a", "a"]


async def test_refused_as_if_already_done_is_rejected_when_the_probe_sees_nothing(
    harness: Harness, outside: Outside
) -> None:
    outside.answers = [lambda _: Outcome.unknown("400 wrong state", retry_if_not_applied=False)]
    outside.probes = [ProbeResult(ProbeState.NOT_APPLIED, "still waiting")]
    await plan(harness, planned("a"))
    await harness.run_effects()
    assert outside.sent == ["a"]
    assert await states(harness) == {"a": "REJECTED"}
    assert [each.reason for each in outside.settled] == ["400 wrong state"]


async def test_undecided_goes_to_an_operator_and_waits(harness: Harness, outside: Outside) -> None:
    outside.answers = [lambda _: Outcome.unknown("time-out")]
    outside.probes = [ProbeResult(ProbeState.UNDECIDED, "refunds are not shown")]
    await plan(harness, planned("a"))
    await harness.run_effects()
    await harness.run_effects()
    assert await states(harness) == {"a": "UNKNOWN"}
    assert outside.sent == ["a"]
    assert [item["cause"] for item in await harness.parked()] == ["effect_unknown"]
    assert any(isinstance(event.data, WorkParked) for event in await harness.emitted())


async def test_a_worker_that_died_in_the_air_leaves_an_effect_in_doubt(harness: Harness, outside: Outside) -> None:
    await plan(harness, planned("a"))
    await harness.runtime.pool.execute(
        "UPDATE effects SET state = 'IN_FLIGHT', attempts = 1, next_at = now() - interval '1 s'"
    )
    outside.probes = [ProbeResult(ProbeState.APPLIED, "it is there")]
    await harness.run_effects()
    assert outside.sent == []
    assert await states(harness) == {"a": "DONE"}


async def test_an_effect_still_in_the_air_is_left_alone(harness: Harness, outside: Outside) -> None:
    await plan(harness, planned("a"))
    await harness.runtime.pool.execute(
        "UPDATE effects SET state = 'IN_FLIGHT', attempts = 1, next_at = now() + interval '1 h'"
    )
    await harness.run_effects()
    assert outside.sent == []
    assert await states(harness) == {"a": "IN_FLIGHT"}


async def test_a_late_answer_does_not_overwrite_what_a_probe_settled(harness: Harness, outside: Outside) -> None:
    """The worker was slow, its effect was taken for lost and settled by a probe; then its answer comes."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(_: Any, effects: Sequence[Effect]) -> Sequence[Outcome]:
        begun.set()
        await release.wait()
        return [Outcome.rejected("too late") for _ in effects]

    worker = harness.runtime.effects
    assert worker is not None
    worker._kinds = {"do": replace(worker._kinds["do"], execute=slow)}
    await plan(harness, planned("a"))
    await harness.lease()
    sending = asyncio.create_task(worker.drain("c1"))
    await begun.wait()
    await harness.runtime.pool.execute("UPDATE effects SET state = 'DONE', settled_at = now()")
    release.set()
    await sending
    assert await states(harness) == {"a": "DONE"}
    assert outside.settled == []


async def test_a_defect_in_a_connector_is_in_doubt_not_forgotten(harness: Harness, outside: Outside) -> None:
    def broken(_: Effect) -> Outcome:
        raise RuntimeError("secret-token-123")

    outside.answers = [broken]
    outside.probes = [ProbeResult(ProbeState.UNDECIDED, "nobody knows")]
    await plan(harness, planned("a"))
    await harness.run_effects()
    row = (await harness.effects())[0]
    assert row["state"] == "UNKNOWN"
    assert "secret-token-123" not in row["reason"]


async def test_effects_of_one_key_go_one_after_the_other(harness: Harness, outside: Outside) -> None:
    await plan(harness, *(planned(f"a{i}", order_key="k") for i in range(3)), planned("b"))
    await harness.run_effects()
    assert [what for what in outside.sent if what.startswith("a")] == ["a0", "a1", "a2"]
    assert outside.calls[0] == ["a0", "b"] or set(outside.calls[0]) == {"a0", "b"}


async def test_a_doubtful_head_holds_back_its_key_only(harness: Harness, outside: Outside) -> None:
    outside.answers = [lambda effect: Outcome.unknown("time-out") if effect.request["what"] == "a0" else Outcome.done()]
    outside.probes = [ProbeResult(ProbeState.UNDECIDED, "?")]
    await plan(harness, planned("a0", order_key="k"), planned("a1", order_key="k"), planned("b"))
    await harness.run_effects()
    assert await states(harness) == {"a0": "UNKNOWN", "a1": "PLANNED", "b": "DONE"}


async def test_lanes_and_deadlines_decide_who_goes_first(database: str, outside: Outside) -> None:
    load_connectors()["fake"] = FakeConnector(batch_size=1, confirmations=1)
    kind = EffectKind("do", "do", outside.execute, outside.probe, outside.on_settled)
    async with Harness(replace(SPEC, effects=lambda _: (kind,)), database) as harness:
        await harness.feed((CONNECTION, connection(ConnectionState.ACTIVE)))
        now = harness.clock.now()
        await plan(
            harness,
            planned("bulk", lane=Lane.BULK),
            planned("late", lane=Lane.DEADLINE, deadline=now.replace(hour=20)),
            planned("soon", lane=Lane.DEADLINE, deadline=now.replace(hour=10)),
            planned("live", lane=Lane.LIVE),
        )
        await harness.run_effects()
    del load_connectors()["fake"]
    assert outside.sent == ["soon", "late", "live", "bulk"]


async def test_a_newer_absolute_value_replaces_one_that_was_not_sent(harness: Harness, outside: Outside) -> None:
    await plan(harness, planned("5", order_key="sku", supersede_key="stock:sku"))
    await plan(harness, planned("3", order_key="sku", supersede_key="stock:sku"))
    await harness.run_effects()
    assert outside.sent == ["3"]
    assert await states(harness) == {"5": "SUPERSEDED", "3": "DONE"}


async def test_a_closed_gate_spares_the_others_a_useless_claim(harness: Harness, outside: Outside) -> None:
    outside.answers = [lambda _: Outcome.retry("budget used up", after=60)]
    await plan(harness, planned("a"))
    await harness.run_effects()
    await plan(harness, planned("b"), planned("urgent", lane=Lane.DEADLINE))
    await harness.run_effects()
    assert outside.sent == ["a", "urgent"]
    row = next(row for row in await harness.effects() if row["request"]["what"] == "b")
    assert row["attempts"] == 0


async def test_a_sent_import_is_followed_until_it_ends(harness: Harness, outside: Outside) -> None:
    outside.answers = [lambda _: Outcome.sent(check_after=0, import_id=12)]
    outside.probes = [
        ProbeResult(ProbeState.PENDING, "RUNNING", check_after=0),
        ProbeResult(ProbeState.REJECTED, "line 1: price missing"),
    ]
    await plan(harness, planned("a"))
    await harness.run_effects()
    assert await states(harness) == {"a": "REJECTED"}
    assert outside.settled[0].answer["import_id"] == 12


async def test_an_outside_that_cannot_be_read_leaves_the_state_as_it_was(harness: Harness, outside: Outside) -> None:
    async def unreachable(_: Any, __: Effect) -> ProbeResult:
        raise NotSent("connection refused", retry_after=3600)

    worker = harness.runtime.effects
    assert worker is not None
    changed = replace(worker._kinds["do"], probe=unreachable)
    worker._kinds = {"do": changed}
    worker._prober._kinds = {"do": changed}
    outside.answers = [lambda _: Outcome.sent(check_after=0, import_id=1)]
    await plan(harness, planned("a"))
    await harness.run_effects()
    assert await states(harness) == {"a": "SENT"}


async def test_two_workers_never_send_the_same_effect(database: str, fake: FakeConnector, outside: Outside) -> None:
    kind = EffectKind("do", "do", outside.execute, outside.probe, outside.on_settled)
    spec = replace(SPEC, effects=lambda _: (kind,))
    async with Harness(spec, database) as one, Harness(spec, database) as two:
        await one.feed((CONNECTION, connection(ConnectionState.ACTIVE)))
        await plan(one, *(planned(str(number)) for number in range(200)))
        await asyncio.gather(one.run_effects(), two.run_effects())
        await asyncio.gather(one.run_effects(), two.run_effects())
    assert sorted(outside.sent, key=int) == [str(number) for number in range(200)]


def test_a_verdict_needs_no_database() -> None:
    policy = EffectPolicy(operation="do", settle_seconds=4, confirmations=2)
    effect = Effect(
        effect_id=uuid4(), kind="do", natural_key="n", connection_id=CONNECTION, credential_ref="c", tenant="t",
        order_id=None, order_key="k", lane=Lane.LIVE, deadline=None, attempts=1, request={}, context={}, answer={},
        reason="", traceparent=None, causation_id=None,
    )  # fmt: skip
    first = judge(effect, ProbeResult(ProbeState.NOT_APPLIED, ""), policy)
    assert (first.state, first.delay, first.not_applied_seen) == ("UNKNOWN", 4, 1)
    second = judge(replace(effect, not_applied_seen=1), ProbeResult(ProbeState.NOT_APPLIED, ""), policy)
    assert second.state == "RETRY"
    undecided = judge(effect, ProbeResult(ProbeState.UNDECIDED, ""), policy)
    assert (undecided.state, undecided.needs_operator) == ("UNKNOWN", True)


async def test_effects_planned_under_an_earlier_credential_are_still_sent(harness: Harness, outside: Outside) -> None:
    await plan(harness, planned("a", credential_ref="before-rotation"))
    await harness.run_effects()
    assert outside.sent == ["a"]
