"""The life of a difference: suspected, told, repaired or handed to a person, gone. Pure.

One comparison proves nothing: an answer may be on its way. A second one in a row makes it a difference, which is then
told once per change, asked to be repaired a few times, and never forgotten before both sides agree again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub_contracts.reconciliations import DifferenceFound, DifferenceKind, DifferenceResolved, Repair
from reconciliation.steps import Finding, next_step

AGREES = "a later comparison shows that both sides agree"


class State(StrEnum):
    """Where a difference stands."""

    SUSPECTED = "suspected"
    """Seen by fewer comparisons than are needed; told to nobody."""
    OPEN = "open"
    CLOSED = "closed"
    """A person closed it with a reason; it opens again when its values change."""
    RESOLVED = "resolved"


class Told(StrEnum):
    """What the world hears of a step."""

    NOTHING = "nothing"
    FOUND = "found"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Difference:
    """A row. `attempts` is how often its repair was asked for; `found_at` when a comparison first showed it."""

    difference_id: UUID
    connection_id: UUID
    tenant: str
    kind: DifferenceKind
    state: State
    hub_value: str
    marketplace_value: str
    owner: str
    repair: Repair
    next_step: str
    last_round: int
    found_at: datetime
    last_seen_at: datetime
    order_id: UUID | None = None
    marketplace_reference: str | None = None
    line_id: str | None = None
    offer_sku: str | None = None
    is_test: bool = False
    attempts: int = 0
    comparisons: int = 1
    opened_at: datetime | None = None
    ended_at: datetime | None = None
    resolution: str | None = None
    actor: str | None = None
    traceparent: str | None = None

    @property
    def key(self) -> str:
        """Aggregate id of its events."""
        return str(self.order_id) if self.order_id else f"{self.connection_id}:{self.offer_sku}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One comparison of one subject: which round of which connection it belongs to, when, and by which rules."""

    connection_id: UUID
    tenant: str
    round: int
    at: datetime
    confirmations: int = 2
    attempts: int = 3


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a difference; `row` None = it is forgotten, it never was more than a suspicion."""

    row: Difference | None
    told: Told = Told.NOTHING
    event: DifferenceFound | DifferenceResolved | None = None


def shown(known: Difference | None, finding: Finding, sight: Sighting, traceparent: str | None = None) -> Step:
    """A comparison shows it (again)."""
    if known is None or known.state is State.RESOLVED:
        return _first(finding, sight, traceparent)
    same = (known.hub_value, known.marketplace_value) == (finding.hub, finding.marketplace)
    seen = replace(
        known,
        hub_value=finding.hub,
        marketplace_value=finding.marketplace,
        last_seen_at=sight.at,
        last_round=sight.round,
        comparisons=known.comparisons + (known.last_round != sight.round),
    )
    if known.state is State.CLOSED:
        return Step(seen) if same else _first(finding, sight, traceparent)
    if known.state is State.SUSPECTED:
        if seen.comparisons < sight.confirmations:
            return Step(seen)
        return _tell(replace(seen, state=State.OPEN, opened_at=sight.at), finding, sight)
    if known.last_round == sight.round and same:
        return Step(seen)
    asks = known.repair is not Repair.OPERATOR and known.last_round != sight.round
    if asks or not same or known.repair is not _repair(seen, finding, sight):
        return _tell(seen, finding, sight)
    return Step(seen)


def agreed(known: Difference, sight: Sighting) -> Step:
    """A comparison looked at it and both sides agree."""
    if known.state is State.SUSPECTED:
        return Step(None)
    ended = replace(
        known, state=State.RESOLVED, ended_at=sight.at, last_seen_at=sight.at, resolution=known.resolution or AGREES
    )
    if known.state is State.CLOSED:
        return Step(ended)
    return Step(ended, Told.RESOLVED, resolved_event(ended))


def closed(known: Difference, at: datetime, reason: str, actor: str) -> Step:
    """A person closes it."""
    row = replace(known, state=State.CLOSED, ended_at=at, resolution=reason, actor=actor)
    return Step(row, Told.RESOLVED, resolved_event(row))


def _first(finding: Finding, sight: Sighting, traceparent: str | None) -> Step:
    row = Difference(
        difference_id=finding.difference_id,
        connection_id=sight.connection_id,
        tenant=sight.tenant,
        kind=finding.kind,
        state=State.SUSPECTED,
        hub_value=finding.hub,
        marketplace_value=finding.marketplace,
        owner=finding.owner,
        repair=finding.repair,
        next_step=next_step(finding, finding.repair),
        last_round=sight.round,
        found_at=sight.at,
        last_seen_at=sight.at,
        order_id=finding.order_id,
        marketplace_reference=finding.reference,
        line_id=finding.line_id,
        offer_sku=finding.offer_sku,
        traceparent=traceparent,
    )
    if sight.confirmations > 1:
        return Step(row)
    return _tell(replace(row, state=State.OPEN, opened_at=sight.at), finding, sight)


def _repair(row: Difference, finding: Finding, sight: Sighting) -> Repair:
    """The finding's repair while it has attempts left, then a person."""
    return finding.repair if row.attempts < sight.attempts else Repair.OPERATOR


def _tell(row: Difference, finding: Finding, sight: Sighting) -> Step:
    repair = _repair(row, finding, sight)
    told = replace(row, repair=repair, next_step=next_step(finding, repair))
    after = told if repair is Repair.OPERATOR else replace(told, attempts=told.attempts + 1)
    return Step(after, Told.FOUND, found_event(told))


def found_event(row: Difference) -> DifferenceFound:
    """What the world hears of it now."""
    return DifferenceFound(
        difference_id=row.difference_id,
        connection_id=row.connection_id,
        kind=row.kind,
        order_id=row.order_id,
        marketplace_reference=row.marketplace_reference,
        line_id=row.line_id,
        offer_sku=row.offer_sku,
        is_test=row.is_test,
        hub_value=row.hub_value,
        marketplace_value=row.marketplace_value,
        owner=row.owner,
        repair=row.repair,
        next_step=row.next_step,
        attempts=row.attempts,
        found_at=row.found_at,
    )


def resolved_event(row: Difference) -> DifferenceResolved:
    """What the world hears of its end."""
    return DifferenceResolved(
        difference_id=row.difference_id,
        connection_id=row.connection_id,
        kind=row.kind,
        order_id=row.order_id,
        offer_sku=row.offer_sku,
        is_test=row.is_test,
        resolution=row.resolution or "",
        actor=row.actor,
        found_at=row.found_at,
    )
