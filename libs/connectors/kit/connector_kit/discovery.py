"""Connectors are found through the entry-point group `hub.connectors`, wherever their package comes from."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from connector_kit.capabilities import ConnectorFactory

GROUP = "hub.connectors"


class UnknownConnector(LookupError):
    """No installed package provides a connector of this name."""


@cache
def load_connectors() -> dict[str, ConnectorFactory]:
    """All installed connectors by name. Raises `ValueError` when an entry point's name and manifest disagree."""
    found: dict[str, ConnectorFactory] = {}
    for entry in entry_points(group=GROUP):
        factory: ConnectorFactory = entry.load()
        if factory.manifest.name != entry.name:
            raise ValueError(f"entry point {entry.name!r} provides connector {factory.manifest.name!r}")
        found[entry.name] = factory
    return found


def connector(name: str) -> ConnectorFactory:
    """One connector. Raises `UnknownConnector` listing those that are installed."""
    try:
        return load_connectors()[name]
    except KeyError:
        raise UnknownConnector(f"no connector {name!r}; installed: {', '.join(sorted(load_connectors()))}") from None
