"""Cases of the simulator: what all other cases, the demo and the fault tests stand on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.subject import Subject
from connector_kit.conformance.world import World
from connector_kit.http import Call
from connector_kit.simulator import FaultRule
from hub_contracts.connections import ConnectionKind


class SimulatorCases(CaseBase):
    """Faults, record, reset."""

    def test_simulator_bears_the_name_of_the_connector(self, world: World) -> None:
        """Tests and the demo find it by this name."""
        assert world.simulator.name == world.manifest.name

    def test_unknown_fault_is_refused(self, world: World) -> None:
        """A misspelt fault would let a fault test pass without any fault."""
        with pytest.raises(ValueError, match="no-such-fault"):
            world.simulator.faults.set([FaultRule(fault="no-such-fault")])

    def test_fault_names_are_known(self, subject: Subject, world: World) -> None:
        """Every switch that the subject names exists."""
        named = {name for name in asdict(subject.faults).values() if name is not None}
        assert named <= world.simulator.faults.known, f"unknown: {named - world.simulator.faults.known}"

    def test_reset_forgets_everything(self, world: World) -> None:
        """Also the faults: one left on would break the next test."""
        if world.manifest.kind is ConnectionKind.MARKETPLACE:
            world.orders("new", 2)
        world.simulator.faults.set([FaultRule(fault=min(world.simulator.faults.known))])
        world.simulator.reset()
        assert not world.simulator.faults.rules, "faults survive the reset"
        assert not world.simulator.record.entries, "the record survives the reset"
        assert not world.simulator.state()["orders"], "orders survive the reset"

    async def test_same_seed_gives_the_same_orders(self, subject: Subject, world: World) -> None:
        """A failure that was seen once can be seen again."""
        if world.manifest.kind is not ConnectionKind.MARKETPLACE:
            pytest.skip("orders of a shop come from the hub")
        twin = World(subject)
        ours, theirs = world.orders("new", 3), twin.orders("new", 3)
        assert ours == theirs
        for reference in ours:
            assert (await world.raw(reference)).body == (await twin.raw(reference)).body, "same seed, other order"

    async def test_control_routes_answer(self, world: World) -> None:
        """The demo and the fault tests steer by them."""
        faults = await world.http.call(_control("GET", "faults"))
        wrong = await world.http.call(_control("PUT", "faults", [{"fault": "no-such-fault"}]))
        record = await world.http.call(_control("GET", "record"))
        state = await world.http.call(_control("GET", "state"))
        world.http.forget()
        assert set(faults.json()["known"]) == set(world.simulator.faults.known)
        assert wrong.status == 422, "an unknown fault must be refused with 422"
        assert record.json() == {"next": 0, "entries": []}
        assert "orders" in state.json()


def _control(method: str, what: str, body: Any = None) -> Call:
    return Call("sandbox", method, f"/_sandbox/{what}", json=body)
