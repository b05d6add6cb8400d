"""One simulated outside and one connection to it, watched: what was asked, what was answered, what was said.

Everything that a connector lets out (outcomes, probe results, exceptions, reprs, log lines) is kept, and at the end of
each test compared with the canaries, so a leaked key fails whichever test happens to see it.
"""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext, MappedOrder, OrderWindow, RawOrder, SandboxOptions
from connector_kit.conformance.kinds import EffectKind, build, target
from connector_kit.conformance.subject import Subject
from connector_kit.http import Call, HttpCaller, Lane
from connector_kit.manifest import EffectPolicy, Manifest
from connector_kit.outcome import Outcome, OutcomeState, ProbeResult, ProbeState
from connector_kit.simulator import FaultRule, Simulator
from connector_kit.testing.asgi_caller import AsgiCaller
from connector_kit.testing.clock import SettableClock
from connector_kit.testing.interference import Interference, Trouble

CONNECTION = UUID("0199f0a0-0000-7000-8000-00000000cafe")
SHORTEST_SECRET = 12
"""Shorter canaries could occur in a text by chance."""
SECRET_HEADERS = ("authorization", "api-key", "apikey", "token", "secret", "cookie")
SHORTEST_HEADER_SECRET = 16
MOST_PROBES = 25


class World:
    """What a test plays on."""

    def __init__(self, subject: Subject, *, seed: int = 7) -> None:
        self.subject = subject
        self.manifest: Manifest = subject.connector.manifest
        self.clock = SettableClock(subject.start)
        options = SandboxOptions(clock=self.clock, seed=seed, settings=subject.sandbox)
        self.simulator: Simulator = subject.connector.build_sandbox(options)
        self.http = AsgiCaller(self.simulator)
        self.history: list[Call] = []
        self.said: list[str] = []
        self._number = 0
        self.connection: Any = self.connect()

    def connect(
        self, credentials: Mapping[str, str] | None = None, http: HttpCaller | None = None, lane: Lane = Lane.LIVE
    ) -> Any:
        """Another connection to the same outside; settings and credentials are checked as the registry does."""
        given = self.subject.credentials if credentials is None else credentials
        checked = self.manifest.check_credentials(given)
        context = ConnectionContext(
            connection_id=CONNECTION,
            tenant="conformance",
            environment=self.subject.environment,
            settings=self.manifest.check_settings(self.subject.settings),
            credentials={name: SecretStr(str(value)) for name, value in checked.items()},
            http=http or self.http,
            clock=self.clock,
            lane=lane,
        )
        return self.subject.connector.connect(context)

    def next_number(self) -> int:
        """Numbers from 1."""
        self._number += 1
        return self._number

    def orders(self, stage: str, count: int, **options: Any) -> list[str]:
        """Invent orders in a stage of their life; their references."""
        stages = self.subject.stages
        assert stage in stages, f"Subject.stages: options of create_orders for {stage!r} are missing"
        return self.simulator.create_orders(count, {**stages[stage], **options})

    async def mapped(self, stage: str, count: int) -> list[MappedOrder]:
        """Invent orders and read them back through the connector, on nobody's account."""
        found = [self.connection.map_order(await self.raw(reference)) for reference in self.orders(stage, count)]
        self.forget()
        return found

    async def raw(self, reference: str) -> RawOrder:
        """One order as answered."""
        raw = await self.connection.read_order(reference)
        assert isinstance(raw, RawOrder), f"read_order({reference!r}) gave {raw!r} for an order that exists"
        return raw

    async def listed(self, window: OrderWindow) -> list[RawOrder]:
        """Everything that a listing gives."""
        return [order async for page in self.connection.list_orders(window) for order in page]

    def fault(self, name: str, operations: Sequence[str] = ("*",), times: int | None = None) -> None:
        """Switch on one fault of the simulator, and nothing else."""
        rules = [FaultRule(fault=name, operation=operation, times=times) for operation in operations]
        self.simulator.faults.set(rules)

    def trouble(self, trouble: Trouble, operations: Sequence[str] = (), **more: Any) -> Interference:
        """Let something go wrong on the way, and nothing else."""
        found = Interference(trouble, frozenset(operations), **more)
        self.http.interference = [found]
        return found

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.http.interference = []
        self.simulator.faults.set([])

    def forget(self) -> None:
        """Start counting calls anew."""
        self.history += self.http.calls
        self.http.forget()

    def policy(self, kind: EffectKind) -> EffectPolicy:
        """How the runtime sends a kind."""
        return self.manifest.effect(kind.name)

    def operations(self, kind: EffectKind) -> tuple[str, ...]:
        """Operations that apply a kind."""
        own = self.subject.operations.get(kind.name)
        return (self.policy(kind).operation,) if own is None else tuple(own)

    def switches(self, kind: EffectKind) -> tuple[str, ...]:
        """Operations that a fault rule may name for a kind: several kinds may share one operation's budget."""
        own = self.subject.fault_operations.get(kind.name, ())
        return tuple(dict.fromkeys((*self.operations(kind), kind.name, *own)))

    async def requests(self, kind: EffectKind, count: int = 1) -> list[Any]:
        """Requests of a kind, with nothing counted yet."""
        made = await build(self, kind, count)
        self.forget()
        return made

    async def send(self, kind: EffectKind, requests: Sequence[Any]) -> list[Outcome]:
        """Send a batch as the runtime does; checks what holds for every batch."""
        outcomes = list(await getattr(self.connection, kind.send)(requests))
        self.said += [repr(outcome) for outcome in outcomes]
        assert len(outcomes) == len(requests), f"{kind.send}: {len(outcomes)} outcomes for {len(requests)} requests"
        for outcome in outcomes:
            assert isinstance(outcome, Outcome), f"{kind.send}: {outcome!r} is not an Outcome"
            json.dumps(outcome.answer, default=str)
            wordless = outcome.state in (OutcomeState.DONE, OutcomeState.SENT)
            assert wordless or outcome.reason, f"{kind.send}: {outcome.state.value} without a reason for people"
        return outcomes

    async def probe(self, kind: EffectKind, request: Any, outcome: Outcome | None = None) -> ProbeResult:
        """Ask a probe once."""
        extra = ((outcome.answer if outcome else {}),) if kind.probe_takes_answer else ()
        result = await getattr(self.connection, kind.probe)(request, *extra)
        assert isinstance(result, ProbeResult), f"{kind.probe}: {result!r} is not a ProbeResult"
        self.said.append(repr(result))
        json.dumps(result.answer, default=str)
        assert result.evidence, f"{kind.probe}: {result.state.value} without evidence for the ledger"
        return result

    async def settled(self, kind: EffectKind, request: Any, outcome: Outcome) -> ProbeState | OutcomeState:
        """What the ledger would end with: waits and probes as the runtime does."""
        if outcome.state not in (OutcomeState.SENT, OutcomeState.UNKNOWN):
            return outcome.state
        wait = outcome.retry_after
        for _ in range(MOST_PROBES):
            self.clock.forward(seconds=max(wait or 0, self.policy(kind).settle_seconds))
            result = await self.probe(kind, request, outcome)
            if result.state is not ProbeState.PENDING:
                return result.state
            wait = result.check_after
        return ProbeState.PENDING

    async def error_of(self, doing: Awaitable[Any]) -> Exception | None:
        """The exception that something ends with, None without one. Its texts are watched."""
        try:
            self.said.append(repr(await doing))
        except Exception as error:  # noqa: BLE001  the cases judge which exceptions are right
            self.said += [repr(error), str(error), "".join(traceback.format_exception(error))]
            return error
        return None

    def applied(self, kind: EffectKind, request: Any | None = None) -> int:
        """How often the outside really did it, to one target or to all."""
        self.simulator.state()
        recorded = self.subject.recorded.get(kind.name, kind.recorded)
        entries = [entry.reference for entry in self.simulator.record.entries if entry.kind == recorded]
        name = self.subject.targets.get(kind.name, target)
        where = None if request is None else name(request)
        if where is None:
            return len(entries)
        return sum(reference == where or reference.startswith(f"{where}/") for reference in entries)

    def canaries(self) -> set[str]:
        """Texts that nobody may ever see: credentials, their Base64, and what travels in headers of keys."""
        found = {*self.subject.credentials.values(), *self.subject.secrets}
        for call in [*self.history, *self.http.calls]:
            for name, value in call.headers.items():
                word = str(value).split()[-1] if str(value).split() else ""
                if any(part in name.lower() for part in SECRET_HEADERS) and len(word) >= SHORTEST_HEADER_SECRET:
                    found.add(word)
        return found | {base64.b64encode(value.encode()).decode() for value in self.subject.credentials.values()}
