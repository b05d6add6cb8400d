"""Cases of documents at the marketplace: those of one order, and taking one away."""

from __future__ import annotations

import pytest

from connector_kit.conformance.base import CaseBase, about
from connector_kit.conformance.listing import ERRORS
from connector_kit.conformance.readings import READINGS, facts
from connector_kit.conformance.world import World
from connector_kit.manifest import Capability
from connector_kit.outcome import Outcome, OutcomeState
from connector_kit.testing.interference import Trouble

DOCUMENTS = READINGS["documents"]
AGAIN = {
    "http_429": {OutcomeState.RETRY},
    "http_401": {OutcomeState.RETRY},
    "not_sent": {OutcomeState.RETRY},
}
"""Certainly nothing was removed. After any other trouble nobody knows, and trying again is harmless."""


class DocumentCases(CaseBase):
    """Capability `documents`; that all are listed is a case of reading."""

    @about(Capability.DOCUMENTS)
    async def test_documents_are_of_the_order_that_was_asked_for(self, world: World) -> None:
        """Another order's invoice would be removed, or taken for ours."""
        held = [*await facts(world, DOCUMENTS, 1), *await facts(world, DOCUMENTS, 1)]
        for each in held:
            shown = await world.connection.list_documents(each.order_reference)
            assert [document.document_reference for document in shown] == [each.reference], "not just the order's own"
            assert shown[0].order_reference == each.order_reference
            assert shown[0].file_name, "a document without a name"
            assert shown[0].type_code, "a document without a type"

    @about(Capability.DOCUMENTS)
    async def test_document_is_removed_and_stays_so(self, world: World) -> None:
        """It is gone, its neighbours are not, and removing it again counts as done."""
        held = await facts(world, DOCUMENTS, 3)
        for _ in range(2):
            outcome = await self._removed(world, held[1].reference)
            assert outcome.state is OutcomeState.DONE, f"removing a document gave {outcome}"
            shown = await world.connection.list_documents(held[1].order_reference)
            left = {document.document_reference for document in shown}
            assert left == {held[0].reference, held[2].reference}, f"left are {sorted(left)}"

    @about(Capability.DOCUMENTS)
    @pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
    @pytest.mark.parametrize("kind_of_error", ERRORS)
    async def test_removal_in_doubt_is_tried_again(self, world: World, kind_of_error: str, after: bool) -> None:
        """Nobody may believe it gone, or refused, because an answer failed; the repeat ends it."""
        held = await facts(world, DOCUMENTS, 2)
        trouble, answer = ERRORS[kind_of_error]
        if after and kind_of_error in AGAIN:
            pytest.skip("nothing is removed where the call is refused")
        if after:
            trouble = Trouble.LOST_ANSWER if answer is None else Trouble.ANSWER_AFTER
        world.trouble(trouble, answer=answer)
        outcome = await self._removed(world, held[0].reference)
        allowed = AGAIN.get(kind_of_error, {OutcomeState.RETRY, OutcomeState.UNKNOWN})
        assert outcome.state in allowed, f"{kind_of_error} gave {outcome}"
        if kind_of_error == "http_429":
            assert (outcome.retry_after or 0) >= 37, f"asked to wait 37 s, outcome says {outcome.retry_after}"
        world.calm()
        again = await self._removed(world, held[0].reference)
        assert again.state is OutcomeState.DONE, f"the repeat gave {again}"
        shown = await world.connection.list_documents(held[0].order_reference)
        assert [document.document_reference for document in shown] == [held[1].reference]

    async def _removed(self, world: World, reference: str) -> Outcome:
        outcome = await world.connection.remove_document(reference)
        assert isinstance(outcome, Outcome), f"remove_document: {outcome!r} is not an Outcome"
        world.said.append(repr(outcome))
        return outcome
