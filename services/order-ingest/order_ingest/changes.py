"""The difference between two snapshots of one order, as steps of its status and as names of changed fields. Pure."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hub_contracts.orders import OrderChanged, OrderLine, OrderSnapshot
from hub_contracts.status import OrderStatus, Transition, path_between, transition_for

NOT_COMPARED = frozenset({"status", "marketplace_updated_at", "marketplace_status", "lines"})
"""The status has events of its own; the update time changes whenever anything does; the others are looked at apart."""
_LINE_STATUS = {"status", "marketplace_status"}


def steps(source: OrderStatus, target: OrderStatus) -> list[Transition]:
    """The edges that lead from one status to the other; empty when both are equal. Raises `TransitionNotAllowed`."""
    found: list[Transition] = []
    for status in path_between(source, target):
        edge = transition_for(found[-1].target if found else source, status)
        assert edge is not None
        found.append(edge)
    return found


def changed_fields(old: OrderSnapshot, new: OrderSnapshot) -> tuple[str, ...]:
    """Names of what differs apart from the status, sorted.

    `lines` when a line's content differs; `line_status` when only the lines' status does while the order's stays, and
    `marketplace_status` when the marketplace has another word for the same status: no status event would tell these.
    """
    names = [name for name in OrderSnapshot.model_fields if name not in NOT_COMPARED and _differs(old, new, name)]
    if [_content(line) for line in old.lines] != [_content(line) for line in new.lines]:
        names.append("lines")
    if old.status == new.status:
        if [_status(line) for line in old.lines] != [_status(line) for line in new.lines]:
            names.append("line_status")
        if old.marketplace_status != new.marketplace_status:
            names.append("marketplace_status")
    return tuple(sorted(names))


def changed_event(old: OrderSnapshot, new: OrderSnapshot, snapshot_id: UUID) -> OrderChanged | None:
    """The event that restates the order, None when nothing but the status differs."""
    names = changed_fields(old, new)
    return OrderChanged(order=new, changed_fields=names, snapshot_id=snapshot_id) if names else None


def _differs(old: OrderSnapshot, new: OrderSnapshot, name: str) -> bool:
    return bool(getattr(old, name) != getattr(new, name))


def _content(line: OrderLine) -> dict[str, Any]:
    return line.model_dump(exclude=_LINE_STATUS)


def _status(line: OrderLine) -> tuple[str, OrderStatus, str]:
    return line.line_id, line.status, line.marketplace_status
