"""What is due about a return that a buyer opened at the marketplace: pure.

Such a return waits for the seller's yes, then for the word that the goods are back; both have a clock of the
marketplace. It never gives money back here: the shop's own report of the return does, so nothing is paid twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from connector_kit.aftersales import ReturnStage

Answer = Literal["accept", "refuse", "receive", "comply", "object"]

POSSIBLE: dict[ReturnStage, tuple[Answer, ...]] = {
    ReturnStage.REQUESTED: ("accept", "refuse"),
    ReturnStage.UNDER_WAY: ("receive",),
    ReturnStage.RECEIVED: ("comply", "object"),
}
"""Answers by stage; in other stages the marketplace asks nothing of the seller."""
RESULT: dict[Answer, frozenset[ReturnStage]] = {
    "accept": frozenset({ReturnStage.UNDER_WAY, ReturnStage.RECEIVED, ReturnStage.CLOSED}),
    "refuse": frozenset({ReturnStage.REFUSED}),
    "receive": frozenset({ReturnStage.RECEIVED, ReturnStage.CLOSED}),
    "comply": frozenset({ReturnStage.CLOSED}),
    "object": frozenset({ReturnStage.CLOSED}),
}
"""Stages in which an answer has been given already, by us or in the back office."""

ORDER_UNKNOWN = "return_order_unknown"
STATE_UNKNOWN = "return_state_unknown"
UNANSWERED = "return_unanswered"
CAUSES = (ORDER_UNKNOWN, STATE_UNKNOWN, UNANSWERED)


@dataclass(frozen=True, slots=True)
class Seen:
    """A marketplace's return with what the hub knows besides."""

    stage: ReturnStage
    order_known: bool
    lines: Mapping[str, int]
    answering: Answer | None
    """An answer that is planned or was taken at this stage."""
    refused_answer: bool
    """The marketplace would not take our last answer: a person is asked, nothing is sent by itself."""
    back: Mapping[str, int]
    """Units per line that a shop reports as received or inspected."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is done now: an answer, or a cause for a person, or nothing."""

    answer: Answer | None = None
    cause: str | None = None


def due(seen: Seen, *, accept_by_itself: bool) -> Due:
    """What is due about a return."""
    if not seen.order_known:
        return Due(cause=ORDER_UNKNOWN)
    if seen.stage is ReturnStage.UNKNOWN:
        return Due(cause=STATE_UNKNOWN)
    possible = POSSIBLE.get(seen.stage, ())
    if seen.answering in possible or seen.refused_answer:
        return Due()
    if seen.stage is ReturnStage.REQUESTED:
        return Due(answer="accept") if accept_by_itself else Due(cause=UNANSWERED)
    if seen.stage is ReturnStage.UNDER_WAY and covers(seen.back, seen.lines):
        return Due(answer="receive")
    return Due()


def covers(back: Mapping[str, int], lines: Mapping[str, int]) -> bool:
    """Whether every unit of a return came back."""
    return bool(lines) and all(back.get(line_id, 0) >= quantity for line_id, quantity in lines.items())
