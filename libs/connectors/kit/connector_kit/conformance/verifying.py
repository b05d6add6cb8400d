"""Cases of the cheap read that proves credentials."""

from __future__ import annotations

import pytest

from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.troubles import PAGE
from connector_kit.conformance.world import World
from connector_kit.testing.interference import Trouble


class VerifyCases(CaseBase):
    """Capability of every connector."""

    @pytest.mark.parametrize("state", ["good", "wrong_key", "unreachable", "broken"])
    async def test_credentials_are_verified(self, world: World, state: str) -> None:
        """`verify` tells good credentials from bad ones and from a host that does not answer; it never raises."""
        if state == "wrong_key":
            strange = {name: self._other(value) for name, value in world.subject.credentials.items()}
            world.connection = world.connect(credentials=strange)
        if state == "unreachable":
            world.trouble(Trouble.NOT_SENT)
        if state == "broken":
            world.trouble(Trouble.ANSWER_INSTEAD, answer=PAGE)
        said = await world.connection.verify()
        world.said.append(repr(said))
        assert said.ok is (state == "good"), f"{state}: verify says {said}"
        assert said.detail, "verify says nothing for people"
        assert not world.simulator.record.entries, "verify changed something"

    def _other(self, value: str) -> str:
        """The same form, another value."""
        return value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1]
