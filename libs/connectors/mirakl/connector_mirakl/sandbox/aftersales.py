"""What the simulated operator holds beside orders: returns, conversations, exports. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class SimReturn:
    """A return that a buyer opened (RT11)."""

    id: str
    order_id: str
    commercial_id: str
    state: str
    created: datetime
    updated: datetime
    lines: list[dict[str, Any]]
    """`order_line_id`, `quantity`, `reason_code`, and after RT26 `compliance`."""
    tracking_number: str | None = None
    rejection_reason_code: str | None = None


@dataclass
class SimMessage:
    """One message of a conversation."""

    id: str
    sender: str
    """`SHOP_USER`, `CUSTOMER_USER` or `OPERATOR_USER`."""
    body: str
    sent: datetime
    to: tuple[str, ...] = ("SHOP",)


@dataclass
class SimThread:
    """A conversation, oldest message first."""

    id: str
    order_id: str
    topic: dict[str, str]
    created: datetime
    messages: list[SimMessage] = field(default_factory=list)

    @property
    def updated(self) -> datetime:
        """When the last message came."""
        return self.messages[-1].sent if self.messages else self.created


@dataclass
class SimExport:
    """An asynchronous order export (OR13). It is ready, or failed, once enough time has passed."""

    id: str
    created: datetime
    orders: list[str]
    per_file: int
    fails: bool = False
