"""What a connection is inside this service: the fact that everybody knows, and what only the registry keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from connection_registry.domain import ShopSeen
from hub_common.connections import Connection
from hub_contracts.connections import ConnectionChanged, ConnectionKind


@dataclass(frozen=True)
class Details:
    """What the registry alone keeps about a connection."""

    created_at: datetime
    created_by: str
    note: str = ""
    contacts: tuple[dict[str, Any], ...] = ()
    """People to call. Personal data: never told on the topic."""
    credential_fields: dict[str, str] = field(default_factory=dict)
    """Names of the credentials that are set, and when each was (RFC 3339); never their values."""
    fingerprint: str | None = None
    """Keyed hash of connector, environment, address and credentials: equal for equal credentials. Stays in here."""
    budget_overrides: dict[str, int] = field(default_factory=dict)
    """Calls per hour and operation that a person set; same for all connections of a credential."""
    verification: dict[str, Any] | None = None
    """`ok`, `detail`, `at`, `by` of the last check."""


@dataclass(frozen=True)
class Stored:
    """One connection as it lies in the database. Immutable: changes are made with `dataclasses.replace`."""

    tenant: str
    version: int
    data: ConnectionChanged
    details: Details

    @property
    def connection_id(self) -> UUID:
        """Its id."""
        return self.data.connection_id

    @property
    def connection(self) -> Connection:
        """In the form that the runtime's book builds connectors from."""
        return Connection(self.tenant, self.version, self.data)

    @property
    def seen(self) -> ShopSeen:
        """What others check about it before they point at it."""
        is_shop = self.data.kind is ConnectionKind.SHOP
        return ShopSeen(self.connection_id, self.tenant, self.data.environment, is_shop)


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the audit: what was done and which fields it touched. Names only, never values."""

    action: str
    fields: tuple[str, ...] = ()
