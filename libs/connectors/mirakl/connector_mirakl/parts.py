"""What the halves of a connection share: one client, one reader of orders, the connection's settings.

Each half builds its own objects from these, so a topic can grow without the others being touched.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector_kit.capabilities import ConnectionContext
from connector_kit.manifest import Manifest
from connector_mirakl.client import MiraklClient
from connector_mirakl.orders import OrderReader
from connector_mirakl.settings import MiraklSettings, read_settings


@dataclass(frozen=True)
class Parts:
    """The common base of one connection's halves."""

    context: ConnectionContext
    settings: MiraklSettings
    client: MiraklClient
    reader: OrderReader


def parts_of(context: ConnectionContext, manifest: Manifest) -> Parts:
    """Build the base. Raises `ValueError` naming a setting that breaks its rule."""
    settings = read_settings(context.settings, manifest)
    client = MiraklClient(context, settings)
    return Parts(context, settings, client, OrderReader(client))
