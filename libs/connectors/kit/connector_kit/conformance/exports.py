"""Cases of order exports: pending is not empty, failed is told, an unknown word is not guessed."""

from __future__ import annotations

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.conformance import mutate
from connector_kit.conformance.alter import read
from connector_kit.conformance.base import CaseBase, about
from connector_kit.conformance.listing import ERRORS
from connector_kit.conformance.readings import READINGS, ended
from connector_kit.conformance.world import World
from connector_kit.http import Answer, CallError
from connector_kit.manifest import Capability
from connector_kit.reading import ExportState
from connector_kit.testing.interference import Trouble

EXPORT = READINGS["order_export"]
NOWHERE = "NOT-THERE-0"


class ExportCases(CaseBase):
    """Capability `order_export`; that all orders are in the files is a case of reading."""

    @about(Capability.ORDER_EXPORT)
    async def test_pending_export_is_no_empty_one(self, world: World) -> None:
        """It becomes ready by itself, and asking for its orders before that raises."""
        made = world.orders("new", 3)
        ticket = await world.connection.start_export(OrderWindow())
        assert ticket, "an export without a ticket cannot be found again"
        state = await world.connection.export_state(ticket)
        assert state in (ExportState.PENDING, ExportState.READY), f"a new export is {state}"
        if state is ExportState.PENDING:
            early = await read(world, EXPORT, ticket)
            assert isinstance(early.error, CallError), f"read while pending: {len(early.items)} orders, {early.error!r}"
        world.connection = world.connect()
        assert await ended(world, ticket) is ExportState.READY, "an export in good order does not become ready"
        got = await read(world, EXPORT, ticket)
        assert {order.reference for order in got.items} == set(made), "a ticket must be all that a restart needs"
        for raw in got.items:
            mapped = world.connection.map_order(raw).snapshot
            assert mapped.marketplace_reference == raw.reference, "an exported order maps to another reference"

    @about(Capability.ORDER_EXPORT)
    async def test_failed_export_is_told(self, world: World) -> None:
        """It ends as FAILED, and is no export without orders."""
        fault = world.subject.faults.export_failed
        assert fault is not None, "name the simulator's fault in FaultNames.export_failed, or say why none can fail"
        world.orders("new", 3)
        world.fault(fault)
        ticket = await world.connection.start_export(OrderWindow())
        state = await ended(world, ticket)
        assert state is ExportState.FAILED, f"an export that failed ends as {state.value}"
        got = await read(world, EXPORT, ticket)
        assert isinstance(got.error, CallError), f"read although it failed: {len(got.items)} orders, {got.error!r}"

    @about(Capability.ORDER_EXPORT)
    async def test_export_that_nobody_knows_is_not_ready(self, world: World) -> None:
        """A ticket of long ago is FAILED or raises; it is neither waited for nor read as empty."""
        states: list[ExportState] = []

        async def ask() -> None:
            states.append(await world.connection.export_state(NOWHERE))

        error = await world.error_of(ask())
        assert error is None or isinstance(error, CallError), f"raised {error!r}"
        assert states in ([], [ExportState.FAILED]), f"an unknown export is {states}"
        got = await read(world, EXPORT, NOWHERE)
        assert isinstance(got.error, CallError), f"an unknown export was read: {len(got.items)} orders"

    @about(Capability.ORDER_EXPORT)
    @pytest.mark.parametrize("kind_of_error", ERRORS)
    @pytest.mark.parametrize("call", ["start_export", "export_state"])
    async def test_export_that_cannot_be_asked_for_raises(self, world: World, call: str, kind_of_error: str) -> None:
        """No ticket and no state is made up from an answer that failed."""
        ticket = await world.connection.start_export(OrderWindow())
        await ended(world, ticket)
        trouble, answer = ERRORS[kind_of_error]
        world.trouble(trouble, answer=answer)
        asked = OrderWindow() if call == "start_export" else ticket
        error = await world.error_of(getattr(world.connection, call)(asked))
        assert isinstance(error, CallError), f"{kind_of_error}: {call} ended with {error!r}"

    @about(Capability.ORDER_EXPORT)
    async def test_unknown_state_of_an_export_is_not_guessed(self, world: World) -> None:
        """Any word of the answer replaced: the state stays what it was, or `CallError`."""
        ticket = await world.connection.start_export(OrderWindow())
        for _ in range(2):
            world.forget()
            state = await world.connection.export_state(ticket)
            answer = world.http.answers[-1][1]
            assert answer is not None
            document = mutate.load(answer.body)
            for path, value in mutate.paths(document):
                for odd in ("QUITE_NEW_WORD", None, mutate.GONE) if isinstance(value, str) else ():
                    changed = Answer(answer.status, answer.headers, mutate.dump(mutate.put(document, path, odd)))
                    world.trouble(Trouble.ANSWER_INSTEAD, answer=changed)
                    await self._same(world, ticket, state, mutate.describe(path, odd))
            world.calm()
            await ended(world, ticket)

    async def _same(self, world: World, ticket: str, state: ExportState, what: str) -> None:
        states: list[ExportState] = []

        async def ask() -> None:
            states.append(await world.connection.export_state(ticket))

        error = await world.error_of(ask())
        assert error is None or isinstance(error, CallError), f"{what}: raised {error!r}"
        assert states in ([], [state]), f"{what}: a {state.value} export is told as {states}"
