"""From a connection to the connector object that speaks for it: address, opened credentials, guarded HTTP, budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from connector_kit.capabilities import ConnectionContext
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import HttpCaller, Lane
from connector_kit.manifest import EffectPolicy, Manifest
from hub_common.clock import Clock
from hub_common.connections import Connection, Connections, UnknownConnection

CallerFactory = Callable[[Connection, Manifest, str | None], HttpCaller]
"""Builds the guarded caller of a connection; the last argument is its base address."""
OpenCredentials = Callable[[Connection], dict[str, SecretStr]]


class ConnectorBook:
    """Connector objects of this service's connections, rebuilt when a connection changes."""

    def __init__(
        self, connections: Connections, *, callers: CallerFactory, credentials: OpenCredentials, clock: Clock
    ) -> None:
        self.connections = connections
        self._callers = callers
        self._credentials = credentials
        self._clock = clock
        self._built: dict[tuple[UUID, Lane], tuple[int, Any]] = {}

    def connection(self, connection_id: UUID) -> Connection:
        """The connection. Raises `UnknownConnection`."""
        found = self.connections.get(connection_id)
        if found is None:
            raise UnknownConnection(f"connection {connection_id} is not known")
        return found

    def manifest(self, connection_id: UUID) -> Manifest:
        """Manifest of the connection's connector. Raises `UnknownConnection` or `UnknownConnector`."""
        return connector(self.connection(connection_id).data.connector).manifest

    def policy(self, connection_id: UUID, kind: str) -> EffectPolicy:
        """How effects of this kind are batched and probed at this connection."""
        return self.manifest(connection_id).effect(kind)

    def active_ids(self, credential_ref: str | None = None) -> list[UUID]:
        """Connections that calls may be made for now, optionally of one credential only."""
        return [
            each.connection_id
            for each in self.connections.all()
            if each.active and credential_ref in (None, each.data.credential_ref) and _installed(each.data.connector)
        ]

    def credential_refs(self) -> set[str]:
        """Credentials of all active connections: the names of the leases to hold."""
        return {self.connection(each).data.credential_ref for each in self.active_ids()}

    def connector(self, connection_id: UUID, lane: Lane) -> Any:
        """The connector object of a connection for calls on `lane`. Raises `UnknownConnection`, `UnknownConnector`."""
        found = self.connection(connection_id)
        built = self._built.get((connection_id, lane))
        if built is not None and built[0] == found.version:
            return built[1]
        made = self.build(found, lane)
        self._built[connection_id, lane] = (found.version, made)
        return made

    def build(self, found: Connection, lane: Lane) -> Any:
        """A connector object for a connection that need not be in the book (verification before activation)."""
        factory = connector(found.data.connector)
        base_url = found.data.base_url or factory.manifest.address(found.data.environment)
        context = ConnectionContext(
            connection_id=found.connection_id,
            tenant=found.tenant,
            environment=found.data.environment,
            settings=found.data.connector_settings,
            credentials=self._credentials(found),
            http=self._callers(found, factory.manifest, base_url),
            clock=self._clock,
            lane=lane,
            base_url=base_url,
        )
        return factory.connect(context)


def _installed(name: str) -> bool:
    try:
        connector(name)
    except UnknownConnector:
        return False
    return True


def can(connection: Connection, capability: str) -> bool:
    """Whether the connection has the capability, active or not. A connector that is not installed has none."""
    try:
        manifest = connector(connection.data.connector).manifest
    except UnknownConnector:
        return False
    return supports(manifest, connection.data.settings.capabilities_off, capability)


def supports(manifest: Manifest, capabilities_off: Sequence[str], capability: str) -> bool:
    """True when the connector has the capability and the connection has not switched it off."""
    return capability in manifest.capabilities and capability not in capabilities_off
