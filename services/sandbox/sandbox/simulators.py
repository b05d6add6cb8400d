"""Builds the simulators of all installed connectors. One that cannot be built does not take the others down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connector_kit.capabilities import ConnectorFactory, Now, SandboxOptions
from connector_kit.discovery import load_connectors
from connector_kit.simulator import Simulator
from hub_common.logs import describe_error, get_logger


@dataclass(frozen=True)
class Simulators:
    """The running simulators by connector name, and why the others are missing."""

    running: dict[str, Simulator] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def build_simulators(
    *,
    clock: Now,
    seed: int,
    settings: Mapping[str, Mapping[str, Any]],
    connectors: Mapping[str, ConnectorFactory] | None = None,
) -> Simulators:
    """Build every installed connector's simulator (or those of `connectors`).

    Raises `ValueError` when `settings` names a connector that is not installed: a misspelt name would be silently off.
    """
    installed = load_connectors() if connectors is None else connectors
    unknown = sorted(set(settings) - set(installed))
    if unknown:
        raise ValueError(f"settings: no connector {unknown[0]!r}; installed: {', '.join(sorted(installed))}")
    built = Simulators()
    for name, factory in sorted(installed.items()):
        try:
            built.running[name] = factory.build_sandbox(SandboxOptions(clock, seed, dict(settings.get(name, {}))))
            built.titles[name] = factory.manifest.title
        except Exception as error:  # noqa: BLE001  any package may provide a connector; its failure is shown on the index
            get_logger("sandbox").error("simulator_failed", connector=name, **describe_error(error))
            built.failed[name] = f"{type(error).__name__}: {error}"
    return built
