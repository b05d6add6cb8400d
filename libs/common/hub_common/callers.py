"""One guarded caller per connection and one call budget per credential, for the life of the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from connector_kit.http import HttpCaller
from connector_kit.manifest import Budget, Manifest
from hub_common.clock import Clock
from hub_common.config import ServiceSettings
from hub_common.connections import Connection
from hub_common.http import AddressPolicy, CallBudget, ClientFactory, GuardedCaller, Timeouts
from hub_common.http import Connection as CallerConnection
from hub_common.http.budget_shared import BudgetRows, SharedBudget, Stored
from hub_common.ids import Ids
from hub_common.logs import get_logger
from hub_common.metrics import Metrics
from hub_common.tracing import Tracing


class CallerBook:
    """Callers and budgets of one service. Without `rows` each process counts for itself."""

    def __init__(
        self,
        settings: ServiceSettings,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        *,
        rows: BudgetRows | None = None,
        operation_prefix: str = "",
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self.operation_prefix = operation_prefix
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._rows = rows
        self._policy = AddressPolicy.parse(settings.allow_private_networks)
        self._factory = ClientFactory(timeouts=Timeouts.within(settings.call_timeout_seconds))
        self._callers: dict[UUID, tuple[int, GuardedCaller, CallBudget]] = {}
        self._budgets: dict[str, tuple[Mapping[str, int], CallBudget]] = {}
        self._stored: dict[str, Stored] = {}

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
            operation_prefix=self.operation_prefix,
            tracing=self._tracing,
        )
        self._callers[connection.connection_id] = (connection.version, made, budget)
        return made

    def standalone(self, owner: UUID, name: str, url: str, budgets: Sequence[Budget]) -> HttpCaller:
        """A caller for an address that belongs to no connection (webhooks of notifications), under the same rules.

        The caller is not kept here: who asks for it keeps it, and with it its breaker and budget.
        """
        return GuardedCaller(
            CallerConnection(str(owner), name, url),
            sender=self._factory.sender(self._policy),
            policy=self._policy,
            budget=CallBudget(budgets, self._clock),
            clock=self._clock,
            log=get_logger("http"),
            jitter=self._ids.jitter,
            retries=self._factory.retries,
            observe=self._metrics.observe_call,
            tracing=self._tracing,
        )

    def budget(self, connection: Connection, manifest: Manifest) -> CallBudget:
        """The budget of the connection's credential, with what all processes of the service have used up."""
        ref, overrides = connection.data.credential_ref, connection.data.budgets
        known = self._budgets.get(ref)
        if known is not None and known[0] == overrides:
            return known[1]
        made = self._make(ref, manifest, overrides, known[1] if known else None)
        self._budgets[ref] = (overrides, made)
        return made

    def _make(
        self, ref: str, manifest: Manifest, overrides: Mapping[str, int], before: CallBudget | None
    ) -> CallBudget:
        shared = manifest.quota == "shared"
        if self._rows is None:
            alone = CallBudget(manifest.budgets, self._clock, overrides, shared_quota=shared)
            if before is not None:
                alone.import_state(before.export_state())
            return alone
        made = SharedBudget(ref, manifest.budgets, self._clock, overrides, rows=self._rows, shared_quota=shared)
        stored = self._stored.pop(ref, None)
        if isinstance(before, SharedBudget):
            stored = (before.version, before.export_state())
        if stored is not None:
            self._adopted(ref, made.adopt(*stored))
        return made

    @property
    def budgets(self) -> dict[str, CallBudget]:
        """Budgets by credential."""
        return {ref: budget for ref, (_, budget) in self._budgets.items()}

    async def sync(self, credential_refs: Iterable[str] = ()) -> None:
        """Learn what other processes have counted, of the budgets used here and of these credentials, and write what
        could not be written before. Raises `BudgetAway`."""
        if self._rows is None:
            return
        mine = {ref: budget for ref, budget in self.budgets.items() if isinstance(budget, SharedBudget)}
        for budget in mine.values():
            await budget.settle()
        known = {ref: self._stored[ref][0] if ref in self._stored else 0 for ref in credential_refs}
        known |= {ref: budget.version for ref, budget in mine.items()}
        for ref, stored in (await self._rows.load(known)).items() if known else ():
            if ref in mine:
                self._adopted(ref, await mine[ref].refresh(*stored))
            else:
                self._stored[ref] = stored

    async def look(self, wanted: Iterable[tuple[Connection, Manifest]]) -> dict[str, CallBudget]:
        """Budgets by credential as all processes have counted them, also of credentials that are not used here; those
        are not kept. Raises `BudgetAway`."""
        await self.sync()
        found, others = self.budgets, {}
        for connection, manifest in wanted:
            ref = connection.data.credential_ref
            if ref not in found:
                shared = manifest.quota == "shared"
                others[ref] = CallBudget(manifest.budgets, self._clock, connection.data.budgets, shared_quota=shared)
        if others and self._rows is not None:
            for ref, (_, state) in (await self._rows.load(dict.fromkeys(others, 0))).items():
                self._adopted(ref, others[ref].import_state(state))
        return found | others

    def _adopted(self, ref: str, unreadable: tuple[str, ...]) -> None:
        if unreadable:
            get_logger("http").warning("budget_state_unreadable", credential_ref=ref, operations=list(unreadable))

    async def close(self) -> None:
        """Close all connections to the outside."""
        await self._factory.aclose()
