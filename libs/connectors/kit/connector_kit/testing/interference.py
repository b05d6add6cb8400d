"""What goes wrong on the way between a connector and the outside, for any connector and any simulator.

A lost answer, a proxy's page or a refused key do not depend on the marketplace, so they are made here once instead of
as a fault switch in every simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from connector_kit.http import Answer, Call


class Trouble(Enum):
    """Where the call gets lost."""

    NOT_SENT = "not_sent"
    """Nothing leaves: connection refused, budget used up."""
    LOST_REQUEST = "lost_request"
    """Time-out, and the outside never got it; the caller cannot know."""
    LOST_ANSWER = "lost_answer"
    """Time-out, and the outside did it; the caller cannot know."""
    ANSWER_INSTEAD = "answer_instead"
    """Another answer, and the outside never got the call."""
    ANSWER_AFTER = "answer_after"
    """Another answer, although the outside did it."""
    ALTERED = "altered"
    """The true answer, with something in it changed on the way."""


@dataclass
class Interference:
    """One kind of trouble for the calls of some operations."""

    trouble: Trouble
    operations: frozenset[str] = frozenset()
    """Operations it strikes; empty = all."""
    answer: Answer | Callable[[Call], Answer] | None = None
    alter: Callable[[Answer], Answer] | None = None
    """For `ALTERED`: makes the answer that arrives out of the true one."""
    times: int | None = None
    """How many calls it strikes; None = all."""
    skip: int = 0
    """How many calls it lets pass first."""
    retry_after: float | None = None
    """Seconds that come with `NOT_SENT`."""
    struck: list[Call] = field(default_factory=list)

    def strikes(self, call: Call) -> bool:
        """Whether it happens to this call; uses up one of its `times`."""
        if self.operations and call.operation not in self.operations:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and len(self.struck) >= self.times:
            return False
        self.struck.append(call)
        return True

    def answer_to(self, call: Call) -> Answer:
        """The answer that the caller gets instead of the true one."""
        assert self.answer is not None, f"{self.trouble}: states no answer"
        return self.answer(call) if callable(self.answer) else self.answer

    def altered(self, answer: Answer) -> Answer:
        """What arrives of a true answer."""
        assert self.alter is not None, f"{self.trouble}: does not say what it changes"
        return self.alter(answer)
