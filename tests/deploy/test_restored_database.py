"""The statements of the runbooks about a restored database keep their word: nothing is sent that may have been sent
before, and nothing at all before the connection is resumed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from connector_kit.discovery import load_connectors
from connector_kit.manifest import Budget, EffectPolicy, EnvironmentAddress, Manifest
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from hub_common.effects.model import Effect, EffectKind, PlannedEffect, Settled
from hub_common.testing import Harness
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause, Tx
from hub_contracts.base import Fact
from hub_contracts.connections import ConnectionChanged, ConnectionKind, ConnectionState
from hub_contracts.orders import Environment

PAGES = [
    Path(__file__).resolve().parents[2] / "docs" / "runbooks" / f"{name}.md"
    for name in ("lost-database", "region-move")
]
CONNECTION = UUID(int=7)


class Ask(Fact):
    what: str


class Outside:
    """Knows what was done before the loss; shows it to probes, and counts what is sent."""

    def __init__(self) -> None:
        self.done = {"refund 1", "refund 3"}
        self.sent: list[str] = []

    async def execute(self, _: Any, effects: Sequence[Effect]) -> Sequence[Outcome]:
        self.sent += [effect.request["what"] for effect in effects]
        return [Outcome.done() for _ in effects]

    async def probe(self, _: Any, effect: Effect) -> ProbeResult:
        seen = effect.request["what"] in self.done
        return ProbeResult(ProbeState.APPLIED if seen else ProbeState.NOT_APPLIED, "looked")

    async def on_settled(self, _: Tx, ended: Sequence[Settled]) -> None:
        return None


class Market:
    """A connector that only exists for its manifest."""

    manifest = Manifest(
        name="fake_restored",
        title="Fake",
        kind=ConnectionKind.MARKETPLACE,
        version="1",
        capabilities=frozenset(),
        environments=(EnvironmentAddress(environment=Environment.SANDBOX, base_url="http://127.0.0.1:1"),),
        auth_fields=(),
        budgets=(Budget(operation="do", calls=1000, per_seconds=1, burst=1000, owner="probe"),),
        effects=(EffectPolicy(operation="do", batch_size=1, settle_seconds=0, confirmations=1),),
    )

    def connect(self, context: object) -> object:
        return object()

    def build_sandbox(self, options: object) -> object:
        return object()


@pytest.fixture
def outside() -> Iterator[Outside]:
    load_connectors()["fake_restored"] = Market()
    yield Outside()
    del load_connectors()["fake_restored"]


@pytest.fixture
async def harness(database: str, outside: Outside) -> AsyncIterator[Harness]:
    kind = EffectKind("do", "do", outside.execute, outside.probe, outside.on_settled)
    async with Harness(replace(SPEC, effects=lambda _: (kind,)), database) as running:
        yield running


def told(state: ConnectionState) -> tuple[UUID, ConnectionChanged]:
    return CONNECTION, ConnectionChanged(
        connection_id=CONNECTION,
        connector="fake_restored",
        kind=ConnectionKind.MARKETPLACE,
        label="test",
        environment=Environment.SANDBOX,
        state=state,
        credential_ref="c1",
    )


def statements(page: Path) -> list[str]:
    """Each statement that changes something, once, in the order of the page."""
    return list(dict.fromkeys(re.findall(r'-c "(UPDATE [^"]+)"', page.read_text())))


async def plan(harness: Harness, what: str) -> None:
    async with harness.runtime.transactions.begin() as tx:
        tx.plan(
            PlannedEffect(
                kind="do",
                natural_key=what,
                connection_id=CONNECTION,
                credential_ref="c1",
                request=Ask(what=what),
                cause=Cause(tenant="t"),
                order_key=what,
            )
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_a_restored_database_sends_nothing_twice(page: Path, harness: Harness, outside: Outside) -> None:
    pool = harness.runtime.pool
    await harness.feed(told(ConnectionState.ACTIVE))
    await plan(harness, "refund 1")
    await plan(harness, "refund 2")
    pause, doubt = statements(page)
    assert pause.startswith("UPDATE connections")
    await pool.execute(pause)
    await pool.execute(doubt)
    async with Harness(harness.runtime.spec, harness.settings.database_dsn.get_secret_value()) as restored:
        await plan(restored, "refund 3")  # as from an event of the gap, handled a second time
        await restored.run_effects()
        assert outside.sent == [], "the restored rows said that the connection is active"
        await pool.execute(doubt)
        await restored.feed(told(ConnectionState.ACTIVE), told(ConnectionState.PAUSED), told(ConnectionState.ACTIVE))
        await restored.run_effects()
        await restored.make_due()
        await restored.run_effects()
        states = {row["natural_key"]: row["state"] for row in await restored.effects()}
    assert outside.sent == ["refund 2"], "the outside shows the others: they were made before the loss"
    assert states == dict.fromkeys(("refund 1", "refund 2", "refund 3"), "DONE")
