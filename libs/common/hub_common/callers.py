"""One guarded caller per connection and one call budget per credential, for the life of the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from connector_kit.http import HttpCaller
from connector_kit.manifest import Manifest
from hub_common.clock import Clock
from hub_common.config import ServiceSettings
from hub_common.connections import Connection
from hub_common.http import AddressPolicy, CallBudget, ClientFactory, GuardedCaller, Timeouts
from hub_common.http import Connection as CallerConnection
from hub_common.ids import Ids
from hub_common.logs import get_logger
from hub_common.metrics import Metrics


class CallerBook:
    """Callers and budgets of one service."""

    def __init__(self, settings: ServiceSettings, clock: Clock, ids: Ids, metrics: Metrics) -> None:
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._policy = AddressPolicy.parse(settings.allow_private_networks)
        self._factory = ClientFactory(timeouts=Timeouts.within(settings.call_timeout_seconds))
        self._callers: dict[UUID, tuple[int, GuardedCaller, CallBudget]] = {}
        self._budgets: dict[str, tuple[Mapping[str, int], CallBudget]] = {}
        self._restored: dict[str, Mapping[str, Any]] = {}

    def caller(self, connection: Connection, manifest: Manifest, base_url: str | None) -> HttpCaller:
        """The caller of a connection; a new one when the connection has changed."""
        budget = self.budget(connection, manifest)
        known = self._callers.get(connection.connection_id)
        if known is not None and known[0] == connection.version and known[2] is budget:
            return known[1]
        made = GuardedCaller(
            CallerConnection(str(connection.connection_id), manifest.name, base_url or ""),
            sender=self._factory.sender(self._policy),
            policy=self._policy,
            budget=budget,
            clock=self._clock,
            log=get_logger("http"),
            jitter=self._ids.jitter,
            retries=self._factory.retries,
            observe=self._metrics.observe_call,
        )
        self._callers[connection.connection_id] = (connection.version, made, budget)
        return made

    def budget(self, connection: Connection, manifest: Manifest) -> CallBudget:
        """The budget of the connection's credential, with what an earlier holder of its lease had used up."""
        ref, overrides = connection.data.credential_ref, connection.data.budgets
        known = self._budgets.get(ref)
        if known is not None and known[0] == overrides:
            return known[1]
        made = CallBudget(manifest.budgets, self._clock, overrides)
        state = known[1].export_state() if known else self._restored.get(ref)
        if state:
            made.import_state(state)
        self._budgets[ref] = (overrides, made)
        return made

    @property
    def budgets(self) -> dict[str, CallBudget]:
        """Budgets by credential."""
        return {ref: budget for ref, (_, budget) in self._budgets.items()}

    def restore(self, credential_ref: str, state: Mapping[str, Any]) -> None:
        """Take over the budget state found beside a lease that was just acquired."""
        self._restored[credential_ref] = state
        if credential_ref in self._budgets:
            self._budgets[credential_ref][1].import_state(state)

    def export(self) -> dict[str, dict[str, Any]]:
        """State of all budgets by credential."""
        return {ref: budget.export_state() for ref, (_, budget) in self._budgets.items()}

    async def close(self) -> None:
        """Close all connections to the outside."""
        await self._factory.aclose()
