"""Cases of effects when nothing goes wrong on the way: applied once, told in order, mixed batches, calls counted."""

from __future__ import annotations

import pytest

from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.kinds import EffectKind, elsewhere
from connector_kit.conformance.world import World
from connector_kit.http import Answer, Lane
from connector_kit.outcome import OutcomeState, ProbeState
from connector_kit.testing.interference import Trouble

APPLIED = (OutcomeState.DONE, ProbeState.APPLIED)
NOT_SEEN = (*APPLIED, ProbeState.UNDECIDED)
BATCH = 5
REFUSED = Answer(422, {"content-type": "application/json"}, b'{"message": "refused"}')


class EffectCases(CaseBase):
    """What an effect does."""

    async def test_effect_is_applied_once(self, world: World, kind: EffectKind) -> None:
        """One request, one effect, and the probe sees it (or says that it cannot)."""
        [request] = await world.requests(kind)
        before = world.applied(kind, request)
        [outcome] = await world.send(kind, [request])
        assert outcome.state in (OutcomeState.DONE, OutcomeState.SENT), f"{kind.send} in good order gave {outcome}"
        end = await world.settled(kind, request, outcome)
        assert end in APPLIED, f"taken for later, and the probe ended with {end.value}"
        assert world.applied(kind, request) - before == 1, "the outside's record does not show exactly one effect"
        world.clock.forward(seconds=world.policy(kind).settle_seconds)
        seen = (await world.probe(kind, request, outcome)).state
        blind = kind.name in world.subject.undecided or kind.name in world.subject.repeat_harmless
        allowed = {ProbeState.APPLIED, ProbeState.UNDECIDED} if blind else {ProbeState.APPLIED}
        if kind.name in world.subject.repeat_harmless:
            allowed.add(ProbeState.NOT_APPLIED)
        assert seen in allowed, f"{kind.probe} after success says {seen.value}"

    async def test_nothing_applied_is_not_seen_as_applied(self, world: World, kind: EffectKind) -> None:
        """A probe before anything was sent never says APPLIED."""
        [request] = await world.requests(kind)
        result = await world.probe(kind, request)
        assert result.state is not ProbeState.APPLIED, f"{kind.probe} says applied before anything was sent"
        assert result.state is not ProbeState.REJECTED, f"{kind.probe} says refused before anything was sent"

    async def test_outcomes_stand_in_the_order_of_the_requests(self, world: World, kind: EffectKind) -> None:
        """A bad request in the middle hurts itself only, and its neighbours are not taken for it."""
        requests = await world.requests(kind, 3)
        stranger = elsewhere(requests[1])
        if stranger is None:
            world.trouble(Trouble.ANSWER_INSTEAD, world.operations(kind), answer=REFUSED, times=1, skip=1)
        else:
            requests[1] = stranger
        outcomes = await world.send(kind, requests)
        states = [outcome.state.value for outcome in outcomes]
        ends = [await world.settled(kind, request, one) for request, one in zip(requests, outcomes, strict=True)]
        applied = [world.applied(kind, request) for request in requests]
        assert outcomes[1].state is not OutcomeState.DONE, f"the one that cannot be applied counts as done: {states}"
        assert ends[1] not in APPLIED, f"the one that cannot be applied ends as {ends[1].value}"
        assert applied == [1, 0, 1], f"applied {applied} times at the outside; outcomes {states}"
        blind = kind.name in world.subject.undecided
        fine = NOT_SEEN if blind else APPLIED
        assert ends[0] in fine and ends[2] in fine, f"good neighbours ended as {[end.value for end in ends]}"  # noqa: PT018

    async def test_batch_costs_no_more_calls_than_declared(self, world: World, kind: EffectKind) -> None:
        """`batch_size` of the manifest is what the call budget is planned with."""
        size = world.policy(kind).batch_size
        count = min(size, BATCH) if size > 1 else 3
        requests = await world.requests(kind, count)
        await world.send(kind, requests)
        made = len(world.http.made(*world.operations(kind)))
        allowed = -(-count // size)
        assert made <= allowed, f"{made} calls for {count} requests, {allowed} at batches of {size}"
        assert made > 0, f"no call on {', '.join(world.operations(kind))}: is the operation of the effect policy right?"

    async def test_calls_of_an_effect_have_one_owner(self, world: World, kind: EffectKind) -> None:
        """Sending and probing happen in one service, so their budgets must belong to it."""
        [request] = await world.requests(kind)
        [outcome] = await world.send(kind, [request])
        world.clock.forward(seconds=max(outcome.retry_after or 0, world.policy(kind).settle_seconds))
        await world.probe(kind, request, outcome)
        owners = {call.operation: world.manifest.budget(call.operation).owner for call in world.http.calls}
        assert len(set(owners.values())) == 1, f"calls of {kind.name} draw on budgets of several services: {owners}"

    async def test_calls_travel_in_the_lane_of_the_connection(self, world: World, kind: EffectKind) -> None:
        """A connector may make a call less urgent than its connection, never more."""
        [request] = await world.requests(kind)
        world.connection = world.connect(lane=Lane.STOCK)
        await world.send(kind, [request])
        hurried = {call.operation for call in world.http.calls if call.lane < Lane.STOCK}
        assert not hurried, f"more urgent than asked for: {', '.join(sorted(hurried))}"

    async def test_done_twice_is_applied_once(self, world: World, kind: EffectKind) -> None:
        """A repeat of what was done is no new effect, no failure, and is not asked to be sent again."""
        if not kind.once:
            pytest.skip(f"two {kind.name} may be two effects")
        [request] = await world.requests(kind)
        await world.send(kind, [request])
        [again] = await world.send(kind, [request])
        assert world.applied(kind, request) == 1, "the repeat was applied a second time"
        assert again.state in (OutcomeState.DONE, OutcomeState.UNKNOWN), f"the repeat gave {again}"
        if again.state is OutcomeState.UNKNOWN:
            assert not again.retry_if_not_applied, "refused as if done: if the probe shows nothing, it is rejected"
            assert (await world.probe(kind, request, again)).state is ProbeState.APPLIED, "the probe does not see it"

    async def test_missing_item_of_a_mixed_answer_is_not_done(self, world: World, kind: EffectKind) -> None:
        """All were applied and the answer leaves one out: unknown, then found by the probe; never sent again."""
        requests = await self._mixed(world, kind, world.subject.faults.missing_item, "missing_item")
        outcomes = await world.send(kind, requests)
        states = [outcome.state.value for outcome in outcomes]
        assert states.count("unknown") == 1, f"one item is missing from the answer, outcomes are {states}"
        assert set(states) <= {"unknown", "done"}, f"the items that were answered count as {states}"
        ends = [await world.settled(kind, request, one) for request, one in zip(requests, outcomes, strict=True)]
        fine = NOT_SEEN if kind.name in world.subject.undecided else APPLIED
        assert all(end in fine for end in ends), f"ends: {[end.value for end in ends]}"
        assert [world.applied(kind, request) for request in requests] == [1, 1, 1], "not applied exactly once each"

    async def test_failed_item_of_a_mixed_answer_is_not_done(self, world: World, kind: EffectKind) -> None:
        """One item of the answer failed: the status of the whole answer says nothing about it."""
        requests = await self._mixed(world, kind, world.subject.faults.failed_item, "failed_item")
        outcomes = await world.send(kind, requests)
        done = [outcome.state is OutcomeState.DONE for outcome in outcomes]
        applied = [bool(world.applied(kind, request)) for request in requests]
        assert done == applied, f"counted as done: {done}; applied at the outside: {applied}"
        assert done.count(False) == 1, f"one item failed, and {done.count(False)} do not count as done"

    async def _mixed(self, world: World, kind: EffectKind, fault: str | None, name: str) -> list[object]:
        if kind.absolute or world.policy(kind).batch_size == 1:
            pytest.skip(f"{kind.name} has no mixed answers: absolute values, or one request per call")
        assert fault is not None, f"{kind.name} goes in batches: name the simulator's fault in FaultNames.{name}"
        requests = await world.requests(kind, 3)
        world.fault(fault, world.switches(kind), times=1)
        return requests
