"""One simulated operator and one connection to it per test; every exchange is compared with the official document."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector_kit.http import Answer, Call
from connector_mirakl.sandbox.simulator import MiraklSimulator

from .asgi_caller import AsgiCaller
from .specification import specification
from .stage import Stage

ODD_ON_PURPOSE = frozenset({"null_required", "null_address", "string_amounts", "unknown_status"})


@pytest.fixture
def stage() -> Stage:
    """A fresh operator with the default settings."""
    return Stage()


@pytest.fixture(autouse=True)
def official_document(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which the connector sends, or the simulator answers, what the official document does not allow.

    Without the document this does nothing; `test_specification` then says so.
    """
    document = specification()
    problems: list[str] = []

    def watch(simulator: MiraklSimulator, call: Call, answer: Answer | None) -> None:
        if document is not None:
            odd = any(rule.fault in ODD_ON_PURPOSE for rule in simulator.faults.rules)
            odd = odd or any(order.look for order in simulator.world.orders.values())
            problems.extend(document.exchange(call, None if odd else answer))

    monkeypatch.setattr(AsgiCaller, "watch", staticmethod(watch))
    yield
    assert not problems, sorted(set(problems))[:20]
