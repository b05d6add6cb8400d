"""Facts about our answer to the marketplace and its deadline (`hub.acceptances`)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import EventData, Fact, Instant


class Decision(StrEnum):
    """What we say, or that a person must say it."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    HOLD = "hold"


class DecidedBy(StrEnum):
    """On whose authority the decision was taken."""

    POLICY = "policy"
    OPERATOR = "operator"
    LAST_RESORT = "last_resort"


class RuleTrace(Fact):
    """One rule that was tried: answers "why did my rule not fire"."""

    rule: str
    outcome: str
    """`passed`, `failed` or `skipped`."""
    reason: str
    inputs: dict[str, str] = {}
    """What the rule looked at, as text, personal data excluded."""


class LosingOption(Fact):
    """An option that was possible and was not taken."""

    option: str
    why_not: str


class LineDecision(Fact):
    """Decision on one line (Mirakl OR21: every line must be present)."""

    line_id: str
    accepted: bool


class OrderAcceptanceDecided(EventData):
    """A decision was taken, with everything it rested on."""

    TYPE: ClassVar[str] = "order.acceptance_decided.v1"
    TOPIC: ClassVar[str] = topics.ACCEPTANCES
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    decision: Decision
    decided_by: DecidedBy
    actor: str | None = None
    """Login of the operator, when a person decided."""
    reason: str
    lines: tuple[LineDecision, ...]
    rules: tuple[RuleTrace, ...]
    losing_options: tuple[LosingOption, ...]
    policy_version: int
    accept_by: Instant | None = None


class OrderAccepted(EventData):
    """The marketplace confirmed that the order is accepted."""

    TYPE: ClassVar[str] = "order.accepted.v1"
    TOPIC: ClassVar[str] = topics.ACCEPTANCES
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    lines: tuple[LineDecision, ...]
    released: bool
    """True where acceptance releases the order at once (ManoMano); False where a debit comes first (Mirakl)."""
    confirmed_by: str
    """`answer` or `probe`."""


class OrderRefused(EventData):
    """The marketplace confirmed that the order is refused."""

    TYPE: ClassVar[str] = "order.refused.v1"
    TOPIC: ClassVar[str] = topics.ACCEPTANCES
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    reason: str
    confirmed_by: str


class AnswerRejected(EventData):
    """The marketplace would not take our answer; a person is needed."""

    TYPE: ClassVar[str] = "order.answer_rejected.v1"
    TOPIC: ClassVar[str] = topics.ACCEPTANCES
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    effect_id: UUID
    decision: Decision
    reason: str
