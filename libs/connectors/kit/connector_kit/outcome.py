"""What became of an attempt at an effect outside. There is no "probably": what cannot be told apart is `unknown`.

Counting an ambiguous answer as success loses an order; counting it as failure and sending again does it twice. Both
get marketplace accounts suspended, so the connector says which of five things it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class OutcomeState(StrEnum):
    """The five things that can be known after a call."""

    DONE = "done"
    SENT = "sent"
    """Taken for later (an import with a tracking id); the probe tells how it ended."""
    RETRY = "retry"
    """Certainly not applied; may be sent again."""
    REJECTED = "rejected"
    """Certainly not applied and never will be as it stands."""
    UNKNOWN = "unknown"
    """May or may not have been applied; must be probed, never sent again blindly."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one attempt. `retry_after` is in seconds; `answer` is what the outside said, secrets excluded."""

    state: OutcomeState
    reason: str = ""
    answer: dict[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    retry_if_not_applied: bool = True
    """For UNKNOWN: when the probe shows that nothing was applied, may it be sent again, or is it rejected?"""

    @classmethod
    def done(cls, **answer: Any) -> Outcome:
        """Applied, and the outside said so."""
        return cls(OutcomeState.DONE, answer=answer)

    @classmethod
    def sent(cls, *, check_after: float, **answer: Any) -> Outcome:
        """Taken for later; look again in `check_after` seconds. `answer` must hold what the probe needs."""
        return cls(OutcomeState.SENT, answer=answer, retry_after=check_after)

    @classmethod
    def retry(cls, reason: str, *, after: float | None = None) -> Outcome:
        """Certainly not applied (refused connection, 429): send again, not before `after` seconds."""
        return cls(OutcomeState.RETRY, reason=reason, retry_after=after)

    @classmethod
    def rejected(cls, reason: str, **answer: Any) -> Outcome:
        """Certainly not applied and will not be: a person or a changed fact is needed."""
        return cls(OutcomeState.REJECTED, reason=reason, answer=answer)

    @classmethod
    def unknown(cls, reason: str, *, retry_if_not_applied: bool = True, **answer: Any) -> Outcome:
        """Cannot tell (time-out after sending, 5xx, item missing from a mixed answer, refused as if already done)."""
        return cls(OutcomeState.UNKNOWN, reason=reason, answer=answer, retry_if_not_applied=retry_if_not_applied)


class ProbeState(StrEnum):
    """What re-reading the outside system showed."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    PENDING = "pending"
    """An import that is still being worked on."""
    REJECTED = "rejected"
    """The outside system shows that it was refused (an import's error report)."""
    UNDECIDED = "undecided"
    """The outside system does not show it: an operator must decide."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Answer of a probe, with what was seen as evidence for the ledger."""

    state: ProbeState
    evidence: str
    answer: dict[str, Any] = field(default_factory=dict)
    check_after: float | None = None
