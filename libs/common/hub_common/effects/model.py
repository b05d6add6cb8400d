"""What an effect is, and what a service declares about each kind of effect that it makes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel

from connector_kit.http import Lane
from connector_kit.outcome import Outcome, ProbeResult
from hub_common.tx import Cause, Tx
from hub_contracts.ids import effect_id_for


class EffectState(StrEnum):
    """Life of an effect. SENT: the outside took it for later; UNKNOWN: it may or may not have been applied."""

    PLANNED = "PLANNED"
    IN_FLIGHT = "IN_FLIGHT"
    RETRY = "RETRY"
    SENT = "SENT"
    UNKNOWN = "UNKNOWN"
    DONE = "DONE"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"
    """A newer absolute value replaced it before it was sent."""


FINAL_STATES = frozenset({EffectState.DONE, EffectState.REJECTED, EffectState.SUPERSEDED})


@dataclass(frozen=True, slots=True)
class PlannedEffect:
    """An intention. `natural_key` says what would be done; the same key is never planned twice.

    `order_key`: effects with the same one are done strictly one after the other (same order, same offer).
    `supersede_key`: planning replaces a not yet sent effect with the same one (absolute stock and price).
    `context`: what the service needs when the effect settles; never sent outside.
    """

    kind: str
    natural_key: str
    connection_id: UUID
    credential_ref: str
    request: BaseModel
    cause: Cause
    order_key: str
    lane: Lane = Lane.LIVE
    order_id: UUID | None = None
    deadline: datetime | None = None
    supersede_key: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    not_before: datetime | None = None

    @property
    def effect_id(self) -> UUID:
        """Derived from the natural key, so that it is the same however often it is planned."""
        return effect_id_for(self.natural_key)


@dataclass(frozen=True, slots=True)
class Effect:
    """A claimed effect, as execute and probe see it."""

    effect_id: UUID
    kind: str
    natural_key: str
    connection_id: UUID
    credential_ref: str
    tenant: str
    order_id: UUID | None
    order_key: str
    lane: Lane
    deadline: datetime | None
    attempts: int
    request: dict[str, Any]
    context: dict[str, Any]
    answer: dict[str, Any]
    reason: str
    traceparent: str | None
    causation_id: str | None
    probes: int = 0
    not_applied_seen: int = 0
    retry_if_not_applied: bool = True

    @property
    def cause(self) -> Cause:
        """What follows from this effect has the effect's own cause: the event that made a service plan it.

        The effect itself where it has none; what is told of an effect names it in `effect_id` anyway.
        """
        cause = self.causation_id or str(self.effect_id)
        return Cause(tenant=self.tenant, traceparent=self.traceparent, causation_id=cause)


@dataclass(frozen=True, slots=True)
class Settled:
    """An effect that came to an end: `state` is DONE or REJECTED."""

    effect: Effect
    state: EffectState
    answer: dict[str, Any]
    reason: str
    confirmed_by: str
    """`answer`, `probe` or an operator's login."""


class HasConnector(Protocol):
    """What execute and probe are given besides the effect."""

    def connector(self, connection_id: UUID, lane: Lane) -> Any:
        """The connector of a connection, whose calls go out on `lane`."""
        ...


Execute = Callable[[Any, Sequence[Effect]], Awaitable[Sequence[Outcome]]]
Probe = Callable[[Any, Effect], Awaitable[ProbeResult]]
OnSettled = Callable[[Tx, Sequence[Settled]], Awaitable[None]]


@dataclass(frozen=True)
class EffectKind:
    """One kind of effect. `execute` and `probe` are given the connector; they do HTTP and no database.

    `settled` runs in the transaction that records the end and tells it to the world.
    """

    kind: str
    operation: str
    execute: Execute
    probe: Probe
    settled: OnSettled
    probe_operation: str | None = None
