"""Other ways of hearing about orders than listing them: asynchronous exports for the past, notices for the present.

Both only say where to look. What counts is the order as it is read and stored, so a forged or repeated notice can do
no more than cause a read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connector_kit.capabilities import OrderWindow, RawOrder
from hub_contracts.base import Fact


class ExportState(StrEnum):
    """How an export stands."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    """It will never be ready: ask for another one."""


class Notice(Fact):
    """What a marketplace's push told: orders to read now. Empty references: something changed, list again."""

    order_references: tuple[str, ...] = ()


class BadNotice(ValueError):
    """A notice that does not prove where it comes from, or cannot be read. The message never repeats its content."""


@runtime_checkable
class ExportsOrders(Protocol):
    """Capability `order_export`: the past in bulk, without spending the calls of the present."""

    async def start_export(self, window: OrderWindow) -> str:
        """Ask for an export; returns its ticket. Raises `CallError`."""
        ...

    async def export_state(self, ticket: str) -> ExportState:
        """How it stands. Raises `CallError`."""
        ...

    def read_export(self, ticket: str) -> AsyncIterator[Sequence[RawOrder]]:
        """The orders of an export that is ready, file by file."""
        ...


@runtime_checkable
class TakesNotices(Protocol):
    """Capability `notices`: the marketplace pushes, the hub reads at once instead of at the next poll."""

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Prove and read one. `headers` have lower-case names. Raises `BadNotice`. Compares in constant time."""
        ...
