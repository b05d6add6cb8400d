"""Cases of effects when the way to the outside fails. These are the cases that lose orders, or do things twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.effects import APPLIED
from connector_kit.conformance.kinds import EffectKind
from connector_kit.conformance.world import World
from connector_kit.http import Answer, Call, CallError
from connector_kit.outcome import Outcome, OutcomeState, ProbeState
from connector_kit.testing.interference import Trouble

JSON = {"content-type": "application/json"}
PAGE = Answer(200, {"content-type": "text/html"}, b"<!doctype html><title>One moment</title>")
DOUBTS: Mapping[str, Answer | None] = {
    "no_answer": None,
    "http_500": Answer(500, JSON, b'{"message": "internal error"}'),
    "http_502_page": Answer(502, {"content-type": "text/html"}, b"<h1>Bad Gateway</h1>"),
    "http_200_page": PAGE,
}
"""Ways in which one cannot know whether the effect took place."""
LIMITS = {
    "header": (Answer(429, {**JSON, "retry-after": "37"}, b'{"message": "slow down"}'), 37),
    "body": (Answer(429, JSON, b'{"error_code": 1015, "retry_after": 37}'), 37),
    "bare": (Answer(429, {}, b""), None),
}
ODD_BODIES = (b"", b"null", b"[]", b"{}", b'"done"', b"7", b"[null]", b'{"content":', b"\xff\xfe", b"[" * 3000)
ATTENTION_SECONDS = 60
"""Least wait after a refused key: a person must act first."""


def echo(status: int) -> Callable[[Call], Answer]:
    """An answer that repeats everything it was sent, as some gateways do."""

    def answer(call: Call) -> Answer:
        sent = {name: str(value) for name, value in call.headers.items()}
        said = f"bad request: {sent} {call.params}"
        body = {"message": said, "error": {"message": said}, "errors": [{"message": said, "code": said}], "sent": sent}
        return Answer(status, JSON, json.dumps(body).encode())

    return answer


class TroubleCases(CaseBase):
    """What becomes of an effect when the way fails."""

    @pytest.mark.parametrize("form", LIMITS)
    async def test_429_is_sent_again_later(self, world: World, kind: EffectKind, form: str) -> None:
        """Too many calls: certainly not applied, and not before the time the outside asked for."""
        requests = await world.requests(kind, 2)
        answer, wait = LIMITS[form]
        struck = world.trouble(Trouble.ANSWER_INSTEAD, world.operations(kind), answer=answer)
        outcomes = await world.send(kind, requests)
        for outcome in outcomes:
            assert outcome.state is OutcomeState.RETRY, f"429 gave {outcome}"
            if wait is not None:
                assert (outcome.retry_after or 0) >= wait, f"asked to wait {wait} s, outcome says {outcome.retry_after}"
        assert len(struck.struck) <= len(requests), "called again at once after a 429"
        assert not any(world.applied(kind, request) for request in requests), "something was applied"

    async def test_refused_connection_is_sent_again(self, world: World, kind: EffectKind) -> None:
        """Nothing left the house: RETRY, with the wait that came along."""
        requests = await world.requests(kind, 2)
        world.trouble(Trouble.NOT_SENT, world.operations(kind), retry_after=11)
        for outcome in await world.send(kind, requests):
            assert outcome.state is OutcomeState.RETRY, f"a refused connection gave {outcome}"
            assert (outcome.retry_after or 0) >= 11, f"the wait of 11 s is lost: {outcome.retry_after}"

    @pytest.mark.parametrize("status", [401, 403])
    async def test_refused_key_is_nobodys_refusal(self, world: World, kind: EffectKind, status: int) -> None:
        """A revoked key must not refuse orders: RETRY after a while, with words for the person who repairs it."""
        [request] = await world.requests(kind)
        answer = Answer(status, JSON, b'{"message": "Unauthorized"}')
        world.trouble(Trouble.ANSWER_INSTEAD, answer=answer)
        [outcome] = await world.send(kind, [request])
        assert outcome.state is OutcomeState.RETRY, f"HTTP {status} gave {outcome}"
        assert (outcome.retry_after or 0) >= ATTENTION_SECONDS, (
            f"HTTP {status}: tried again after {outcome.retry_after}"
        )

    @pytest.mark.parametrize("doubt", DOUBTS)
    async def test_lost_answer_is_probed_and_not_sent_again(self, world: World, kind: EffectKind, doubt: str) -> None:
        """The outside did it and the answer is lost: the probe finds it, and the record shows it once."""
        [request] = await world.requests(kind)
        answer = DOUBTS[doubt]
        trouble = Trouble.LOST_ANSWER if answer is None else Trouble.ANSWER_AFTER
        struck = world.trouble(trouble, world.operations(kind), answer=answer)
        [outcome] = await world.send(kind, [request])
        self._doubtful(world, kind, outcome, doubt)
        assert len(struck.struck) == 1, f"sent {len(struck.struck)} times although the first may have been applied"
        world.calm()
        end = await self._resolved(world, kind, request, outcome)
        assert end in self._seen(world, kind, ProbeState.APPLIED), f"it was applied, the hub ends with {end.value}"
        if not kind.absolute:
            assert world.applied(kind, request) == 1, "the outside's record does not show exactly one effect"

    @pytest.mark.parametrize("doubt", DOUBTS)
    async def test_lost_request_is_probed_and_then_done(self, world: World, kind: EffectKind, doubt: str) -> None:
        """The outside never got it and nobody can know: the probe says so, and it is done once in the end."""
        [request] = await world.requests(kind)
        answer = DOUBTS[doubt]
        trouble = Trouble.LOST_REQUEST if answer is None else Trouble.ANSWER_INSTEAD
        struck = world.trouble(trouble, world.operations(kind), answer=answer)
        [outcome] = await world.send(kind, [request])
        self._doubtful(world, kind, outcome, doubt)
        assert len(struck.struck) == 1, f"sent {len(struck.struck)} times although the first may have been applied"
        world.calm()
        if outcome.state is OutcomeState.UNKNOWN:
            assert outcome.retry_if_not_applied, f"{doubt}: a lost request that is not applied must be sent again"
            world.clock.forward(seconds=world.policy(kind).settle_seconds)
            seen = (await world.probe(kind, request, outcome)).state
            assert seen in self._seen(world, kind, ProbeState.NOT_APPLIED), f"nothing was applied, probe: {seen.value}"
        [again] = await world.send(kind, [request])
        assert await world.settled(kind, request, again) in APPLIED, f"sent again: {again}"
        assert world.applied(kind, request) == 1, "the outside's record does not show exactly one effect"

    @pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:8]))
    async def test_odd_answer_ends_in_an_outcome(self, world: World, kind: EffectKind, body: bytes) -> None:
        """Whatever bytes come with a 200, there is one outcome per request and no exception."""
        requests = await world.requests(kind, 2)
        world.trouble(Trouble.ANSWER_INSTEAD, world.operations(kind), answer=Answer(200, JSON, body))
        await world.send(kind, requests)

    @pytest.mark.parametrize("status", [400, 401, 422, 500])
    async def test_echoed_request_tells_no_secret(self, world: World, kind: EffectKind, status: int) -> None:
        """An answer that repeats our headers must not carry the key into the ledger (checked after each case)."""
        [request] = await world.requests(kind)
        world.trouble(Trouble.ANSWER_INSTEAD, answer=echo(status))
        await world.send(kind, [request])
        await world.error_of(world.probe(kind, request))

    @pytest.mark.parametrize("trouble", ["not_sent", "no_answer", "http_500", "http_200_page", "http_401"])
    async def test_blind_probe_decides_nothing(self, world: World, kind: EffectKind, trouble: str) -> None:
        """A probe that cannot look raises `CallError` or says UNDECIDED; the runtime asks again later."""
        [request] = await world.requests(kind)
        [outcome] = await world.send(kind, [request])
        world.forget()
        answer = {**DOUBTS, "http_401": Answer(401, JSON, b'{"message": "Unauthorized"}')}.get(trouble)
        where = {"not_sent": Trouble.NOT_SENT, "no_answer": Trouble.LOST_REQUEST}.get(trouble, Trouble.ANSWER_INSTEAD)
        world.trouble(where, answer=answer)
        result: list[ProbeState] = []

        async def ask() -> None:
            result.append((await world.probe(kind, request, outcome)).state)

        error = await world.error_of(ask())
        assert error is None or isinstance(error, CallError), f"{kind.probe} raised {error!r}"
        if result and (world.http.calls or kind.name not in world.subject.repeat_harmless):
            allowed = (ProbeState.UNDECIDED, ProbeState.PENDING)
            assert result[0] in allowed, f"{kind.probe} could not look and says {result[0].value}"

    @pytest.mark.parametrize(
        "switch", ["rate_limited", "timeout_after", "timeout_before", "error_after", "error_before"]
    )
    async def test_switches_of_the_simulator(self, world: World, kind: EffectKind, switch: str) -> None:
        """The simulator's own switches do what their names say, for each kind of effect."""
        fault = getattr(world.subject.faults, switch)
        if fault is None:
            pytest.skip(f"the simulator has no switch for {switch}; the same is tried on the wire")
        [request] = await world.requests(kind)
        world.fault(fault, world.switches(kind))
        [outcome] = await world.send(kind, [request])
        world.calm()
        if switch == "rate_limited":
            assert outcome.state is OutcomeState.RETRY, f"{fault} gave {outcome}"
        else:
            self._doubtful(world, kind, outcome, fault)
        applied = 1 if switch.endswith("after") and not kind.absolute else 0
        if switch.endswith("before") or applied:
            assert world.applied(kind, request) == applied, f"{fault}: applied {world.applied(kind, request)} times"

    def _doubtful(self, world: World, kind: EffectKind, outcome: Outcome, doubt: str) -> None:
        allowed = {OutcomeState.UNKNOWN}
        if kind.absolute or kind.name in world.subject.repeat_harmless:
            allowed.add(OutcomeState.RETRY)
        assert outcome.state in allowed, f"{doubt}: nobody can know whether it was applied, outcome is {outcome}"

    def _seen(self, world: World, kind: EffectKind, state: ProbeState) -> set[Any]:
        seen: set[Any] = {state}
        if state is ProbeState.APPLIED:
            seen.add(OutcomeState.DONE)
        if kind.name in world.subject.undecided:
            seen.add(ProbeState.UNDECIDED)
        return seen

    async def _resolved(self, world: World, kind: EffectKind, request: Any, outcome: Outcome) -> Any:
        """The end after the runtime probed, or sent again where the connector says that this is harmless."""
        if outcome.state is OutcomeState.UNKNOWN:
            end = await world.settled(kind, request, outcome)
            if end is not ProbeState.NOT_APPLIED or kind.name not in world.subject.repeat_harmless:
                return end
        [again] = await world.send(kind, [request])
        return await world.settled(kind, request, again)
