"""What all cases share: the watched world, which cases apply, and what must hold after every one of them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

import pytest

from connector_kit.conformance.kinds import KINDS, EffectKind
from connector_kit.conformance.readings import READINGS, Reading
from connector_kit.conformance.subject import Subject
from connector_kit.conformance.world import SHORTEST_SECRET, World
from connector_kit.manifest import Capability
from connector_kit.maturity import read_maturity

Case = TypeVar("Case", bound=Callable[..., Any])
ABOUT = "about_capability"


def about(capability: Capability) -> Callable[[Case], Case]:
    """Mark a case that is for connectors with a capability only."""

    def mark(case: Case) -> Case:
        setattr(case, ABOUT, capability)
        return case

    return mark


class CaseBase:
    """Base of every group of cases. The inheriting class gives the fixture `subject`."""

    EFFECTS: ClassVar[tuple[str, ...]] = ()
    """Names of the effect kinds that the suite knows."""

    @pytest.fixture
    def subject(self) -> Subject:
        """The connector under test."""
        pytest.fail(f"{type(self).__name__} must define the fixture `subject`")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run effect cases for the kinds that the manifest's capabilities name."""
        if "kind" in metafunc.fixturenames:
            names = [name for name in self.EFFECTS if self._declared(KINDS[name].capability)]
            metafunc.parametrize("kind", [KINDS[name] for name in names], ids=names)
        if "reading" in metafunc.fixturenames:
            names = [name for name, reading in READINGS.items() if self._declared(reading.capability)]
            metafunc.parametrize("reading", [READINGS[name] for name in names], ids=names)

    def _declared(self, capability: Capability) -> bool:
        """Whether the manifest declares it; true when the subject can only be made while a test runs."""
        made = inspect.unwrap(type(self).subject)
        if len(inspect.signature(made).parameters) != 1:
            return True
        subject: Subject = made(self)
        return capability in subject.connector.manifest.capabilities

    @pytest.fixture(autouse=True)
    def applies(self, request: pytest.FixtureRequest, subject: Subject) -> None:
        """Skip what does not apply, and expect to fail what the maturity file says fails."""
        node: Any = request.node
        given = node.callspec.params if hasattr(node, "callspec") else {}
        kind: EffectKind | Reading | None = given.get("kind") or given.get("reading")
        capability = getattr(node.function, ABOUT, None) if kind is None else kind.capability
        if capability is not None:
            self.require(subject, capability)
        names = case_names(node.originalname, node.name, kind)
        if kind is None and capability is not None:
            names = (f"*[{capability.value}]", *names)
        reason = next((subject.not_applicable[name] for name in names if name in subject.not_applicable), None)
        if reason is not None:
            pytest.skip(f"does not apply: {reason}")
        failing = read_maturity(subject.folder).failing if subject.folder is not None else {}
        known = next((failing[name] for name in names if name in failing), None)
        if known is not None:
            request.applymarker(pytest.mark.xfail(reason=known, strict=True))

    def require(self, subject: Subject, capability: Capability) -> None:
        """Go on only if the manifest declares a capability."""
        if capability not in subject.connector.manifest.capabilities:
            pytest.skip(f"the manifest does not declare {capability.value}")

    @pytest.fixture
    def world(self, subject: Subject, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
        """A fresh outside. Afterwards: no secret was let out, every call was declared."""
        caplog.set_level(logging.DEBUG)
        world = World(subject)
        yield world
        world.forget()
        check_budgets(world)
        check_secrets(world, caplog)


def case_names(name: str, full: str, kind: EffectKind | Reading | None) -> tuple[str, ...]:
    """How a case can be named in `not_applicable` and `[failing]`: whole, per kind or reading, or one variant."""
    return (name, full) if kind is None else (f"*[{kind.name}]", name, f"{name}[{kind.name}]", full)


def check_budgets(world: World) -> None:
    """Every call must draw on a budget that the manifest declares, else it would be refused at run time."""
    declared = {budget.operation for budget in world.manifest.budgets}
    undeclared = {call.operation for call in world.history} - declared
    assert not undeclared, f"calls on operations without a budget in the manifest: {', '.join(sorted(undeclared))}"


def check_secrets(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """No credential may be in anything that ends in a log, a ledger or an error."""
    for name, value in world.subject.credentials.items():
        assert len(value) >= SHORTEST_SECRET, f"credentials: {name} needs at least {SHORTEST_SECRET} characters"
    logged = [
        (record.name, record.getMessage(), record.exc_text or "")
        for record in caplog.get_records("call")
        if record.name != "httpx"
    ]
    for canary in world.canaries():
        assert not [text for text in world.said if canary in text], "a secret is in an outcome, result or error"
        lines = [name for name, message, trace in logged if canary in message or canary in trace]
        assert not lines, f"a secret is in the log lines of {', '.join(sorted(set(lines)))}"
        assert canary not in repr(world.connection), "a secret is in the repr of the connection"
        shown = [call.operation for call in world.history if canary in repr(call)]
        assert not shown, f"a secret is in the repr of a call: {', '.join(sorted(set(shown)))}"
