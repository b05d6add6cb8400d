"""What may be asked of a connection's connector: declared by its manifest and not switched off by the connection."""

from __future__ import annotations

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import Capability
from hub_common.connections import Connection
from hub_common.connectors import supports


def can(connection: Connection, capability: Capability) -> bool:
    """Whether the connection has the capability, active or not. A connector that is not installed has none."""
    try:
        manifest = connector(connection.data.connector).manifest
    except UnknownConnector:
        return False
    return supports(manifest, connection.data.settings.capabilities_off, capability)
