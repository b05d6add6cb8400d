"""Whose turn it is, for duties that ask the outside about one connection after the other.

Connections of one credential share the marketplace's quota, so one replica asks for all of them: the holder of the
credential's lease. Written once per service, the rule that a replica without the lease keeps still would be forgotten
in the next one, and a quota would be used up twice as fast as it is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from hub_common.connections import Connection

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

Wanted = Callable[[Connection], bool]


def lease_names(runtime: Runtime, prefix: str, wanted: Wanted) -> set[str]:
    """One lease per credential of the wanted connections."""
    return {prefix + each.data.credential_ref for each in runtime.connections.all() if wanted(each)}


def held(runtime: Runtime, prefix: str, wanted: Wanted) -> dict[UUID, Connection]:
    """The wanted connections whose lease this replica holds now."""
    return {
        each.connection_id: each
        for each in runtime.connections.all()
        if wanted(each) and runtime.leases.holds(prefix + each.data.credential_ref)
    }


def most_overdue(ids: Iterable[UUID], next_at: Mapping[UUID, datetime], now: datetime) -> UUID | None:
    """The connection that has been due for longest; None when none is. One that was never planned is due now."""
    due = [each for each in ids if next_at.get(each, now) <= now]
    return min(due, key=lambda each: next_at.get(each, now), default=None)
