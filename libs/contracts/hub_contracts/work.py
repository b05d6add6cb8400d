"""Facts that every service may tell about its own work: parked, resumed, deadlines, effects in doubt.

Each exists once per owning topic (`TOPIC` is empty: the writer's own topic is used). The console joins them all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from hub_contracts.base import EventData, Instant


class DeadlineKind(StrEnum):
    """What must have happened by the instant."""

    ACCEPT_BY = "accept_by"
    SHIP_BY = "ship_by"
    DELIVER_BY = "deliver_by"


class WorkParked(EventData):
    """A unit of work waits for a person or a missing fact. Only what depends on it waits; its clocks keep running."""

    TYPE: ClassVar[str] = "work.parked.v1"
    TOPIC: ClassVar[str] = ""
    parked_id: UUID
    owner: str
    """The service that will resume it."""
    subject_kind: str
    """What waits: `order`, `line`, `parcel`, `return`, `refund`, `cancellation`, `offer`, `shop_order`, `post`, `feed`,
    `effect`, `connection`, `test_order`, `thread`, `message`, `notification` or
    `product_import`."""
    subject_id: str
    order_id: UUID | None = None
    connection_id: UUID | None = None
    is_test: bool = False
    cause: str
    """Machine word, e.g. `sku_unlinked`, `carrier_unmapped`, `status_unknown`, `acceptance_held`."""
    detail: str
    """For people; no personal data."""
    next_step: str
    """What to do about it."""
    due_at: Instant | None = None


class WorkResumed(EventData):
    """Parked work goes on, because the missing fact arrived or a person decided."""

    TYPE: ClassVar[str] = "work.resumed.v1"
    TOPIC: ClassVar[str] = ""
    parked_id: UUID
    owner: str
    order_id: UUID | None = None
    is_test: bool = False
    resolution: str
    actor: str | None = None


class DeadlineApproaching(EventData):
    """A share of the time allowed is used up and the thing is not done."""

    TYPE: ClassVar[str] = "order.deadline_approaching.v1"
    TOPIC: ClassVar[str] = ""
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    owner: str
    deadline: DeadlineKind
    due_at: Instant
    percent_used: int
    seconds_left: int


class DeadlineMissed(EventData):
    """The instant passed and the thing was not done. Never silent."""

    TYPE: ClassVar[str] = "order.deadline_missed.v1"
    TOPIC: ClassVar[str] = ""
    order_id: UUID
    connection_id: UUID
    is_test: bool = False
    owner: str
    deadline: DeadlineKind
    due_at: Instant
    last_resort: str
    """What was done about it: `accept`, `refuse` or `alarm`."""


class EffectInDoubt(EventData):
    """We cannot tell whether an effect was applied outside; it is not sent again until a probe or a person knows."""

    TYPE: ClassVar[str] = "effect.became_unknown.v1"
    TOPIC: ClassVar[str] = ""
    effect_id: UUID
    owner: str
    kind: str
    natural_key: str
    order_id: UUID | None = None
    connection_id: UUID
    reason: str
    needs_operator: bool


class EffectSettled(EventData):
    """An effect that was in doubt is settled."""

    TYPE: ClassVar[str] = "effect.became_known.v1"
    TOPIC: ClassVar[str] = ""
    effect_id: UUID
    owner: str
    kind: str
    natural_key: str
    order_id: UUID | None = None
    connection_id: UUID
    state: str
    evidence: str
    settled_by: str
    """`probe` or the operator's login."""
